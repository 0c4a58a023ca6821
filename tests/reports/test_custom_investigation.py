"""Questions with thresholds, alerts that match, and what was not checked."""

from datetime import timedelta

import pytest

from fakes.told import END, START, Ageing, Told, build, episode, lines, section, silence, titles
from watchbell.errors import SourceError
from watchbell.reports.analysis.looking_back import look_back
from watchbell.reports.analysis.matchers import MOST_PATTERN, MOST_VALUE, parse
from watchbell.reports.analysis.questions import Query, longest_stretch
from watchbell.reports.interface import AlertRule, CoverageStatus, Event, Verdict, Window
from watchbell.reports.kinds.answers import answer_all
from watchbell.reports.wording import MAKE_WHOLE
from watchbell.tasks import Kind


def ask(*sources, **params):
    previous = params.pop("previous", None)
    return build(Kind.CUSTOM_INVESTIGATION, *sources, params=params, previous=previous)


def grid(**series):
    """Return an answer to a range query: for each job the value at each hour."""

    def points(start, end, step):
        times = [start + step * n for n in range(int((end - start) / step) + 1)]
        return [
            ({"job": job}, [(at.timestamp(), float(value(at))) for at in times if value(at) is not None])
            for job, value in series.items()
        ]

    return points


def beyond(first, last, *, high=5.0, low=1.0):
    """Return a value that is high between two hours of the window, both inclusive."""
    return lambda at: high if first <= (at - START) / timedelta(hours=1) <= last else low


P99 = {"name": "p99 seconds", "promql": "p99", "above": 0.5}
REPLICAS = {"name": "replicas", "promql": "up", "below": 2}


# Thresholds at one instant


def test_answers_are_compared_with_thresholds():
    told = Told(answers={"p99": [({"job": "api"}, 0.7), ({"job": "web"}, 0.1)], "up": [({}, 3.0)]})
    report = ask(told, question="Is it slow?", queries=[P99, REPLICAS])
    assert (report.verdict, report.reason) == (Verdict.ATTENTION, "1 threshold crossed")
    assert lines(report, "Question") == ("Is it slow?",)
    assert lines(report, "p99 seconds") == ("1 of 2 series above 0.5", "job=api: 0.7")
    assert lines(report, "replicas") == ("0 of 1 series below 2", "value: 3")
    assert [(n.name, n.value) for n in report.numbers] == [
        ("thresholds crossed", 1),
        ("p99 seconds", 0.7),
        ("replicas", 3),
    ]


def test_the_worst_series_come_first_also_where_less_is_worse():
    told = Told(answers={"up": [({"job": str(n)}, float(n)) for n in range(30)]})
    report = ask(told, queries=[{"name": "replicas", "promql": "up", "below": 20}])
    assert lines(report, "replicas")[:2] == ("20 of 30 series below 20", "job=0: 0")
    assert lines(report, "replicas")[-1] == "and 10 more"
    assert report.numbers[1].value == 0


def test_nothing_crossed_is_ok():
    report = ask(Told(answers={"p99": [({}, 0.5)]}), queries=[P99])
    assert (report.verdict, report.reason) == (Verdict.OK, "0 thresholds crossed")


def test_a_query_without_series_or_without_a_number_is_no_all_clear():
    nothing = ask(Told(answers={"p99": []}), queries=[P99])
    assert nothing.verdict is Verdict.UNKNOWN
    assert "the query 'p99 seconds' found no series; is its promql right?" in nothing.reason
    empty = ask(Told(answers={"p99": [({}, float("nan"))]}), queries=[P99])
    assert empty.verdict is Verdict.UNKNOWN
    assert "found no number, only NaN" in empty.reason
    assert [number.value for number in empty.numbers] == [None, None]


def test_infinity_crosses_a_threshold_but_is_no_figure_in_the_report():
    report = ask(Told(answers={"p99": [({}, float("inf"))]}), queries=[P99])
    assert report.verdict is Verdict.ATTENTION
    assert [number.value for number in report.numbers] == [1, None]


