"""Ticks whose tokens and settings are kept in SSM and Secrets Manager, on a machine without a home."""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.conftest import command
from fakes.chat_server import ChatServer
from fakes.dynamodb import environment, moto_server
from fakes.monitoring import FakeMonitoring
from faults.scene import Scene
from watchbell.claims import Status
from watchbell.errors import TryAgain

SLACK = "xoxb-1111-kept-in-secrets-manager"
BEARER = "bearer-kept-in-ssm-0001"


class Cloud:
    """AWS in memory, chats and a monitoring system; `run` is a process that knows nothing but its environment."""

    def __init__(self, url: str, chats: ChatServer, monitoring: FakeMonitoring) -> None:
        self.chats, self.monitoring = chats, monitoring
        self.name = f"fleet-{secrets.token_hex(4)}"  # the account is that of all tests of this process
        self.environ = {
            **{name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR")},
            **environment(url),
            "AWS_ENDPOINT_URL": url,
            "WATCHBELL_STORE": f"dynamodb:{self.name}",
            "WATCHBELL_HOME": "/nonexistent/home",
            "WATCHBELL_CONFIG": f"ssm:/{self.name}/config",
            "WATCHBELL_INTEGRATIONS": f"secretsmanager:{self.name}/integrations",
            "WATCHBELL_SLACK_API_URL": chats.slack_url,
        }
        session = boto3.session.Session("x", "y", region_name="eu-central-1")
        self.ssm: Any = session.client("ssm", endpoint_url=url)
        self.vault: Any = session.client("secretsmanager", endpoint_url=url)

    @property
    def token(self) -> str:
        """The reference to the token of the bot."""
        return f"secretsmanager:{self.name}/bots#slack"

    def put(self, name: str, value: str) -> None:
        self.ssm.put_parameter(Name=f"/{self.name}/{name}", Value=value, Type="SecureString", Overwrite=True)

    def run(self, *arguments: str) -> Any:
        done = subprocess.run(command(*arguments), env=self.environ, capture_output=True, text=True, timeout=100)
        for secret in (SLACK, BEARER):
            assert secret not in done.stdout + done.stderr
        assert done.stdout, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with moto_server() as url, ChatServer() as chats, FakeMonitoring() as monitoring:
        made = Cloud(url, chats, monitoring)
        toml = f'[sources.prometheus]\nurl = "{monitoring.url}"\nbearer_token = "ssm:/{made.name}/bearer"\n'
        made.put("config", toml)
        made.put("bearer", BEARER)
        record = {"service": "slack", "credentials": {"bot_token": made.token}}
        made.vault.create_secret(Name=f"{made.name}/integrations", SecretString=json.dumps([record]))
        made.vault.create_secret(Name=f"{made.name}/bots", SecretString=json.dumps({"slack": SLACK}))
        assert made.run("store", "create", "--json")["done"]
        yield made


def test_a_report_is_delivered_with_nothing_secret_on_the_machine(cloud: Cloud) -> None:
    options = ("--cron", "* * * * *", "--provider", "slack", "--chat-id", "C0123ABCD")
    cloud.run("cron", "add", "--kind", "daily_summary", *options, "--json")
    minute = datetime.now(UTC) + timedelta(minutes=1)
    result = cloud.run("tick", "--json", "--at", f"{minute:%Y-%m-%dT%H:%MZ}")
    assert {run["status"] for run in result["runs"]} == {"success"}
    assert {sent["headers"]["Authorization"] for sent in cloud.chats.requests} == {f"Bearer {SLACK}"}
    assert {headers.get("Authorization") for _, headers, _ in cloud.monitoring.requests} == {f"Bearer {BEARER}"}
    [fields] = [entry["fields"] for entry in cloud.run("integrations", "list", "--json")]
    assert fields == {"bot_token": cloud.token}


def test_doctor_follows_every_reference_and_shows_none_of_the_secrets(cloud: Cloud) -> None:
    checks = cloud.run("doctor", "--json")["checks"]
    found = {check["detail"]: check["status"] for check in checks if check["check"] == "reference"}
    references = (f"ssm:/{cloud.name}/config", f"secretsmanager:{cloud.name}/integrations", f"ssm:/{cloud.name}/bearer")
    assert found == {f"{reference} can be read": "ok" for reference in (*references, cloud.token)}
    [source] = [check for check in checks if check["check"] == "source prometheus"]
    assert source["status"] == "ok", source


def test_a_secret_that_is_gone_is_a_credential_error_that_names_it(cloud: Cloud) -> None:
    cloud.vault.delete_secret(SecretId=f"{cloud.name}/bots", ForceDeleteWithoutRecovery=True)
    options = ("--cron", "0 0 1 1 *", "--provider", "slack", "--chat-id", "C0123ABCD")
    task = cloud.run("cron", "add", "--kind", "daily_summary", *options, "--json")["id"]
    run = cloud.run("cron", "run", task, "--json")
    assert run["status"] == "failed"
    assert f"{cloud.token} does not exist" in json.dumps(run)
    assert cloud.chats.messages == []


def test_a_token_that_cannot_be_had_now_is_no_lost_report(tmp_path: Path) -> None:
    """AWS is out of reach for a minute: the report is kept, and delivered by a later tick."""
    scene = Scene(tmp_path)
    scene.add()
    process = scene.process()

    def unreachable(*_: object) -> dict[str, str]:
        raise TryAgain("ssm:/watchbell/slack cannot be read now")

    broken = scene.process(credentials=unreachable)
    scene.tick("09:00", broken)
    run = scene.run("09:00")
    assert (run.status, scene.slack.sends) == (Status.WAITING, [])
    assert [(part.outcome, part.error) for part in run.parts] == [
        ("not_sent", "ssm:/watchbell/slack cannot be read now")
    ]
    for minute in range(1, 10):
        scene.tick(f"09:0{minute}", process)
    assert scene.run("09:00").status is Status.SUCCESS
    assert len(scene.slack.sends) == 1
    scene.store.close()
