"""What config.toml says of sources: one or several of a kind, each with its name, and what is wrong with them."""

from datetime import timedelta

import pytest

from fakes import monitoring
from fakes.monitoring import FakeMonitoring
from fakes.told import END, START, build
from watchbell.checkup.checks import Level
from watchbell.checkup.source_probes import probe_source
from watchbell.clock import SystemClock
from watchbell.errors import ConfigError, SourceError
from watchbell.reports.interface import CoverageStatus, Verdict
from watchbell.secrets.redaction import redact
from watchbell.settings import load_settings
from watchbell.tasks import Kind
from watchbell.wiring.sources import make_sources

CLOCK = SystemClock()


def settings(home, toml, **environ):
    (home / "config.toml").write_text(toml)
    return load_settings({"HOME": str(home), "WATCHBELL_HOME": str(home), **environ})


SEVERAL = """
[[sources.prometheus]]
name = "eu"
url = "http://eu:9090"
[[sources.prometheus]]
name = "us"
url = "http://us:9090"
optional = true
[sources.alertmanager]
url = "http://am:9093"
[[sources.cloudwatch]]
region = "eu-central-1"
"""


def test_several_of_a_kind_go_by_their_names_and_one_by_its_kind(tmp_path):
    found = make_sources(settings(tmp_path, SEVERAL), CLOCK)
    assert [(source.name, source.required) for source in found] == [
        ("prometheus/eu", True),
        ("prometheus/us", False),
        ("alertmanager", True),
        ("cloudwatch", True),
    ]


PAIR = """
[[sources.prometheus]]
name = "a"
ha = "eu"
url = "{a}"
[[sources.prometheus]]
name = "b"
ha = "eu"
url = "{b}"
"""


def test_those_that_cover_for_each_other_are_one_source(tmp_path):
    with FakeMonitoring() as one, FakeMonitoring() as other:
        one.fault = monitoring.unavailable
        (pair,) = make_sources(settings(tmp_path, PAIR.format(a=one.url, b=other.url)), CLOCK)
        now = CLOCK.now()
        coverage = pair.read(now.replace(hour=0, minute=0), now).coverage
    assert (coverage.source, coverage.status) == ("prometheus/eu", CoverageStatus.OK)


def test_every_option_of_a_table_reaches_its_source(tmp_path):
    with FakeMonitoring() as server:
        server.rules = [monitoring.rule("Watchdog")]
        toml = f"""
        [sources.prometheus]
        url = "{server.url}"
        bearer_token = "t0ken-value"
        headers = {{ X-Scope-OrgID = "ops", X-Api-Key = "k3y-value" }}
        heartbeats = ["Pulse"]
        replica_labels = ["ha"]
        max_gap_minutes = 7
        """
        (source,) = make_sources(settings(tmp_path, toml), CLOCK)
        now = CLOCK.now()
        assert source.read(now.replace(hour=0, minute=0), now).coverage.status is CoverageStatus.OK
        _, headers, _ = server.requests[0]
    assert (headers["Authorization"], headers["X-Scope-OrgID"]) == ("Bearer t0ken-value", "ops")
    assert redact("k3y-value and t0ken-value of ops") == "*** and *** of ops"


def test_the_environment_names_the_address_of_the_only_one(tmp_path):
    (found,) = settings(tmp_path, "", WATCHBELL_PROMETHEUS_URL="http://new").sources
    assert found.options == {"url": "http://new"}
    with pytest.raises(ConfigError, match=r"WATCHBELL_PROMETHEUS_URL names one address, and sources\.prometheus has"):
        settings(tmp_path, SEVERAL, WATCHBELL_PROMETHEUS_URL="http://new")


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('[[sources.prometheus]]\nurl="http://a"\n[[sources.prometheus]]\nurl="http://b"', "number 1 needs a name"),
        (SEVERAL.replace('"us"', '"eu"'), "two sources go by prometheus/eu"),
        (PAIR.format(a="http://a", b="http://b").replace('"eu"', '"a"'), "two sources go by prometheus/a"),
        ('[[sources.alert_log]]\npath="a"', "there is one alert_log only; write [sources.alert_log]"),
        ('[sources.prometheus]\nurl="http://a"\nheaders=["x"]', "sources.prometheus.headers must be of type dict"),
        ('[sources.prometheus]\nurl="http://a"\nheaders={X=1}', "sources.prometheus.headers must be texts"),
        (
            '[sources.prometheus]\nurl="http://a"\nheartbeats=[1]',
            "sources.prometheus.heartbeats must be a list of texts",
        ),
        ('[sources.prometheus]\nurl="http://a"\nmax_gap_minutes=0', "max_gap_minutes must be from 1 to 2880, not 0"),
        (
            '[sources.prometheus]\nurl="http://a"\nmax_gap_minutes=2881',
            "max_gap_minutes must be from 1 to 2880, not 2881",
        ),
        ('[sources.prometheus]\nurl="http://a"\nca_file="x"', "ca_file needs an address that begins with https://"),
        ('[sources.prometheus]\nurl="https://a"\nclient_key="x"', "client_key needs sources.prometheus.client_cert"),
        ('[sources.prometheus]\nurl="https://a"\nbearer_token="x"\nusername="y"', "exclude each other"),
        ('[sources.alertmanager]\nurl="https://a"\nha="x"', "unknown key sources.alertmanager.ha"),
        ('[sources.cloudwatch]\nurl="https://a"', "unknown key sources.cloudwatch.url"),
        ("[sources]\nprometheus=[1]", "sources.prometheus must be a table"),
    ],
)
def test_what_is_wrong_is_said_by_file_and_key(tmp_path, toml, words):
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, toml)
    assert words in str(caught.value)
    assert str(tmp_path / "config.toml") in str(caught.value)