def test_a_source_that_cannot_answer_makes_it_unknown_and_says_why():
    report = ask(Told(), queries=[P99])
    assert (report.verdict, report.reason) == (Verdict.UNKNOWN, "pipeline unavailable: told: no such metric")
    assert report.numbers[0].value is None
    assert [(one.status, one.detail) for one in report.coverage] == [(CoverageStatus.FAILED, "no such metric")]
    assert lines(report, "p99 seconds") == ("no data", "told: no such metric")


def test_without_a_prometheus_it_says_what_to_set():
    assert ask(queries=[P99]).reason == (
        "pipeline unavailable: no Prometheus is configured to ask; set WATCHBELL_PROMETHEUS_URL"
    )


def test_questions_end_with_the_time_that_there_is_for_them():
    told = Told(answers={"p99": [({}, 0.1)]})
    window = Window(start=START, end=END, timezone="UTC")
    queries = [Query(name=str(n), promql="p99", above=0.5, below=None) for n in range(20)]
    problems = [one.problem for one in answer_all(queries, [told], window, Ageing(), lambda *_: False)]
    assert problems.count(None) == 2
    assert [one for one in problems if one][-1].endswith(" came after 120 s of other questions")


# Over time


def test_above_for_a_time_needs_one_unbroken_stretch_in_the_window():
    hours = grid(long=beyond(3, 6), short=beyond(3, 4), never=lambda at: 1.0)
    query = {"name": "busy", "promql": "busy", "above": 2, "for_minutes": 120}
    report = ask(Told(answers={"busy": hours}), queries=[query])
    assert report.verdict is Verdict.ATTENTION
    assert lines(report, "busy") == (
        "1 of 3 series above 2 for at least 2 h in the window",
        "job=long: last 1, min 1, max 5; beyond for 3 h from 21 Nov 12:00 UTC",
    )
    assert report.numbers[1].value == 5


def test_a_stretch_that_is_too_short_is_shown_but_not_met():
    query = {"name": "busy", "promql": "busy", "above": 2, "for_minutes": 120}
    report = ask(Told(answers={"busy": grid(short=beyond(3, 4))}), queries=[query])
    assert report.verdict is Verdict.OK
    assert lines(report, "busy")[1] == "job=short: last 1, min 1, max 5; beyond for 1 h from 21 Nov 12:00 UTC"


def test_a_series_that_ended_says_since_when_there_is_no_data():
    series = grid(gone=between(0, 10), there=lambda at: 1.0)
    report = ask(Told(answers={"busy": series}), queries=[BUSY])
    assert report.verdict is Verdict.OK  # a pod is gone, others answered all the time
    assert lines(report, "busy")[1] == "job=gone: last 1, min 1, max 1, no data since 21 Nov 19:00 UTC"


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0, 5), (60, 5), (120, 5)], (0, 120)),
        ([(0, 5), (60, 1), (120, 5), (180, 5)], (120, 180)),
        ([(0, 5), (60, float("nan")), (120, 5)], (0, 0)),
        ([(0, 5), (60, 5), (240, 5), (300, 5)], (0, 60)),
        ([(0, 1)], None),
    ],
)
def test_a_missing_point_or_one_that_is_no_number_breaks_a_stretch(points, expected):
    query = Query(name="x", promql="x", above=2, below=None)
    assert longest_stretch(query, points, step=60) == expected


def test_a_time_too_short_to_be_seen_in_so_long_a_window_is_refused():
    query = {"name": "busy", "promql": "busy", "above": 2, "for_minutes": 1}
    report = ask(Told(answers={"busy": grid()}), queries=[query])
    assert report.reason == ("pipeline unavailable: busy: over so long a window for_minutes must be at least 1.2")


def test_points_are_never_more_than_prometheus_allows():
    asked = []

    def points(start, end, step):
        asked.append((end - start) / step)
        return [({}, [(end.timestamp(), 1.0)])]

    query = {"name": "busy", "promql": "busy", "above": 2, "for_minutes": 300}
    window = (END - timedelta(days=31), END)
    build(Kind.CUSTOM_INVESTIGATION, Told(answers={"busy": points}), params={"queries": [query]}, window=window)
    assert asked[0] <= 11_000


# Proof of watching


def between(first, last):
    """Return a value that there is between two hours of the window only."""
    return lambda at: 1.0 if first <= (at - START) / timedelta(hours=1) <= last else None


