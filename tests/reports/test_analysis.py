"""Corners of the analysis that a well-behaved history does not have."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from watchbell.reports.analysis.flaps import flaps
from watchbell.reports.analysis.ownership import RuleBook, runbook_of
from watchbell.reports.analysis.silencing import silenced_until
from watchbell.reports.interface import AlertRule, Episode, Silence, Window

END = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
WINDOW = Window(start=END - timedelta(days=1), end=END, timezone="UTC")


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def episode(start: float, end: float | None) -> Episode:
    """Return an episode in minutes from the window's end."""
    over = None if end is None else END + minutes(end)
    return Episode(labels={"alertname": "Slow"}, start=END + minutes(start), end=over)


def test_what_ends_after_the_window_is_not_known_to_be_short():
    assert flaps([episode(-2, 1)], WINDOW) == 0
    assert flaps([episode(-2, -1)], WINDOW) == 1


def test_a_firing_before_the_window_is_no_flap_of_it_but_makes_one_of_the_next():
    before = episode(-24 * 60 - 3, -24 * 60 + 1)
    assert flaps([before], WINDOW) == 0
    assert flaps([before, episode(-24 * 60 + 16, -24 * 60 + 60)], WINDOW) == 1
    assert flaps([before, episode(-24 * 60 + 17, -24 * 60 + 60)], WINDOW) == 0


def silence(matchers: str, start: float, end: float) -> Silence:
    return Silence(
        id=matchers,
        matchers=matchers,
        created_by="",
        comment="",
        start=END + minutes(start),
        end=END + minutes(end),
    )


def test_only_a_silence_in_force_covers_an_alert():
    labels = {"alertname": "Slow", "pod": "a"}
    silences = [
        silence('pod="a"', -5, 10),
        silence('pod!="b", alertname=~"Sl.*"', -5, 20),
        silence('pod="a"', 1, 30),
        silence('pod="a"', -9, -1),
        silence('pod=~"b|"', -5, 40),
        silence("no matcher", -5, 50),
        silence('pod=~"("', -5, 60),
        silence('pod=~"(?!b).*"', -5, 70),
    ]
    assert silenced_until(labels, silences, END) == END + minutes(20)
    assert silenced_until({"alertname": "Down"}, silences, END) == END + minutes(40)
    assert silenced_until(labels, [], END) is None


RULE = AlertRule(
    name="Slow",
    group="g",
    for_seconds=0,
    keep_firing_seconds=0,
    labels={"severity": "page", "pod": "{{ $labels.pod }}"},
    annotations={},
)


def test_a_rule_made_an_alert_when_its_fixed_labels_agree():
    book = RuleBook([RULE, replace(RULE, labels={"severity": "warning"}), replace(RULE, name="Down")])
    assert book.makers_of({"alertname": "Slow", "severity": "page", "pod": "a"}) == (RULE,)
    assert book.makers_of({"alertname": "Slow"}) == ()
    assert book.makers_of({"alertname": "Other"}) == ()


def test_a_runbook_is_an_annotation_of_either_name():
    assert runbook_of({"runbook": "a", "runbook_url": "b"}) == "b"
    assert runbook_of({"runbook": "a", "runbook_url": ""}) == "a"
    assert runbook_of({"summary": "c"}) is None
