"""Episodes from samples of ALERTS and ALERTS_FOR_STATE, checked against histories of which the truth is known."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbell.instants import epoch_seconds, from_epoch_seconds
from watchbell.reports.sources.alert_history import AlertHistory, RuleFacts, Samples, holes

START = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
ZERO = epoch_seconds(START)


def series(times, active_at, *, labels=None, state=True):
    """Return the two series that Prometheus would hold; `active_at` gives the value for each time."""
    labels = labels or {"alertname": "Slow", "pod": "a"}
    found = [
        Samples(
            {"__name__": "ALERTS", "alertstate": "firing", **labels}, [ZERO + t for t in times], ["1" for _ in times]
        )
    ]
    if state:
        values = [str(ZERO + active_at(t)) for t in times]
        found.append(Samples({"__name__": "ALERTS_FOR_STATE", **labels}, [ZERO + t for t in times], values))
    return found


def read(history, end=86400, *, start=0, read_from=-600):
    found = history.episodes(
        from_epoch_seconds(ZERO + start), from_epoch_seconds(ZERO + end), read_from=from_epoch_seconds(ZERO + read_from)
    )
    return [(epoch_seconds(e.start) - ZERO, None if e.end is None else epoch_seconds(e.end) - ZERO) for e in found]


def told(*chunks, rules=None):
    history = AlertHistory(rules or {})
    for chunk in chunks:
        history.add(chunk)
    return history


def test_an_episode_lasts_from_its_first_sample_to_one_evaluation_after_its_last():
    assert read(told(series(range(600, 1200, 60), lambda t: 300))) == [(600, 1200)]


def test_a_new_value_is_a_new_episode_without_any_gap():
    assert read(told(series(range(600, 1200, 60), lambda t: 600 if t < 900 else 900))) == [(600, 900), (900, 1200)]


def test_a_hole_within_one_value_is_no_resolution():
    times = [*range(600, 900, 60), *range(5400, 6000, 60)]
    assert read(told(series(times, lambda t: 600))) == [(600, 6000)]


def test_without_state_samples_only_a_wide_gap_divides():
    times = [*range(600, 900, 60), 960, *range(5400, 6000, 60)]
    assert read(told(series(times, None, state=False))) == [(600, 1020), (5400, 6000)]


def test_an_alert_seen_at_the_last_evaluation_still_fires():
    assert read(told(series(range(600, 86400, 60), lambda t: 600))) == [(600, None)]


def test_an_alert_is_not_over_before_the_next_evaluation_is_complete():
    samples = series(range(85_830, 86_340, 60), lambda t: 85_830)
    late = RuleFacts(interval_seconds=60, hold_seconds=0, last_evaluation=ZERO + 86_310)
    done = RuleFacts(interval_seconds=60, hold_seconds=0, last_evaluation=ZERO + 86_370)
    assert read(told(samples, rules={"Slow": late})) == [(85_830, None)]
    assert read(told(samples, rules={"Slow": done})) == [(85_830, 86_370)]


def test_an_episode_cut_by_the_first_read_sample_began_when_for_had_passed():
    rules = {"Slow": RuleFacts(interval_seconds=60, hold_seconds=300, last_evaluation=None)}
    assert read(told(series(range(-600, 1200, 60), lambda t: -7200), rules=rules)) == [(-6900, 1200)]


def test_an_episode_that_began_just_before_the_window_is_not_new_in_it():
    assert read(told(series(range(-120, 1200, 60), lambda t: -120))) == [(-120, 1200)]


@pytest.mark.parametrize(
    ("restarts", "back_at", "expected"),
    [
        ((960,), 1080, [(600, 1500)]),
        ((), 1080, [(600, 960), (1080, 1500)]),  # it really began anew
        ((100, 1200), 1080, [(600, 960), (1080, 1500)]),  # restarts at other times
        ((960,), 1260, [(600, 960), (1260, 1500)]),  # longer than a restart may take
    ],
)
def test_a_restart_that_made_the_server_forget_since_when_is_no_new_firing(restarts, back_at, expected):
    history = AlertHistory({}, restarts=[ZERO + at for at in restarts])
    times = [*range(600, 960, 60), *range(back_at, 1500, 60)]
    history.add(series(times, lambda t: 500 if t < 960 else back_at))
    assert read(history) == expected
    first = history.episodes(START, from_epoch_seconds(ZERO + 86400), read_from=START)[0]
    assert first.active_at == from_epoch_seconds(ZERO + 500)


def test_samples_that_two_chunks_share_count_once():
    first, second = series(range(600, 960, 60), lambda t: 600), series(range(900, 1200, 60), lambda t: 600)
    assert read(told(first, second)) == [(600, 1200)]


def test_a_single_sample_lasts_as_long_as_its_rule_s_interval():
    rules = {"Slow": RuleFacts(interval_seconds=15, hold_seconds=0, last_evaluation=None)}
    assert read(told(series([600], lambda t: 600), rules=rules)) == [(600, 615)]


def test_replica_labels_can_be_left_out():
    history = told(series([600, 660], lambda t: 600, labels={"alertname": "Slow", "replica": "a"}))
    (found,) = history.episodes(START, from_epoch_seconds(ZERO + 7200), read_from=START, without_labels=("replica",))
    assert found.labels == {"alertname": "Slow"}


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), max_size=12),
    st.sampled_from([1, 15, 30, 60, 300]),
    st.integers(0, 59),
    st.integers(1, 5),
)
def test_every_known_history_is_recovered_from_its_samples(pattern, interval, offset, pieces):
    truth, chunks, at = [], [], offset
    times, active = [], {}
    for quiet, firing in pattern:
        begin = at + quiet * interval
        at = begin + firing * interval
        truth.append((begin, at))
        for t in range(begin, at, interval):
            times.append(t)
            active[t] = begin
    size = max(1, len(times) // pieces)
    chunks = [series(times[i : i + size], active.__getitem__) for i in range(0, len(times), size)]
    rules = {"Slow": RuleFacts(interval_seconds=interval, hold_seconds=0, last_evaluation=None)}
    assert read(told(*chunks, rules=rules), end=at + 10 * interval, read_from=-(10**6)) == truth


def test_a_hole_is_reported_with_its_two_edges():
    times = [t for t in range(0, 86400, 60) if not 7800 < t < 16_800]
    assert holes(times, 0, 86400, 300) == [(7800, 16_800)]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([], [(0, 3600)]),
        (range(600, 3600, 60), [(0, 600)]),
        (range(0, 3000, 60), [(2940, 3600)]),
        (range(-300, 3600, 300), []),
    ],
)
def test_holes_at_the_edges_of_the_window_count(times, expected):
    assert holes(times, 0, 3600, 300) == expected
