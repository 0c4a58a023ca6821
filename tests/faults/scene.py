"""A tick within this process: the real store, a clock that a test sets, scripted chats and a scripted pipeline."""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from watchbell import resolution
from watchbell.claims import Gap, Host
from watchbell.deliveries import Means
from watchbell.delivery.interface import Absent, CannotTell, Delivered, Envelope, Found, Outcome, Part, SendKey, Stamp
from watchbell.errors import CredentialError
from watchbell.reports.interface import Coverage, CoverageStatus, Image, Report, ReportRequest, Verdict
from watchbell.services import Limits, Services
from watchbell.stores.interface import Owner, Run
from watchbell.stores.local import LocalStore
from watchbell.tasks import Target, Task
from watchbell.tick import TickResult, begin, run_tick

TASK = "a1b2c3d4e5f6"
OPS = "slack:C0OPERATORS"


def at(text: str) -> datetime:
    """Return the instant of `HH:MM[:SS]` on the day of the tests, or of a day in November given before it."""
    day, _, time = text.rpartition("T")
    return datetime.fromisoformat(f"2026-11-{day or '22'}T{time}+00:00")


class StepClock:
    """Stands still unless a test steps it or somebody waits."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._monotonic = 1000.0
        self._lock = threading.Lock()
        self.waits: list[float] = []

    def now(self) -> datetime:
        return self._now

    def set(self, now: datetime) -> None:
        """Step the wall clock; time within a process goes on as if nothing had happened."""
        self._now = now

    def monotonic(self) -> float:
        return self._monotonic

    def wait(self, event: threading.Event, seconds: float) -> bool:
        with self._lock:
            self.waits.append(seconds)
            self._now += timedelta(seconds=max(0.0, seconds))
            self._monotonic += max(0.0, seconds)
        return event.is_set()


Script = Outcome | Callable[[], Outcome]


@dataclass
class Sent:
    chat_id: str
    text: str
    key: SendKey
    first_id: str | None = None
    at: datetime | None = None


@dataclass
class Asked:
    key: SendKey
    sent_at: datetime
    first_id: str | None


class ScriptedChat:
    """A provider that answers as told, by chat id and in turn, and otherwise delivers.

    `parts` is how many each report has; `places` are the seconds to wait for each place within its rates.
    """

    def __init__(self, name: str, clock: "StepClock") -> None:
        self.name = name
        self.clock = clock
        self.parts = 1
        self.places: deque[float] = deque()
        self.images: list[Sent] = []
        self.image_script: deque[Script] = deque()
        self.sends: list[Sent] = []
        self.script: defaultdict[str, deque[Script]] = defaultdict(deque)
        self.offers = Means()
        self.asked: list[Asked] = []
        self.answers: deque[Found | Absent | CannotTell] = deque()

    def means(self, chat_id: str) -> Means:
        return self.offers

    def reserve(self, chat_id: str, credentials: Mapping[str, str], within: float) -> float:
        return self.places.popleft() if self.places else 0.0

    def find(self, envelope: Envelope, sent_at: datetime, seconds: float) -> Found | Absent | CannotTell:
        self.asked.append(Asked(envelope.key, sent_at, envelope.first_id))
        return self.answers.popleft() if self.answers else CannotTell("nobody told me")

    def render(self, report: Report, stamp: Stamp) -> tuple[Part, ...]:
        repeat = " (may be a repeat)" if stamp.repeat else ""
        text = f"{stamp.fire_time} {report.reason}{repeat}"
        texts = [f"{text} ({number}/{self.parts})" if self.parts > 1 else text for number in range(1, self.parts + 1)]
        return tuple(Part(number=number, of=self.parts, body={"text": one}) for number, one in enumerate(texts, 1))

    def render_lines(self, title: str, lines: Any) -> Part:
        return Part(number=1, of=1, body={"text": "\n".join([title, *lines])})

    def attach(self, image: Image, envelope: Envelope, seconds: float) -> Outcome:
        self.images.append(Sent(envelope.chat_id, image.name, envelope.key, envelope.first_id, self.clock.now()))
        answer = self.image_script.popleft() if self.image_script else Delivered(f"image {len(self.images)}")
        return answer() if callable(answer) else answer

    def send(self, part: Part, envelope: Envelope, seconds: float) -> Outcome:
        self.sends.append(Sent(envelope.chat_id, part.body["text"], envelope.key, envelope.first_id, self.clock.now()))
        answers = self.script[envelope.chat_id]
        answer = answers.popleft() if answers else Delivered(str(len(self.sends)))
        return answer() if callable(answer) else answer

    def texts(self, chat_id: str) -> list[str]:
        return [sent.text for sent in self.sends if sent.chat_id == chat_id]


@dataclass
class ScriptedPipeline:
    """Says which build a report is of; a test may have something happen while it builds."""

    builds: list[str] = field(default_factory=list)
    verdict: Verdict = Verdict.ATTENTION
    coverage: tuple[Coverage, ...] = (Coverage(source="prometheus", status=CoverageStatus.OK, detail=""),)
    images: tuple[Image, ...] = ()
    meanwhile: Callable[[ReportRequest], None] = lambda request: None

    def build(self, request: ReportRequest) -> Report:
        self.builds.append(request.task_id)
        self.meanwhile(request)
        return Report(
            title="Digest",
            kind=request.kind,
            window=request.window,
            verdict=self.verdict,
            reason=f"build {self.builds.count(request.task_id)}",
            coverage=self.coverage,
            images=self.images,
        )


@dataclass
class Machine:
    """One process: who it is, what it can do, and whether it still lives."""

    services: Services
    pipeline: ScriptedPipeline
    lacks_tokens: bool = False


class Scene:
    """One store, any number of processes on any number of machines."""

    def __init__(self, home: Path) -> None:
        home.mkdir(exist_ok=True)
        self.home = home
        self.store = LocalStore(home)
        self.clock = StepClock(at("08:00"))
        self.chats: Mapping[str, Any] = {
            name: ScriptedChat(name, self.clock) for name in ("slack", "telegram", "discord")
        }
        self.gone: set[str] = set()
        self.ops_target: Target | None = None
        self._made = 0

    @property
    def slack(self) -> ScriptedChat:
        chat: ScriptedChat = self.chats["slack"]
        return chat

    def process(self, machine: str = "alpha", **changes: Any) -> Machine:
        """Return a new process on a machine; each machine here has a kernel of its own."""
        self._made += 1
        pipeline = ScriptedPipeline()
        made: list[Machine] = []

        def credentials(provider: str, task: Task | None) -> Mapping[str, str]:
            if made[0].lacks_tokens:
                raise CredentialError(f"no {provider} bot token")
            return {"bot_token": "token"}

        owner = Owner(token=f"process-{self._made}", host=Host(machine=machine, boot=f"boot of {machine}"))
        values: dict[str, Any] = {
            "store": self.store,
            "pipeline": pipeline,
            "providers": self.chats,
            "credentials": credentials,
            "clock": self.clock,
            "owner": owner,
            "is_gone": lambda other: other.token in self.gone,
            "timer": "test",
            "ops_target": self.ops_target,
            "workers": 2,
        }
        made.append(Machine(Services(**(values | changes)), pipeline))
        return made[0]

    def tick(
        self, now: datetime | str | None = None, process: Machine | None = None, stop: threading.Event | None = None
    ) -> TickResult:
        """Run the tick of the minute that the clock shows then."""
        if now is not None:
            self.clock.set(at(now) if isinstance(now, str) else now)
        services = (process or self.process()).services
        minute = self.clock.now().replace(second=0, microsecond=0)
        return run_tick(services, minute, begin(services, stop or threading.Event()))

    def limits(self, process: Machine) -> Limits:
        return begin(process.services, threading.Event())

    def retry(self, run: Run, process: Machine | None = None) -> Run:
        """Do what `cron retry` does."""
        process = process or self.process()
        return resolution.retry(process.services, self.limits(process), run)

    def resolve(self, run: Run, *, delivered: bool, process: Machine | None = None) -> Run:
        """Do what `cron resolve` does."""
        process = process or self.process()
        return resolution.resolve(process.services, self.limits(process), run, delivered=delivered)

    def add(self, task_id: str = TASK, target: str = "slack:C1", cron: str = "0 * * * *", **fields: Any) -> None:
        provider, chat_id = target.split(":")
        raw = {"id": task_id, "kind": "daily_summary", "cron": cron, "provider": provider, "chat_id": chat_id, **fields}
        self.store.tasks.change(lambda tasks: [*tasks, raw], now=self.clock.now())

    def edit(self, task_id: str = TASK, **fields: Any) -> None:
        self.store.tasks.change(
            lambda tasks: [task | fields if task["id"] == task_id else task for task in tasks], now=self.clock.now()
        )

    def remove(self, task_id: str = TASK) -> None:
        self.store.tasks.change(lambda tasks: [task for task in tasks if task["id"] != task_id], now=self.clock.now())

    def run(self, fire: str, task_id: str = TASK) -> Run:
        run = self.store.runs.find(task_id, at(fire).strftime("%Y-%m-%dT%H:%MZ"))
        assert run is not None, f"no run at {fire}"
        return run

    def ledger(self, task_id: str = TASK) -> list[str]:
        """Return every row of one task: runs as `HH:MM status`, gaps as `HH:MM-HH:MM status count reason`."""
        runs = [
            (run.due_at, f"{run.due_at:%H:%M} {run.status}") for run in self.store.runs.history(task_id, limit=9999)
        ]
        gaps = [(gap.first, _row(gap)) for gap in self.store.runs.gaps(task_id, limit=9999)]
        return [text for _, text in sorted(runs + gaps)]

    def ops_texts(self) -> list[str]:
        return self.slack.texts(OPS.partition(":")[2])


def _row(gap: Gap) -> str:
    return f"{gap.first:%H:%M}-{gap.last:%H:%M} {gap.status} {gap.count} {gap.reason}"


@contextmanager
def a_scene(home: Path) -> Iterator[Scene]:
    scene = Scene(home)
    try:
        yield scene
    finally:
        scene.store.close()
