"""Labels that the settings give a source: what it tells says where it comes from, and equal alerts of two are two."""

from datetime import timedelta

import pytest

from fakes import monitoring
from fakes.monitoring import FakeMonitoring
from fakes.told import END, START, Told, build, episode, lines, section, silence
from watchbell.clock import SystemClock
from watchbell.errors import ConfigError
from watchbell.reports.interface import Coverage, CoverageStatus, Evidence, Querier
from watchbell.reports.sources.labelled import labelled
from watchbell.settings import load_settings
from watchbell.tasks import Kind
from watchbell.wiring.sources import make_source, make_sources

CLOCK = SystemClock()
EU, US = {"cluster": "eu"}, {"cluster": "us"}


def down(start, end, **labels):
    return episode(start, end, "Down", severity="critical", instance="web-1", **labels)


def told(labels, *episodes, name="", **more):
    return labelled(Told(*episodes, name=name or f"prometheus/{labels['cluster']}", **more), labels)


def settings(home, toml, **environ):
    (home / "config.toml").write_text(toml)
    return load_settings({"HOME": str(home), "WATCHBELL_HOME": str(home), **environ})


# what is told


def test_equal_alerts_of_two_clusters_are_two_and_say_where_they_fire():
    report = build(Kind.DAILY_SUMMARY, told(EU, down(20, None)), told(US, down(21, None)))
    assert report.reason == "2 alerts firing, 2 of them urgent"
    assert [line.partition(":")[0] for line in report.still_firing] == [
        "Down (critical) cluster=eu instance=web-1",
        "Down (critical) cluster=us instance=web-1",
    ]


def test_alerts_of_two_clusters_that_overlap_keep_their_own_begin_and_end():
    report = build(Kind.INCIDENT_WINDOW_REPLAY, told(EU, down(2, 4)), told(US, down(3, 5)))
    assert [(row[2], row[3]) for row in section(report, "Timeline").rows] == [
        ("firing", "Down (critical) cluster=eu instance=web-1"),
        ("firing", "Down (critical) cluster=us instance=web-1"),
        ("resolved", "Down (critical) cluster=eu instance=web-1"),
        ("resolved", "Down (critical) cluster=us instance=web-1"),
    ]


def test_what_the_source_says_itself_stands():
    (found,) = told(EU, down(1, 2, cluster="own")).read(START, END).episodes
    assert found.labels["cluster"] == "own"


def test_an_alert_that_the_alertmanager_of_its_cluster_shows_too_counts_once():
    alertmanager = Told(down(20.01, None, cluster="eu", region="west"), name="alertmanager")
    report = build(Kind.DAILY_SUMMARY, told(EU, down(20, None)), told(US, down(21, None)), alertmanager)
    assert [line.partition(":")[0] for line in report.still_firing] == [
        "Down (critical) cluster=eu instance=web-1",
        "Down (critical) cluster=us instance=web-1",
    ]


def test_rules_stay_as_they_are_written_so_that_they_are_found_for_the_alerts_of_several():
    rule = monitoring.rule("Down")
    with FakeMonitoring() as server:
        server.rules = [{**rule, "labels": {"severity": "critical"}}]
        (bare,) = make_sources(load_settings({"WATCHBELL_PROMETHEUS_URL": server.url}), CLOCK)
        assert labelled(bare, EU).read(START, END).rules == bare.read(START, END).rules != ()


# silences


@pytest.mark.parametrize("matchers", ['alertname="Down"', 'cluster="eu"', 'cluster=~"e.", instance="web-1"'])
def test_a_silence_covers_the_alerts_of_its_own_cluster_only(matchers):
    alertmanager = told(EU, silences=(silence(matchers, 20, 30),), name="alertmanager")
    report = build(Kind.DAILY_SUMMARY, told(EU, down(20, None)), told(US, down(21, None)), alertmanager)
    of_eu, of_us = report.still_firing
    assert "silenced until 22 Nov 15:00" in of_eu
    assert "silenced" not in of_us


def test_a_silence_says_where_it_is_in_force():
    alertmanager = told(EU, silences=(silence('alertname="Down"', 20, 30),), name="alertmanager")
    report = build(Kind.DAILY_SUMMARY, alertmanager, told(EU, down(20, None)))
    (line,) = lines(report, "Silences that end within 24 hours")
    assert line.startswith('alertname="Down", cluster="eu" until ')