BUSY = {"name": "busy", "promql": "busy", "above": 2, "for_minutes": 60}
WHOLE = {"busy": grid(api=lambda at: 1.0)}
SAMPLED = {"now": [({}, 0.0)], "max_over_time(p99[2h])": [({}, 0.1)]}
SIGNS_NOW = {"prometheus_build_info": [], "up": [({}, 1.0)]}
NOW = {"name": "now", "promql": "now", "above": 1}
TWO_HOURS = {"name": "two hours", "promql": "max_over_time(p99[2h])", "above": 1}


@pytest.mark.parametrize(
    ("query", "down", "is_proven"),
    [
        (BUSY, None, True),
        (BUSY, (20, 25), False),  # down at the end of the window
        (BUSY, (3, 5), False),
        (BUSY, (-1, 1), False),
        (BUSY, (3, 3.05), True),  # a restart
        (NOW, (3, 5), True),  # a value at the window's end is about nothing before it
        (NOW, (20, 25), False),
        (NOW, (20, 23.95), True),
        (TWO_HOURS, (21, 21.5), True),
        (TWO_HOURS, (22.5, 23), False),
        (TWO_HOURS, (20, 25), False),
    ],
)
def test_a_source_that_was_down_when_a_question_looks_at_is_no_all_clear(query, down, is_proven):
    told = Told(answers=WHOLE | SAMPLED | SIGNS_NOW, down=down, status=CoverageStatus.UNPROVEN)
    report = ask(told, queries=[query])
    assert report.verdict is (Verdict.OK if is_proven else Verdict.UNKNOWN)
    assert [one.status for one in report.coverage] == [CoverageStatus.OK if is_proven else CoverageStatus.UNPROVEN]
    if not is_proven:
        assert report.reason.startswith("pipeline unavailable: told: no samples between 2026-11-2")
        assert report.numbers[0].value is None


def test_a_hole_is_told_with_its_ends_and_once_for_all_questions():
    told = Told(answers=WHOLE, down=(3, 5), status=CoverageStatus.UNPROVEN)
    report = ask(told, queries=[BUSY, {**BUSY, "name": "again"}])
    assert report.source_error == "told: no samples between 2026-11-21T12:00Z and 2026-11-21T14:00Z"
    assert told.asked == ["busy", "busy"]


