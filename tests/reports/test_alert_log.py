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
from watchbell.reports.sources.alert_log import MAX_LINE_BYTES, AlertLog, append, append_refusal

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


@pytest.mark.parametrize(
    ("beats", "since", "then"),
    [
        ((-2, 2, 6, 10, 14, 18), None, "no heartbeat has come since"),  # 20 h, until the end
        ((-2, 2, 6, 10, 14, 18, 20.5), at(20.5), "the next heartbeat came at 2026-11-22T05:30Z"),
        ((-2, 2, 6, 10, 14, 18, 20.5, 23), at(20.5), "the next heartbeat came at 2026-11-22T05:30Z"),
    ],
)
def test_after_a_heartbeat_was_resolved_nobody_watched_until_the_next_one(path, beats, since, then):
    for hour in beats:
        append(path, payload(alert("Watchdog", start=-100, cluster="us")), at(hour))
    append(path, payload(alert("Watchdog", start=-100, end=20, cluster="us")), at(20.1))
    evidence = read(path)
    assert (evidence.coverage.status, evidence.covered_from) == (CoverageStatus.UNPROVEN, since)
    assert evidence.coverage.detail == f"Watchdog cluster=us was resolved at 2026-11-22T05:00Z; {then}"
    assert read(path, at(1), at(19)).coverage.status is CoverageStatus.OK, "before that all was well"


MINUTE = 1 / 60


@pytest.mark.parametrize("others", [{"name": "DeadMansSwitch"}, {"cluster": "eu"}], ids=["renamed", "relabelled"])
@pytest.mark.parametrize("told", [1.5, 6], ids=["before the end of the old", "with it"])
def test_a_heartbeat_whose_place_another_took_has_not_stopped(watched, others, told):
    append(watched, payload(alert(**{"name": "Watchdog", "start": 20 + MINUTE} | others)), at(20 + told * MINUTE))
    append(watched, payload(alert("Watchdog", start=-100, end=20 + 5 * MINUTE)), at(20 + 6 * MINUTE))
    assert read(watched).coverage.status is CoverageStatus.OK


@pytest.mark.parametrize(
    ("begun", "ended"),
    [
        (-100, None),  # of another cluster, which tells nothing of this one
        (19.5, None),
        (20 + 6 * MINUTE, None),  # back after the stop, under another name
        (20 + MINUTE, 20 + 5 * MINUTE),  # a Prometheus with two of them crashed soon after its start
    ],
)
def test_another_heartbeat_takes_no_place_unless_it_began_shortly_before_and_goes_on(watched, begun, ended):
    append(watched, payload(alert("DeadMan", start=begun)), at(max(begun, 20)))
    append(watched, payload(alert("Watchdog", start=-100, end=20 + 5 * MINUTE)), at(20 + 7 * MINUTE))
    if ended:
        append(watched, payload(alert("DeadMan", start=begun, end=ended)), at(20 + 7 * MINUTE))
    assert read(watched).coverage.status is CoverageStatus.UNPROVEN


def test_two_heartbeats_of_one_prometheus_that_stop_soon_after_it_began_leave_nobody(path):
    for hour in (-4, 0, 4, 8, 12, 16, 20):
        append(path, payload(alert("Watchdog", start=-100, cluster="old")), at(hour))
    for name, end in (("Watchdog", 20.08), ("DeadMan", 20.09)):
        append(path, payload(alert(name, start=20.01)), at(20.02))
        append(path, payload(alert(name, start=20.01, end=end)), at(20.15))
    assert "was resolved at 2026-11-22T05:05Z; no heartbeat has come since" in read(path).coverage.detail


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


def broken_between(path, before, after, start=START, end=END):
    """Write a broken line between lines of the given times, then heartbeats; return what is said of the window."""
    beats = [at(hour) for hour in range(-6, 31, 4)]
    for instants, line in ((before, "what is this\n"), (after, "")):
        for instant in instants:
            append(path, payload(alert("Watchdog", start=-100)), instant)
        with path.open("a") as log:
            log.write(line)
    for beat in beats:
        append(path, payload(alert("Watchdog", start=-100)), beat)
    return read(path, start, end).coverage


