"""A home of one test's own, and the `watchbell` command: in this process, or as a real one."""

import io
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from watchbell_cli.main import main

OURS = re.compile(r"WATCHBELL_|.*_(BOT_TOKEN|WEBHOOK_URL)$|XDG_CONFIG_HOME$|NO_COLOR$|COLUMNS$")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home that commands use; it does not exist yet."""
    for name in [name for name in os.environ if OURS.match(name)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WATCHBELL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def watchbell(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Ended]]:
    """Run a command in this process."""
    handlers = list(logging.getLogger().handlers)

    def run(*arguments: str, stdin: str | bytes = "") -> Ended:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        out, err = capsys.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    yield run
    logging.getLogger().handlers[:] = handlers


@pytest.fixture
def process(home: Path) -> Callable[..., Ended]:
    """Run a command as a real process."""

    def run(*arguments: str, stdin: str = "", **environ: str) -> Ended:
        done = subprocess.run(
            command(*arguments), input=stdin, env=os.environ | environ, capture_output=True, text=True, timeout=60
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", "watchbell_cli", *arguments]


@pytest.fixture
def add(watchbell: Callable[..., Ended]) -> Callable[..., str]:
    """Add a task (a daily summary to the console, unless said otherwise) and return its id."""

    def run(*options: str, cron: str = "0 9 * * 1-5", **more: str) -> str:
        target = () if "--provider" in options or "--target" in options else ("--provider", "console")
        ended = watchbell("cron", "add", "--kind", "daily_summary", "--cron", cron, *target, *options, "--json", **more)
        assert ended.code == 0, ended.err
        return str(ended.json["id"])

    return run


@pytest.fixture
def tasks_file(home: Path) -> Path:
    return home / "scheduler_tasks.json"
