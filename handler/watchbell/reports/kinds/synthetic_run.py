"""The synthetic run: probes the configured addresses now, and reads the blackbox exporter where Prometheus has it.

The task's params say what to probe:

    {"probes": [{"name": "shop", "url": "https://shop.example/health"},
                {"name": "db", "tcp": "db.example:5432", "timeout_seconds": 3}],
     "blackbox": "probe_success{job=\\"blackbox\\"}"}

An HTTP probe passes on a 2xx or 3xx answer, or on exactly "status" where that is given; a TCP probe on a connection.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.reports import wording
from watchbell.reports.interface import Coverage, CoverageStatus, Number, Report, Section, Verdict
from watchbell.reports.kinds.material import Material, headline

TITLE = "Synthetic run"
PROBE_SECONDS = 10.0
MOST_PROBE_SECONDS = 60.0
MOST_PROBES = 200
AT_ONCE = 16
MOST_LINES = 20
BLACKBOX = "probe_success"
WHAT_TO_SET = (
    'set the task\'s params, such as {"probes": [{"name": "shop", "url": "https://shop.example/health"}]}, '
    "or point WATCHBELL_PROMETHEUS_URL at a Prometheus that scrapes a blackbox exporter"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Probe:
    name: str
    url: str | None
    host: str
    port: int
    status: int | None
    timeout_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """One probe's result; `seconds` is None where it is not known."""

    name: str
    passed: bool
    detail: str
    seconds: float | None = None


def build(material: Material) -> Report:
    """Run and read all probes; raises SourceError when none is configured or the blackbox data cannot be read."""
    params = material.request.params
    raw = params.get("probes") or []
    if not isinstance(raw, list) or len(raw) > MOST_PROBES:
        raise SourceError(f"params.probes must be a list of at most {MOST_PROBES} probes; {WHAT_TO_SET}")
    probes = [_probe(one, f"params.probes[{number}]") for number, one in enumerate(raw)]
    blackbox = _blackbox(material, is_wanted=not probes)
    if not probes and not blackbox:
        raise SourceError(f"no probe is configured; {WHAT_TO_SET}")
    return _report(material, _run_all(probes, material.clock), blackbox)


def _report(material: Material, live: list[_Result], blackbox: list[_Result]) -> Report:
    request = material.request
    results = [*live, *blackbox]
    failing = [result for result in results if not result.passed]
    timed = [result for result in results if result.seconds is not None]
    slowest = max(timed, key=lambda result: result.seconds or 0.0, default=None)
    return Report(
        title=headline(TITLE, request),
        kind=request.kind,
        window=request.window,
        verdict=Verdict.DEGRADED if failing else Verdict.OK,
        reason=f"{len(failing)} of {wording.many(len(results), 'probe')} failing"
        if failing
        else f"{wording.many(len(results), 'probe')} passed",
        coverage=_coverage(material, live, blackbox),
        numbers=(
            Number(name="passing", value=float(len(results) - len(failing))),
            Number(name="failing", value=float(len(failing))),
            Number(name="slowest seconds", value=round(slowest.seconds, 3) if slowest and slowest.seconds else None),
        ),
        actions=tuple(f"Look at {result.name}: {result.detail}" for result in failing[:3]),
        sections=(*_section("Failing", failing), *_section("Passing", [one for one in results if one.passed])),
    )


def _section(title: str, results: list[_Result]) -> tuple[Section, ...]:
    lines = [
        f"{one.name}: {one.detail}" + (f" in {one.seconds:.2f} s" if one.seconds is not None else "") for one in results
    ]
    return (Section(title=title, lines=wording.capped(lines, MOST_LINES)),) if lines else ()


def _coverage(material: Material, live: list[_Result], blackbox: list[_Result]) -> tuple[Coverage, ...]:
    counts = [("probes", live, "run just now")]
    if blackbox:
        counts.append((material.queriers[0].name, blackbox, "read from the blackbox exporter"))
    return tuple(
        Coverage(source=name, status=CoverageStatus.OK, detail=f"{wording.many(len(results), 'probe')} {how}")
        for name, results, how in counts
        if results
    )


