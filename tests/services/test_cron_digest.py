"""The README's crontab line, run by Debian's own cron, delivers a digest of what a real Prometheus really fired."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from fakes.chat_server import ChatServer

WATCHBELL = Path(sys.executable).with_name("watchbell")
RULES = """\
groups:
  - name: shop
    interval: 1s
    rules:
      - {alert: Watchdog, expr: vector(1), labels: {severity: none}}
      - {alert: CheckoutDown, expr: vector(1), labels: {severity: critical, team: shop}}
"""


@pytest.mark.service("prometheus", "alertmanager", "cron")
@pytest.mark.timeout(240)
def test_debians_cron_delivers_a_digest_of_alerts_that_prometheus_fired(
    prometheus_maker,  # type: ignore[no-untyped-def]
    alertmanager,  # type: ignore[no-untyped-def]
    crontab: Callable[[bytes], None],
    cron: None,
    wait_for: Callable[..., None],
    tmp_path: Path,
) -> None:
    prometheus_maker.rules(RULES)
    prometheus = prometheus_maker.start(alertmanager.url)
    wait_for(lambda: _fires(prometheus.url), "the alert to fire")
    home = tmp_path / "home"
    with ChatServer() as chat:
        environ = {
            "WATCHBELL_HOME": str(home),
            "WATCHBELL_PROMETHEUS_URL": prometheus.url,
            "WATCHBELL_ALERTMANAGER_URL": alertmanager.url,
            "WATCHBELL_SLACK_API_URL": chat.slack_url,
            "SLACK_BOT_TOKEN": "xoxb-1234567890-abcdefghij",
        }
        command = [WATCHBELL, "cron", "add", "--kind", "daily_summary", "--cron", "* * * * *", "--window", "1"]
        command += ["--provider", "slack", "--chat-id", "C0123ABCD", "--json"]
        added = subprocess.run(
            command, env={"PATH": os.environ["PATH"], **environ}, capture_output=True, text=True, check=True
        )
        task_id = json.loads(added.stdout)["id"]
        line = " ".join(f"{name}={value}" for name, value in environ.items())
        crontab(f"* * * * * {line} {WATCHBELL} tick >>{tmp_path}/tick.log 2>&1\n".encode())
        wait_for(lambda: bool(chat.messages), "cron to deliver", 150)

        def runs() -> list[dict[str, Any]]:
            logs = subprocess.run(
                [WATCHBELL, "cron", "logs", task_id, "--json"],
                env={"PATH": os.environ["PATH"], **environ},
                capture_output=True,
                text=True,
                check=True,
            )
            return list(json.loads(logs.stdout))

        wait_for(lambda: runs()[0]["status"] != "running", "the tick to end")
        done = runs()
        text = json.dumps(chat.messages, default=str, ensure_ascii=False)
    assert "CheckoutDown" in text, (tmp_path / "tick.log").read_text()
    assert [run["status"] for run in done] == ["success"] * len(chat.messages)
    assert done[0]["deliveries"][0]["outcome"] == "delivered"


def _fires(url: str) -> bool:
    answer = httpx.get(f"{url}/api/v1/query", params={"query": 'ALERTS{alertname="CheckoutDown",alertstate="firing"}'})
    return bool(answer.json()["data"]["result"])