MONTH, WEEKS = 24 * -30, 24 * -20


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        ([MONTH], [WEEKS], CoverageStatus.OK),
        ([-50], [-40], CoverageStatus.OK),
        ([MONTH], [2], CoverageStatus.UNPROVEN),
        ([2], [3], CoverageStatus.UNPROVEN),
        ([40], [41], CoverageStatus.UNPROVEN),  # heartbeats of the window follow
    ],
)
def test_a_broken_line_without_an_instant_spoils_what_may_lie_between_its_neighbours(path, before, after, status):
    assert broken_between(path, map(at, before), map(at, after)).status is status


@pytest.mark.parametrize("wrong_clock", [datetime(1970, 1, 1, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC)])
def test_a_clock_that_was_wrong_for_a_while_hides_no_broken_line(path, wrong_clock):
    coverage = broken_between(path, [at(2), wrong_clock], [wrong_clock, at(3)])
    assert coverage.status is CoverageStatus.UNPROVEN
    assert "line 3 of" in coverage.detail


def test_a_broken_line_with_an_instant_spoils_the_time_around_it_only(watched):
    def with_line_at(hour):
        text = watched.read_text()
        with watched.open("a") as log:
            log.write(json.dumps({"received_at": format_instant(at(hour)), "payload": "what is this"}) + "\n")
        status = read(watched).coverage.status
        watched.write_text(text)
        return status

    assert [with_line_at(hour) for hour in (-24 * 30, -24, 3, 24.1, 40)] == [
        CoverageStatus.OK,
        CoverageStatus.OK,
        CoverageStatus.UNPROVEN,
        CoverageStatus.UNPROVEN,  # of what began just before the end, the first news may have been in it
        CoverageStatus.OK,
    ]


def cut_down(left_out=7, group='{}:{alertname="Slow"}', sender="http://am-a", **more):
    return payload(alert(start=2, end=3, pod="told")) | {
        "groupKey": group, "externalURL": sender, "receiver": "w", "truncatedAlerts": left_out, **more
    }  # fmt: skip


def test_what_alertmanager_left_out_spoils_the_proof_and_is_said(watched):
    append(watched, cut_down(), at(3.1))
    evidence = read(watched)
    assert evidence.coverage.status is CoverageStatus.UNPROVEN
    assert evidence.coverage.detail == (
        f"line 9 of {watched} says that Alertmanager left out 7 alert(s) at 2026-11-21T12:06Z: "
        "use group_by: ['...'], or raise max_alerts"
    )
    assert bounds(evidence) == [(2, 3)]
    assert evidence.covered_from is None, "from when on it is whole again cannot be told"


@pytest.mark.parametrize("nothing", [0, None])
def test_a_payload_of_which_nothing_was_left_out_spoils_nothing(watched, nothing):
    append(watched, cut_down(nothing), at(3.1))
    assert read(watched).coverage.status is CoverageStatus.OK


def test_a_bare_payload_that_was_cut_down_spoils_the_proof_as_well(watched):
    with watched.open("a") as log:
        log.write(json.dumps({**cut_down(), "alerts": [alert(start=-24 * 30)]}) + "\n")
    assert read(watched).coverage.status is CoverageStatus.UNPROVEN


@pytest.mark.parametrize("wrong", ["7", -1, 1.5, 10**30, [1]])
def test_a_number_of_alerts_left_out_that_is_none_is_refused(path, wrong):
    with pytest.raises(UsageError, match="`truncatedAlerts` must be a number of alerts"):
        append(path, cut_down(wrong), END)


def told_at(path, *messages):
    """Write heartbeats and messages in the order of their hours; say which hours' windows the log vouches for."""
    beats = [(hour, payload(alert("Watchdog", start=-100))) for hour in range(-10, 41)]
    for hour, message in sorted([*beats, *messages], key=lambda entry: entry[0]):
        append(path, message, at(hour))
    spans = [(-9, -8), (1, 2), (4, 5), (10, 11), (30, 31)]
    return [start for start, end in spans if read(path, at(start), at(end)).coverage.status is CoverageStatus.OK]


