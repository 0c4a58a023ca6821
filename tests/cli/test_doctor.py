"""Each thing is broken for real, and doctor says which one it is, what to do, and ends with the fitting code."""

import json
import os
import shlex
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Ended, command
from delivery.conftest import TOKENS, one_certificate  # noqa: F401  a fixture
from fakes.chat_server import ChatServer
from fakes.monitoring import FakeMonitoring, unauthorised
from watchbell.clock import SystemClock

Run = Callable[..., Ended]


class World:
    """A home in which everything is well: a ticked store, a Prometheus that watches, a Slack that takes the token."""

    def __init__(self, home: Path, watchbell: Run, chats: ChatServer, monitoring: FakeMonitoring) -> None:
        self.home, self.watchbell, self.chats, self.monitoring = home, watchbell, chats, monitoring
        self.last = Ended(0, "", "")

    def doctor(self, *options: str) -> dict[str, list[dict[str, Any]]]:
        """Return the checks by name."""
        self.last = self.watchbell("doctor", "--json", *options)
        found: dict[str, list[dict[str, Any]]] = {}
        for check in self.last.json["checks"]:
            found.setdefault(check["check"], []).append(check)
        assert self.last.json["exit_code"] == self.last.code
        for secret in (TOKENS["slack"], "s3cret-bearer", "s3cret-uuid"):
            assert secret not in self.last.out + self.last.err
        return found

    def problem(self, name: str, code: int, *words: str) -> dict[str, Any]:
        """Assert that exactly this is a problem, and return it."""
        checks = self.doctor()
        wrong = [(key, one["detail"]) for key, ones in checks.items() for one in ones if one["status"] == "problem"]
        assert [key for key, _ in wrong] == [name], wrong
        found = next(one for one in checks[name] if one["status"] == "problem")
        assert self.last.code == code, found
        for word in words:
            assert word in found["detail"] + " " + (found["advice"] or "")
        assert found["advice"]
        return found

    def warning(self, name: str, *words: str) -> dict[str, Any]:
        """Assert that this is a warning, nothing is a problem, and doctor ends with 0."""
        checks = self.doctor()
        [found] = [one for one in checks.get(name, []) if one["status"] == "warning"]
        assert self.last.code == 0, self.last.out
        for word in words:
            assert word in found["detail"] + " " + found["advice"]
        return found

    def sql(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.home / "scheduler.db", isolation_level=None)) as connection:
            connection.execute(statement, values)

    def add_run(self, status: str, *, hours_ago: float, task: str | None = None, **more: Any) -> str:
        """Put a run of the task into the ledger as an attempt would have left it."""
        task = task or self.task
        at = time.time() - hours_ago * 3600
        fire = time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(at))
        row = {"task_id": task, "fire_time": fire, "adhoc": 0, "status": status, "attempt": 1, "lease_until": at + 360,
               "due_at": at, "deliver_until": at + 86400, "started_at": at, "definition": "{}"} | more  # fmt: skip
        names = ", ".join(row)
        self.sql(f"INSERT INTO runs ({names}) VALUES ({', '.join('?' * len(row))})", *row.values())
        return f"{task}@{fire}"

    task = ""


@pytest.fixture
def world(
    home: Path,
    watchbell: Run,
    add: Run,
    monkeypatch: pytest.MonkeyPatch,
    one_certificate: Path,  # noqa: F811
) -> Iterator[World]:
    with ChatServer() as chats, FakeMonitoring() as monitoring:
        monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))
        monkeypatch.setenv("WATCHBELL_SLACK_API_URL", chats.slack_url)
        world = World(home, watchbell, chats, monitoring)
        world.task = add("--provider", "slack", "--chat-id", "C0123ABCD", cron="0 9 1 1 *")
        watchbell("integrations", "set", "slack", stdin=TOKENS["slack"])
        watchbell("integrations", "set", "prometheus", stdin=f"url={monitoring.url}\nbearer_token=s3cret-bearer")
        assert watchbell("tick").code == 0
        yield world


def test_where_all_is_well_doctor_says_so_on_one_screen_with_0_and_sends_nothing(world: World) -> None:
    checks = world.doctor()
    assert world.last.code == 0
    assert {one["status"] for ones in checks.values() for one in ones} <= {"ok", "warning"}, world.last.out
    assert checks["slack"][0]["detail"].startswith("signed in as")
    assert "1 alerting rule, healthy" in checks["source prometheus"][0]["detail"]
    assert world.chats.messages == []
    shown = world.watchbell("doctor")
    assert shown.code == 0
    assert len(shown.out.splitlines()) <= 30, shown.out


