"""Real Prometheus servers: restarted inside the window, two that cover for each other, and one behind mTLS."""

import subprocess
from datetime import timedelta

import pytest

from fakes.ports import free_port
from watchbell.clock import SystemClock
from watchbell.reports.findings import merge_episodes
from watchbell.reports.interface import CoverageStatus
from watchbell.reports.sources.pair import Pair
from watchbell.reports.sources.prometheus import Prometheus

pytestmark = pytest.mark.service("prometheus")

CLOCK = SystemClock()
SHORT = timedelta(minutes=4)


def read(source, length=SHORT):
    now = CLOCK.now()
    return source.read(now - length, now)


def is_ok(source):
    return read(source).coverage.status is CoverageStatus.OK


def test_a_short_restart_divides_no_episode_and_is_told(prometheus_maker, wait_for):
    began = CLOCK.now()
    before = prometheus_maker.start()
    source = Prometheus(before.url, clock=CLOCK)
    wait_for(lambda: is_ok(source) and read(source).episodes, "the alert to fire")
    before.stop()
    restarted = CLOCK.now() - timedelta(seconds=1)  # what start time it tells is up to a second early
    source = Prometheus(prometheus_maker.start().url, clock=CLOCK)

    def has_gone_on():
        evidence = source.read(restarted, CLOCK.now())
        return evidence.episodes and evidence.coverage.status is CoverageStatus.OK and len(evidence.events) > 0

    wait_for(has_gone_on, "the alert to fire again, and the restart to be known")
    evidence = read(source)
    (episode,) = evidence.episodes
    assert episode.end is None
    assert began <= episode.start <= restarted + timedelta(seconds=1)
    assert evidence.events[-1].text.endswith("started")


def test_of_two_that_cover_for_each_other_one_may_be_down(prometheus_maker, tmp_path, wait_for):
    other_maker = type(prometheus_maker)(tmp_path / "other")
    try:
        one, other = prometheus_maker.start(), other_maker.start()
        members = [Prometheus(server.url, clock=CLOCK, name=server.url[-5:]) for server in (one, other)]
        pair = Pair(members, name="prometheus/eu")
        wait_for(lambda: all(is_ok(member) and read(member).episodes for member in members), "both to see the alert")
        assert [e.labels["alertname"] for e in merge_episodes([read(pair)])] == ["AlwaysFiring"]
        other.stop()
        evidence = read(pair)
        assert evidence.coverage.status is CoverageStatus.OK
        assert f"cannot connect to {other.url}: connection refused" in evidence.coverage.detail
        one.stop()
        assert read(pair).coverage.status is CoverageStatus.FAILED
    finally:
        other_maker.stop()


def certificates(folder):
    """Make an authority, and a certificate of it for the server and for the client."""
    for name, subject in (("ca", "/CN=authority"), ("server", "/CN=server"), ("client", "/CN=client")):
        key = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject]
        own = ["-x509", "-days", "2"] if name == "ca" else []
        signer = [] if name == "ca" else ["-x509", "-days", "2", "-CA", "ca.pem", "-CAkey", "ca.key"]
        use = [] if name == "ca" else ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"]
        out = ["-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run([*key, *own, *signer, *use, *out], cwd=folder, check=True, capture_output=True)


WEB_CONFIG = """\
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_ca_file: ca.pem
  client_auth_type: RequireAndVerifyClientCert
basic_auth_users: {alice: $2b$04$abcdefghijklmnopqrstuuGVoEaTZE4J7DDP8KzFiBdlJoony9TfC}
"""

#: It scrapes itself, through its own door; alice's password is in the clear here and hashed there.
CONFIG = """\
rule_files: ["{folder}/rules.yml"]
scrape_configs:
  - job_name: prometheus
    scrape_interval: 1s
    scheme: https
    basic_auth: {{username: alice, password: hunter2hunter2}}
    tls_config: {{ca_file: "{folder}/ca.pem", cert_file: "{folder}/client.pem", key_file: "{folder}/client.key"}}
    static_configs: [{{targets: ["{host}"]}}]
"""


@pytest.fixture
def guarded(prometheus_maker, program, tmp_path):
    """A Prometheus that wants a certificate of its authority and a password; give its address."""
    certificates(tmp_path)
    (tmp_path / "web.yml").write_text(WEB_CONFIG)
    (tmp_path / "rules.yml").write_text("groups: [{name: g, interval: 1s, rules: [{alert: A, expr: vector(1)}]}]")
    host = f"127.0.0.1:{free_port()}"
    (tmp_path / "prometheus.yml").write_text(CONFIG.format(folder=tmp_path, host=host))
    arguments = ["--config.file=prometheus.yml", "--web.config.file=web.yml", f"--web.listen-address={host}"]
    process = subprocess.Popen(
        [program("prometheus"), *arguments, "--storage.tsdb.path=data", "--log.level=error"], cwd=tmp_path
    )
    yield f"https://{host}"
    process.terminate()
    process.wait(10)


def test_certificates_and_a_password_open_the_door_and_nothing_less_does(guarded, tmp_path, wait_for):
    files = {name: str(tmp_path / file) for name, file in (("client_cert", "client.pem"), ("client_key", "client.key"))}
    ca, login = {"ca_file": str(tmp_path / "ca.pem")}, {"username": "alice", "password": "hunter2hunter2"}

    def detail(**access):
        coverage = read(Prometheus(guarded, clock=CLOCK, **access)).coverage
        return coverage.status, coverage.detail

    wait_for(lambda: detail(**ca, **files, **login)[0] is CoverageStatus.OK, "an answer to the right certificate")
    for missing, words in (
        ({**files, **login}, "its certificate is not trusted"),
        ({**ca, **files}, "refused the credentials (401)"),
        ({**ca, **files, **login, "password": "wrong"}, "refused the credentials (401)"),
    ):
        status, said = detail(**missing)
        assert status is CoverageStatus.FAILED
        assert words in said
    status, said = detail(**ca, **login)
    assert status is CoverageStatus.FAILED
    assert "hunter2" not in said
    assert "wants another client certificate" in said
