"""What is installed, and what a bundle of `handler/` alone can do."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    if not _has_pip():
        build = ["uv", "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)]
    subprocess.run(build, check=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def _has_pip() -> bool:
    return subprocess.run([sys.executable, "-c", "import pip"], capture_output=True, check=False).returncode == 0


def test_the_wheel_holds_the_two_packages_and_nothing_called_handler_or_cli(wheel: zipfile.ZipFile) -> None:
    names = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in names if not name.endswith(".dist-info")} == {"watchbell", "watchbell_cli"}


def test_the_wheel_holds_the_schema_and_the_type_markers(wheel: zipfile.ZipFile) -> None:
    expected = {"watchbell/stores/local/schema.sql", "watchbell/py.typed", "watchbell_cli/py.typed"}
    assert expected <= set(wheel.namelist())


def test_every_module_of_the_bundle_imports_without_the_command_line() -> None:
    walk = (
        "import importlib, pkgutil, sys, watchbell\n"
        "for module in pkgutil.walk_packages(watchbell.__path__, 'watchbell.'):\n"
        "    importlib.import_module(module.name)\n"
        "print([name for name in sys.modules if name.startswith('watchbell_cli')])\n"
    )
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "handler"), "PYTHONSAFEPATH": "1"}
    done = subprocess.run([sys.executable, "-c", walk], env=environ, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_nothing_heavy_is_imported_by_a_command_that_does_not_need_it() -> None:
    probe = (
        "import sys\n"
        "import watchbell.wiring, watchbell.tick\n"
        "print([name for name in ('httpx', 'croniter', 'boto3') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
