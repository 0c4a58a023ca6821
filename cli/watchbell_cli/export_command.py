"""`watchbell cron export`: the definitions, for another home, for a backup, or as a start of tasks as code."""

from collections.abc import Iterable
from typing import Any

import click

from watchbell.errors import ConfigError
from watchbell.secrets.redaction import redact_json
from watchbell_cli.home import opened_store
from watchbell_cli.output import complain, print_json, print_text, say, warn
from watchbell_cli.task_documents import as_yaml
from watchbell_cli.upcoming_command import chosen, tasks_argument

FORMAT = 1
MARK = "watchbell_export"


@click.command()
@tasks_argument
@click.option("--json/--yaml", "as_json", default=True, help="The form. [default: JSON]")
@click.option("--with-secrets", is_flag=True, help="Write credentials in params as they are; they are masked else.")
def export(tasks: tuple[str, ...], as_json: bool, with_secrets: bool) -> None:
    """Print the definitions, every field of them, for `cron import` or `cron apply`.

    Credentials in params are masked unless --with-secrets is given; what was masked is said. History is not exported.

    \b
    Example:
      watchbell cron export > tasks.json
      watchbell cron export --yaml "Payments digest" > tasks.yaml
    """
    with opened_store() as store:
        listing = store.tasks.listing()
        raws = [dict(task.raw) for task in chosen(tasks, listing.tasks)]
    shown = raws if with_secrets else [redact_json(raw) for raw in raws]
    document = {MARK: FORMAT, "tasks": shown}
    if as_json:
        print_json(document)
    else:
        print_text(as_yaml(document).rstrip("\n"))
    _say_what_is_masked(raws, shown, with_secrets=with_secrets)
    for error in listing.errors:
        complain(f"task {error}")
    if listing.errors:
        raise click.exceptions.Exit(ConfigError.exit_code)


def _say_what_is_masked(raws: list[dict[str, Any]], shown: list[dict[str, Any]], *, with_secrets: bool) -> None:
    if with_secrets:
        if shown != [redact_json(raw) for raw in raws]:
            warn("the output holds credentials: keep it out of repositories")
        return
    masked = [f"{raw['id']}: {path}" for raw, other in zip(raws, shown, strict=True) for path in _differing(raw, other)]
    if masked:
        say(f"masked, --with-secrets writes them: {'; '.join(masked)}")


def _differing(one: Any, other: Any, path: str = "") -> Iterable[str]:
    """Yield the paths at which two values of the same shape differ."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from _differing(one[key], other[key], f"{path}.{key}".lstrip("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (item, shown) in enumerate(zip(one, other, strict=True)):
            yield from _differing(item, shown, f"{path}[{number}]")
    elif one != other:
        yield path