@pytest.mark.parametrize(("every", "without", "is_proven"), [(2, 6, True), (2, 8, False), (1, 6, False), (4, 8, True)])
def test_where_scrapes_are_far_apart_a_hole_may_be_longer_by_as_much(every, without, is_proven):
    def scrapes(start, end, step):
        times = [START + timedelta(minutes=every * n) for n in range(1440 // every + 1)]
        begin = START + timedelta(hours=12)
        return [({}, [(at.timestamp(), 1.0) for at in times if not begin < at < begin + timedelta(minutes=without)])]

    signs = {f"max(max_over_time({sign}[59999ms])) > 0": scrapes for sign in ("prometheus_build_info", "up")}
    report = ask(Told(answers=WHOLE | signs, status=CoverageStatus.UNPROVEN), queries=[BUSY])
    assert report.verdict is (Verdict.OK if is_proven else Verdict.UNKNOWN)


def test_a_threshold_that_was_crossed_before_a_hole_comes_first():
    told = Told(answers={"busy": grid(api=beyond(3, 6))}, down=(20, 25), status=CoverageStatus.UNPROVEN)
    report = ask(told, queries=[BUSY])
    assert report.verdict is Verdict.UNKNOWN
    assert report.reason.startswith("1 threshold crossed; for the rest pipeline unavailable: told: no samples between ")
    assert report.numbers[0].value == 1
    assert lines(report, "busy")[0] == "1 of 1 series above 2 for at least 1 h in the window"


def test_an_optional_source_that_was_down_is_named_as_not_checked():
    spare = {"name": "spare", "required": False, "status": CoverageStatus.UNPROVEN}
    report = ask(Told(answers=WHOLE), Told(answers=WHOLE, down=(3, 5), **spare), queries=[BUSY])
    assert report.verdict is Verdict.OK
    assert "busy: spare: no samples between 2026-11-21T12:00Z and 2026-11-21T14:00Z" in lines(report, "Not checked")
    assert [one.status for one in report.coverage] == [CoverageStatus.OK, CoverageStatus.UNPROVEN]


def test_an_answer_that_only_an_optional_source_gave_and_cannot_prove_is_no_all_clear():
    spare = Told(name="spare", answers=WHOLE, down=(3, 5), required=False, status=CoverageStatus.UNPROVEN)
    for sources in ([spare], [spare, Told(answers={"busy": []})]):
        report = ask(*sources, queries=[BUSY])
        assert report.verdict is Verdict.UNKNOWN
        assert report.reason.startswith("pipeline unavailable: spare: no samples between ")


@pytest.mark.parametrize(("down", "is_past"), [((3, 5), True), ((20, 25), False)])
def test_a_hole_that_is_over_cannot_be_made_whole(down, is_past):
    report = ask(Told(answers=WHOLE, down=down, status=CoverageStatus.UNPROVEN), queries=[BUSY])
    assert report.verdict is Verdict.UNKNOWN
    assert report.actions == (() if is_past else (MAKE_WHOLE,))


@pytest.mark.parametrize(("first", "last"), [(0, 10), (5, 24), (0, 0.1)])
def test_a_question_over_the_window_that_had_no_answer_for_long_is_no_all_clear(first, last):
    report = ask(Told(answers={"busy": grid(gone=between(first, last))}), queries=[BUSY])
    assert report.verdict is Verdict.UNKNOWN
    assert "told: 'busy' has no data between" in report.reason
    cure = "where that means 0, add `or vector(0)`, or `last_over_time(…[30m])` where it comes seldom"
    assert report.reason.endswith(cure)
    assert [one.status for one in report.coverage] == [
        CoverageStatus.OK
    ]  # it is the question's fault, not the source's


def test_a_time_of_nothing_but_nan_is_an_answer_and_is_told():
    idle = grid(api=lambda at: 1.0 if at <= START + timedelta(hours=10) else float("nan"))
    report = ask(Told(answers={"busy": idle}), queries=[BUSY])
    assert report.verdict is Verdict.OK
    told = "busy: told: nothing but NaN between 2026-11-21T19:00Z and 2026-11-22T09:00Z"
    assert told in lines(report, "Not checked")


@pytest.mark.parametrize(("down", "verdict"), [((16, 18), Verdict.UNKNOWN), ((3, 5), Verdict.OK)])
def test_a_hole_where_an_offset_looks_is_one_of_the_question(down, verdict):
    query = {"promql": "increase(errors[1h] offset 6h)", "above": 10, "name": "errors"}
    told = Told(answers=WHOLE | SAMPLED | {query["promql"]: [({}, 0.0)]}, down=down, status=CoverageStatus.UNPROVEN)
    assert ask(told, queries=[query]).verdict is verdict


def test_series_that_take_turns_are_an_answer_all_the_time():
    pods = grid(old=between(0, 12), new=between(12, 24), seldom=between(7, 7.5))
    assert ask(Told(answers={"busy": pods}), queries=[BUSY]).verdict is Verdict.OK


def test_a_longer_hole_that_the_source_is_allowed_to_have_spoils_nothing():
    assert ask(Told(answers=WHOLE, down=(3, 3.2)), queries=[BUSY]).verdict is Verdict.OK
    # Of a pair another one may have watched meanwhile: that is no proof for the answers of this one.
    other = Event(at=START + timedelta(hours=3), until=START + timedelta(hours=3.2), source="one", text="no samples")
    report = ask(Told(answers=WHOLE, down=(3, 3.2), events=[other]), queries=[BUSY])
    assert report.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("known", [[], [({}, 1.0)]])
def test_a_server_that_scrapes_nothing_at_any_time_answers_for_the_windows_end_only(known):
    answers = WHOLE | SAMPLED | SIGNS_NOW | {"up": known}
    told = Told(answers=answers, down=(-1, 25), status=CoverageStatus.UNPROVEN)
    # One that has its signs now was down; one that never has any is pushed to.
    assert ask(told, queries=[NOW]).verdict is (Verdict.UNKNOWN if known else Verdict.OK)
    report = ask(told, queries=[BUSY])
    assert report.verdict is Verdict.UNKNOWN
    assert ("neither prometheus_build_info nor up" in report.reason) is not known


def test_whether_there_are_alerting_rules_does_not_matter_to_questions():
    report = ask(Told(answers=WHOLE, status=CoverageStatus.FAILED), queries=[BUSY])
    assert report.verdict is Verdict.OK


@pytest.mark.parametrize(
    ("promql", "expected"),
    [
        ("up", 0),
        ("rate(x[5m])", 300),
        ("max_over_time(rate(x[5m])[1d12h:1m]) / increase(y[ 2h ])", 36 * 3600),
        ("""x{path=~"[9]h",a='[7d]',b=`[8d]`}[1500ms]""", 1.5),
        ("x[999999999y]", 365 * 86400),
        ("increase(x[1h] offset 6h)", 7 * 3600),
        ('x{a="offset 5h"} OFFSET 30m', 1800),
        ("increase(x[1h]) / increase(x[1h] offset 1w)", 3600 + 7 * 86400),
    ],
)
def test_how_far_a_query_looks_back_is_the_longest_of_its_ranges_and_of_its_offsets(promql, expected):
    assert look_back(promql) == timedelta(seconds=expected)


# Several sources


def test_every_prometheus_is_asked_and_one_series_of_two_counts_once():
    one = Told(name="one", answers={"p99": [({"job": "a"}, 0.1), ({"job": "b"}, 0.1)]})
    two = Told(name="two", answers={"p99": [({"job": "b"}, 0.9), ({"job": "c"}, 0.1)]})
    report = ask(one, two, queries=[P99])
    assert lines(report, "p99 seconds") == ("1 of 3 series above 0.5", "job=b: 0.9")
    assert [(each.source, each.detail) for each in report.coverage] == [
        ("one", "answered all queries"),
        ("two", "answered all queries"),
    ]


def test_a_query_may_name_its_source_and_the_others_are_named_as_not_asked():
    one, two = Told(name="one", answers={"p99": [({}, 0.1)]}), Told(name="two")
    report = ask(one, two, queries=[{**P99, "source": "one"}])
    assert (report.verdict, two.asked) == (Verdict.OK, [])
    assert [each.source for each in report.coverage] == ["one"]
    assert "p99 seconds: only one was asked, not two" in lines(report, "Not checked")
    wrong = ask(one, two, queries=[{**P99, "source": "three"}])
    assert "there is no source 'three' that answers PromQL, only one, two" in wrong.reason


def test_one_required_source_that_fails_makes_it_unknown_but_shows_what_the_other_said():
    one = Told(name="one", answers={"p99": [({"job": "a"}, 0.9)]})
    report = ask(one, Told(name="two"), queries=[P99])
    told = "1 threshold crossed; for the rest pipeline unavailable: two: no such metric"
    assert (report.verdict, report.reason) == (Verdict.UNKNOWN, told)
    assert lines(report, "p99 seconds") == (
        "1 of 1 series above 0.5",
        "only in part: two: no such metric",
        "job=a: 0.9",
    )


def test_an_optional_source_that_fails_is_named_as_not_checked():
    one = Told(name="one", answers={"p99": [({"job": "a"}, 0.1)]})
    report = ask(one, Told(name="two", required=False), queries=[P99])
    assert report.verdict is Verdict.OK
    assert "p99 seconds: two: no such metric" in lines(report, "Not checked")
    assert [(each.source, each.status, each.required) for each in report.coverage] == [
        ("one", CoverageStatus.OK, True),
        ("two", CoverageStatus.FAILED, False),
    ]


# Alerts


def test_alerts_that_fire_come_first_where_the_rest_is_not_known():
    told = Told(episode(1, None), episode(1, 2, pod="a"), answers={"p99": [({}, 0.7)]}, status=CoverageStatus.UNPROVEN)
    report = ask(told, queries=[P99], alerts=["alertname=Slow"])
    assert report.verdict is Verdict.UNKNOWN
    assert report.reason == "1 threshold crossed, 1 alert firing; for the rest pipeline unavailable: told: as told"
    assert [number.value for number in report.numbers] == [1, None, None, None, 0.7]


def test_only_alerts_that_match_all_matchers_count():
    told = Told(episode(1, 2, "Down", pod="a"), episode(1, 2, "Down", pod="b"), episode(1, 2))
    report = ask(told, alerts=['alertname=~"Do.*"', "pod!=b"])
    assert report.numbers[0].value == 1
    assert [rule.alertname for rule in report.alerts] == ["Down"]
    assert "metrics: params.queries has no query" in lines(report, "Not checked")


@pytest.mark.parametrize(
    ("alerts", "is_known"),
    [
        (['alertname="Down"', "pod=a"], True),
        (['alertname!="Down2"'], True),
        (["severity=critical"], True),
        (['alertname="Dwon"'], False),
        (['alertname="Down"', 'alertname="Slow"'], False),  # all have to match
    ],
)
def test_a_name_that_no_alert_rule_has_is_no_all_clear(alerts, is_known):
    rule = {"group": "g", "for_seconds": 0, "keep_firing_seconds": 0, "labels": {}, "annotations": {}}
    report = ask(Told(rules=[AlertRule(name=name, **rule) for name in ("Down", "Slow")]), alerts=alerts)
    assert report.verdict is (Verdict.OK if is_known else Verdict.UNKNOWN)
    assert ("no alert rule goes by" in report.reason) is not is_known


def test_alerts_of_a_source_without_proof_are_no_all_clear():
    report = ask(Told(status=CoverageStatus.UNPROVEN), alerts=["severity=critical"])
    assert (report.verdict, report.reason) == (Verdict.UNKNOWN, "pipeline unavailable: told: as told")
    assert {number.value for number in report.numbers} == {None}


def test_a_source_whose_alerts_are_known_but_whose_answer_failed_is_failed_in_the_coverage():
    report = ask(Told(), queries=[P99], alerts=["severity=critical"])
    assert [(one.source, one.status) for one in report.coverage] == [("told", CoverageStatus.FAILED)]


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ('a="x"', {"a": "x"}, True),
        ("a=x", {"a": "x"}, True),
        ('a="x"', {}, False),
        ('a=""', {}, True),
        ('a!="x"', {}, True),
        ('a=~"x.*"', {"a": "xy"}, True),
        ('a=~"x"', {"a": "xy"}, False),
        ('a=~"x|y"', {"a": "zy"}, False),
        ('a!~"x.*"', {"a": "xy"}, False),
        ('{a="x", b=~"1|2"}', {"a": "x", "b": "2"}, True),
        ('a="x",b="1",', {"a": "x", "b": "2"}, False),
        (r'a="say \"hi\", you"', {"a": 'say "hi", you'}, True),
        (r'a=~"1\.2"', {"a": "1.2"}, True),
        (r'a=~"1\\.2"', {"a": "1x2"}, False),
    ],
)
def test_matchers_mean_what_they_mean_in_prometheus(text, labels, expected):
    assert all(one.matches(labels) for one in parse(text)) is expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense", "'nonsense' is no matcher; write for example severity=\"critical\""),
        ("", "is no matcher"),
        ('a="x" b="y"', "is no matcher"),
        ('a="x', "is no matcher"),
        ('1a="x"', "is no matcher"),
        ('a="x", oops', "'oops' is no matcher"),
        ('a=~"("', "'(' is no regular expression"),
        (r'a=~"(x)\1"', r"holds \1, which is not known here"),
        ('a=~"' + "x" * (MOST_PATTERN + 1) + '"', "is longer than 500 characters"),
    ],
)
def test_a_matcher_that_is_wrong_is_refused_with_the_part_that_is(text, reason):
    with pytest.raises(SourceError) as refused:
        parse(text)
    assert reason in str(refused.value)


