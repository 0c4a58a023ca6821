"""A chaos run: real tick processes on one home, some killed at random, against chats that fail at random.

All of it lives in one simulated time, the chat server's timeline, which every tick is handed when it starts. Within a
tick it runs `speed` times as fast as real time; between ticks, when nothing is under way, some of it is skipped, and
what the server had still to accept late is accepted at its own moment. So the nonce window, late arrivals, dates in
answers, retry times, leases and questions all keep their true distances, and ten hours take a few minutes.
"""

import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from chaos.plan import FIRST_HOUR, Plan, discord_chats
from chaos.promises import Findings, examine, is_repeated_in_vain
from chaos.simulated_tick import SimulatedClock, providers
from fakes.chat.timeline import Timeline
from fakes.chat_server import Chaos, ChatServer
from watchbell.instants import floor_minute, format_minute
from watchbell.resolution import resolve
from watchbell.settings import load_settings
from watchbell.stores.local import LocalStore
from watchbell.tick import begin
from watchbell.wiring import open_services

TESTS = Path(__file__).resolve().parent.parent
TOKENS = {
    "SLACK_BOT_TOKEN": "xoxb-1111-slack-token",
    "TELEGRAM_BOT_TOKEN": "123456789:telegram-token-of-thirty-characters-0000",
    "DISCORD_BOT_TOKEN": "MTIzNDU2Nzg5MDEyMzQ1Njc4.abcdef.0123456789012345678901234567",
}
_HANG_SECONDS = 40.0  # longer than a send may take
_MOST_LATER_TICKS = 60
_TICK_MAY_TAKE = 90.0  # real seconds


@dataclass
class Storm:
    """One run; `share` of the requests go wrong, and `kills` of the ticks are killed, until the last fire has come."""

    plan: Plan
    seed: int
    share: float = 0.37
    kills: float = 0.6
    speed: float = 10.0
    kill_within: float = 5.0  # real seconds
    counts: Counter[str] = field(default_factory=Counter)
    faults: dict[str, int] = field(default_factory=dict)
    log: str = ""

    def __post_init__(self) -> None:
        self.rng = random.Random(f"storm {self.seed}")
        self.timeline = Timeline((FIRST_HOUR - timedelta(minutes=2)).timestamp(), self.speed)

    def rage(self) -> Findings:
        """Let it all happen; return what the ledger and the chats say in the end."""
        with (
            tempfile.TemporaryDirectory(prefix="watchbell-chaos-") as folder,
            ChatServer(timeline=self.timeline) as chats,
        ):
            self.chats, self.home = chats, Path(folder)
            store = LocalStore(self.home)
            try:
                for chat_id in discord_chats():  # a channel that never had a message proves nothing
                    chats.say("discord", chat_id, "hello")
                store.tasks.change(lambda tasks: [*tasks, *self.plan.tasks], now=self.now())
                with (self.home / "ticks.log").open("w+") as log:
                    self._fail_at_random(log)
                    self._let_settle(store, log)
                self.log = (self.home / "ticks.log").read_text()
                findings = examine(self.plan, store, chats.messages)
                self._resolve()
                findings.broken += examine(self.plan, store, chats.messages, is_resolved=True).broken
                findings.broken = list(dict.fromkeys(findings.broken))
            finally:
                store.close()
        findings.broken += sorted({line for line in self.log.splitlines() if "a bug" in line or "Traceback" in line})
        return findings

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.timeline.now(), UTC)

    def _fail_at_random(self, log: IO[str]) -> None:
        self.chats.chaos = Chaos(self.share, self.seed, _HANG_SECONDS)
        while self.now() < self.plan.ends + timedelta(minutes=5):
            self._ticks(log)
            self.timeline.skip(self.rng.choice((20, 60, 120, 300, 600)))
        self.chats.chaos = None
        stats = self.chats.stats()
        self.faults = stats["faults"]
        self.counts["requests"] = stats["requests"]
        self.counts["faults"] = sum(self.faults.values())

    def _let_settle(self, store: LocalStore, log: IO[str]) -> None:
        for _ in range(_MOST_LATER_TICKS):
            self.counts["ticks"] += 1
            self._end(self._begin({}, log), None)
            runs = [run for task in self.plan.tasks for run in store.runs.history(task["id"], limit=100)]
            wakes = [run.wake_at for run in runs if run.wake_at is not None]
            if not wakes:
                return
            self.timeline.skip(max(30.0, (min(wakes) - self.now()).total_seconds()))

    def _resolve(self) -> None:
        """Do what the operator does about a repeat that may have got lost, too: `watchbell cron resolve --resend`."""
        environ = self._environ()
        with open_services(load_settings(environ), timer="by hand") as opened:
            clock = SimulatedClock(self.timeline)
            services = replace(opened, clock=clock, providers=providers(environ, self.timeline))
            for task in self.plan.tasks:
                for run in services.store.runs.history(task["id"], limit=100):
                    if any(map(is_repeated_in_vain, run.parts)):
                        self.counts["resolved"] += 1
                        resolve(services, begin(services, threading.Event()), run, delivered=False)

    def _ticks(self, log: IO[str]) -> None:
        """Run a tick, or two at the same time; some are killed, and for some a provider is down."""
        environ = self._provider_down() if self.rng.random() < 0.1 else {}
        ticks = [self._begin(environ, log) for _ in range(2 if self.rng.random() < 0.2 else 1)]
        for tick in ticks:
            self.counts["ticks"] += 1
            self._end(tick, self.rng.uniform(0.3, self.kill_within) if self.rng.random() < self.kills else None)
        self.chats.settle()

    def _begin(self, environ: dict[str, str], log: IO[str]) -> "subprocess.Popen[bytes]":
        script = Path(__file__).with_name("simulated_tick.py")
        command = [sys.executable, str(script), format_minute(floor_minute(self.now())), self.timeline.state]
        return subprocess.Popen(command, env=self._environ() | environ, stdout=log, stderr=log)

    def _environ(self) -> dict[str, str]:
        chats = self.chats
        urls = {"SLACK": chats.slack_url, "TELEGRAM": chats.telegram_url, "DISCORD": chats.discord_url}
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(TESTS),
            "WATCHBELL_HOME": str(self.home),
            **TOKENS,
            **{f"WATCHBELL_{name}_API_URL": url for name, url in urls.items()},
        }

    def _end(self, tick: "subprocess.Popen[bytes]", kill_after: float | None) -> None:
        with suppress(subprocess.TimeoutExpired):
            tick.wait(_TICK_MAY_TAKE if kill_after is None else kill_after)
        if tick.poll() is None:
            self.counts["killed" if kill_after is not None else "stuck"] += 1
            tick.kill()
            tick.wait()

    def _provider_down(self) -> dict[str, str]:
        """Return what points a tick to a port that refuses connections instead of one provider."""
        self.counts["provider down"] += 1
        name = self.rng.choice(("slack", "telegram", "discord"))
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            return {f"WATCHBELL_{name.upper()}_API_URL": f"http://127.0.0.1:{closed.getsockname()[1]}"}


def timed(storm: Storm) -> tuple[Findings, float]:
    started = time.monotonic()
    return storm.rage(), time.monotonic() - started
