"""Write the reference pages that come from the code: `python docs/generate.py` (a test compares them)."""

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from watchbell import errors
from watchbell.errors import TICK_EXIT_PRECEDENCE, WatchbellError
from watchbell_cli.main import watchbell

HERE = Path(__file__).parent / "reference"


def pages() -> dict[Path, str]:
    """Return each generated page with its text."""
    return {HERE / "commands.md": _commands(), HERE / "exit-codes.md": _exit_codes()}


def _commands() -> str:
    lines = ["# Commands", "", "Generated from the program; `-h` shows the same.", ""]
    for path, command in _walk(("watchbell",), watchbell):
        context = click.Context(command, info_name=" ".join(path), terminal_width=100, **watchbell.context_settings)
        lines += [f"## {' '.join(path)}", "", "```text", command.get_help(context).rstrip(), "```", ""]
    return "\n".join(lines)


def _walk(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, **watchbell.context_settings)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _walk((*path, name), child)


def _exit_codes() -> str:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, WatchbellError)]
    meanings: dict[int, list[str]] = {}
    for kind in (kind for kind in vars(errors).values() if kind in kinds and "exit_code" in vars(kind)):
        meanings.setdefault(kind.exit_code, []).append((inspect.getdoc(kind) or "").splitlines()[0])
    lines = ["# Exit codes", "", "| code | means |", "|---|---|", "| 0 | done, nothing due, or a notice delivered |"]
    lines += [f"| {code} | {' '.join(told)} |" for code, told in sorted(meanings.items())]
    order = ", ".join(str(code) for code in TICK_EXIT_PRECEDENCE)
    lines += ["", f"A tick exits with the first of {order} that arose in it.", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    for page, text in pages().items():
        page.write_text(text)