def test_a_silence_of_an_alertmanager_that_calls_its_cluster_otherwise_stays_as_it_is():
    alertmanager = told(
        EU, down(20, None, cluster="own"), silences=(silence('alertname="Down"', 20, 30),), name="alertmanager"
    )
    assert [one.matchers for one in alertmanager.read(START, END).silences] == ['alertname="Down"']


def test_a_silence_that_nobody_can_read_stays_as_it_is():
    found = told(EU, silences=(silence("what is this", 20, 30),)).read(START, END).silences
    assert [one.matchers for one in found] == ["what is this"]


# questions


def test_answers_of_two_clusters_to_one_question_are_two_series():
    answers = {"queue": [({"job": "web"}, 7.0)]}
    report = build(
        Kind.CUSTOM_INVESTIGATION,
        told(EU, answers=answers),
        told(US, answers=answers),
        params={"queries": [{"name": "queue", "promql": "queue", "above": 5}]},
    )
    assert lines(report, "queue") == ("2 of 2 series above 5", "cluster=eu job=web: 7", "cluster=us job=web: 7")


def test_answers_over_time_have_the_labels_too():
    source = told(EU, answers={"up": [({"job": "a"}, [(1.0, 2.0)]), ({"cluster": "own"}, [(1.0, 3.0)])]})
    assert source.ask_range("up", START, END, step=timedelta(minutes=1)) == [
        ({"cluster": "eu", "job": "a"}, [(1.0, 2.0)]),
        ({"cluster": "own"}, [(1.0, 3.0)]),
    ]


class Deaf:
    """Answers no questions."""

    name, required = "deaf", False

    def read(self, start, end):
        coverage = Coverage(source=self.name, status=CoverageStatus.OK, detail="as told", required=self.required)
        return Evidence(coverage=coverage, episodes=(episode(1, 2),))


def test_a_source_can_be_asked_with_labels_if_it_can_without():
    assert isinstance(labelled(Told(), EU), Querier)
    deaf = labelled(Deaf(), EU)
    assert not isinstance(deaf, Querier)
    assert (deaf.name, deaf.required, deaf.read(START, END).episodes[0].labels["cluster"]) == ("deaf", False, "eu")


# settings

TWO = """
[[sources.prometheus]]
name = "eu"
url = "{url}"
labels = {{ cluster = "eu", region = "env:HOME" }}
[[sources.prometheus]]
name = "us"
url = "{url}"
labels = {{ cluster = "us" }}
"""


def test_labels_of_a_table_are_in_what_its_source_tells(tmp_path):
    with FakeMonitoring() as server:
        server.instants = {"up": [{"metric": {"job": "web"}, "value": [0, "1"]}]}
        found = make_sources(settings(tmp_path, TWO.format(url=server.url)), CLOCK)
        assert [one.ask("up", END) for one in found] == [
            [({"cluster": "eu", "region": "env:HOME", "job": "web"}, 1.0)],
            [({"cluster": "us", "job": "web"}, 1.0)],
        ]
        assert [one.name for one in found] == ["prometheus/eu", "prometheus/us"]


@pytest.mark.parametrize(
    ("table", "can_be_asked"),
    [
        ('[sources.prometheus]\nurl = "http://a"', True),
        ('[sources.prometheus]\nurl = "http://a"\nbearer_token = "env:NOT_SET"', True),
        ('[sources.alertmanager]\nurl = "http://a"', False),
        ('[sources.alert_log]\npath = "a"', False),
        ('[sources.cloudwatch]\nregion = "eu-central-1"', False),
    ],
)
def test_every_kind_of_source_may_have_labels(tmp_path, table, can_be_asked):
    found = settings(tmp_path, f'{table}\nlabels = {{ cluster = "eu" }}')
    (source,) = make_sources(found, CLOCK)
    assert isinstance(source, Querier) is can_be_asked
    assert source.name == make_source(found, found.sources[0], CLOCK).name == found.sources[0].name


