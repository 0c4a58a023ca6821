"""`watchbell store`, and every command on a store in DynamoDB, without a home folder."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from cli.conftest import Ended
from fakes.dynamodb import shared_client
from watchbell.settings import load_settings
from watchbell_cli.timer_hosts import carried, home_of, left_out

Run = Callable[..., Ended]
Add = Callable[..., str]

in_dynamodb = pytest.mark.service("dynamodb-local")


class TestLocal:
    def test_it_is_made_once(self, watchbell: Run, home: Path) -> None:
        first = watchbell("store", "create")
        assert (first.code, first.out.splitlines()) == (0, [f"made the folder {home}", f"made {home / 'scheduler.db'}"])
        assert oct(home.stat().st_mode & 0o777) == "0o700"
        again = watchbell("store", "create", "--json")
        assert (again.code, again.json) == (0, {"store": str(home), "done": []})

    def test_making_it_again_keeps_the_tasks(self, watchbell: Run, add: Add) -> None:
        task_id = add()
        assert watchbell("store", "create").code == 0
        assert [task["id"] for task in watchbell("cron", "list", "--json").json] == [task_id]

    def test_a_sound_store_passes(self, watchbell: Run, add: Add) -> None:
        add()
        checked = watchbell("store", "check", "--json")
        assert checked.code == 0
        found = {check["check"]: check["status"] for check in checked.json["checks"]}
        assert found["store"] == found["tasks"] == found["sqlite"] == "ok"

    def test_a_damaged_database_is_a_store_error(self, watchbell: Run, home: Path, add: Add) -> None:
        add()
        (home / "scheduler.db").write_bytes(b"SQLite format 3\x00" + b"damage" * 4096)
        assert watchbell("store", "check").code == 5

    def test_a_broken_tasks_file_is_a_configuration_error(self, watchbell: Run, home: Path, add: Add) -> None:
        add()
        (home / "scheduler_tasks.json").write_text("[{")
        checked = watchbell("store", "check")
        assert checked.code == 3
        assert "scheduler_tasks.json" in checked.out

    def test_checking_makes_nothing(self, watchbell: Run, home: Path) -> None:
        assert watchbell("store", "check").code == 3
        assert not home.exists()


@pytest.fixture
def shared(home: Path, tables: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store in DynamoDB, and no home."""
    monkeypatch.setenv("WATCHBELL_STORE", f"dynamodb:{tables}")
    return tables


