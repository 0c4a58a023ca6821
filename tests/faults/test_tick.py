"""Ticks that come at once, late, twice or out of order, reports that kill, homes that cannot be used."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from faults.conftest import Chats, Home, raw_task
from faults.scene import TASK, Scene, at
from watchbell.building import request_for
from watchbell.claims import Status
from watchbell.deliveries import PartState
from watchbell.delivery.interface import Delivered, Outcome
from watchbell.errors import StoreError
from watchbell.instants import format_minute
from watchbell.reports.codec import report_to_json
from watchbell.reports.interface import Coverage, CoverageStatus, Verdict
from watchbell.tick import begin, run_tick

OTHER = "b1b2c3d4e5f6"
WATCHBELL = [sys.executable, "-P", "-m", "watchbell_cli"]


def ended(process: "subprocess.Popen[str]", seconds: float = 60) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


# A report that kills its process.


def test_a_report_that_kills_its_process_fails_after_three_attempts_and_takes_no_other_with_it(
    home: Home, chats: Chats, chat: str
) -> None:
    """The killer is recovered last and alone, so what is new in the same ticks is through before it strikes."""
    killer, others = TASK, [f"b{number}b2c3d4e5f6" for number in range(3)]
    home.add(raw_task(killer, f"slack:C{chat}", params={"kill": True}))
    codes = [ended(home.start())[0]]
    for number, other in enumerate(others):
        home.add(raw_task(other, f"slack:{number}{chat}"))
        codes.append(ended(home.start())[0])

    assert codes == [-signal.SIGKILL] * 3 + [7]
    run = home.settled(killer)
    assert (run.status, run.attempt, run.crashes, run.wake_at) == (Status.FAILED, 4, 3, None)
    assert run.error == "its process ended 3 times"
    assert home.built(killer) == 3
    assert chats.texts(f"C{chat}") == []
    for number, other in enumerate(others):
        assert home.settled(other).status is Status.SUCCESS
        assert len(chats.texts(f"{number}{chat}")) == 1
    assert home.tick().exit_code == 0


def test_what_a_killer_takes_with_it_at_first_is_delivered_before_it_strikes_for_the_last_time(
    home: Home, chats: Chats, chat: str
) -> None:
    """In the first tick nobody knows it yet: the runs beside it are recovered too, and must not die of it again."""
    beside = [f"b{number}b2c3d4e5f6" for number in range(3)]
    home.add(
        raw_task(TASK, f"slack:C{chat}", params={"kill": True}),
        *(raw_task(task, f"slack:{number}{chat}", params={"sleep": 1}) for number, task in enumerate(beside)),
    )
    codes = [ended(home.start())[0] for _ in range(4)]

    assert codes == [-signal.SIGKILL] * 3 + [7]
    assert home.settled(TASK).status is Status.FAILED
    for number, task in enumerate(beside):
        assert home.settled(task).status is Status.SUCCESS
        assert len(chats.texts(f"{number}{chat}")) == 1


def test_the_operator_hears_of_the_killer_in_a_channel_of_their_own(home: Home, chats: Chats, chat: str) -> None:
    home.add(raw_task(TASK, f"slack:C{chat}", params={"kill": True}))
    (home.path / "config.toml").write_text(f'ops_target = "slack:D{chat}"\n')
    for _ in range(5):
        ended(home.start())
    assert chats.texts(f"C{chat}") == []
    (told,) = chats.texts(f"D{chat}")
    assert f"run {TASK}@{home.at} is failed: its process ended 3 times" in told


# Several ticks.


@pytest.mark.parametrize("count", [2, 8])
def test_ticks_of_one_minute_at_once_deliver_each_fire_time_once(
    home: Home, chats: Chats, chat: str, count: int
) -> None:
    tasks = [f"a{number}b2c3d4e5f6" for number in range(5)]
    home.add(*(raw_task(task, f"slack:{number}{chat}") for number, task in enumerate(tasks)))
    ticks = [home.start() for _ in range(count)]
    codes = [ended(tick)[0] for tick in ticks]
    assert codes == [0] * count
    for number, task in enumerate(tasks):
        assert len(chats.texts(f"{number}{chat}")) == 1
        assert [(run.fire_time, run.attempt) for run in home.history(task)] == [(home.at, 1)]
        assert home.gaps(task) == []


def test_late_doubled_and_out_of_order_ticks_settle_each_fire_time_once(scene: Scene) -> None:
    scene.add(cron="*/10 * * * *", catch_up="all")
    for minute in ("08:10", "08:12", "08:12", "08:11", "08:35", "08:20", "08:35", "08:30", "09:00"):
        scene.tick(minute)
    assert scene.ledger() == [f"{minute} success" for minute in ("08:10", "08:20", "08:30", "08:40", "08:50", "09:00")]
    assert len(scene.slack.sends) == 6


def test_of_several_late_fire_times_the_newest_runs_and_the_others_are_missed_with_count_and_reason(
    scene: Scene,
) -> None:
    scene.add(cron="*/10 * * * *")
    for minute in ("08:10", "08:45", "08:44", "08:45"):
        scene.tick(minute)
    assert scene.ledger() == ["08:10 success", "08:20-08:30 missed 2 no tick", "08:40 success"]


def test_a_tick_for_an_earlier_minute_than_the_last_one_finds_nothing(scene: Scene) -> None:
    scene.add(cron="* * * * *")
    scene.tick("08:05")
    services = scene.process().services
    assert run_tick(services, at("08:03"), begin(services, Event())).runs == []


def test_a_fire_time_waits_for_the_previous_run_and_is_missed_for_overlap_when_that_takes_too_long(
    scene: Scene,
) -> None:
    scene.add(cron="*/20 * * * *", grace_minutes=5)
    slow, quick = scene.process(), scene.process()  # of one machine: a lock that is held says alive

    def meanwhile(request: object) -> None:
        slow.pipeline.meanwhile = lambda request: None
        for minute in ("08:40", "08:44", "08:46"):
            assert scene.tick(minute, quick).runs == []

    slow.pipeline.meanwhile = meanwhile
    scene.tick("08:20", slow)
    scene.tick("08:47")
    scene.tick("09:00")
    assert scene.ledger() == ["08:20 success", "08:40-08:40 missed 1 overlap", "09:00 success"]


@pytest.mark.parametrize(("ahead", "code"), [(timedelta(minutes=1), 0), (timedelta(minutes=5), 2)])
def test_a_minute_more_than_two_minutes_ahead_is_refused(home: Home, ahead: timedelta, code: int) -> None:
    home.add(raw_task(TASK, "console:log"))
    minute = format_minute(home.minute + ahead)
    got, _, err = ended(home.popen([*WATCHBELL, "tick", "--at", minute]))
    assert got == code, err
    assert ("ahead of the clock" in err) == (code == 2)
    assert (home.run(TASK) is not None) == (code == 0) or home.history(TASK)[0].fire_time == minute


def test_a_dry_run_ahead_is_allowed_and_claims_nothing(home: Home) -> None:
    home.add(raw_task(TASK, "console:log"))
    minute = format_minute(home.minute + timedelta(days=400))
    code, out, err = ended(home.popen([*WATCHBELL, "tick", "--dry-run", "--at", minute]))
    assert code == 0, err
    assert out
    assert home.history(TASK) == []


# Homes that cannot be used.


def test_without_a_home_a_tick_says_so_and_makes_none(home: Home) -> None:
    code, out, err = ended(home.popen([*WATCHBELL, "tick"]))
    assert (code, out) == (3, "")
    assert f"there is no home folder {home.path}" in err
    assert "Traceback" not in err
    assert not home.path.exists()


@pytest.mark.parametrize("used", [False, True])
def test_a_read_only_home_is_a_store_error_and_nothing_is_sent(home: Home, chats: Chats, chat: str, used: bool) -> None:
    home.path.mkdir()
    if used:
        home.add(raw_task(TASK, f"slack:{chat}"))
    code, err = _tick_of_somebody_without_rights(home)
    assert code == 5, err
    assert "must be a folder that this user can write to" in err
    assert "Traceback" not in err
    assert chats.texts(chat) == []
    if used:
        assert home.tick().exit_code == 0
        assert len(chats.texts(chat)) == 1


def _tick_of_somebody_without_rights(home: Home) -> tuple[int, str]:
    command = [*WATCHBELL, "tick"]
    for path in (home.path, *home.path.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.getuid() == 0:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("root can write anywhere, and there is no setpriv")
        # Still root, for the checkout may be root's alone, but bound by permission bits like everybody else.
        without = "-dac_override,-dac_read_search"
        command = [setpriv, f"--bounding-set={without}", f"--inh-caps={without}", *command]
    code, _, err = ended(home.popen(command))
    for path in (home.path, *home.path.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return code, err


@pytest.mark.parametrize("broken", ["", "[{", "{}", '[{"id": 7}]', None])
def test_while_the_tasks_file_cannot_be_read_the_last_good_index_fires_and_each_tick_exits_3(
    scene: Scene, broken: str | None
) -> None:
    scene.add()
    scene.tick("08:30")
    tasks = scene.home / "scheduler_tasks.json"
    good = tasks.read_text()
    if broken is None:
        tasks.unlink()
    else:
        tasks.write_text(broken)
    codes = [scene.tick(minute).exit_code for minute in ("09:00", "09:01", "10:00")]
    assert codes == [3, 3, 3]
    assert scene.ledger() == ["09:00 success", "10:00 success"]
    assert not tasks.exists() if broken is None else tasks.read_text() == broken

    tasks.write_text(good)
    assert scene.tick("11:00").exit_code == 0
    assert scene.ledger() == ["09:00 success", "10:00 success", "11:00 success"]


def test_one_wrong_task_does_not_silence_the_others_and_every_tick_says_so(home: Home, chats: Chats, chat: str) -> None:
    home.add(raw_task(TASK, f"slack:{chat}"))
    tasks = home.path / "scheduler_tasks.json"
    wrong = raw_task(OTHER, f"slack:{chat}", cron="61 * * * *")
    tasks.write_text(json.dumps([*json.loads(tasks.read_text()), wrong]))
    for _ in range(2):
        code, _, err = ended(home.popen([*WATCHBELL, "tick", "--at", home.at]))
        assert code == 3
        assert "[1].cron" in err
    assert len(chats.texts(chat)) == 1


@pytest.fixture
def small_disk(home: Home) -> Iterator[Path]:
    """Put the home on a file system of its own; only root can make one."""
    home.path.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", home.path], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"this machine mounts nothing here: {done.stderr!r}")
    yield home.path
    subprocess.run(["umount", "-l", home.path], check=True)


def test_on_a_full_disk_a_tick_sends_nothing_and_says_why(
    home: Home, chats: Chats, chat: str, small_disk: Path
) -> None:
    home.add(raw_task(TASK, f"slack:{chat}"))
    ballast = small_disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(b"x" * 512):
            pass
    code, _, err = ended(home.popen([*WATCHBELL, "tick", "--at", home.at]))
    assert code == 5, err
    assert "Traceback" not in err
    assert f"{home.path}/scheduler.db" in err
    assert chats.texts(chat) == []

    ballast.unlink()
    assert home.tick().exit_code == 0
    assert [(run.status, run.attempt) for run in home.history(TASK)] == [(Status.SUCCESS, 1)]
    assert len(chats.texts(chat)) == 1


def test_a_full_disk_stops_before_anything_is_sent(scene: Scene) -> None:
    """The ledger cannot take the claim: better late than sent without a record."""
    scene.add()
    process = scene.process()

    def full(*args: Any, **kwargs: Any) -> Any:
        raise StoreError("scheduler.db: database or disk is full")

    process.services.store.runs.claim, before = full, process.services.store.runs.claim  # type: ignore[method-assign]
    assert scene.tick("09:00", process).exit_code == 5
    process.services.store.runs.claim = before  # type: ignore[method-assign]
    assert scene.slack.sends == []
    scene.tick("09:01")
    assert scene.ledger() == ["09:00 success"]


# Quiet.


OK = Coverage(source="prometheus", status=CoverageStatus.OK, detail="")
OPTIONAL_OUT = Coverage(source="log", status=CoverageStatus.FAILED, detail="down", required=False)
UNPROVEN = Coverage(source="log", status=CoverageStatus.UNPROVEN, detail="no heartbeat")


@pytest.mark.parametrize(
    ("verdict", "coverage", "quiet"),
    [
        (Verdict.OK, (OK,), True),
        (Verdict.OK, (), False),
        (Verdict.OK, (OK, OPTIONAL_OUT), False),
        (Verdict.OK, (OK, UNPROVEN), False),
        (Verdict.UNKNOWN, (OK,), False),
        (Verdict.ATTENTION, (OK,), False),
        (Verdict.DEGRADED, (OK,), False),
    ],
)
def test_a_task_that_asks_for_silence_is_silent_only_when_all_is_proven_well(
    scene: Scene, verdict: Verdict, coverage: tuple[Coverage, ...], quiet: bool
) -> None:
    scene.add(skip_if_quiet=True)
    process = scene.process()
    process.pipeline.verdict, process.pipeline.coverage = verdict, coverage
    assert scene.tick("09:00", process).exit_code == 0
    assert scene.run("09:00").status is (Status.QUIET if quiet else Status.SUCCESS)
    assert len(scene.slack.sends) == (0 if quiet else 1)


def test_a_task_that_does_not_ask_for_silence_is_told_that_all_is_well(scene: Scene) -> None:
    scene.add()
    process = scene.process()
    process.pipeline.verdict = Verdict.OK
    scene.tick("09:00", process)
    assert len(scene.slack.sends) == 1


def test_an_old_owner_that_wakes_up_changes_nothing_and_sends_nothing(scene: Scene) -> None:
    """Its run was taken over while it was building: it finds that out before its first send."""
    scene.add()
    old = scene.process()

    def taken_over(request: object) -> None:
        scene.gone.add(old.services.owner.token)
        old.pipeline.meanwhile = lambda request: None
        scene.tick("09:01")

    old.pipeline.meanwhile = taken_over
    scene.tick("09:00", old)
    run = scene.run("09:00")
    assert (run.status, run.attempt, len(scene.slack.sends)) == (Status.SUCCESS, 2, 1)


def test_an_old_owner_that_loses_its_run_in_the_middle_of_a_send_leaves_the_record_alone(scene: Scene) -> None:
    scene.add()
    old = scene.process()

    def taken_over() -> Outcome:
        scene.gone.add(old.services.owner.token)
        scene.tick("09:01")
        return Delivered("late")

    scene.slack.script["C1"] += [taken_over]
    scene.tick("09:00", old)
    run = scene.run("09:00")
    assert (run.status, run.parts[0].message_id, len(scene.slack.sends)) == (Status.UNKNOWN, None, 1)


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ([], Status.ABANDONED),
        (["not_sent"], Status.FAILED),
        ([None], Status.UNKNOWN),
        (["delivered"], Status.SUCCESS),
    ],
)
def test_an_interrupted_run_by_hand_is_told_for_what_it_is_and_never_repeated(
    scene: Scene, outcomes: list[str | None], status: Status
) -> None:
    scene.add()
    gone, runs = scene.process(), scene.store.runs
    expected = scene.store.tasks.expectation(TASK)
    assert expected is not None
    run = runs.claim_adhoc(
        expected.task,
        "2026-11-22T08:30:00.123Z-abcd",
        owner=gone.services.owner,
        lease_until=at("08:36"),
        now=at("08:30"),
    )
    runs.save_report(run, report_to_json(gone.pipeline.build(request_for(expected.task, at("08:30")))), verdict="OK",
                     source_error=None)  # fmt: skip
    for outcome in outcomes:
        part = PartState(target="slack:C1", part=1, of=1, outcome=None, intent_at=at("08:30"))
        runs.write_intent(run, part)
        if outcome is not None:
            runs.write_outcome(run, replace(part, outcome=outcome, retry_at=at("08:31")))
    scene.gone.add(gone.services.owner.token)
    for minute in ("08:32", "08:40"):
        scene.tick(minute)
    found = runs.find(TASK, run.fire_time)
    assert found is not None
    assert (found.status, found.wake_at, scene.slack.sends) == (status, None, [])
    scene.tick("09:00")
    assert scene.run("09:00").status is Status.SUCCESS, "it takes no fire time of the schedule"


def test_a_provider_that_hangs_holds_up_no_target_of_another_however_many_it_has(scene: Scene) -> None:
    arrived, waits = Event(), list[bool]()

    def hang() -> Delivered:
        waits.append(arrived.wait(20))
        return Delivered("1")

    def arrive() -> Delivered:
        arrived.set()
        return Delivered("2")

    slow = [f"telegram:{number}" for number in range(20)]
    scene.add(target=slow[0], targets=[*slow[1:], "slack:LAST"])
    for number in range(20):
        scene.chats["telegram"].script[str(number)].append(hang)
    scene.slack.script["LAST"].append(arrive)
    scene.tick("09:00")
    assert waits == [True] * 20
    assert scene.run("09:00").status is Status.SUCCESS
