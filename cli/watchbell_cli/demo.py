"""`watchbell demo`: one report from made-up alerts, found due, claimed, built and delivered by a real tick."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from watchbell.errors import ConfigError, DeliveryError
from watchbell_cli.demo_alerts import write_history
from watchbell_cli.home import now
from watchbell_cli.output import print_text

_ADD = ("--kind", "daily_summary", "--name", "Demo digest", "--cron", "* * * * *", "--provider", "console")
_SECONDS = 60


@click.command()
@click.option("--keep", metavar="DIR", help="Use this new or empty folder as the home, and leave it there.")
def demo(keep: str | None) -> None:
    """Watch one tick find, claim, build and deliver a report, and a second one deliver nothing.

    Everything happens in a fresh temporary folder; your own tasks and credentials are not touched.

    \b
    Example:
      watchbell demo
    """
    with _fresh_home(keep) as home:
        count = write_history(home / "alerts.jsonl", now())
        print_text(f"# A fresh home, {home}, with {count} made-up webhook messages of the last 48 hours.\n")
        _play(_Shell(home))
        if keep is not None:
            print_text(f"\n# Kept: WATCHBELL_HOME={home} watchbell cron list")


def _play(shell: "_Shell") -> None:
    """Run the commands; raises DeliveryError unless exactly one report was delivered."""
    shell.show("cron", "add", *_ADD)
    (task,) = json.loads(shell.read("cron", "list", "--json"))
    minute = task["next_fire"]
    print_text("\n# What a timer does every minute (here: the coming one). It is due: claim, build, deliver.")
    first = shell.show("tick", "--at", minute)
    print_text("\n# The same minute again, as from a second timer or a retry: it is claimed already.")
    second = shell.show("tick", "--at", minute)
    print_text("(nothing was due, so nothing was delivered)" if not second else "(this should have delivered nothing)")
    print_text("\n# The ledger knows what happened.")
    shell.show("cron", "logs", task["id"][:6])
    runs = json.loads(shell.read("cron", "logs", task["id"], "--json"))
    outcomes = [delivery["outcome"] for run in runs for delivery in run["deliveries"]]
    if outcomes != ["delivered"] or not first or second:
        raise DeliveryError(f"the demo expected one delivery and saw {outcomes or 'none'}")
    print_text("\n# One fire time, two ticks, one delivery.")


class _Shell:
    """Runs this program in the demo's home."""

    def __init__(self, home: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not _is_ours(name)}
        self._environ = kept | {"WATCHBELL_HOME": str(home)}

    def show(self, *arguments: str) -> str:
        """Print the command, run it and print what it printed."""
        print_text("$ watchbell " + " ".join(_quoted(argument) for argument in arguments))
        printed = self.read(*arguments)
        if printed:
            print_text(printed.rstrip("\n"))
        return printed

    def read(self, *arguments: str) -> str:
        """Run the command and return what it printed; raises DeliveryError when it failed."""
        command = [sys.executable, "-P", "-m", "watchbell_cli", *arguments]
        line = f"`watchbell {' '.join(arguments)}`"
        try:
            done = subprocess.run(command, env=self._environ, capture_output=True, text=True, timeout=_SECONDS)  # noqa: S603
        except subprocess.TimeoutExpired:
            raise DeliveryError(f"{line} did not end within {_SECONDS} seconds") from None
        if done.returncode:
            raise DeliveryError(f"{line} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout


def _is_ours(name: str) -> bool:
    """Return whether a variable could lead the demo to the user's own systems."""
    return name.startswith("WATCHBELL_") or name.endswith(("_BOT_TOKEN", "_WEBHOOK_URL"))


def _quoted(argument: str) -> str:
    return f'"{argument}"' if " " in argument or "*" in argument else argument


@contextmanager
def _fresh_home(keep: str | None) -> Iterator[Path]:
    """Give an empty home: a temporary one, or `keep`, which must be new or empty."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="watchbell-demo-") as folder:
            yield Path(folder)
        return
    home = Path(keep).expanduser().resolve()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        taken = any(home.iterdir())
    except OSError as error:
        raise ConfigError(f"--keep: {home}: {error.strerror}") from error
    if taken:
        raise ConfigError(f"--keep: {home} is not empty; the demo never touches what is there")
    yield home
