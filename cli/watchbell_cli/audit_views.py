"""The outcome of an audit as people and programs see it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from watchbell.audit import Audit, Period
from watchbell.instants import format_instant, format_minute
from watchbell_cli.output import print_fields, print_table, print_text, warn

_COLUMNS = ("TASK", "EXPECTED", "RAN", "LATE", "MISSED", "SKIPPED", "OPEN", "LEDGER")
_FINDINGS_SHOWN = 20
_UNSEEN_SHOWN = 5


def to_json(
    audits: Sequence[Audit], names: Mapping[str, str], period: Period, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return everything; `clean` is what the exit code says."""
    return {
        "since": format_instant(period.start),
        "until": format_instant(period.now),
        **facts,
        "clean": all(one.is_whole for one in audits) and not facts["not_indexed"],
        "tasks": [_audit_to_json(one, names.get(one.task_id)) for one in audits],
    }


def _audit_to_json(one: Audit, name: str | None) -> dict[str, Any]:
    return {
        "task_id": one.task_id,
        "name": name,
        "expected": one.expected,
        "ran": one.ran,
        "late": one.late,
        "caught_up": one.caught_up,
        "missed": dict(one.missed),
        "skipped": dict(one.skipped),
        "open": [format_minute(fire) for fire in one.pending],
        "gaps": [
            {"first": format_minute(hole.first), "last": format_minute(hole.last), "count": hole.count, "why": hole.why}
            for hole in one.holes
        ],
        "twins": [{"fire_time": format_minute(twin.fire), "what": twin.what} for twin in one.twins],
        "unexpected": [{"fire_time": format_minute(odd.fire), "what": odd.what} for odd in one.unexpected],
        "clean": one.is_whole,
    }


def show_audits(audits: Sequence[Audit], names: Mapping[str, str], period: Period, facts: Mapping[str, Any]) -> None:
    """Print the sums first, then each task with what is wrong with it."""
    print_fields([("period", _period_text(period, facts)), *_sums(audits)])
    if audits:
        print_text("")
        rows = [_row(one, names.get(one.task_id)) for one in audits]
        print_table(_COLUMNS, rows, flexible=(0,), notes=[_findings(one) for one in audits])
    if facts["broken"]:
        warn(f"the names are not known: {facts['broken']}")
    unseen = facts["not_indexed"]
    if unseen:
        shown = ", ".join(unseen[:_UNSEEN_SHOWN]) + (
            f" and {len(unseen) - _UNSEEN_SHOWN} more" if unseen[_UNSEEN_SHOWN:] else ""
        )
        warn(f"nothing is known of {shown}: in the tasks file, but no tick has come since; is a timer at work?")


def _period_text(period: Period, facts: Mapping[str, Any]) -> str:
    text = f"{format_instant(period.start)} to {format_instant(period.now)}"
    begins = facts["ledger_starts"]
    if begins is None:
        return f"{text}\nthere is no ledger yet: no tick has run here"
    if format_instant(period.start) != facts["asked_from"]:
        text += f"\n(asked from {facts['asked_from']}; nothing older is known here)"
    return text


def _sums(audits: Sequence[Audit]) -> list[tuple[str, str]]:
    late, caught_up = sum(one.late for one in audits), sum(one.caught_up for one in audits)
    ran = sum(one.ran for one in audits)
    missed = sum((one.missed for one in audits), Counter[str]())
    skipped = sum((one.skipped for one in audits), Counter[str]())
    expected = sum(one.expected for one in audits)
    return [
        ("expected", f"{_counted(expected, 'fire time')} of {_counted(len(audits), 'task')}"),
        ("ran", f"{ran}: {ran - late} on time, {late} late" + _of_them_caught_up(caught_up)),
        ("missed", _by_reason(missed)),
        ("skipped", _by_reason(skipped)),
        ("open", f"{sum(len(one.pending) for one in audits)} due and still within their grace"),
        ("ledger", _verdict(audits)),
    ]


def _of_them_caught_up(number: int) -> str:
    return f" ({number} of them caught up after lost ticks)" if number else ""


def _verdict(audits: Sequence[Audit]) -> str:
    if all(one.is_whole for one in audits):
        is_empty = not any(one.expected for one in audits)
        return "nothing to prove: no fire time was expected" if is_empty else "whole: no gaps, no twins"
    holes = [hole for one in audits for hole in one.holes]
    gaps = f"{_counted(len(holes), 'gap')} ({_counted(sum(hole.count for hole in holes), 'fire time')})"
    twins, odd = sum(len(one.twins) for one in audits), sum(len(one.unexpected) for one in audits)
    return f"NOT WHOLE: {gaps}, {_counted(twins, 'twin')}, {odd} unexpected"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _by_reason(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(counts.items()) if count)
    return f"{total}: {reasons}" if total else "0"


def _row(one: Audit, name: str | None) -> tuple[str, ...]:
    label = one.task_id if name is None else f"{one.task_id} {name}".strip()
    numbers = (one.expected, one.ran, one.late, one.missed.total(), one.skipped.total(), len(one.pending))
    return (label, *map(str, numbers), "whole" if one.is_whole else "NOT WHOLE")


def _findings(one: Audit) -> list[str]:
    """Return the lines below a task: what is wrong with it."""
    lines = [
        f"gap: {format_minute(hole.first)}"
        + ("" if hole.count == 1 else f" to {format_minute(hole.last)} ({hole.count} fire times)")
        + f": {hole.why}"
        for hole in one.holes
    ]
    lines += [f"twin: {format_minute(twin.fire)}: {twin.what}" for twin in one.twins]
    lines += [f"unexpected: {format_minute(odd.fire)}: {odd.what}" for odd in one.unexpected]
    more = [f"and {len(lines) - _FINDINGS_SHOWN} more; --json has them all"] if len(lines) > _FINDINGS_SHOWN else []
    return lines[:_FINDINGS_SHOWN] + more
