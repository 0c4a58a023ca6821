"""A source that cannot be asked for what the environment says of proxies and authorities fails with one line."""

import pytest

from watchbell.clock import SystemClock
from watchbell.errors import SourceError
from watchbell.reports.sources.http import Deadline, JsonReader

WRONG = [
    ("ALL_PROXY", "socks5://eva:hunter22@proxy.test:1080", "ImportError"),
    ("ALL_PROXY", "nonsense://eva:hunter22@proxy.test", "ValueError"),
    ("HTTPS_PROXY", "http://eva:hunter22@proxy.test:port", "InvalidURL"),
    ("SSL_CERT_FILE", "/nowhere/hunter22.pem", "FileNotFoundError"),
]


@pytest.mark.parametrize(("variable", "value", "kind"), WRONG, ids=[kind for _, _, kind in WRONG])
def test_a_proxy_or_an_authority_that_cannot_be_used_is_a_failed_source(monkeypatch, variable, value, kind):
    monkeypatch.setenv(variable, value)
    clock = SystemClock()
    with pytest.raises(SourceError) as refused:
        JsonReader("https://eva:hunter22@prometheus.test:9090").get("/api/v1/rules", {}, Deadline(clock, 5))
    assert str(refused.value) == (
        "https://prometheus.test:9090 cannot be asked: "
        f"check SSL_CERT_FILE and the proxy variables such as HTTPS_PROXY ({kind})"
    )