def test_offline_asks_nobody(world: World) -> None:
    before = len(world.chats.requests), len(world.monitoring.requests)
    checks = world.doctor("--offline")
    assert world.last.code == 0
    assert (len(world.chats.requests), len(world.monitoring.requests)) == before
    assert "not tried" in checks["slack"][0]["detail"]


def test_a_home_that_is_not_there(watchbell: Run, home: Path) -> None:
    ended = watchbell("doctor", "--json")
    assert ended.code == 3
    assert "there is no folder" in ended.out
    assert not home.exists()


def test_looking_makes_nothing_in_an_empty_home(watchbell: Run, home: Path) -> None:
    home.mkdir(mode=0o700)
    assert watchbell("doctor").code == 0
    assert list(home.iterdir()) == []


def test_a_revoked_token(world: World) -> None:
    world.watchbell("integrations", "set", "slack", stdin="xoxb-REVOKED-0001")
    found = world.problem("slack", 4, "token_revoked", "watchbell integrations set slack")
    assert "REVOKED-0001" not in json.dumps(found)


def test_the_last_line_names_what_is_wrong(world: World) -> None:
    world.watchbell("integrations", "set", "slack", stdin="xoxb-REVOKED-0001")
    assert world.watchbell("doctor").err.splitlines()[-1].startswith("1 problem: slack")


def test_a_token_that_is_gone(world: World) -> None:
    world.watchbell("integrations", "remove", "slack")
    world.problem("slack", 4, "no bot token", world.task, "watchbell integrations set slack")


