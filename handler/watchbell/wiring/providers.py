"""Settings -> the ways to reach people."""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TextIO

from watchbell.delivery.interface import Provider
from watchbell.settings import Settings


def make_providers(settings: Settings, console: TextIO) -> Mapping[str, Provider]:
    """Return the ways to reach people; each is made when it is first used."""
    return _Providers(settings, console)


class _Providers(Mapping[str, Provider]):
    """Each provider is imported and made when it is first used: a console delivery needs no HTTP client."""

    def __init__(self, settings: Settings, console: TextIO) -> None:
        self._makers: dict[str, Callable[[], Provider]] = {
            "telegram": lambda: _telegram(settings),
            "slack": lambda: _slack(settings),
            "discord": lambda: _discord(settings),
            "console": lambda: _console(console),
        }
        self._made: dict[str, Provider] = {}
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Provider:
        with self._lock:
            if name not in self._made:
                self._made[name] = self._makers[name]()
            return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def _telegram(settings: Settings) -> Provider:
    from watchbell.delivery.telegram import Telegram

    return Telegram(settings.telegram_api_url)


def _slack(settings: Settings) -> Provider:
    from watchbell.delivery.slack import Slack

    return Slack(settings.slack_api_url)


def _discord(settings: Settings) -> Provider:
    from watchbell.delivery.discord import Discord

    return Discord(settings.discord_api_url)


def _console(stream: TextIO) -> Provider:
    from watchbell.delivery.console import Console

    return Console(stream)
