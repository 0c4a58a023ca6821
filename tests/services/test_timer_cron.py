"""`watchbell timer install --cron` and Debian's own cron: ticks come, `timer status` sees them, `remove` ends them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

WATCHBELL = Path(sys.executable).with_name("watchbell")
#: What a crontab of somebody else may look like; none of it is ours to change.
STRANGE = b'# caf\xe9 100%\nMAILTO=""\nHOME=/nonexistent\n\n0 0 1 1 * echo "$(date +\\%F)" # keep\n'


def installed() -> bytes:
    return subprocess.run(["crontab", "-l"], capture_output=True, check=True).stdout


@pytest.mark.service("cron")
@pytest.mark.timeout(300)
def test_debians_cron_ticks_by_what_install_wrote_beside_a_second_timer_and_remove_takes_it_back(
    crontab: Callable[[bytes], None], cron: None, wait_for: Callable[..., None], tmp_path: Path
) -> None:
    home = tmp_path / "a home, 100% strange"
    environ = {name: os.environ[name] for name in ("PATH", "HOME")} | {"WATCHBELL_HOME": str(home)}

    def watchbell(*arguments: str, code: int = 0) -> Any:
        done = subprocess.run([WATCHBELL, *arguments], env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done.stderr

    # Nothing is due, so that most ticks end at the gate, which has to find the same home.
    watchbell("cron", "add", "--kind", "daily_summary", "--cron", "0 0 29 2 *", "--provider", "console", "--json")
    crontab(STRANGE)
    assert watchbell("timer", "status", "--json", code=3)["last_tick"] is None

    watchbell("timer", "install", "--cron")
    watchbell("timer", "install", "--cron")
    assert installed().startswith(STRANGE)
    assert installed().count(b"\n") == STRANGE.count(b"\n") + 1

    # A second timer on the same home: whoever comes first does the work.
    second = subprocess.Popen([WATCHBELL, "cron", "start"], env=environ, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _ticks(watchbell).get("cron", 0) >= 2, "cron to tick twice", 180)
    finally:
        second.terminate()
        second.wait(40)
    found = watchbell("timer", "status", "--json")
    assert (found["alive"], found["installed"], found["lost"]["count"]) == (True, ["cron"], 0)
    assert found["lag_seconds"]["median"] < 30
    assert {(one["timer"], one["machine"]) for one in found["timers"]} == {
        ("cron", os.uname().nodename),
        ("daemon", os.uname().nodename),
    }
    assert found["doubled"]["count"] >= 1

    watchbell("timer", "remove", "--cron")
    assert installed() == STRANGE


def _ticks(watchbell: Callable[..., Any]) -> dict[str, int]:
    """Return how often each timer has ticked."""
    try:
        return {one["timer"]: one["ticks"] for one in watchbell("timer", "status", "--json")["timers"]}
    except AssertionError:
        return {}  # none yet
