"""Answers that are JSON but not what was asked for: a source always answers, and never with proof it does not have."""

import json
from datetime import UTC, datetime, timedelta

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from watchbell.clock import SystemClock
from watchbell.reports.interface import CoverageStatus
from watchbell.reports.sources.alert_log import AlertLog
from watchbell.reports.sources.alertmanager import Alertmanager
from watchbell.reports.sources.http import JsonReader
from watchbell.reports.sources.prometheus import Prometheus

END = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
START = END - timedelta(hours=2)

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=True),
    st.sampled_from(["", "NaN", "+Inf", "x", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:00", "ok", "1e400"]),
)
strange = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))

PROMETHEUS = {
    "/api/v1/rules": {
        "status": "success",
        "data": {
            "groups": [
                {
                    "interval": 60,
                    "rules": [
                        {
                            "name": "Slow",
                            "type": "alerting",
                            "duration": 60,
                            "health": "ok",
                            "lastError": "",
                            "lastEvaluation": "2026-11-22T09:00:00Z",
                        }
                    ],
                }
            ]
        },
        "warnings": [],
    },
    "/api/v1/query": {
        "status": "success",
        "data": {
            "result": [
                {"metric": {"__name__": "ALERTS", "alertname": "Slow"}, "values": [[1795335000, "1"]]},
                {
                    "metric": {"__name__": "ALERTS_FOR_STATE", "alertname": "Slow"},
                    "values": [[1795335000, "1795335000"]],
                },
            ]
        },
    },
    "/api/v1/query_range": {
        "status": "success",
        "data": {"result": [{"metric": {}, "values": [[1795335000, "1795335000"]]}]},
    },
}
ALERTMANAGER = {
    "/api/v2/status": {"cluster": {"status": "ready"}},
    "/api/v2/alerts": [{"labels": {"alertname": "Slow"}, "annotations": {}, "startsAt": "2026-11-22T08:00:00Z"}],
    "/api/v2/silences": [
        {
            "id": "1",
            "status": {"state": "active"},
            "matchers": [{"name": "a", "value": "b", "isRegex": False, "isEqual": True}],
            "startsAt": "2026-11-22T08:00:00Z",
            "endsAt": "2026-11-22T10:00:00Z",
        }
    ],
}


def places(value, path=()):
    """Yield the path of every value within a JSON value."""
    yield path
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from places(part, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def spoilt(answers):
    return st.sampled_from(list(places(answers))[1:]).flatmap(
        lambda path: strange.map(lambda new: replaced(answers, path, new))
    )


def reader(answers):
    def answer(request):
        return httpx.Response(200, content=json.dumps(answers[request.url.path]).encode())

    return JsonReader("http://monitoring", transport=httpx.MockTransport(answer))


@settings(deadline=None)  # the machine may be busy
@given(spoilt(PROMETHEUS))
def test_prometheus_never_raises_and_proves_nothing_with_one_sample(answers):
    source = Prometheus("http://monitoring", clock=SystemClock(), reader=reader(answers))
    evidence = source.read(START, END)
    assert evidence.coverage.detail
    assert all(episode.start < END for episode in evidence.episodes)


@settings(deadline=None)  # the machine may be busy
@given(spoilt(ALERTMANAGER))
def test_alertmanager_never_raises(answers):
    source = Alertmanager("http://monitoring", clock=SystemClock(), reader=reader(answers))
    evidence = source.read(START, END)
    assert evidence.coverage.detail
    assert evidence.covered_from is None


@settings(deadline=None)  # the machine may be busy
@given(st.lists(strange | st.builds(lambda a: {"alerts": [a]}, strange), max_size=5))
def test_the_alert_log_never_raises_and_proves_nothing(tmp_path_factory, values):
    path = tmp_path_factory.mktemp("log") / "alerts.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    evidence = AlertLog(path).read(START, END)
    assert evidence.coverage.status is CoverageStatus.UNPROVEN
