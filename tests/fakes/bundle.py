"""The Lambda bundle, built as `sam build` builds it, with the same library."""

import atexit
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"

_BUILD = """
import json, sys
from aws_lambda_builders.builder import LambdaBuilder
LambdaBuilder("python", "pip", None).build(**json.loads(sys.argv[1]))
"""


@lru_cache
def shared_bundle() -> Path:
    """Return a bundle for this machine, the same one for all tests of a session."""
    folder = tempfile.mkdtemp(prefix="watchbell-bundle-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build(Path(folder), "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64")


def build(folder: Path, architecture: str) -> Path:
    """Build handler/ for an architecture (`x86_64`, `arm64`) and this Python; return the bundle's folder."""
    bundle, scratch = folder / f"bundle-{architecture}", folder / f"scratch-{architecture}"
    bundle.mkdir()
    scratch.mkdir()
    arguments = {
        "source_dir": str(ROOT / "handler"),
        "artifacts_dir": str(bundle),
        "scratch_dir": str(scratch),
        "manifest_path": str(ROOT / "handler" / "requirements.txt"),
        "runtime": RUNTIME,
        "architecture": architecture,
    }
    # The builder looks for the runtime's interpreter on PATH; a version manager's shim may be the wrong one.
    environ = os.environ | {"PATH": f"{sys.base_prefix}/bin:{os.environ['PATH']}"}
    command = [sys.executable, "-c", _BUILD, json.dumps(arguments)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return bundle
