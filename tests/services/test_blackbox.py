"""Recorded probes from a real Prometheus: days of known truth, and a real blackbox exporter that is scraped now."""

import contextlib
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import trustme

from fakes.odd_servers import http_server, tls_server
from fakes.ports import free_port
from fakes.told import build, lines, titles
from watchbell.clock import SystemClock
from watchbell.instants import epoch_seconds, floor_minute
from watchbell.reports.analysis.probe_history import State
from watchbell.reports.interface import CoverageStatus, Verdict, Window
from watchbell.reports.probes.blackbox import read_history
from watchbell.reports.sources.prometheus import Prometheus
from watchbell.reports.wording import moment
from watchbell.tasks import Kind

pytestmark = pytest.mark.service("prometheus", "promtool", "blackbox")

CLOCK = SystemClock()
MINUTE, HOUR, DAY = 60, 3600, 86400
HISTORY = 62 * HOUR

#: By target: the stretches in which it failed and in which it did not run, in seconds before the end.
FAILED = {
    "https://failing": [(2 * HOUR, 0)],
    "https://flaky": [(20 * HOUR, 20 * HOUR - 10 * MINUTE), (5 * HOUR, 5 * HOUR - 3 * MINUTE)],
    "https://blip": [(3 * HOUR, 3 * HOUR - 2 * MINUTE)],
    "https://recovered": [(30 * HOUR, 23 * HOUR)],
    "https://before": [(50 * HOUR, 40 * HOUR)],
}
IDLE = {
    "https://stopped": [(3 * HOUR, 0)],
    "https://gone": [(25 * HOUR, 0)],
    "https://removed": [(60 * HOUR, 0)],
    "https://holes": [(10 * HOUR, 9 * HOUR + 30 * MINUTE)],
}
OTHERS = ("https://good", "https://slow", "https://expiring")
TARGETS = (*FAILED, *IDLE, *OTHERS)


def is_in(stretches: list[tuple[int, int]], before_end: int) -> bool:
    return any(until <= before_end < since for since, until in stretches)


def openmetrics(end: int) -> str:
    """Return a run of each probe on every full minute of the history before the end."""
    success, durations = ["# TYPE probe_success gauge"], ["# TYPE probe_duration_seconds gauge"]
    for target in TARGETS:
        labels = f'{{instance="{target}",job="blackbox"}}'
        for before in range(HISTORY, 0, -MINUTE):
            if is_in(IDLE.get(target, []), before - MINUTE):
                continue
            passes = 0 if is_in(FAILED.get(target, []), before - MINUTE) else 1
            seconds = 0.4 if target == "https://slow" and before <= DAY else 0.2
            success.append(f"probe_success{labels} {passes} {end - before + MINUTE}")
            durations.append(f"probe_duration_seconds{labels} {seconds} {end - before + MINUTE}")
    expiry = ["# TYPE probe_ssl_earliest_cert_expiry gauge"]
    expires = end + 12 * DAY + HOUR
    expiry += [
        f'probe_ssl_earliest_cert_expiry{{instance="https://expiring",job="blackbox"}} {expires} {end - before}'
        for before in range(20 * HOUR, 10 * HOUR, -MINUTE)  # absent since: the probe failed before TLS
    ]
    return "\n".join([*success, *durations, *expiry, "# EOF\n"])


@pytest.fixture
def day(prometheus_maker) -> tuple[Prometheus, Window]:
    end = floor_minute(CLOCK.now()) - timedelta(hours=4)
    prometheus_maker.backfill(openmetrics(int(epoch_seconds(end))))
    server = prometheus_maker.start()
    return Prometheus(server.url, clock=CLOCK), Window(start=end - timedelta(days=1), end=end, timezone="UTC")