def _blackbox(material: Material, *, is_wanted: bool) -> list[_Result]:
    """Return the state of each blackbox probe at the end of the window, from the first source that speaks PromQL."""
    selector = material.request.params.get("blackbox")
    if selector is False or (not selector and not is_wanted):
        return []
    if not material.queriers:
        if selector:
            raise SourceError("params.blackbox needs a Prometheus; set WATCHBELL_PROMETHEUS_URL")
        return []
    querier = material.queriers[0]
    try:
        series = querier.ask(selector if isinstance(selector, str) else BLACKBOX, material.request.window.end)
    except SourceError as error:
        raise SourceError(f"{querier.name}: {error}") from None
    if selector and not series:
        raise SourceError(f"{querier.name} has no blackbox probe for {selector!r}; is the exporter scraped?")
    results = [_from_blackbox(labels, value) for labels, value in series]
    return sorted(results, key=lambda result: result.name)


def _from_blackbox(labels: Mapping[str, str], value: float) -> _Result:
    name = labels.get("instance") or wording.alert(labels)
    job = f" ({labels['job']})" if labels.get("job") else ""
    return _Result(
        name=name + job, passed=value == 1, detail="probe_success is 1" if value == 1 else "probe_success is 0"
    )


def _run_all(probes: list[_Probe], clock: Clock) -> list[_Result]:
    from concurrent.futures import ThreadPoolExecutor

    if not probes:
        return []
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(probes))) as pool:
        return list(pool.map(lambda probe: _run(probe, clock), probes))


def _run(probe: _Probe, clock: Clock) -> _Result:
    began = clock.monotonic()
    passed, detail = _probe_http(probe, clock) if probe.url else _probe_tcp(probe)
    return _Result(name=probe.name, passed=passed, detail=detail, seconds=clock.monotonic() - began)


def _probe_http(probe: _Probe, clock: Clock) -> tuple[bool, str]:
    import httpx

    try:
        with (
            httpx.Client(timeout=probe.timeout_seconds, follow_redirects=False) as client,
            client.stream("GET", probe.url or "") as response,  # the body is not wanted
        ):
            status = response.status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return False, _why(error, probe.timeout_seconds)
    passed = status == probe.status if probe.status else 200 <= status < 400
    return passed, f"status {status}" if passed or not probe.status else f"status {status}, not {probe.status}"


def _why(error: Exception, seconds: float) -> str:
    name = type(error).__name__
    if "Timeout" in name:
        return f"no answer within {seconds:g} s"
    return "no connection" if name == "ConnectError" else f"broken answer ({name})"


def _probe_tcp(probe: _Probe) -> tuple[bool, str]:
    try:
        socket.create_connection((probe.host, probe.port), timeout=probe.timeout_seconds).close()
    except TimeoutError:
        return False, f"no connection within {probe.timeout_seconds:g} s"
    except OSError as error:
        return False, f"no connection: {error.strerror or type(error).__name__}"
    return True, "connected"


def _probe(raw: Any, path: str) -> _Probe:
    if not isinstance(raw, dict) or bool(raw.get("url")) == bool(raw.get("tcp")):
        raise SourceError(f'{path} must be an object with either "url" or "tcp" (host:port)')
    target = str(raw.get("url") or raw["tcp"])
    host, _, port = target.rpartition(":") if raw.get("tcp") else ("", "", "0")
    if raw.get("url") and not target.startswith(("http://", "https://")):
        raise SourceError(f"{path}.url must begin with http:// or https://, not {target!r}")
    if not port.isdecimal() or (raw.get("tcp") and not (host and 0 < int(port) < 65536)):
        raise SourceError(f"{path}.tcp must look like db.example:5432, not {target!r}")
    return _Probe(
        name=str(raw.get("name") or target),
        url=target if raw.get("url") else None,
        host=host.strip("[]"),
        port=int(port),
        status=_whole(raw.get("status"), f"{path}.status"),
        timeout_seconds=_seconds(raw.get("timeout_seconds"), f"{path}.timeout_seconds"),
    )


def _whole(value: Any, path: str) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise SourceError(f"{path} must be a whole number, not {value!r}")
    return value


def _seconds(value: Any, path: str) -> float:
    if value is None:
        return PROBE_SECONDS
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST_PROBE_SECONDS:
        raise SourceError(f"{path} must be a number of seconds up to {MOST_PROBE_SECONDS:g}, not {value!r}")
    return float(value)
