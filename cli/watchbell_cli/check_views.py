"""Checks for people, on one screen, and for programs."""

from collections.abc import Sequence
from typing import Any

from watchbell.checkup.checks import Check, Level, overall
from watchbell.secrets.redaction import redact
from watchbell_cli.output import print_json, print_table, say


def print_checks(checks: Sequence[Check], *, as_json: bool) -> int:
    """Print checks and return the exit code that they stand for."""
    level, code = overall(checks)
    if as_json:
        print_json({"status": str(level), "exit_code": code, "checks": [_to_json(check) for check in checks]})
    else:
        rows = [(check.name, str(check.level), redact(check.detail)) for check in checks]
        print_table(("check", "state", "found"), rows, flexible={2}, notes=[_note(check) for check in checks])
        say(_summary(checks))
    return code


def _summary(checks: Sequence[Check]) -> str:
    """Return the one line to read first: it is the last one, above the prompt."""
    told = []
    for level in (Level.PROBLEM, Level.WARNING):
        names = [check.name for check in checks if check.level is level]
        if names:
            plural = "" if len(names) == 1 else "s"
            told.append(f"{len(names)} {level}{plural}: {', '.join(dict.fromkeys(names))}")
    return "; ".join(told) or "all is in order"


def _note(check: Check) -> tuple[str, ...]:
    if not check.advice:
        return ()
    return (f"{'advice' if check.level is Level.OK else 'do'}: {redact(check.advice)}",)


def _to_json(check: Check) -> dict[str, Any]:
    return {
        "check": check.name,
        "status": str(check.level),
        "detail": redact(check.detail),
        "advice": redact(check.advice) or None,
        "exit_code": check.exit_code,
    }
