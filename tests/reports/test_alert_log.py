"""The alert log: durable appends, episodes rebuilt from notifications, and proof that someone was watching."""

import json
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from watchbell.errors import StoreError, UsageError
from watchbell.instants import format_instant
from watchbell.reports.interface import CoverageStatus
from watchbell.reports.sources.alert_log import AlertLog, append

END = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
START = END - timedelta(days=1)
NEVER = "0001-01-01T00:00:00Z"


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def alert(name: str = "Slow", *, start: float = 0, end: float | None = None, **labels: str) -> dict:
    return {
        "status": "firing" if end is None else "resolved",
        "labels": {"alertname": name, **labels},
        "annotations": {"summary": "it is slow"},
        "startsAt": format_instant(at(start)),
        "endsAt": NEVER if end is None else format_instant(at(end)),
        "fingerprint": "c0ffee",
    }


def payload(*alerts: dict) -> dict:
    return {"version": "4", "status": alerts[0]["status"], "alerts": list(alerts)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "home" / "alerts.jsonl"


@pytest.fixture
def watched(path):
    """A log whose heartbeat came every four hours, from before the day until its end."""
    for hour in range(-6, 25, 4):
        append(path, payload(alert("Watchdog", start=-100)), at(hour))
    return path


def read(path, start=START, end=END):
    return AlertLog(path).read(start, end)


def bounds(evidence):
    def hour(instant):
        return None if instant is None else (instant - START) / timedelta(hours=1)

    return [(hour(e.start), hour(e.end)) for e in evidence.episodes]


def test_heartbeats_over_the_whole_window_are_proof_and_no_alert(watched):
    evidence = read(watched)
    assert evidence.coverage.status is CoverageStatus.OK
    assert evidence.covered_from == START
    assert evidence.episodes == ()
    assert evidence.coverage.age_seconds == 2 * 3600


def test_an_alert_fires_from_its_start_to_its_end(watched):
    append(watched, payload(alert(start=2)), at(2.1))
    append(watched, payload(alert(start=2, end=3)), at(3.1))
    assert bounds(read(watched)) == [(2, 3)]


def test_year_one_as_the_end_means_that_it_still_fires(watched):
    append(watched, payload(alert(start=2)), at(2.1))
    assert bounds(read(watched)) == [(2, None)]


def test_repeats_and_copies_of_a_second_alertmanager_count_once(watched):
    for hour in (2.1, 2.1, 6.1, 6.2):
        append(watched, payload(alert(start=2)), at(hour))
    for hour in (7.1, 7.1):
        append(watched, payload(alert(start=2, end=7)), at(hour))
    append(watched, payload(alert(start=2)), at(7.2))  # a late copy of the second one
    assert bounds(read(watched)) == [(2, 7)]


def test_a_new_start_is_a_new_episode_and_ends_one_whose_end_was_lost(watched):
    append(watched, payload(alert(start=2)), at(2.1))
    append(watched, payload(alert(start=5, end=6)), at(6.1))
    assert bounds(read(watched)) == [(2, 5), (5, 6)]


def test_an_end_without_its_beginning_in_the_log_is_a_whole_episode(watched):
    append(watched, payload(alert(start=-3, end=1)), at(1.1))
    assert bounds(read(watched)) == [(-3, 1)]


def test_what_ended_before_or_began_after_the_window_is_left_out(watched):
    append(watched, payload(alert(start=-9, end=-8, pod="a"), alert(start=30, pod="b")), at(30.1))
    assert bounds(read(watched)) == []


def test_an_alert_that_ended_after_the_window_still_fires_at_its_end(watched):
    append(watched, payload(alert(start=23, end=25)), at(25.1))
    assert bounds(read(watched)) == [(23, None)]


def test_alerts_are_told_apart_by_their_labels(watched):
    append(watched, payload(alert(start=2, pod="a"), alert(start=2, pod="b")), at(2.1))
    assert len(read(watched).episodes) == 2


def test_bare_payloads_are_understood_and_dated_by_their_alerts(watched):
    with watched.open("a") as log:
        log.write(json.dumps(payload(alert(start=2, end=3))) + "\n")
    evidence = read(watched)
    assert (bounds(evidence), evidence.coverage.status) == ([(2, 3)], CoverageStatus.OK)


def test_without_a_file_the_source_has_failed(path):
    evidence = read(path)
    assert evidence.coverage.status is CoverageStatus.FAILED
    assert "watchbell alerts record" in evidence.coverage.detail


def test_a_file_that_cannot_be_read_has_failed(tmp_path):
    assert read(tmp_path).coverage.status is CoverageStatus.FAILED


def test_an_empty_file_proves_nothing(path):
    path.parent.mkdir()
    path.touch()
    evidence = read(path)
    assert evidence.coverage.status is CoverageStatus.UNPROVEN
    assert "no recent entry" in evidence.coverage.detail


def test_alerts_without_a_heartbeat_prove_nothing_but_are_shown(path):
    append(path, payload(alert(start=2)), at(2.1))
    evidence = read(path)
    assert evidence.coverage.status is CoverageStatus.UNPROVEN
    assert "no heartbeat: route an always-firing alert such as Watchdog" in evidence.coverage.detail
    assert bounds(evidence) == [(2, None)]


@pytest.mark.parametrize(
    ("hours", "detail"),
    [
        ((-4, 0, 4, 8), "between 2026-11-21T17:00Z and 2026-11-22T09:00Z"),
        ((-4, 0, 4, 10, 14, 18, 22), "between 2026-11-21T13:00Z and 2026-11-21T19:00Z"),
        ((6, 10, 14, 18, 22), "before 2026-11-21T15:00Z"),
        ((-40,), "before 2026-11-22T09:00Z"),
    ],
)
def test_a_gap_between_heartbeats_is_named_and_spoils_the_proof(path, hours, detail):
    for hour in hours:
        append(path, payload(alert("Watchdog", start=-100)), at(hour))
    evidence = read(path)
    assert evidence.coverage.status is CoverageStatus.UNPROVEN
    assert f"no heartbeat {detail}" in evidence.coverage.detail


@pytest.mark.parametrize(("start", "end", "is_proof"), [(23, 24, False), (21.5, 22.5, True), (19, 20, True)])
def test_a_short_window_without_a_heartbeat_in_it_or_after_it_is_no_proof(watched, start, end, is_proof):
    evidence = read(watched, at(start), at(end))  # the last one came at 22 h
    assert evidence.coverage.status is (CoverageStatus.OK if is_proof else CoverageStatus.UNPROVEN)
    assert evidence.covered_from == (at(start) if is_proof else None)
    assert (
        "no heartbeat in the window itself, let it be repeated more often" in evidence.coverage.detail
    ) is not is_proof


def test_covered_from_is_the_first_heartbeat_after_the_last_gap(path):
    for hour in (-4, 0, 10, 14, 18, 22):
        append(path, payload(alert("DeadMansSwitch", start=-100)), at(hour))
    assert read(path).covered_from == at(10)


def test_a_resolved_heartbeat_is_no_heartbeat(path):
    for hour in range(-6, 25, 4):
        append(path, payload(alert("Watchdog", start=-100, end=-99)), at(hour))
    assert read(path).coverage.status is CoverageStatus.UNPROVEN


def test_a_torn_last_line_is_left_out_and_said(watched):
    with watched.open("a") as log:
        log.write('{"received_at": "2026-11-22T08:59:00Z", "payload": {"version": "4", "al')
    evidence = read(watched)
    assert evidence.coverage.status is CoverageStatus.OK
    assert "1 torn line left out" in evidence.coverage.detail
    append(watched, payload(alert(start=2)), at(2.1))
    assert bounds(read(watched)) == [(2, None)]


def test_a_line_that_cannot_be_read_spoils_the_proof_and_is_named(watched):
    with watched.open("a") as log:
        log.write("what is this\n")
    evidence = read(watched, START + timedelta(hours=1), END + timedelta(hours=1))
    assert evidence.coverage.status is CoverageStatus.UNPROVEN
    assert "line 9 of" in evidence.coverage.detail


def test_an_old_unreadable_line_is_forgotten(path):
    path.parent.mkdir()
    path.write_text(
        json.dumps(payload(alert(start=-200, end=-199)))
        + "\nwhat is this\n"
        + json.dumps(payload(alert(start=-50, end=-49)))
        + "\n"
    )
    for hour in range(-6, 25, 4):
        append(path, payload(alert("Watchdog", start=-100)), at(hour))
    assert read(path).coverage.status is CoverageStatus.OK


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (None, "a JSON object was expected"),
        ([], "a JSON object was expected"),
        ({"alerts": []}, "at least one alert"),
        ({"alerts": [{"labels": {"alertname": "A"}, "startsAt": NEVER}]}, "no 'status'"),
        ({"alerts": [{**alert(), "status": "sleeping"}]}, "firing or resolved, not 'sleeping'"),
        ({"alerts": [{**alert(), "labels": []}]}, "labels must be an object"),
        ({"alerts": [{**alert(), "startsAt": "soon"}]}, "'soon' is not an instant"),
    ],
)
def test_what_is_no_payload_is_refused_with_the_reason_and_not_written(path, wrong, reason):
    with pytest.raises(UsageError) as refusal:
        append(path, wrong, END)
    assert reason in str(refusal.value)
    assert not path.exists()