def test_doctor_warns_of_one_that_is_covered_for_and_finds_fault_when_none_covers(tmp_path):
    with FakeMonitoring() as one, FakeMonitoring() as other:
        one.fault = monitoring.unavailable
        found = settings(tmp_path, PAIR.format(a=one.url, b=other.url))
        check = probe_source(found, found.sources[0], CLOCK, "a").check
        assert (check.level, "prometheus/eu covers for it" in check.detail) == (Level.WARNING, True)
        other.fault = monitoring.unavailable
        assert probe_source(found, found.sources[0], CLOCK, "a").check.level is Level.PROBLEM


SECRET_AWAY = """
[[sources.prometheus]]
name = "eu"
url = "{url}"
[[sources.prometheus]]
name = "us"
url = "{url}"
bearer_token = "env:NOT_SET"
optional = {optional}
"""
ASKING = {
    Kind.CUSTOM_INVESTIGATION: {"queries": [{"name": "errors", "promql": "errors", "above": 5}]},
    Kind.SYNTHETIC_RUN: {"blackbox": True},
}
PASSING = {"metric": {"instance": "https://shop.example"}, "value": [0, "1"]}


def asked_of_both(tmp_path, kind, *, optional):
    """Return the report of a task that asks two sources, of which one answers and one's token cannot be had."""
    with FakeMonitoring() as server:
        newest = {**PASSING, "value": [0, str(END.timestamp())]}
        server.instants = {"errors": [PASSING], "timestamp(": [newest], "probe_success": [PASSING]}
        server.ranges = {
            "count_over_time": [{"metric": PASSING["metric"], "values": each_minute()}],
            "sum_over_time": [{"metric": PASSING["metric"], "values": each_minute()}],
        }
        toml = SECRET_AWAY.format(url=server.url, optional=str(optional).lower())
        return build(kind, *make_sources(settings(tmp_path, toml), CLOCK), params=ASKING[kind])


def each_minute():
    return [[(START + timedelta(minutes=n)).timestamp(), "1"] for n in range(24 * 60 + 1)]


def test_a_required_source_whose_secret_cannot_be_had_is_no_all_clear_of_questions(tmp_path):
    report = asked_of_both(tmp_path, Kind.CUSTOM_INVESTIGATION, optional=False)
    assert report.verdict is Verdict.UNKNOWN
    assert failed_sources(report) == ["prometheus/us"]


def test_nor_is_it_one_of_recorded_probes(tmp_path):
    with pytest.raises(SourceError, match="prometheus/us: "):
        asked_of_both(tmp_path, Kind.SYNTHETIC_RUN, optional=False)


@pytest.mark.parametrize("kind", ASKING)
def test_an_optional_one_is_named_beside_what_the_others_answered(tmp_path, kind):
    report = asked_of_both(tmp_path, kind, optional=True)
    assert report.verdict is Verdict.OK
    assert failed_sources(report) == ["prometheus/us"]
    assert [one.required for one in report.coverage if one.source == "prometheus/us"] == [False]


def test_where_integrations_cannot_be_read_a_question_is_answered_with_that(tmp_path):
    (tmp_path / "integrations.json").write_text("{")
    kind = Kind.CUSTOM_INVESTIGATION
    report = build(kind, *make_sources(settings(tmp_path, ""), CLOCK), params=ASKING[kind])
    assert report.verdict is Verdict.UNKNOWN
    assert "integrations.json" in report.reason
    assert failed_sources(report) == ["integrations.json"]


def test_one_that_cannot_be_had_is_covered_for_by_its_pair(tmp_path):
    with FakeMonitoring() as server:
        server.instants = {"errors": [PASSING]}
        toml = SECRET_AWAY.format(url=server.url, optional="false").replace("name", 'ha = "both"\nname')
        (pair,) = make_sources(settings(tmp_path, toml), CLOCK)
        assert pair.ask("errors", END) == [({"instance": "https://shop.example"}, 1.0)]


def failed_sources(report):
    return [one.source for one in report.coverage if one.status is CoverageStatus.FAILED]


@pytest.mark.parametrize("kind", ["prometheus", "alertmanager"])
def test_a_source_takes_no_longer_than_a_third_of_a_short_tick(tmp_path, kind):
    with FakeMonitoring() as server:
        server.fault = monitoring.slow_drip
        toml = f'deadline_seconds = 12\n[sources.{kind}]\nurl = "{server.url}"'
        (source,) = make_sources(settings(tmp_path, toml), CLOCK)
        coverage = source.read(START, END).coverage
    assert (coverage.status, coverage.detail) == (CoverageStatus.FAILED, "gave no complete answer within 4 s")
