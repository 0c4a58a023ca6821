"""The marker `service(...)`, in every folder: without the programs a test is skipped, or fails where CI is set."""

import os

import pytest

from fakes.programs import program


def pytest_runtest_setup(item: pytest.Item) -> None:
    names = [name for marker in item.iter_markers("service") for name in marker.args]
    missing = [name for name in names if program(name) is None]
    if missing and os.environ.get("CI"):
        pytest.fail(f"{', '.join(missing)} is not installed; run `make services`")
    if missing:
        pytest.skip(f"{', '.join(missing)} is not installed (make services)")
