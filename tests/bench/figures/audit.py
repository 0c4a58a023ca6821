"""A weekly audit over 30 days from a real Prometheus, against downloading the same series and throwing them away.

The download is the one that any HTTP client makes unless told otherwise, packed by gzip; the audit asks for the same
in the same pieces, unpacked as it does over plain HTTP. Both windows are read, the one before as well.
"""

import http.client
import json
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

from figures.figure import Figure

from watchbell.reports.sources.prometheus import ALERT_SAMPLES, MARGIN
from watchbell.reports.sources.prometheus_api import CHUNK

DAYS, RULES, EPISODES, MEAN_MINUTES = 30, 500, 50_000, 10
MINUTE, DAY = 60, 86_400
ROUNDS = 3

AUDIT = """
import json, resource, sys, time
from datetime import datetime, timedelta
from watchbell.clock import SystemClock
from watchbell.reports.interface import ReportRequest, Window
from watchbell.reports.pipeline import BuiltinPipeline
from watchbell.reports.sources.prometheus import Prometheus
from watchbell.tasks import Kind
end = datetime.fromisoformat(sys.argv[2])
window = Window(start=end - timedelta(days=int(sys.argv[3])), end=end, timezone="UTC")
request = ReportRequest(task_id="t", name="", kind=Kind.WEEKLY_AUDIT, window=window, params={})
begun = time.perf_counter()
report = BuiltinPipeline([Prometheus(sys.argv[1], clock=SystemClock())]).build(request)
seconds = time.perf_counter() - begun
print(json.dumps({
    "seconds": seconds,
    "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    "firings": sum(alert.firings for alert in report.alerts),
    "rules": len(report.alerts),
    "coverage": [f"{one.status}: {one.detail}" for one in report.coverage],
}))
"""


def figures() -> Iterator[Figure]:
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        print("audit: prometheus is not installed (infra/install-test-services)")
        return
    end = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(hours=4)
    with _prometheus(end) as url:
        _download(url, end)  # warms the page cache for both
        rounds = [(_download(url, end), _audit(url, end)) for _ in range(ROUNDS)]
    downloads = min(download for download, _ in rounds)
    audit = min((audit for _, audit in rounds), key=lambda found: found["seconds"])
    assert audit["coverage"][0].startswith("ok"), audit["coverage"]
    assert (audit["rules"], audit["firings"]) == (RULES, EPISODES), audit
    yield Figure(
        name=f"weekly audit of {EPISODES:,} episodes in {DAYS} days ÷ their download",
        ours=f"{audit['seconds']:.2f} s",
        peer=f"{downloads:.2f} s",
        ratio=audit["seconds"] / downloads,
        budget=1.5,
    )
    yield Figure(
        name="peak memory of that audit (MB)",
        ours=f"{audit['megabytes']:.0f} MB",
        peer="",
        ratio=max(found["megabytes"] for _, found in rounds),
        budget=400.0,
    )


def _audit(url: str, end: datetime) -> dict[str, float | list[str]]:
    arguments = [sys.executable, "-c", AUDIT, url, end.isoformat(), str(DAYS)]
    found: dict[str, float | list[str]] = json.loads(subprocess.run(arguments, check=True, capture_output=True).stdout)
    return found


def _download(url: str, end: datetime) -> float:
    """Return the seconds that it takes to fetch what the audit fetches: both windows, in the same pieces."""
    begun = time.perf_counter()
    length = timedelta(days=DAYS)
    for last in (end, end - length):
        at = last - length - MARGIN
        while at < last:
            until = min(at + CHUNK, last)
            seconds = int((until - at).total_seconds())
            _fetch(url, f"{ALERT_SAMPLES}[{seconds}s]", until.timestamp() - 0.001)
            at += CHUNK
    return time.perf_counter() - begun


def _fetch(url: str, query: str, at: float) -> None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept-Encoding": "gzip, deflate"}
    connection.request("POST", "/api/v1/query", urlencode({"query": query, "time": at}), headers)
    answer = connection.getresponse()
    assert answer.status == 200
    answer.read()
    connection.close()


@contextmanager
def _prometheus(end: datetime) -> Iterator[str]:
    """Give the address of a server whose storage holds the history."""
    with tempfile.TemporaryDirectory(prefix="watchbell-bench-") as name:
        folder = Path(name)
        host = f"127.0.0.1:{_free_port()}"
        (folder / "rules.yml").write_text(_rules())
        (folder / "prometheus.yml").write_text(f"rule_files: [{folder}/rules.yml]\n")
        with (folder / "samples.om").open("w") as file:
            file.writelines(_openmetrics(end))
        blocks = ["promtool", "tsdb", "create-blocks-from", "--max-block-duration=720h", "openmetrics"]
        subprocess.run([*blocks, folder / "samples.om", folder / "data"], check=True, stdout=subprocess.DEVNULL)
        arguments = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
        arguments += [f"--web.listen-address={host}", "--storage.tsdb.retention.time=90d", "--log.level=error"]
        server = subprocess.Popen(arguments)
        try:
            _wait_for_evaluations(host)
            yield f"http://{host}"
        finally:
            server.terminate()
            server.wait(20)


def _rules() -> str:
    rules = [f"      - {{alert: Alert{n:03}, expr: vector(0) > 1, for: 1m}}\n" for n in range(RULES)]
    return "groups:\n  - name: audit\n    interval: 5s\n    rules:\n" + "".join(rules)


def _openmetrics(end: datetime) -> Iterator[str]:
    chance = random.Random(5)
    zero = int(end.timestamp()) - DAYS * DAY
    histories = [(f'alertname="Alert{n:03}",pod="p",severity="page"', _episodes(chance)) for n in range(RULES)]
    yield "# TYPE ALERTS gauge\n"
    for labels, episodes in histories:
        for begin, over in episodes:
            for t in range(begin, over, MINUTE):
                yield f'ALERTS{{{labels},alertstate="firing"}} 1 {zero + t}\n'
    yield "# TYPE ALERTS_FOR_STATE gauge\n"
    for labels, episodes in histories:
        for begin, over in episodes:
            for t in range(begin, over, MINUTE):
                yield f"ALERTS_FOR_STATE{{{labels}}} {zero + begin - MINUTE} {zero + t}\n"
    yield "# TYPE up gauge\n"
    for t in range(0, DAYS * DAY, MINUTE):
        yield f'up{{job="app"}} 1 {zero + t}\n'
    yield "# EOF\n"


def _episodes(chance: random.Random) -> list[tuple[int, int]]:
    """Return (begin, over) in seconds; of mean length, one in each stretch of the time."""
    count = EPISODES // RULES
    room = DAYS * DAY // count // MINUTE
    found = []
    for n in range(count):
        length = chance.randint(1, 2 * MEAN_MINUTES - 1)
        begin = n * room + chance.randint(1, room - length - 2)
        found.append((begin * MINUTE, (begin + length) * MINUTE))
    return found


def _wait_for_evaluations(host: str) -> None:
    until = time.monotonic() + 90
    while time.monotonic() < until:
        time.sleep(0.5)
        try:
            connection = http.client.HTTPConnection(host, timeout=5)
            connection.request("GET", "/api/v1/rules?type=alert")
            groups = json.loads(connection.getresponse().read())["data"]["groups"]
        except (OSError, ValueError, KeyError):
            continue
        rules = [rule for group in groups for rule in group["rules"]]
        if rules and all(rule["health"] == "ok" for rule in rules):
            return
    raise AssertionError("Prometheus did not get ready")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
