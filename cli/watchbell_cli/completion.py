"""What a shell offers after a TAB. It never fails and never prints: an error offers nothing."""

from collections.abc import Callable, Iterable

import click

from watchbell.errors import WatchbellError

Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def one_of(*choices: str) -> Completer:
    """Offer fixed words."""
    return lambda ctx, param, incomplete: _starting(choices, incomplete)


def tasks(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the ids and the names of the tasks of this home."""
    from watchbell_cli.home import opened_store

    try:
        with opened_store() as store:
            found = store.tasks.listing().tasks
    except WatchbellError:
        return []
    return _starting([text for task in found for text in (task.id, task.name) if text], incomplete)


def zones(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the zones of this machine."""
    from zoneinfo import available_timezones

    return _starting(sorted(available_timezones()), incomplete)


def _starting(choices: Iterable[str], incomplete: str) -> list[str]:
    return [choice for choice in choices if choice.startswith(incomplete)]
