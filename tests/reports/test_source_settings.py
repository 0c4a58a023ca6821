"""What config.toml says of sources: one or several of a kind, each with its name, and what is wrong with them."""

import pytest

from fakes import monitoring
from fakes.monitoring import FakeMonitoring
from watchbell.checkup.checks import Level
from watchbell.checkup.source_probes import probe_source
from watchbell.clock import SystemClock
from watchbell.errors import ConfigError
from watchbell.reports.interface import CoverageStatus
from watchbell.secrets.redaction import redact
from watchbell.settings import load_settings
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