@in_dynamodb
class TestTables:
    def test_they_are_made_once(self, watchbell: Run, shared: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("WATCHBELL_STORE", f"dynamodb:{shared}-new")
        assert watchbell("store", "check").code == 5
        made = watchbell("store", "create", "--json").json
        assert made["store"] == f"dynamodb:{shared}-new"
        assert f"made the table {shared}-new-tasks" in made["done"]
        assert watchbell("store", "create", "--json").json["done"] == []
        assert watchbell("store", "check").code == 0

    def test_a_missing_table_is_named_with_what_to_do(
        self, watchbell: Run, shared: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shared_client().update_table(TableName=f"{shared}-runs", DeletionProtectionEnabled=False)
        shared_client().delete_table(TableName=f"{shared}-runs")
        checked = watchbell("store", "check")
        assert checked.code == 5
        assert f"there is no table {shared}-runs" in " ".join(checked.out.split())
        assert "watchbell store create" in " ".join(checked.out.split())
        assert watchbell("doctor", "--offline").code == 5
        assert watchbell("cron", "list").code == 5

    def test_without_boto3_it_says_what_to_install(
        self, watchbell: Run, shared: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("watchbell.wiring.stores.find_spec", lambda name: None)
        for command in (("cron", "list"), ("store", "create"), ("tick",)):
            ended = watchbell(*command)
            assert ended.code == 3
            assert "pip install 'watchbell[aws]'" in ended.err


@in_dynamodb
@pytest.mark.usefixtures("shared")
class TestEveryCommand:
    def test_a_task_from_its_adding_to_its_removal(self, watchbell: Run, add: Add, home: Path) -> None:
        task_id = add(cron="0 9 * * *")
        assert [task["id"] for task in watchbell("cron", "list", "--json").json] == [task_id]
        assert watchbell("cron", "edit", task_id, "--name", "digest").code == 0
        assert watchbell("cron", "show", "digest", "--json").json["name"] == "digest"
        assert watchbell("cron", "pause", task_id).code == 0
        assert watchbell("cron", "resume", task_id).code == 0
        assert watchbell("cron", "next", task_id, "--count", "1").code == 0
        assert watchbell("cron", "why", task_id, "--at", "2026-11-22T09:00Z").code == 0
        assert watchbell("cron", "upcoming").code == 0
        assert watchbell("cron", "audit", "--json").code == 0
        assert watchbell("cron", "run", task_id).code == 0
        [run] = watchbell("cron", "logs", task_id, "--json").json
        assert run["status"] == "success"
        assert watchbell("cron", "retry", task_id).code == 2  # nothing to repeat
        assert watchbell("cron", "resolve", task_id, "--delivered").code == 2
        assert watchbell("tick", "--json").json["exit_code"] == 0
        assert watchbell("timer", "status").code == 0
        assert watchbell("cron", "remove", task_id).code == 0
        assert watchbell("cron", "logs", task_id, "--json").json == [run]
        assert not home.exists(), "nothing needs a home"

    def test_tasks_move_from_a_local_store_to_the_tables(
        self, watchbell: Run, add: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        table_store = os.environ["WATCHBELL_STORE"]
        monkeypatch.setenv("WATCHBELL_STORE", "local")
        task_id = add("--name", "digest")
        (tmp_path / "tasks.json").write_text(watchbell("cron", "export").out)
        monkeypatch.setenv("WATCHBELL_STORE", table_store)
        assert watchbell("cron", "import", str(tmp_path / "tasks.json"), "--yes").code == 0
        assert watchbell("cron", "show", task_id, "--json").json["name"] == "digest"
        exported = json.loads(watchbell("cron", "export").out)
        exported["tasks"][0]["name"] = "renamed"
        (tmp_path / "desired.json").write_text(json.dumps(exported))
        assert watchbell("cron", "apply", "-f", str(tmp_path / "desired.json")).code == 0
        assert watchbell("cron", "show", task_id, "--json").json["name"] == "renamed"

    def test_import_and_apply_see_what_is_there_without_a_home(
        self, watchbell: Run, add: Add, home: Path, tmp_path: Path
    ) -> None:
        add("--name", "digest")
        (tmp_path / "tasks.json").write_text(watchbell("cron", "export").out)
        again = watchbell("cron", "import", str(tmp_path / "tasks.json"), "--yes", "--on-conflict", "fail")
        assert "1 unchanged" in again.out + again.err
        assert not home.exists()

    def test_the_shell_works_on_them(self, process: Run, add: Add) -> None:
        task_id = add()
        ended = process("shell", stdin="/cron list\n/tick\n")
        assert ended.code == 0
        assert task_id in ended.out

    def test_the_daemon_says_which_store_it_works_on(self, process: Run, add: Add) -> None:
        add()
        arguments = [sys.executable, "-P", "-m", "watchbell_cli", "cron", "start"]
        with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as daemon:
            assert daemon.stderr is not None
            said = ""
            while "enabled task(s)" not in said and daemon.poll() is None:
                said += daemon.stderr.readline()
            daemon.send_signal(signal.SIGINT)
            said += daemon.communicate(timeout=60)[1]
        assert f"1 enabled task(s) in {os.environ['WATCHBELL_STORE']}" in said
        assert "stopped" in said

    def test_doctor_looks_at_the_tables_and_not_at_a_home(self, watchbell: Run, add: Add) -> None:
        add()
        assert watchbell("tick").code == 0
        found = {check["check"]: check for check in watchbell("doctor", "--offline", "--json").json["checks"]}
        assert "both tables and their indexes are there" in found["store"]["detail"]
        assert found["timer"]["status"] == "ok"
        assert not {"home", "sqlite", "files", "file system"} & found.keys()

    def test_doctor_names_references_and_whether_they_lead_anywhere(
        self, watchbell: Run, add: Add, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SLACK_BOT_TOKEN", "env:KEPT_HERE")
        add("--provider", "slack", "--chat-id", "C0123ABCD")
        found = watchbell("doctor", "--offline", "--json").json["checks"]
        assert ("warning", "env:KEPT_HERE is not set") in [
            (check["status"], check["detail"]) for check in found if check["check"] == "reference"
        ]
        monkeypatch.setenv("KEPT_HERE", "xoxb-that-nobody-sees-0001")
        ended = watchbell("doctor", "--offline", "--json")
        assert ("ok", "env:KEPT_HERE can be read") in [
            (check["status"], check["detail"]) for check in ended.json["checks"] if check["check"] == "reference"
        ]
        monkeypatch.setenv("SLACK_BOT_TOKEN", "ssm:/watchbell/slack")
        found = watchbell("doctor", "--offline", "--json").json["checks"]
        assert "ssm:/watchbell/slack: not read (--offline)" in [check["detail"] for check in found]
        assert "xoxb-that-nobody-sees" not in ended.out + ended.err


class TestTimers:
    """A timer gets what its ticks need, and no secret."""

    ENVIRON: Mapping[str, str] = {
        "WATCHBELL_STORE": "dynamodb:w",
        "WATCHBELL_INTEGRATIONS": "file:/nonexistent/integrations.json",
        "AWS_REGION": "eu-central-1",
        "AWS_PROFILE": "ops",
        "AWS_SECRET_ACCESS_KEY": "s3cret-of-aws",
        "SLACK_BOT_TOKEN": "xoxb-secret",
    }

    def test_the_store_and_the_account_go_along(self, tmp_path: Path) -> None:
        settings = load_settings({**self.ENVIRON, "WATCHBELL_HOME": str(tmp_path / "home")})
        assert carried(settings) == {
            "WATCHBELL_STORE": "dynamodb:w",
            "WATCHBELL_INTEGRATIONS": "file:/nonexistent/integrations.json",
            "AWS_REGION": "eu-central-1",
            "AWS_PROFILE": "ops",
        }
        assert home_of(settings) == str(tmp_path / "home"), "units name the home, so it is made"

    def test_a_configuration_that_is_kept_elsewhere_goes_along_as_it_is_written(self, tmp_path: Path) -> None:
        (tmp_path / "config.toml").write_text("workers = 2\n")
        reference = f"file:{tmp_path}/config.toml"
        settings = load_settings({"WATCHBELL_HOME": str(tmp_path), "WATCHBELL_CONFIG": reference})
        assert carried(settings) == {"WATCHBELL_CONFIG": reference}

    def test_secrets_of_aws_are_missed_and_named(self) -> None:
        assert left_out(self.ENVIRON) == ["AWS_SECRET_ACCESS_KEY", "SLACK_BOT_TOKEN"]

    def test_a_local_store_has_nothing_to_do_with_aws(self, tmp_path: Path) -> None:
        environ = {**self.ENVIRON, "WATCHBELL_STORE": "local", "WATCHBELL_HOME": str(tmp_path)}
        assert carried(load_settings(environ)).keys() == {"WATCHBELL_STORE", "WATCHBELL_INTEGRATIONS"}
        assert left_out(environ) == ["SLACK_BOT_TOKEN"]
