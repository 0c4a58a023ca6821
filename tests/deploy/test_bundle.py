"""The Lambda bundle: handler/ alone, with the libraries that it needs and no others."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.bundle import ROOT, build, shared_bundle

REQUIREMENTS = runpy.run_path(str(ROOT / "infra" / "lambda" / "requirements.py"))
#: Lambda's limit for an unpacked bundle.
MOST_BYTES = 250 * 2**20

_IMPORT = """
import sys
connects = []
sys.addaudithook(lambda event, arguments: connects.append(arguments) if event == "socket.connect" else None)
import watchbell.aws_lambda
print(connects, [name for name in ("boto3", "httpx", "sqlite3", "asyncio") if name in sys.modules])
"""

_WALK = """
import importlib, pkgutil, watchbell
for module in pkgutil.walk_packages(watchbell.__path__, "watchbell.", onerror=lambda name: None):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        print(error.name.partition(".")[0])
"""


@pytest.fixture(scope="module")
def bundle() -> Path:
    return shared_bundle()


def alone(bundle: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program with nothing but the bundle and Python's own library."""
    python = getattr(sys, "_base_executable", sys.executable)
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(bundle), "AWS_LAMBDA_FUNCTION_NAME": "tick"}
    command = [python, "-B", "-S", "-c", program]
    return subprocess.run(command, env=environ, cwd="/", capture_output=True, text=True, check=False)


def test_the_requirements_are_those_of_the_project_less_the_command_lines() -> None:
    assert REQUIREMENTS["FILE"].read_text() == REQUIREMENTS["content"](), "run `make bundle`"


def test_every_module_imports_with_the_bundle_alone_but_for_charts_and_models(bundle: Path) -> None:
    done = alone(bundle, _WALK)
    assert done.stderr == ""
    assert set(done.stdout.split()) <= {"matplotlib", "pydantic_ai", "anthropic", "openai"}


def test_the_handlers_import_little_and_nothing_connects(bundle: Path) -> None:
    done = alone(bundle, _IMPORT)
    assert (done.stdout, done.stderr) == ("[] []\n", "")


def test_the_bundle_holds_no_command_line_and_is_small(bundle: Path) -> None:
    names = {path.name for path in bundle.iterdir()}
    assert "watchbell" in names
    assert not names & {"watchbell_cli", "click", "prompt_toolkit", "yaml", "matplotlib", "pydantic_ai"}
    assert sum(path.stat().st_size for path in bundle.rglob("*") if path.is_file()) < MOST_BYTES / 3


def test_what_is_compiled_is_compiled_for_the_functions_processor(tmp_path: Path) -> None:
    """ELF's e_machine, at offset 18: 183 is aarch64."""
    libraries = list(build(tmp_path, "arm64").rglob("*.so"))
    assert {int.from_bytes(path.read_bytes()[18:20], "little") for path in libraries} <= {183}
