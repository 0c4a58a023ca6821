"""`watchbell demo`, as a real process."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .conftest import command

Run = Callable[..., Any]


def test_the_demo_delivers_exactly_once_and_touches_nothing_of_the_user(
    process: Run, home: Path, tmp_path: Path
) -> None:
    home.mkdir()
    (home / "config.toml").write_text("this is not toml")
    begun = time.monotonic()
    ended = process(
        "demo", WATCHBELL_PROMETHEUS_URL="http://127.0.0.1:9", WATCHBELL_STORE="nonsense", TMPDIR=str(tmp_path)
    )
    assert (ended.code, ended.err) == (0, "")
    assert time.monotonic() - begun < 30
    assert ended.out.count("$ watchbell tick --at ") == 2
    assert ended.out.count("DEGRADED · Daily summary: Demo digest") == 1
    assert "(nothing was due, so nothing was delivered)" in ended.out
    assert "One fire time, two ticks, one delivery." in ended.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"]
    assert [path.name for path in home.iterdir()] == ["config.toml"]


def test_a_kept_demo_is_a_home_like_any_other(process: Run, watchbell: Run, tmp_path: Path) -> None:
    kept = tmp_path / "new" / "folder"
    assert process("demo", "--keep", str(kept)).code == 0
    assert process("cron", "list", WATCHBELL_HOME=str(kept)).out.count("Demo digest") == 1
    ended = watchbell("demo", "--keep", str(kept))
    assert ended.code == 3
    assert "not empty" in ended.err


def test_a_demo_that_does_not_deliver_ends_with_exit_code_7(home: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'tick' in sys.argv: sys.stderr.write('no tick today'); sys.exit(5)\n"
    )
    environ = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command("demo"), env=environ, capture_output=True, text=True)
    assert done.returncode == 7
    assert "no tick today" in done.stderr