def test_a_provider_that_cannot_be_reached(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHBELL_SLACK_API_URL", "http://127.0.0.1:9")
    world.problem("slack", 7, "cannot connect", "WATCHBELL_SLACK_API_URL")


def test_a_prometheus_that_is_stopped(world: World) -> None:
    world.watchbell("integrations", "set", "prometheus", "url=http://127.0.0.1:9")
    world.problem("source prometheus", 6, "connection refused", "UNKNOWN")


def test_a_prometheus_that_refuses_the_token_or_watches_nothing(world: World) -> None:
    world.monitoring.fault = unauthorised
    world.problem("source prometheus", 6, "refused the credentials")
    world.monitoring.fault = None
    world.monitoring.rules = []
    world.problem("source prometheus", 6, "not provably watching", "no alerting rules")


def test_a_hole_in_the_samples_of_the_last_hour(world: World) -> None:
    world.monitoring.hole = (time.time() - 2400, time.time() - 900)
    world.problem("source prometheus", 6, "no samples between")


def test_a_tasks_file_that_is_broken_or_holds_a_bad_task(world: World, tasks_file: Path) -> None:
    good = tasks_file.read_text()
    tasks_file.write_text("[{")
    world.doctor()
    assert world.last.code == 3
    assert "line 1 column" in world.last.out
    tasks_file.write_text(json.dumps([*json.loads(good), {"id": "bad", "kind": "nonsense"}]))
    world.problem("tasks", 3, "1 task cannot be used", "[1]")


def test_a_broken_integrations_file(world: World) -> None:
    (world.home / "integrations.json").write_text("{")
    checks = world.doctor()
    assert world.last.code == 3
    assert "integrations.json" in checks["slack"][0]["detail"]
    assert checks["source integrations.json"][0]["status"] == "problem"


def test_settings_that_are_wrong_do_not_keep_it_from_looking_on(world: World) -> None:
    (world.home / "config.toml").write_text("workers = 'many'\n")
    found = world.problem("settings", 3, "config.toml", "workers")
    assert found["exit_code"] == 3
    assert "slack" in world.doctor()


def test_tokens_that_others_can_read(world: World) -> None:
    (world.home / "integrations.json").chmod(0o644)
    world.problem("files", 4, "mode 0644", "chmod 600")


def test_a_home_and_files_that_others_can_read(world: World) -> None:
    world.home.chmod(0o755)
    (world.home / "scheduler_tasks.json").chmod(0o644)
    world.warning("files", "scheduler_tasks.json", "chmod 700")


@pytest.mark.parametrize(
    ("home_mode", "file_mode", "status", "commands"),
    [
        (0o777, 0o666, "problem", ["chmod 700 {home}", "chmod 600 {config}"]),
        (0o777, 0o600, "problem", ["chmod 700 {home}"]),
        (0o1777, 0o600, "problem", ["chmod 700 {home}"]),  # sticky: what is not there yet can still be put there
        (0o775, 0o664, "problem", ["chmod 700 {home}", "chmod 600 {config}"]),
        (0o755, 0o664, "problem", ["chmod 600 {config}"]),
        (0o755, 0o775, "problem", ["chmod go-w {config}"]),  # what can be run still can be
        (0o2770, 0o660, "warning", ["chmod 700 {home}", "chmod 600 {config}"]),
        (0o2777, 0o660, "problem", ["chmod 700 {home}", "chmod 600 {config}"]),
        (0o755, 0o644, "ok", []),
        (0o700, 0o666, "ok", []),  # nobody gets as far as the file
    ],
)
@pytest.mark.parametrize("is_linked", [False, True])
def test_what_others_can_write_is_a_problem_and_the_advice_ends_it(
    home: Path,
    watchbell: Run,
    monkeypatch: pytest.MonkeyPatch,
    home_mode: int,
    file_mode: int,
    status: str,
    commands: list[str],
    is_linked: bool,
) -> None:
    home.mkdir()
    if is_linked:
        link = home.with_name("link to home")
        link.symlink_to(home)
        monkeypatch.setenv("WATCHBELL_HOME", str(link))
        home = link
    config = home / "config.toml"
    config.write_text("workers = 4\n")
    config.chmod(file_mode)
    home.chmod(home_mode)

    found = files_of(watchbell("doctor", "--json"))
    assert found["status"] == status, found
    assert ("can write" in found["detail"]) == bool(commands)
    if not commands:
        return
    names = {"home": shlex.quote(str(home)), "config": shlex.quote(str(config))}
    assert found["advice"] == "; ".join(one.format(**names) for one in commands)
    assert found["exit_code"] == (3 if status == "problem" else 0)
    subprocess.run(["sh", "-c", found["advice"]], check=True)
    assert files_of(watchbell("doctor", "--json"))["status"] == "ok"


def test_a_config_elsewhere_that_others_can_write_is_a_problem(
    home: Path, watchbell: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.mkdir(mode=0o700)
    config = tmp_path / "open" / "w.toml"
    config.parent.mkdir()
    config.parent.chmod(0o755)
    config.write_text("workers = 4\n")
    config.chmod(0o666)
    monkeypatch.setenv("WATCHBELL_CONFIG", str(config))
    found = files_of(watchbell("doctor", "--json"))
    assert (found["status"], found["advice"]) == ("problem", f"chmod 600 {config}")
    assert str(config) in found["detail"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(("home_mode", "status"), [(0o2770, "ok"), (0o2777, "problem")])
def test_a_volume_that_is_given_to_its_group_is_in_order_unless_everybody_can_write_it(
    home: Path, watchbell: Run, monkeypatch: pytest.MonkeyPatch, home_mode: int, status: str
) -> None:
    home.mkdir()
    home.chmod(home_mode)
    database = home / "scheduler.lock"
    database.touch(0o660)
    database.chmod(0o660)
    os.chown(database, 10001, 10001)
    monkeypatch.setattr(os, "geteuid", lambda: 10001)  # the home is root's, as in a pod
    found = files_of(watchbell("doctor", "--json"))
    assert found["status"] == status, found


def files_of(ended: Ended) -> dict[str, Any]:
    [found] = [one for one in ended.json["checks"] if one["check"] == "files"]
    return dict(found)


def bound_by_modes(*arguments: str) -> Ended:
    """Run a command as somebody who owns the files, but whom permission bits bind: root gives its power away."""
    line = command(*arguments)
    if os.geteuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root can write anywhere, and there is no setpriv")
        without = "-dac_override,-dac_read_search"
        line = [setpriv, f"--bounding-set={without}", f"--inh-caps={without}", *line]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)
    return Ended(done.returncode, done.stdout, done.stderr)


def test_what_doctor_advises_for_a_home_without_write_permission_makes_ticks_work(
    home: Path, add: Run, watchbell: Run
) -> None:
    add(cron="0 9 1 1 *")
    assert watchbell("tick").code == 0
    subprocess.run(["chmod", "-R", "a-w", str(home)], check=True)
    ended = bound_by_modes("doctor", "--offline", "--json")
    assert ended.code != 0
    told = {one["check"]: one for one in ended.json["checks"]}
    assert "chown" not in told["files"]["advice"]
    for name in ("home", "files"):
        subprocess.run(["sh", "-c", told[name]["advice"]], check=True)
    assert files_of(bound_by_modes("doctor", "--offline", "--json"))["status"] == "ok"
    assert bound_by_modes("tick").code == 0


@pytest.mark.parametrize("name", ["scheduler.db", "scheduler.lock"])
def test_a_tick_that_may_not_write_a_file_of_its_own_names_the_file_and_not_the_folder(
    home: Path, add: Run, watchbell: Run, name: str
) -> None:
    add(cron="* * * * *")
    assert watchbell("tick", "--dry-run").code == 0
    (home / name).chmod(0o400)
    ended = bound_by_modes("tick")
    assert ended.code == 5, ended
    assert f"chmod u+rw {home / name}" in ended.err
    assert "must be a folder" not in ended.err


def test_a_damaged_database(world: World) -> None:
    path = world.home / "scheduler.db"
    world.sql("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(data)
    assert world.doctor()["store"][0]["status"] == "problem"
    assert world.last.code == 5


def test_a_database_of_a_newer_watchbell(world: World) -> None:
    world.sql("PRAGMA user_version = 99")
    world.problem("store", 3, "schema 99", "upgrade")


def test_a_timer_that_is_deleted(world: World) -> None:
    world.sql("UPDATE ticks SET ran_at = ran_at - 3600, minute = minute - 60")
    world.problem("timer", 3, "silent", "60 min ago", "watchbell timer install --cron (or --systemd, --user-systemd)")
    world.sql("DELETE FROM ticks")
    world.problem("timer", 3, "no timer started a tick in the last 24 hours", "exit code 3")


def test_ticks_by_hand_do_not_make_a_timer(world: World) -> None:
    world.sql("UPDATE ticks SET timer = 'by hand'")
    world.problem("timer", 3, "no timer started a tick", "watchbell timer install --cron")


def test_minutes_that_were_lost(world: World) -> None:
    now = int(time.time())
    world.sql(
        "INSERT INTO ticks (minute, ran_at, timer, machine) VALUES (?, ?, 'cron', 'm')", now // 60 - 10, now - 600
    )
    found = world.warning("timer", "9 minutes lost", "longest hole 9 min", "by cron", "watchbell timer status")
    assert "timer install" not in found["advice"]  # one is alive


def test_a_clock_that_was_set_back(world: World) -> None:
    world.sql("UPDATE ticks SET ran_at = ran_at + 7200, minute = minute + 120")
    checks = world.doctor()
    assert "ran in the future" in checks["clock"][0]["detail"]
    assert "scheduler.db* aside" in checks["clock"][0]["advice"]
    assert world.last.code == 3


def without_date(handler: Any, server: FakeMonitoring) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
    handler.close_connection = True


def test_a_clock_that_is_wrong_by_what_servers_say(world: World) -> None:
    date = "Sun, 22 Nov 2020 09:00:00 GMT"
    answer = {"ok": True, "user": "watchbell", "team": "T"}
    world.monitoring.faults["/api/v1/status/buildinfo"] = without_date
    world.chats.fault(provider="slack", status=200, accept=False, body=json.dumps(answer), headers={"Date": date})
    world.problem("clock", 3, "2020-11-22T09:00:00Z", "NTP")


def test_a_run_that_may_have_arrived(world: World) -> None:
    run = world.add_run("unknown", hours_ago=2)
    world.problem("runs", 7, run, f"watchbell cron resolve {run}")


def test_a_run_that_is_stuck(world: World) -> None:
    run = world.add_run("running", hours_ago=2, wake_at=0, owner_token="t", owner_machine="gone", owner_boot="b")
    world.problem("runs", 5, run, "gone", "lease is over")


def test_a_run_that_waits_for_long(world: World) -> None:
    run = world.add_run("waiting", hours_ago=2, wake_at=time.time() + 900, error="Slack: too many messages")
    world.warning("runs", run, "too many messages")


def test_a_target_that_refuses_every_time(world: World) -> None:
    for hours in (3, 2, 1):
        run = world.add_run("failed", hours_ago=hours, exit_code=7)
        world.sql(
            "INSERT INTO parts (task_id, fire_time, target, part, of, outcome, attempts, error, intent_at)"
            " VALUES (?, ?, 'slack:C0123ABCD', 1, 1, 'refused', 1, 'Slack: is_archived: choose another', 0)",
            *run.split("@"),
        )
    world.problem("runs", 7, "slack:C0123ABCD refused the last 3 reports", "is_archived", "cron edit")


def test_runs_that_fail_again_and_again_and_one_that_failed(world: World) -> None:
    world.add_run("failed", hours_ago=1, error="prometheus is away", exit_code=6)
    world.warning("runs", "prometheus is away")
    for hours in (2, 3):
        world.add_run("failed", hours_ago=hours, error="prometheus was away", exit_code=6)
    world.problem("runs", 6, "the last 3 runs", "prometheus is away")


def test_a_target_that_can_never_be_reached(world: World, tasks_file: Path) -> None:
    tasks = json.loads(tasks_file.read_text())
    tasks[0]["chat_id"] = "general chat!"
    tasks_file.write_text(json.dumps(tasks))
    world.problem("targets", 7, "can never reach slack:general chat!", "looks like C0123ABCD")


def test_a_heartbeat_that_does_not_arrive_and_advice_where_there_is_none(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = world.doctor()
    assert "WATCHBELL_HEARTBEAT_URL" in checks["heartbeat"][0]["advice"]
    assert "ops_target" in checks["ops target"][0]["advice"]
    monkeypatch.setenv("WATCHBELL_HEARTBEAT_URL", "http://127.0.0.1:9/s3cret-uuid")
    assert world.watchbell("tick").code == 0
    world.warning("heartbeat", "since", "cannot connect")


def test_metrics_that_are_not_written(world: World, tmp_path: Path) -> None:
    path = tmp_path / "metrics.prom"
    (world.home / "config.toml").write_text(f'metrics_file = "{path}"\n')
    world.warning("metrics", "there is no")
    path.write_text("")
    os.utime(path, (time.time() - 3600,) * 2)
    world.warning("metrics", "60 min old")


def test_a_home_that_does_not_last(world: World, watchbell: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shm = Path("/dev/shm")
    if not os.access(shm, os.W_OK):
        pytest.skip("there is no /dev/shm")
    home = shm / f"watchbell-doctor-{os.getpid()}"
    home.mkdir(mode=0o700)
    try:
        monkeypatch.setenv("WATCHBELL_HOME", str(home))
        found = world.doctor()["file system"][0]
    finally:
        home.rmdir()
    assert found["status"] == "warning"
    assert "tmpfs" in found["detail"]


def configure(world: World, text: str) -> None:
    (world.home / "config.toml").write_text(text)


def use(world: World, *params: str, kind: str = "daily_summary") -> None:
    options = [word for param in params for word in ("--param", param)]
    assert world.watchbell("cron", "edit", world.task, "--kind", kind, *options).code == 0


@pytest.mark.parametrize(
    ("kind", "params", "words"),
    [
        ("daily_summary", ["pipeline=desk"], "there is no pipeline 'desk'"),
        ("custom_investigation", [], "nothing to investigate"),
        ("custom_investigation", ["prompt=Why?"], "needs a model"),
        ("custom_investigation", ['queries=[{"name": "x"}]'], "params.queries[0]"),
        ("synthetic_run", ['probes=[{"nonsense": 1}]'], "params.probes[0]"),
        ("synthetic_run", ["blackbox=false"], "no probe is configured"),
    ],
)
def test_a_task_that_can_never_be_built(world: World, kind: str, params: list[str], words: str) -> None:
    use(world, *params, kind=kind)
    world.problem("params", 3, world.task, words, "watchbell cron edit")
    world.watchbell("cron", "pause", world.task)
    assert "params" not in world.doctor()


@pytest.mark.parametrize(
    ("kind", "params"),
    [
        ("synthetic_run", []),  # the Prometheus may have a blackbox exporter
        ("synthetic_run", ['probes=[{"tcp": "127.0.0.1:1"}]']),
        ("custom_investigation", ['queries=[{"name": "x", "promql": "up", "below": 1}]']),
        ("custom_investigation", ['alerts=["severity=\\"critical\\""]', "bot_token=xoxb-1"]),
        ("weekly_audit", ["anything=goes"]),
    ],
)
def test_params_that_their_kind_can_read_are_in_order(world: World, kind: str, params: list[str]) -> None:
    use(world, *params, kind=kind)
    assert "params" not in world.doctor("--offline")


def test_a_pipeline_whose_program_is_not_there(world: World) -> None:
    configure(world, '[pipelines.desk]\ncommand = ["./report.sh"]\n')
    world.warning("pipeline desk", "there is no program", "report.sh")
    use(world, "pipeline=desk")
    world.problem("pipeline desk", 6, "there is no program", f"needed by {world.task}")
    program = world.home / "report.sh"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o600)
    world.problem("pipeline desk", 6, "cannot be run", f"chmod +x {program}")
    program.chmod(0o700)
    assert world.doctor()["pipeline desk"][0]["status"] == "ok"
    configure(world, '[pipelines.desk]\ncommand = ["surely-not-there"]\n')
    world.problem("pipeline desk", 6, "surely-not-there is not in the PATH", "full path")
    configure(world, '[pipelines.desk]\ncommand = ["sh"]\n')
    assert world.doctor()["pipeline desk"][0]["status"] == "ok"


def test_a_pipeline_whose_token_cannot_be_had(world: World) -> None:
    configure(world, '[pipelines.desk]\nurl = "https://desk.example"\nbearer_token = "env:NOT_SET_ANYWHERE"\n')
    world.warning("pipeline desk", "env:NOT_SET_ANYWHERE is not set")
    use(world, "pipeline=desk")
    world.problem("pipeline desk", 6, "env:NOT_SET_ANYWHERE is not set")


@pytest.mark.parametrize(
    ("url", "is_open"),
    [
        ("http://desk.example/x", True),
        ("http://10.0.0.7:80", True),
        ("http://127.0.0.1:8080", False),
        ("http://[::1]:8080", False),
        ("http://localhost", False),
        ("https://desk.example", False),
    ],
)
def test_a_service_that_is_told_everything_without_tls(world: World, url: str, is_open: bool) -> None:
    configure(world, f'[pipelines.desk]\nurl = "{url}"\n')
    if is_open:
        world.warning("pipeline desk", "unencrypted", "https://")
    else:
        assert world.doctor()["pipeline desk"][0]["status"] == "ok"


def missing(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    def find(name: str) -> object:
        return None if name == library else find_spec(name)

    monkeypatch.setattr("watchbell.checkup.pipelines.find_spec", find)


def test_a_model_whose_extra_or_key_is_missing_is_a_problem_only_for_a_question(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(world, '[pipelines.ai]\nmodel = "openai:x"\nkinds = ["daily_summary"]\n')
    world.warning("pipeline ai", "no key", "OPENAI_API_KEY")
    use(world, "prompt=Why?", kind="custom_investigation")
    world.problem("pipeline ai", 6, "no key")
    missing(monkeypatch, "pydantic_ai")
    world.problem("pipeline ai", 6, "extra", "pip install 'watchbell[ai]'")


def test_charts_that_cannot_be_drawn_are_advice_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    missing(monkeypatch, "matplotlib")
    [charts] = world.doctor()["charts"]
    assert charts["status"] == "ok"
    assert "watchbell[charts]" in charts["advice"]
    configure(world, "charts = false\n")
    assert "charts" not in world.doctor()


def test_a_task_that_never_says_that_it_is_alive_is_advice_only(world: World) -> None:
    world.watchbell("cron", "edit", world.task, "--skip-if-quiet")
    assert "proof of life" not in world.doctor("--offline")
    world.watchbell("cron", "edit", world.task, "--proof-of-life", "0")
    [silent] = world.doctor("--offline")["proof of life"]
    assert (silent["status"], world.task in silent["detail"]) == ("ok", True)
    assert "--proof-of-life" in silent["advice"]


def test_after_a_clock_that_was_far_ahead_tasks_go_on_when_the_database_is_moved_aside(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def next_year() -> str:
        return str(world.watchbell("cron", "list", "--json").json[0]["next_fire"])[:4]

    right = next_year()
    now = SystemClock.now
    monkeypatch.setattr(SystemClock, "now", lambda self: now(self) + timedelta(days=800))
    world.watchbell("tick")
    monkeypatch.setattr(SystemClock, "now", now)
    assert next_year() > right
    for path in world.home.glob("scheduler.db*"):
        path.unlink()
    assert world.watchbell("tick").code == 0
    assert next_year() == right