def test_days_of_probes_are_judged_by_what_truly_happened(day):
    source, window = day
    found = {one.samples.labels["instance"]: one for one in read_history(source, '{job="blackbox"}', window, CLOCK)}
    assert {target.removeprefix("https://"): one.state for target, one in found.items()} == {
        "failing": State.FAILING,
        "flaky": State.FLAKY,
        "blip": State.FLAKY,
        "recovered": State.RECOVERED,
        "before": State.PASSING,
        "stopped": State.NOT_RUN,
        "gone": State.NOT_RUN,
        "holes": State.PASSING,
        "good": State.PASSING,
        "slow": State.SLOWER,
        "expiring": State.PASSING,
    }
    for target, one in found.items():
        inside = [n for n in range(0, DAY, MINUTE) if not is_in(IDLE.get(target, []), n)]
        failed = [n for n in inside if is_in(FAILED.get(target, []), n)]
        assert (target, one.runs, one.fails) == (target, len(inside), len(failed))
    assert [found[f"https://{name}"].fail_stretches for name in ("failing", "flaky", "blip", "recovered")] == [
        1,
        2,
        1,
        1,
    ]
    last_good = found["https://failing"].samples.last_good
    assert last_good is not None
    assert epoch_seconds(window.end) - last_good == 2 * HOUR
    ((start, until),) = found["https://holes"].gaps
    assert (epoch_seconds(window.end) - start, until - start) == pytest.approx((10 * HOUR, 30 * MINUTE), abs=300)

    report = build(Kind.SYNTHETIC_RUN, source, window=(window.start, window.end), params={"blackbox": True})
    assert report.verdict is Verdict.DEGRADED
    assert report.reason == (
        "of 11 probes: 1 failing, 2 not run, 2 flaky, 1 slower, 1 recovered, 1 with gaps, 1 certificate to renew"
    )
    good = moment(window.end - timedelta(hours=2), "UTC")
    assert lines(report, "Failing") == (
        f"https://failing (blackbox): for 2 h, last good {good}; 120 of 1440 runs failed",
    )
    assert lines(report, "Flaky") == (
        "https://blip (blackbox): failed once in between; 2 of 1440 runs failed",
        "https://flaky (blackbox): failed 2 times in between; 13 of 1440 runs failed",
    )
    assert lines(report, "Slower than usual") == (
        "https://slow (blackbox): p95 0.40 s over 1440 runs, 0.20 s over 2280 in the seven days before",
    )
    assert lines(report, "Recovered") == ("https://recovered (blackbox): failed for about 1 h; 60 of 1440 runs failed",)
    assert lines(report, "Certificates to renew")[0].startswith("https://expiring (blackbox): ends in 12 days, ")
    assert lines(report, "Passing") == ("4 probes passed; the slowest is https://before (blackbox) with 0.20 s",)
    assert [(one.status, one.detail) for one in report.coverage] == [
        (CoverageStatus.UNPROVEN, "11 blackbox probes, 2 not run, 1 with gaps")
    ]


BLACKBOX = """\
modules:
  http: {prober: http, timeout: 4s}
  tls: {prober: tcp, timeout: 4s, tcp: {tls: true, tls_config: {insecure_skip_verify: true}}}
"""
SCRAPES = """
  - job_name: blackbox
    metrics_path: /probe
    scrape_interval: 5s
    scrape_timeout: 5s
    params: {{module: [{module}]}}
    static_configs: [{{targets: ["{target}"]}}]
    relabel_configs:
      - {{source_labels: [__address__], target_label: __param_target}}
      - {{source_labels: [__param_target], target_label: instance}}
      - {{target_label: __address__, replacement: "{exporter}"}}
"""


@pytest.fixture
def exporter(tmp_path: Path, program, wait_for) -> Iterator[str]:
    """Yield host and port of a running blackbox exporter."""
    config = tmp_path / "blackbox.yml"
    config.write_text(BLACKBOX)
    host = f"127.0.0.1:{free_port()}"
    with (tmp_path / "blackbox.log").open("wb") as log:
        arguments = [program("blackbox"), f"--config.file={config}", f"--web.listen-address={host}"]
        process = subprocess.Popen(arguments, stdout=log, stderr=log)
    try:
        wait_for(lambda: answers(f"http://{host}/-/healthy"), "the blackbox exporter to be ready")
        yield host
    finally:
        process.terminate()
        process.wait(10)


def answers(url: str) -> bool:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url).status_code == 200
    return False


def latest(server, promql: str) -> list[str]:
    found = httpx.get(f"{server.url}/api/v1/query", params={"query": promql}).json()["data"]["result"]
    return sorted(one["value"][1] for one in found)


def test_a_real_exporter_s_probes_are_told_as_they_are(prometheus_maker, exporter, wait_for):
    server = prometheus_maker.start()
    now = datetime.now(UTC)
    certificate = trustme.CA().issue_cert("shop.test", not_after=now + timedelta(days=9, hours=1))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    config = prometheus_maker.folder / "prometheus.yml"
    with tls_server(context) as port:
        with http_server(page) as url:
            jobs = [("http", url), ("tls", f"127.0.0.1:{port}")]
            text = "".join(SCRAPES.format(module=module, target=target, exporter=exporter) for module, target in jobs)
            config.write_text(config.read_text() + text.replace("job_name: blackbox", "job_name: tls", 1))
            server.reload()
            wait_for(lambda: latest(server, "probe_success") == ["1", "1"], "both probes to pass", 60)
        wait_for(lambda: latest(server, "probe_success") == ["0", "1"], "the one to fail", 60)
        end = datetime.now(UTC)
    source = Prometheus(server.url, clock=CLOCK)
    report = build(Kind.SYNTHETIC_RUN, source, window=(end - timedelta(minutes=4), end))
    assert (report.verdict, report.reason) == (Verdict.DEGRADED, "of 2 probes: 1 failing, 1 certificate to renew")
    assert titles(report) == ["Failing", "Certificates to renew", "Passing"]
    assert lines(report, "Failing")[0].startswith(f"{url} (tls): for ")
    assert " s, last good " in lines(report, "Failing")[0]
    assert lines(report, "Certificates to renew")[0].startswith(f"127.0.0.1:{port} (blackbox): ends in 9 days")
