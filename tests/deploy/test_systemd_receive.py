"""The unit of `watchbell alerts receive`: systemd reads it without a word, it is tight, and its command exists."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from watchbell_cli.alerts_receive_command import LISTEN, receive
from watchbell_cli.webhook_receiver import PATIENCE_SECONDS

UNIT = Path(__file__).parents[2] / "infra" / "systemd" / "watchbell-receive.service"
THRESHOLD = 15


@pytest.mark.parametrize("check", [("verify", "--man=no"), ("security", "--offline=true", f"--threshold={THRESHOLD}")])
def test_systemd_is_content_with_the_unit(tmp_path: Path, check: tuple[str, ...]) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/watchbell/bin/watchbell", "/bin/true"))
    environ = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run([program, *check, unit], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr
    assert done.stderr == ""


def test_its_options_are_options_of_the_command_and_it_may_end_what_it_is_doing() -> None:
    text = UNIT.read_text()
    known = {option for parameter in receive.params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", re.search(r"^ExecStart=.*$", text, re.MULTILINE)[0])) <= known  # type: ignore[index]
    assert f"--listen {LISTEN} " in text
    assert int(re.search(r"TimeoutStopSec=(\d+)", text)[1]) > PATIENCE_SECONDS  # type: ignore[index]