def test_a_very_long_label_value_is_matched_by_its_beginning_only():
    assert parse('a=~"x+"')[0].matches({"a": "x" * MOST_VALUE + "y"})


def test_silences_of_alertmanager_are_read_as_matchers():
    assert [str(one) for one in parse(silence('pod="a", job=~"b.*"', 1, 2).matchers)] == ['pod="a"', 'job=~"b.*"']


# Against the last run


def test_the_last_run_of_the_same_question_is_compared_by_its_numbers():
    before = ask(Told(answers={"p99": [({}, 0.4)], "up": [({}, 3.0)]}), question="Slow?", queries=[P99, REPLICAS])
    report = ask(
        Told(answers={"p99": [({}, 0.7)], "new": [({}, 1.0)]}),
        question="Slow?",
        queries=[P99, {"name": "new", "promql": "new", "above": 2}],
        previous=before,
    )
    assert report.numbers[1].previous == 0.4
    assert titles(report)[1] == "Changed since 22 Nov 09:00 UTC"
    assert section(report, "Changed since 22 Nov 09:00 UTC").lines == (
        "thresholds crossed: 1, was 0",
        "p99 seconds: 0.7, was 0.4",
        "new: not asked the last time",
        "replicas: asked the last time only",
    )


def test_thresholds_that_were_crossed_at_least_are_not_fewer_than_the_last_time():
    queries = [P99, {**P99, "name": "again"}, {**P99, "name": "more", "promql": "more"}]
    before = ask(Told(answers={"p99": [({}, 0.7)], "more": [({}, 0.7)]}), queries=queries)
    report = ask(Told(answers={"p99": [({}, 0.7)]}), queries=queries, previous=before)
    assert report.reason == "2 thresholds crossed; for the rest pipeline unavailable: told: no such metric"
    assert (report.numbers[0].value, report.numbers[0].previous) == (2, None)
    assert lines(report, "Changed since 22 Nov 09:00 UTC")[0] == "thresholds crossed: at least 2, was 3"


