"""A saved report as bytes: compressed JSON, the same in every store."""

import json
import zlib
from collections.abc import Mapping
from typing import Any

from watchbell.errors import DamagedReport


def pack(report: Mapping[str, Any]) -> bytes:
    """Return the bytes to keep."""
    return zlib.compress(json.dumps(report, separators=(",", ":")).encode())


def unpack(body: bytes, run_id: str) -> dict[str, Any]:
    """Return the report; raises DamagedReport when the bytes are."""
    try:
        report: dict[str, Any] = json.loads(zlib.decompress(body))
    except (zlib.error, ValueError) as error:
        raise DamagedReport(f"the saved report of run {run_id} is damaged ({error})") from None
    return report
