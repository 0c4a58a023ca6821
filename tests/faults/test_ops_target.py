"""What the operator hears: once, then daily, then of the recovery, in a channel of their own, and never a storm."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from faults.scene import OPS, TASK, Scene, a_scene, at
from watchbell.claims import Status
from watchbell.deliveries import Means
from watchbell.delivery.interface import CannotTell, Delivered, Found, NotSent, Outcome, Refused, Unknown
from watchbell.errors import SourceError
from watchbell.reports.interface import Coverage, CoverageStatus
from watchbell.tasks import Target

NO = Refused("channel_not_found")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with a_scene(tmp_path / "home") as opened:
        opened.ops_target = Target.parse(OPS)
        yield opened


def test_sixty_failing_ticks_are_one_message(scene: Scene) -> None:
    scene.add(cron="* * * * *")
    scene.slack.script["C1"] += [NO] * 60
    for minute in range(60):
        scene.tick(at("09:00") + timedelta(minutes=minute))
    assert len(scene.slack.texts("C1")) == 60
    (told,) = scene.ops_texts()
    assert f"run {TASK}@2026-11-22T09:00Z is failed: channel_not_found" in told


def test_what_lasts_is_told_daily_and_its_end_once(scene: Scene) -> None:
    scene.add(cron="0 * * * *")
    scene.slack.script["C1"] += [NO] * 50
    for hour in range(60):
        scene.tick(at("09:00") + timedelta(hours=hour))
    told = scene.ops_texts()
    assert len(told) == 4
    assert [("recovered" in text) for text in told] == [False, False, False, True]
    assert "(since 2026-11-22T09:00:00Z)" in told[-1]


@pytest.mark.parametrize(
    ("outcome", "targets", "status"),
    [(NO, [], "failed"), (Unknown("no answer"), [], "unknown"), (NO, ["slack:C2"], "partial")],
)
def test_a_run_that_did_not_go_well_is_told(scene: Scene, outcome: Outcome, targets: list[str], status: str) -> None:
    scene.add(cron="0 9 * * *", targets=targets)
    scene.slack.script["C1"] += [outcome]
    scene.tick("09:00")
    (told,) = scene.ops_texts()
    assert f"is {status}: {outcome.error}" in told  # type: ignore[union-attr]


def test_what_is_about_to_be_asked_about_is_told_only_if_it_remains_unknown(scene: Scene) -> None:
    scene.add(cron="0 9 * * *")
    scene.slack.offers = Means(can_ask=True)
    scene.slack.script["C1"] += [Unknown("no answer")]
    scene.tick("09:00")
    assert scene.ops_texts() == []
    scene.slack.answers += [CannotTell("missing scope"), CannotTell("missing scope"), Found("ts1")]
    scene.tick("09:02")
    assert scene.ops_texts() == []
    scene.tick("09:05")
    (told,) = scene.ops_texts()
    assert "is unknown" in told
    assert "missing scope" in told
    scene.tick("09:16")
    assert "recovered" in scene.ops_texts()[-1]


def test_a_run_that_only_waits_is_not_told_until_it_is_given_up(scene: Scene) -> None:
    scene.add(cron="0 9 * * *", deliver_within_hours=2)
    scene.slack.script["C1"] += [NotSent("busy", retry_after=3600), NotSent("busy", retry_after=7200)]
    scene.tick("09:00")
    assert scene.ops_texts() == []
    scene.tick("10:00")
    (told,) = scene.ops_texts()
    assert "is failed: busy" in told


def test_missed_fire_times_are_told_and_so_is_the_next_that_is_delivered(scene: Scene) -> None:
    scene.add(cron="0 * * * *")
    scene.tick("09:00")
    scene.tick("12:45")
    (told,) = scene.ops_texts()
    assert f"task {TASK} missed 3 fire time(s), 2026-11-22T10:00Z to 2026-11-22T12:00Z: no tick" in told
    scene.tick("13:00")
    assert "recovered" in scene.ops_texts()[1]


def test_missed_fire_times_are_told_though_the_tick_that_finds_them_delivers_the_newest(scene: Scene) -> None:
    scene.add(cron="* * * * *")
    for minute in ("09:00", "09:01", "12:01", "12:02"):
        scene.tick(minute)
    assert len(scene.slack.texts("C1")) == 4
    *_, told, recovered = scene.ops_texts()
    assert f"task {TASK} missed 179 fire time(s), 2026-11-22T09:02Z to 2026-11-22T12:00Z: no tick" in told
    assert "recovered" in recovered


def test_a_report_that_is_sent_late_says_nothing_of_how_its_sources_are_now(scene: Scene) -> None:
    scene.add(cron="0 9 * * *")
    scene.add("b" * 12, "slack:C2", cron="30 9 * * *")
    process = scene.process()
    scene.slack.script["C1"] += [NotSent("unreachable", retry_after=1800)]
    scene.tick("09:00", process)
    process.pipeline.coverage = (Coverage(source="prometheus", status=CoverageStatus.FAILED, detail="HTTP 503"),)
    scene.tick("09:30", process)
    scene.tick("09:31", process)
    assert scene.run("09:00").status is Status.SUCCESS
    (told,) = scene.ops_texts()
    assert "source prometheus is failed: HTTP 503" in told


def test_a_source_that_cannot_be_believed_is_told_and_its_return_too(scene: Scene) -> None:
    scene.add(cron="0-3 9 * * *")
    process = scene.process()
    process.pipeline.coverage = (Coverage(source="prometheus", status=CoverageStatus.FAILED, detail="HTTP 503"),)
    for minute in ("09:00", "09:01", "09:02"):
        scene.tick(minute, process)
    (told,) = scene.ops_texts()
    assert "source prometheus is failed: HTTP 503" in told
    scene.tick("09:03")
    assert "recovered: source prometheus is failed: HTTP 503" in scene.ops_texts()[1]


def test_a_report_that_could_not_be_built_at_all_is_told(scene: Scene) -> None:
    """The audience gets its notice, the operator hears of the source."""
    scene.add()
    process = scene.process()

    def unreachable(request: object) -> None:
        raise SourceError("prometheus: cannot connect")

    process.pipeline.meanwhile = unreachable
    scene.tick("09:00", process)
    assert scene.run("09:00").status is Status.SUCCESS
    (told,) = scene.ops_texts()
    assert "prometheus: cannot connect" in told
    scene.tick("10:00")
    assert "recovered" in scene.ops_texts()[1]


def test_an_unreadable_tasks_file_is_told_once_and_its_mending_too(scene: Scene) -> None:
    scene.add()
    tasks = scene.home / "scheduler_tasks.json"
    good = tasks.read_text()
    tasks.write_text("[{")
    for minute in ("08:10", "08:11", "08:12"):
        assert scene.tick(minute).exit_code == 3
    (told,) = scene.ops_texts()
    assert f"{tasks} line 1" in told
    tasks.write_text(good)
    scene.tick("08:13")
    assert "recovered" in scene.ops_texts()[1]


def test_several_conditions_are_one_message(scene: Scene) -> None:
    for number in range(5):
        scene.add(f"a{number}b2c3d4e5f6", target=f"slack:C{number}")
        scene.slack.script[f"C{number}"] += [NO]
    scene.tick("09:00")
    (told,) = scene.ops_texts()
    assert told.count("is failed: channel_not_found") == 5


def test_nothing_of_it_goes_to_the_audience(scene: Scene) -> None:
    scene.add(cron="* * * * *")
    scene.slack.script["C1"] += [Delivered("1"), NO, NO]
    for minute in ("09:00", "09:01", "09:02"):
        scene.tick(minute)
    assert scene.slack.texts("C1") == [f"2026-11-22T09:0{minute}Z build 1" for minute in range(3)]


def test_an_operator_who_cannot_be_reached_is_told_later_and_the_ticks_go_on(scene: Scene) -> None:
    chat = OPS.partition(":")[2]
    scene.add(cron="0 9 * * *")
    scene.slack.script["C1"] += [NO]
    scene.slack.script[chat] += [NotSent("cannot connect")]
    assert scene.tick("09:00").exit_code == 7
    assert scene.tick("09:01").exit_code == 0
    assert len(scene.ops_texts()) == 1
    for minute in ("09:05", "09:06", "09:30"):
        scene.tick(minute)
    assert len(scene.ops_texts()) == 2, "once more, and then it was told"


def test_a_provider_with_a_bug_is_no_end_of_the_tick(scene: Scene) -> None:
    chat = OPS.partition(":")[2]

    def bug() -> Outcome:
        raise RuntimeError("boom")

    scene.add(cron="0 9 * * *")
    scene.slack.script["C1"] += [NO]
    scene.slack.script[chat] += [bug]
    scene.tick("09:00")
    for minute in ("09:10", "09:11"):
        scene.tick(minute)
    assert len(scene.ops_texts()) == 2, "told again: nobody knows whether it was heard"


def test_without_an_ops_target_it_is_logged_as_often(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.ops_target = None
    scene.add(cron="* * * * *")
    scene.slack.script["C1"] += [NO] * 5
    for minute in range(5):
        scene.tick(at("09:00") + timedelta(minutes=minute))
    assert [record.message for record in caplog.records].count(
        f"for the operator: run {TASK}@2026-11-22T09:00Z is failed: channel_not_found (since 2026-11-22T09:00:00Z)"
    ) == 1


def test_of_a_task_that_was_removed_the_operator_hears_no_more(scene: Scene) -> None:
    scene.add(cron="0 9 * * *")
    process = scene.process()
    scene.slack.script["C1"] += [NO]
    process.pipeline.meanwhile = lambda request: None
    scene.tick("09:00", process)
    assert len(scene.ops_texts()) == 1
    scene.remove()
    for day in range(1, 4):
        scene.tick(at("09:00") + timedelta(days=day, minutes=1))
    assert len(scene.ops_texts()) == 1


@pytest.mark.parametrize("ends", ["failed", "missed"])
def test_of_a_task_that_was_removed_under_its_last_run_the_operator_hears_no_more(scene: Scene, ends: str) -> None:
    scene.add()
    if ends == "failed":

        def removed_meanwhile() -> Outcome:
            scene.remove()
            return NO

        scene.slack.script["C1"] += [removed_meanwhile]
        scene.tick("09:00")
    else:
        scene.tick("09:45")
        scene.remove()
    told = len(scene.ops_texts())
    for day in range(1, 4):
        scene.tick(at("09:00") + timedelta(days=day, hours=1))
    assert len(scene.ops_texts()) - told <= 1, "at most once"
    assert told <= 1