def test_another_question_is_not_compared():
    before = ask(Told(answers={"p99": [({}, 0.4)]}), question="Fast?", queries=[P99])
    report = ask(Told(answers={"p99": [({}, 0.7)]}), question="Slow?", queries=[P99], previous=before)
    assert [number.previous for number in report.numbers] == [None, None]
    assert not [title for title in titles(report) if title.startswith("Changed")]


def test_nothing_changed_is_said():
    told = Told(answers={"p99": [({}, 0.4)]})
    report = ask(told, queries=[P99], previous=ask(told, queries=[P99]))
    assert lines(report, "Changed since 22 Nov 09:00 UTC") == ("nothing",)


# Params


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({}, "there is nothing to investigate; set the task's params"),
        ({"prompt": "Why is it slow?"}, r"params\.prompt needs the `ai` pipeline"),
        ({"prompt": "Why?", "queries": [P99]}, r"params\.prompt needs the `ai` pipeline"),
        ({"querys": []}, r"params\.querys is not known; did you mean 'queries'"),
        ({"question": 5}, r"params\.question must be a text, not 5"),
        ({"queries": "up"}, r"params\.queries must be a list"),
        ({"queries": {}}, r"params\.queries must be a list"),
        ({"queries": ["up"]}, r"params\.queries\[0\] must be an object"),
        ({"queries": [{"name": "x"}]}, r'params\.queries\[0\] needs a "promql" text'),
        ({"queries": [{"promql": "up"}]}, r"params\.queries\[0\] needs a threshold"),
        ({"queries": [{"promql": "up", "above": "1"}]}, r"params\.queries\[0\]\.above must be a number"),
        ({"queries": [{"promql": "up", "above": float("nan")}]}, "above must be a number"),
        (
            {"queries": [{"promql": "up", "abvoe": 1}]},
            r"params\.queries\[0\]\.abvoe is not known; did you mean 'above'",
        ),
        ({"queries": [P99, P99]}, r"params\.queries\[1\]\.name repeats 'p99 seconds'"),
        ({"queries": [{**P99, "for_minutes": 0}]}, "for_minutes must be a number of minutes"),
        ({"alerts": "severity=critical"}, r"params\.alerts must be a list of texts"),
        ({"alerts": ["nonsense"]}, r"params\.alerts: 'nonsense' is no matcher"),
        ({"alerts": ['a=~"("']}, "no regular expression"),
    ],
)
def test_params_that_are_wrong_are_refused_by_the_name_of_the_field(params, reason):
    with pytest.raises(SourceError, match=reason):
        ask(Told(), **params)
