"""Real servers on loopback for tests marked `service(...)`: free ports, temporary folders, stopped after the test.

Without the programs such a test is skipped; where CI is set in the environment it fails, so that nothing is skipped
there unseen. `make services` installs them.
"""

import fcntl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from fakes.ports import free_port
from fakes.programs import program

READY_SECONDS = 60.0


@dataclass
class Server:
    """One running server."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)

    def reload(self) -> None:
        httpx.post(f"{self.url}/-/reload").raise_for_status()


def start(arguments: list[str], url: str, folder: Path) -> Server:
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=log, cwd=folder)
    server = Server(url, folder, process)
    try:
        wait_for(lambda: _is_ready(server), "the server to be ready", READY_SECONDS)
    except AssertionError:
        server.stop()
        raise AssertionError((folder / "server.log").read_text()[-2000:]) from None
    return server


def wait_for(is_true: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait until something is true, looking ten times a second."""
    until = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < until, f"waited {seconds:g} s in vain for {what}"
        time.sleep(0.1)


def _is_ready(server: Server) -> bool:
    assert server.process.poll() is None, "the server ended at once"
    try:
        return httpx.get(f"{server.url}/-/ready").status_code == 200
    except httpx.TransportError:
        return False


PROMETHEUS_CONFIG = """\
global: {{scrape_interval: 1s, evaluation_interval: 1s, external_labels: {{cluster: test}}}}
rule_files: ["{folder}/rules.yml"]
scrape_configs:
  - job_name: prometheus
    static_configs: [{{targets: ["{host}"]}}]
{alerting}"""
ALERTING = 'alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{host}"]}}]}}]}}\n'

#: One heartbeat, and one alert that always fires.
RULES = """\
groups:
  - name: test
    interval: 1s
    rules:
      - {alert: Watchdog, expr: vector(1), labels: {severity: none}}
      - {alert: AlwaysFiring, expr: vector(1), labels: {severity: critical}, annotations: {summary: It always fires}}
"""

#: Every notification goes to `webhook`, at once, again each second, and once more when it is over.
ALERTMANAGER_CONFIG = """\
route: {{receiver: webhook, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1s}}
receivers:
  - name: webhook
    {webhook}
"""
WEBHOOK = "webhook_configs: [{{url: '{url}', send_resolved: true}}]"


class PrometheusMaker:
    """Runs a Prometheus in `folder`; call `start` after writing rules or backfilling blocks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._servers: list[Server] = []
        folder.mkdir(parents=True, exist_ok=True)

    def rules(self, text: str) -> None:
        """Write the rule file; a running server takes it up on `reload`."""
        (self.folder / "rules.yml").write_text(text)

    def backfill(self, openmetrics: str) -> None:
        """Store samples of the past, at least three hours old."""
        source = self.folder / "samples.om"
        source.write_text(openmetrics)
        tool = [program("promtool") or "promtool", "tsdb", "create-blocks-from", "openmetrics"]
        done = subprocess.run([*tool, str(source), str(self.data)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def start(self, alertmanager_url: str | None = None) -> Server:
        host = f"127.0.0.1:{free_port()}"
        if not (self.folder / "rules.yml").exists():
            self.rules(RULES)
        alerting = ALERTING.format(host=alertmanager_url.removeprefix("http://")) if alertmanager_url else ""
        config = self.folder / "prometheus.yml"
        config.write_text(PROMETHEUS_CONFIG.format(folder=self.folder, host=host, alerting=alerting))
        arguments = [
            program("prometheus") or "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={self.data}",
            f"--web.listen-address={host}",
            "--storage.tsdb.retention.time=90d",
            "--web.enable-lifecycle",
            "--rules.alert.resend-delay=1s",  # else what fires before Alertmanager is known comes a minute later
        ]
        server = start(arguments, f"http://{host}", self.folder)
        self._servers.append(server)
        return server

    def stop(self) -> None:
        for server in self._servers:
            server.stop()


@pytest.fixture(name="wait_for")
def _wait_for() -> Callable[..., None]:
    """Return `wait_for(is_true, what, seconds=20)`."""
    return wait_for


@pytest.fixture(name="program")
def _program() -> Callable[[str], str | None]:
    """Return `program(name)`, the path of a service's program."""
    return program


@pytest.fixture
def prometheus_maker(tmp_path: Path) -> Iterator[PrometheusMaker]:
    maker = PrometheusMaker(tmp_path / "prometheus")
    yield maker
    maker.stop()


class AlertmanagerMaker:
    """Runs an Alertmanager in `folder`, which notifies a webhook when it is given one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._servers: list[Server] = []
        folder.mkdir(parents=True, exist_ok=True)

    def start(self, webhook_url: str | None = None) -> Server:
        host = f"127.0.0.1:{free_port()}"
        config = self.folder / "alertmanager.yml"
        webhook = WEBHOOK.format(url=webhook_url) if webhook_url else ""
        config.write_text(ALERTMANAGER_CONFIG.format(webhook=webhook))
        arguments = [
            program("alertmanager") or "prometheus-alertmanager",
            f"--config.file={config}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={host}",
            "--cluster.listen-address=",
        ]
        server = start(arguments, f"http://{host}", self.folder)
        self._servers.append(server)
        return server

    def stop(self) -> None:
        for server in self._servers:
            server.stop()


@pytest.fixture
def alertmanager_maker(tmp_path: Path) -> Iterator[AlertmanagerMaker]:
    maker = AlertmanagerMaker(tmp_path / "alertmanager")
    yield maker
    maker.stop()


@pytest.fixture
def alertmanager(alertmanager_maker: AlertmanagerMaker) -> Server:
    """A running Alertmanager that notifies nobody."""
    return alertmanager_maker.start()


@pytest.fixture
def prometheus(prometheus_maker: PrometheusMaker, alertmanager: Server) -> Server:
    """A running Prometheus whose alerts (Watchdog, AlwaysFiring) go to the running Alertmanager."""
    return prometheus_maker.start(alertmanager.url)


@pytest.fixture
def crontab() -> Iterator[Callable[[bytes], None]]:
    """Install a crontab for this user; what was there comes back afterwards."""
    with Path(tempfile.gettempdir(), "watchbell-test-crontab.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one crontab a user: two test runs must not mix theirs
        before = subprocess.run(["crontab", "-l"], capture_output=True, check=False)

        def install(text: bytes) -> None:
            subprocess.run(["crontab", "-"], input=text, check=True)

        yield install
        if before.returncode == 0:
            install(before.stdout)
        else:
            subprocess.run(["crontab", "-r"], capture_output=True, check=False)


@pytest.fixture
def cron(tmp_path: Path) -> Iterator[None]:
    """Run a cron daemon in the foreground, unless one runs already: then ours ends at once, for that one has the lock.

    A list of processes would not tell, for a job that outlives its daemon bears the same name.
    """
    log = tmp_path / "cron.log"
    with log.open("w") as stderr:
        daemon = subprocess.Popen([program("cron") or "cron", "-f", "-L", "15"], stderr=stderr)
    try:
        try:
            daemon.wait(1)
        except subprocess.TimeoutExpired:
            pass
        else:
            assert "can't lock" in log.read_text(), log.read_text()
        yield
    finally:
        daemon.terminate()
        daemon.wait(10)