def test_the_alerts_of_an_alertmanager_have_the_labels_of_its_table(tmp_path):
    with FakeMonitoring() as server:
        server.alerts = [{"labels": {"alertname": "Down"}, "startsAt": START.isoformat(), "annotations": {}}]
        toml = f'[sources.alertmanager]\nurl = "{server.url}"\nlabels = {{ cluster = "eu" }}'
        (source,) = make_sources(settings(tmp_path, toml), CLOCK)
        (found,) = source.read(START, END).episodes
    assert found.labels == {"alertname": "Down", "cluster": "eu"}


def pair(labels, other_labels):
    first, second = (f"labels = {{ {one} }}" if one else "" for one in (labels, other_labels))
    return f"""
    [[sources.prometheus]]
    name = "a"
    ha = "eu"
    url = "{{url}}"
    {first.replace("{", "{{").replace("}", "}}")}
    [[sources.prometheus]]
    name = "b"
    ha = "eu"
    url = "{{url}}"
    {second.replace("{", "{{").replace("}", "}}")}
    """


def test_those_that_cover_for_each_other_have_their_labels_as_one_source(tmp_path):
    labels = 'cluster = "eu"'
    with FakeMonitoring() as server:
        server.instants = {"up": [{"metric": {}, "value": [0, "1"]}]}
        (both,) = make_sources(settings(tmp_path, pair(labels, labels).format(url=server.url)), CLOCK)
        assert (both.name, both.ask("up", END)) == ("prometheus/eu", [({"cluster": "eu"}, 1.0)])
        now = CLOCK.now()
        assert both.read(now.replace(hour=0, minute=0), now).coverage.status is CoverageStatus.OK


@pytest.mark.parametrize("other", ["", 'cluster = "us"', 'cluster = "eu", replica = "b"'])
def test_those_that_cover_for_each_other_have_the_same_labels(tmp_path, other):
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, pair('cluster = "eu"', other).format(url="http://a"))
    said = str(caught.value)
    assert "prometheus/a and prometheus/b cover for each other as prometheus/eu, so their labels must be" in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ('"eu"', "sources.prometheus.labels must be of type dict"),
        ('["cluster"]', "sources.prometheus.labels must be of type dict"),
        ("{ cluster = 1 }", "sources.prometheus.labels.cluster must be a text that is not empty"),
        ('{ cluster = "" }', "sources.prometheus.labels.cluster must be a text that is not empty"),
        ('{ cluster = ["eu"] }', "sources.prometheus.labels.cluster must be a text that is not empty"),
        ('{ a.b = "eu" }', "sources.prometheus.labels.a must be a text that is not empty"),
        ('{ "a-b" = "eu" }', "sources.prometheus.labels: 'a-b' is no name of a label; write one such as cluster"),
        ('{ "1st" = "eu" }', "'1st' is no name of a label"),
        ('{ "" = "eu" }', "'' is no name of a label"),
        ('{ "a\\n" = "eu" }', "'a\\n' is no name of a label"),
        ('{ __name__ = "eu" }', "'__name__' is no name of a label"),
        ('{ alertname = "eu" }', "sources.prometheus.labels: alertname is each alert's own; name what tells"),
    ],
)
def test_labels_that_are_none_are_refused_by_file_and_key(tmp_path, labels, words):
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, f'[sources.prometheus]\nurl = "http://a"\nlabels = {labels}')
    said = str(caught.value)
    assert said.startswith(f"{tmp_path / 'config.toml'}: ")
    assert words in said
    assert "\n" not in said


def test_labels_in_the_integration_store_are_held_to_the_same(tmp_path):
    def stored(labels):
        (tmp_path / "integrations.json").write_text(
            '[{"service": "prometheus", "credentials": {"url": "http://a", "labels": ' + labels + "}}]"
        )
        (one,) = settings(tmp_path, "").sources
        return one

    assert stored('{"cluster": "eu"}').labels == EU
    assert "labels.cluster must be a text" in stored('{"cluster": 1}').options["detail"]


def test_the_address_in_the_environment_keeps_the_labels_of_the_table(tmp_path):
    toml = '[sources.prometheus]\nurl = "http://old"\nlabels = { cluster = "eu" }'
    (one,) = settings(tmp_path, toml, WATCHBELL_PROMETHEUS_URL="http://new").sources
    assert (one.options["url"], one.labels) == ("http://new", EU)
