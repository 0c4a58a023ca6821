"""What a chaos run must have left behind: the ledger held against what the providers really took."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from chaos.plan import FIRST_HOUR, Plan
from chaos.simulated_tick import numbered_lines
from fakes.chat_server import Message
from watchbell.claims import Status
from watchbell.deliveries import PartState, delivery_outcome
from watchbell.delivery.interface import SendKey
from watchbell.instants import MINUTE, format_minute
from watchbell.stores.interface import Run
from watchbell.stores.local import LocalStore
from watchbell.tasks import OnUnknown, Task, task_from_json

REPEAT = "This may be a repeat"
Place = tuple[str, str, str]  # provider, chat, marker


@dataclass
class Findings:
    """What became of everything, and which promises were broken."""

    is_resolved: bool = False
    broken: list[str] = field(default_factory=list)
    runs: Counter[str] = field(default_factory=Counter)
    gaps: int = 0
    parts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))


def examine(plan: Plan, store: LocalStore, messages: Iterable[Message], *, is_resolved: bool = False) -> Findings:
    """Look at every expected fire time, every target and every part; whatever is left over is unaccounted for.

    `is_resolved` says that the operator has seen to what stayed unknown where the task wants it twice if need be.
    """
    taken: defaultdict[Place, list[Message]] = defaultdict(list)
    for message in messages:
        if message.author == "bot":
            taken[message.provider, message.chat_id, message.marker].append(message)
    findings = Findings(is_resolved=is_resolved)
    known: set[Place] = set()
    for raw in plan.tasks:
        task = task_from_json(raw)
        for fire in task.schedule.fires(FIRST_HOUR, plan.ends + MINUTE):
            run = store.runs.find(task.id, format_minute(fire))
            if run is not None:
                findings.runs[run.status] += 1
                known |= _examine_run(findings, task, run, taken)
            elif store.runs.gap_at(task.id, fire) is not None:
                findings.gaps += 1
            else:
                findings.broken.append(f"{task.id}@{format_minute(fire)}: nothing in the ledger")
    findings.broken += [f"a message that no ledger knows: {place}" for place in taken if place not in known]
    return findings


def _examine_run(findings: Findings, task: Task, run: Run, taken: dict[Place, list[Message]]) -> set[Place]:
    if run.status in (Status.RUNNING, Status.WAITING) or run.wake_at is not None:
        findings.broken.append(f"{run.id}: still {run.status} in the end")
    places: set[Place] = set()
    for target in task.targets:
        parts = sorted((part for part in run.parts if part.target == str(target)), key=lambda part: part.part)
        if not parts and not run.error:
            findings.broken.append(f"{run.id}: nothing is said of {target}")
        kind = _kind_of(task, str(target))
        texts: list[str] = []
        for part in parts:
            place = _place_of(run, part)
            there = taken.get(place, [])
            places.add(place)
            texts += [message.text for message in there[:1]]
            findings.parts[kind][part.outcome or "none"] += 1
            findings.parts[kind]["repeats"] += max(0, len(there) - 1)
            findings.parts[kind]["missing"] += not there
            findings.broken += [
                f"{run.id} {target} part {part.part}: {why}"
                for why in _wrong(kind, run, part, there, is_resolved=findings.is_resolved)
            ]
        if delivery_outcome(parts) == "delivered":
            whole = _is_whole(task, texts)
            findings.broken += [] if whole else [f"{run.id} {target}: delivered, but not the whole report"]
        elif run.status is Status.SUCCESS:
            findings.broken.append(f"{run.id}: success, but {target} has not all of it")
    return places


def _kind_of(task: Task, target: str) -> str:
    provider = target.partition(":")[0]
    return f"{provider} {task.on_unknown}" if provider == "telegram" else provider


def _place_of(run: Run, part: PartState) -> Place:
    provider, _, chat_id = part.target.partition(":")
    if provider == "telegram":
        return provider, chat_id, f"{run.task_id} {run.fire_time} {part.part}/{part.of}"
    key = SendKey(task_id=run.task_id, fire_time=run.fire_time, target=part.target, part=part.part)
    return provider, chat_id, key.digest()


def _wrong(kind: str, run: Run, part: PartState, there: list[Message], *, is_resolved: bool) -> Iterator[str]:
    """Yield how a part's outcome contradicts what the provider took, or what its task was promised.

    With `resend` the product repeats once. Where that repeat got lost as well, the part is listed as unknown, and is
    there after the operator has had it sent again.
    """
    if part.outcome is None:
        yield "an intent without an outcome"
    if part.outcome == "delivered" and part.message_id not in [message.id for message in there]:
        yield f"delivered as {part.message_id}, but the provider has {[message.id for message in there]}"
    if part.outcome in ("refused", "not_sent") and there:
        yield f"{part.outcome} ({part.error}), but it is there"
    if part.outcome == "not_sent" and not part.error:
        yield "not_sent, and nobody says why"
    unmarked = [message for message in there if REPEAT not in message.text]
    if kind == f"telegram {OnUnknown.RESEND}":
        if len(unmarked) > 1:
            yield f"{len(unmarked)} copies without a word that they may be repeats"
        may_be_missing = part.outcome == "refused" or (is_repeated_in_vain(part) and not is_resolved)
        if not there and not may_be_missing:
            yield f"missing: {part.outcome} after {part.attempts} sends ({run.status}: {run.error})"
    elif is_resolved:
        return  # what the operator has had sent again is marked, and theirs
    elif len(there) > 1:
        yield f"{len(there)} copies"
    elif len(unmarked) < len(there):
        yield "marked as a repeat, though nobody asked for one"


def is_repeated_in_vain(part: PartState) -> bool:
    """Say whether the one repeat that the product makes by itself may have got lost, too."""
    return part.outcome == "unknown" and part.repeats > 0


def _is_whole(task: Task, texts: list[str]) -> bool:
    """Say whether every line of the report is there once, in order."""
    lines = re.findall(r"line (\d{4}) goes", "\n".join(texts))
    wanted = numbered_lines(int(task.params.get("lines", 0)))
    return lines == [text.split()[1] for text in wanted]
