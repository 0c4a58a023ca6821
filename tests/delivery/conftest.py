"""The fake chat server, the three providers pointed at it, and a report to send."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import certifi
import pytest

from fakes.chat_server import ChatServer, Message
from watchbell.delivery.discord import Discord
from watchbell.delivery.interface import Delivered, Envelope, Outcome, Part, Provider, SendKey, Stamp
from watchbell.delivery.slack import Slack
from watchbell.delivery.telegram import Telegram
from watchbell.reports.interface import Coverage, CoverageStatus, Number, Report, Verdict, Window
from watchbell.tasks import Kind

TOKENS = {
    "slack": "xoxb-1111-DISTINCTIVE-slack-token",
    "telegram": "123456789:DISTINCTIVE-telegram-token-0000000",
    "discord": "DISTINCTIVEdiscordtoken0.abcdef.0123456789012345678901234567",
}
CHATS = {"slack": "C0123ABCD", "telegram": "-1001234567890", "discord": "1100000000000000001"}


@pytest.fixture(scope="session")
def one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of one, because loading all of them takes longer than most of these tests."""
    bundle = Path(certifi.where()).read_text(encoding="utf-8")
    end = "-----END CERTIFICATE-----"
    path = tmp_path_factory.mktemp("certificates") / "one.pem"
    path.write_text(bundle[bundle.index("-----BEGIN") : bundle.index(end)] + end + "\n", encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, one_certificate: Path) -> None:
    """No proxy stands between us and the fake."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(one_certificate))


@pytest.fixture
def server() -> Iterator[ChatServer]:
    with ChatServer() as running:
        yield running


def provider_at(name: str, url: str) -> Provider:
    return {"slack": Slack, "telegram": Telegram, "discord": Discord}[name](url)


@pytest.fixture
def make_report() -> Callable[..., Report]:
    def make(**changes: Any) -> Report:
        plain: dict[str, Any] = {
            "title": "Payments digest",
            "kind": Kind.DAILY_SUMMARY,
            "window": Window(
                start=datetime(2026, 11, 21, 9, tzinfo=UTC),
                end=datetime(2026, 11, 22, 9, tzinfo=UTC),
                timezone="Asia/Kolkata",
            ),
            "verdict": Verdict.ATTENTION,
            "reason": "2 alerts firing",
            "coverage": (Coverage(source="prometheus", status=CoverageStatus.OK, detail="", age_seconds=12),),
            "numbers": (Number(name="Alerts", value=12, previous=3),),
        }
        return Report(**(plain | changes))

    return make


@pytest.fixture
def stamp() -> Stamp:
    return Stamp(task_id="a1b2c3d4e5f6", fire_time="2026-11-22T09:00Z")


@dataclass
class Channel:
    """One provider on the fake server, with everything but the report decided."""

    name: str
    server: ChatServer
    provider: Provider
    report: Report
    stamp: Stamp

    @property
    def token(self) -> str:
        return TOKENS[self.name]

    @property
    def received(self) -> list[Message]:
        return self.server.messages

    def render(self, report: Report | None = None) -> tuple[Part, ...]:
        return self.provider.render(report or self.report, self.stamp)

    def send(
        self,
        *,
        report: Report | None = None,
        chat_id: str | None = None,
        token: str | None = None,
        part: int = 1,
        seconds: float = 5.0,
    ) -> Outcome:
        """Send a report that takes one message."""
        [rendered] = self.render(report)
        return self.send_part(rendered, chat_id=chat_id, token=token, part=part, seconds=seconds)

    def send_all(self, report: Report, *, chat_id: str | None = None) -> list[Outcome]:
        """Send a report in as many messages as it takes, the further ones below the first."""
        outcomes: list[Outcome] = []
        for rendered in self.render(report):
            first = outcomes[0].message_id if outcomes and isinstance(outcomes[0], Delivered) else None
            outcomes.append(self.send_part(rendered, chat_id=chat_id, part=rendered.number, first_id=first))
        return outcomes

    def send_part(
        self,
        rendered: Part,
        *,
        chat_id: str | None = None,
        token: str | None = None,
        part: int = 1,
        seconds: float = 5.0,
        first_id: str | None = None,
    ) -> Outcome:
        chat_id = chat_id or CHATS[self.name]
        key = SendKey(task_id="a1b2c3d4e5f6", fire_time="2026-11-22T09:00Z", target=f"{self.name}:{chat_id}", part=part)
        credentials = {"bot_token": token or self.token}
        envelope = Envelope(chat_id=chat_id, key=key, credentials=credentials, first_id=first_id)
        return self.provider.send(rendered, envelope, seconds)


@pytest.fixture
def open_channel(
    server: ChatServer, make_report: Callable[..., Report], stamp: Stamp
) -> Iterator[Callable[[str], Channel]]:
    opened: list[Channel] = []

    def open_one(name: str) -> Channel:
        provider = provider_at(name, getattr(server, f"{name}_url"))
        opened.append(Channel(name, server, provider, make_report(), stamp))
        return opened[-1]

    yield open_one
    for channel in opened:
        channel.provider._api.close()  # type: ignore[attr-defined]


@pytest.fixture(params=sorted(TOKENS))
def channel(request: pytest.FixtureRequest, open_channel: Callable[[str], Channel]) -> Channel:
    """Each provider in turn."""
    return open_channel(request.param)


@pytest.fixture
def slack(open_channel: Callable[[str], Channel]) -> Channel:
    return open_channel("slack")


@pytest.fixture
def telegram(open_channel: Callable[[str], Channel]) -> Channel:
    return open_channel("telegram")


@pytest.fixture
def discord(open_channel: Callable[[str], Channel]) -> Channel:
    return open_channel("discord")
