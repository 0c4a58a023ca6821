"""What a foreign program is told, and what its answer becomes; equal for a command and an HTTP service."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from watchbell.errors import SourceError, WatchbellError
from watchbell.instants import format_minute
from watchbell.reports.codec import report_to_json
from watchbell.reports.interface import Report, ReportRequest, Section
from watchbell.reports.kinds.material import Unbuilt
from watchbell.reports.pipelines.markdown import sections_of
from watchbell.reports.pipelines.report_json import read_report
from watchbell.reports.pipelines.vouching import report_of_text, title_of, vouched
from watchbell.secrets.credentials import without_credentials
from watchbell.secrets.redaction import redact, redact_json

VERSION = 1
#: A longer answer is refused: a chat takes far less, and the ledger keeps it.
MOST_BYTES = 1024 * 1024

#: Of a text, in characters: more than all parts of a message hold, and little enough to take Markdown apart.
MOST_TEXT = 200_000

#: What the configured sources say of the window of a request; None where no source is configured.
Account = Callable[[ReportRequest], Report | None]


@contextmanager
def blamed(name: str, own: Report | None) -> Iterator[None]:
    """Turn whatever goes wrong within into Unbuilt: the pipeline's fault, beside what our own sources say."""
    action = f"Mend the pipeline: see [pipelines.{name}] in config.toml"
    try:
        yield
    except WatchbellError as error:
        raise Unbuilt(f"pipeline {name}: {error}", account=own, action=action) from None
    except Exception as error:
        # NOTE: only the type: the text of a foreign error may hold a secret.
        reason = f"pipeline {name}: failed unexpectedly ({type(error).__name__})"
        raise Unbuilt(reason, account=own, action=action) from error


def question(request: ReportRequest, own: Report | None) -> bytes:
    """Return the request as JSON, credentials left out, with what our own sources found."""
    window = request.window
    asked: dict[str, Any] = {
        "version": VERSION,
        "task": {"id": request.task_id, "name": request.name},
        "kind": str(request.kind),
        "window": {"start": format_minute(window.start), "end": format_minute(window.end), "timezone": window.timezone},
        "params": redact_json(without_credentials(request.params)),
        "findings": report_to_json(own) if own is not None else None,
    }
    return json.dumps(asked).encode()


def report_of(answer: str, request: ReportRequest, own: Report | None, *, name: str, is_json: bool) -> Report:
    """Return the report that an answer is; raises SourceError when it is none."""
    if is_json:
        return vouched(read_report(answer, request, title=title_of(request)), own, name=name)
    text = redact(answer)
    sections = sections_of(text[:MOST_TEXT], untitled=f"By {name}")
    if not any(section.lines or section.rows for section in sections):
        raise SourceError("answered with no text")
    if len(text) > MOST_TEXT:
        note = f"… and {len(text) - MOST_TEXT:,} more characters left out"
        sections = (*sections, Section(title="Cut off", lines=(note,)))
    return report_of_text(sections, request, own, name=name)