def test_the_file_is_private_and_its_folder_is_made(path):
    assert append(path, payload(alert(), alert(pod="b")), END) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_log_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot write the alert log"):
        append(tmp_path / "file" / "alerts.jsonl", payload(alert()), END)


def test_a_full_disk_is_an_error():
    with pytest.raises(StoreError, match="cannot write the alert log /dev/full: No space left on device"):
        append(Path("/dev/full"), payload(alert()), END)


def test_concurrent_writers_lose_nothing(path):
    def write(writer: int) -> None:
        for n in range(20):
            append(path, payload(alert(start=2, writer=str(writer), n=str(n))), at(2))

    writers = [threading.Thread(target=write, args=(n,)) for n in range(8)]
    for thread in writers:
        thread.start()
    for thread in writers:
        thread.join()
    assert len(read(path).episodes) == 160


def test_lines_before_the_window_are_not_parsed(watched):
    old = format_instant(at(-24 * 30))
    with watched.open("r+") as log:
        rest = log.read()
        log.seek(0)
        log.write(f'{{"received_at": "{old}", "payload": "not looked at"}}\n{rest}')
    assert read(watched).coverage.status is CoverageStatus.OK


def test_an_alert_without_a_name_spoils_no_other(tmp_path):
    path = tmp_path / "alerts.jsonl"
    assert append(path, {"alerts": [{**alert(), "labels": {"pod": "a"}}, alert("Slow")]}, END) == 2
    found = AlertLog(path).read(END - timedelta(days=1), END + timedelta(seconds=1)).episodes
    assert {episode.labels["alertname"] for episode in found} == {"(no alertname)", "Slow"}


def test_what_two_alertmanagers_both_send_counts_once(tmp_path):
    path = tmp_path / "alerts.jsonl"
    for receiver in ("a", "b"):
        for _ in range(2):
            append(path, {"groupKey": receiver, "alerts": [alert("Slow")]}, END)
    assert len(AlertLog(path).read(END - timedelta(days=1), END + timedelta(seconds=1)).episodes) == 1
