"""`integrations test` and doctor against a real Prometheus and a real Alertmanager."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def run(home: Path, *arguments: str) -> tuple[int, Any]:
    environ = {"WATCHBELL_HOME": str(home), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-P", "-m", "watchbell_cli", *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    return done.returncode, json.loads(done.stdout) if done.stdout else None


@pytest.mark.service("prometheus", "alertmanager")
def test_what_real_servers_say_of_themselves_and_of_the_last_hour(
    prometheus: Any, alertmanager: Any, tmp_path: Path, wait_for: Callable[..., None]
) -> None:
    home = tmp_path / "home"
    assert run(home, "integrations", "set", "prometheus", f"url={prometheus.url}")[0] == 0
    assert run(home, "integrations", "set", "alertmanager", f"url={alertmanager.url}")[0] == 0
    code, answer = run(home, "integrations", "test", "alertmanager", "--json")
    assert code == 0, answer
    assert answer["checks"][0]["detail"].startswith("Alertmanager 0.")

    def young() -> bool:
        """A Prometheus that has just been started has rules that work, but has not watched for an hour."""
        code, answer = run(home, "integrations", "test", "prometheus", "--json")
        return code == 6 and "no samples between" in answer["checks"][0]["detail"]

    wait_for(young, "rules that are evaluated")
    code, answer = run(home, "doctor", "--json")
    names = {check["check"]: check for check in answer["checks"]}
    assert names["source alertmanager"]["status"] == "ok"
    assert "Prometheus " in names["source prometheus"]["detail"]
    prometheus.stop()
    code, answer = run(home, "integrations", "test", "prometheus", "--json")
    assert code == 6
    assert "connection refused" in answer["checks"][0]["detail"]
