"""`watchbell store`: make, upgrade and check what holds tasks and runs: a folder of this machine, or DynamoDB."""

import sys

import click

from watchbell.clock import SystemClock
from watchbell.settings import load_settings
from watchbell_cli.lazy import LazyGroup
from watchbell_cli.options import as_json
from watchbell_cli.output import print_json, print_text, say

_HERE = __name__
_COMMANDS = {
    "create": (f"{_HERE}:create", "Make what is missing; nothing that is there is touched."),
    "check": (f"{_HERE}:check", "Say whether it is whole, and of this version."),
}


@click.group(cls=LazyGroup, commands_at=_COMMANDS)
def store() -> None:
    """The store is chosen by WATCHBELL_STORE: local (the home folder), or dynamodb:PREFIX.

    \b
    Example:
      WATCHBELL_STORE=dynamodb:watchbell watchbell store create
      watchbell store check
    """


@click.command()
@as_json
def create(as_json: bool) -> None:
    """Make the store, or upgrade it. Safe to repeat; no task and no run is lost.

    Local: the home folder and its database. DynamoDB: the tables PREFIX-tasks and PREFIX-runs with their indexes,
    encrypted and billed on demand; a SAM deployment has made them already.

    \b
    Example:
      WATCHBELL_STORE=dynamodb:watchbell watchbell store create
    """
    from watchbell.wiring.stores import create_store

    settings = load_settings()
    done = create_store(settings)
    if as_json:
        return print_json({"store": settings.store_name, "done": done})
    for line in done:
        print_text(line)
    return say(f"{settings.store_name} is ready" if done else f"{settings.store_name}: nothing to do, all is there")


@click.command()
@as_json
def check(as_json: bool) -> None:
    """Look at the store and the definitions in it; `watchbell doctor` looks at everything else, too.

    Nothing is changed. Exits with 0 where nothing is a problem, 5 for the store, 3 for the home or the tasks.

    \b
    Example:
      watchbell store check
    """
    from watchbell.checkup.checkup import examine_store
    from watchbell_cli.check_views import print_checks

    sys.exit(print_checks(examine_store(load_settings(), SystemClock()), as_json=as_json))