def test_a_group_that_was_cut_down_is_in_doubt_until_it_is_told_whole_or_is_silent(tmp_path):
    first, again, whole = (3.5, cut_down()), (8, cut_down()), (9, cut_down(0))
    assert told_at(tmp_path / "soon", first, (3.6, cut_down(0))) == [-9, 4, 10, 30]
    assert told_at(tmp_path / "later", first, whole) == [-9, 10, 30]
    assert told_at(tmp_path / "again", first, again, (9.5, cut_down(0))) == [-9, 10, 30]
    assert told_at(tmp_path / "anew", first, whole, (26, cut_down())) == [-9, 10]
    # What still fires is told again within five hours, so a group that is silent for longer fires no more.
    assert told_at(tmp_path / "silent", first) == [-9, 10, 30]
    assert told_at(tmp_path / "still", first, again) == [-9, 30]
    assert told_at(tmp_path / "far apart", first, (20, cut_down()), (40, cut_down(0))) == [-9, 10, 30]
    every_four_hours = [(hour, cut_down()) for hour in range(3, 40, 4)]
    assert told_at(tmp_path / "always", *every_four_hours) == [-9]


def test_a_group_told_whole_by_a_clock_that_is_behind_stays_in_doubt(watched):
    append(watched, cut_down(), at(-2))
    append(watched, cut_down(0), at(-2.1))
    assert read(watched).coverage.status is CoverageStatus.UNPROVEN
    append(watched, cut_down(0), at(-1.9))
    assert read(watched).coverage.status is CoverageStatus.OK


@pytest.mark.parametrize(
    "other", [{"group": "{}:{}"}, {"sender": "http://am-b"}, {"receiver": "x"}], ids=["group", "sender", "receiver"]
)
def test_another_group_told_whole_lifts_no_doubt(tmp_path, other):
    assert told_at(tmp_path / "log", (3.5, cut_down()), (3.6, cut_down(0, **other))) == [-9, 10, 30]


@pytest.mark.parametrize(
    ("hour", "status"),
    [
        (-24 * 8, CoverageStatus.OK),
        (-24 * 6, CoverageStatus.OK),
        (-5.1, CoverageStatus.OK),
        (-4.9, CoverageStatus.UNPROVEN),
        (28.9, CoverageStatus.UNPROVEN),
        (29.1, CoverageStatus.OK),
    ],
)
def test_one_burst_of_which_something_was_left_out_spoils_the_time_around_it_only(watched, hour, status):
    append(watched, cut_down(), at(hour))
    assert read(watched).coverage.status is status


@pytest.mark.parametrize(
    ("hour", "status"),
    [
        (-9, CoverageStatus.OK),
        (-4, CoverageStatus.UNPROVEN),
        (3, CoverageStatus.UNPROVEN),
        (24.1, CoverageStatus.UNPROVEN),
        (30, CoverageStatus.OK),
    ],
)
def test_a_refused_payload_spoils_the_time_around_it_and_says_why(watched, hour, status):
    append_refusal(watched, "it is\nlarger than 5120 KiB", at(hour))
    coverage = read(watched).coverage
    assert coverage.status is status
    said = f"line 9 of {watched} says that a payload was refused: it is larger than 5120 KiB"
    assert (said in coverage.detail) is (status is CoverageStatus.UNPROVEN)


def test_where_all_payloads_were_refused_that_is_said(path):
    append_refusal(path, "this is not JSON", at(3))
    assert read(path).coverage.detail.endswith("says that a payload was refused: this is not JSON")


def test_a_payload_that_no_line_can_hold_is_refused_and_the_largest_one_is_read(watched):
    def slow(size):
        return payload(alert(start=2) | {"annotations": {"x": "x" * size}})

    line = append(watched.with_name("probe"), slow(0), at(2.1)) and watched.with_name("probe").stat().st_size
    with pytest.raises(UsageError, match=r"16777217 bytes in the alert log.*group_by: \['...'\]"):
        append(watched, slow(MAX_LINE_BYTES - line + 1), at(2.1))
    assert bounds(read(watched)) == []
    append(watched, slow(MAX_LINE_BYTES - line), at(2.1))
    evidence = read(watched)
    assert (bounds(evidence), evidence.coverage.status) == ([(2, None)], CoverageStatus.OK)


def test_a_line_longer_than_the_limit_is_broken_not_torn(watched):
    whole = {"received_at": format_instant(at(3)), "payload": payload(alert(start=2)) | {"x": "x" * MAX_LINE_BYTES}}
    with watched.open("a") as log:
        log.write(json.dumps(whole) + "\n")
    coverage = read(watched).coverage
    assert coverage.status is CoverageStatus.UNPROVEN
    assert coverage.detail == f"line 9 of {watched} cannot be read; mend or remove it"


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
