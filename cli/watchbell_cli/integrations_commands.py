"""`watchbell integrations`: tokens and addresses, stored, listed without their secrets, tried, and removed."""

import os
import sys
from pathlib import Path

import click

from watchbell.errors import ConfigError, NotFound, UsageError
from watchbell.secrets.integrations import CHATS, FIELDS
from watchbell.settings import Settings, load_settings
from watchbell.tasks import unknown_choice
from watchbell_cli import completion, integration_fields
from watchbell_cli.lazy import LazyGroup
from watchbell_cli.output import print_json, print_table, say, warn

_HERE = __name__
_COMMANDS = {
    "set": (f"{_HERE}:set_", "Store a token or an address."),
    "list": (f"{_HERE}:list_", "List what is stored, secrets masked."),
    "test": (f"{_HERE}:test", "Try what is stored; nothing is sent, unless --send."),
    "remove": (f"{_HERE}:remove", "Take a service out again."),
}
_SERVICE = click.argument("service", shell_complete=completion.one_of(*FIELDS))
_INSTANCE = click.option("--instance", metavar="NAME", help="Which of several, such as a second webhook.")


@click.group(cls=LazyGroup, commands_at=_COMMANDS)
def integrations() -> None:
    """Tokens of Slack, Telegram and Discord; addresses of Prometheus and Alertmanager.

    They are kept in integrations.json in the home, which only its owner can read; or where WATCHBELL_INTEGRATIONS says.
    A value may be a reference to a secret kept elsewhere: ssm:NAME, secretsmanager:NAME#KEY, env:NAME or file:/PATH.

    \b
    Example:
      watchbell integrations set slack
      watchbell integrations test slack
    """


@click.command("set")
@_SERVICE
@click.argument("fields", nargs=-1, metavar="[KEY=VALUE]...")
@_INSTANCE
@click.option("--from-stdin", is_flag=True, help="Read standard input, also where it is a terminal.")
def set_(service: str, fields: tuple[str, ...], instance: str | None, from_stdin: bool) -> None:
    """Store what is needed for SERVICE: slack, telegram, discord, prometheus or alertmanager.

    In a terminal it asks, without showing what is typed. Otherwise it reads standard input: a bare token or URL,
    KEY=VALUE lines, or a JSON object. On the command line only url, username and references may be written.

    \b
    Example:
      watchbell integrations set slack
      watchbell integrations set prometheus url=http://prometheus:9090
      watchbell integrations set slack bot_token=ssm:/watchbell/slack-token
      vault read -field=token secret/telegram | watchbell integrations set telegram
    """
    from watchbell.secrets.integrations_file import IntegrationsFile

    settings, service = load_settings(), _known(service)
    path = _own_file(settings)
    given = integration_fields.from_arguments(service, fields)
    if from_stdin or (not given and not integration_fields.is_terminal()):
        given |= integration_fields.from_standard_input(service)
    elif not given:
        given = integration_fields.from_prompts(service)
    for doubt in integration_fields.doubts(service, given):
        warn(doubt)
    name = IntegrationsFile(path).set(service, integration_fields.change_of(given), instance)
    say(f"stored {', '.join(given)} of {service} ({name}) in {path}")
    _say_what_wins(settings, service, given)
    option = f" --instance {name}" if instance else ""
    say(f"try it: watchbell integrations test {service}{option}")


def _own_file(settings: Settings) -> Path:
    """Return the file that can be changed here; raises ConfigError where the store is kept elsewhere."""
    if isinstance(settings.integrations, Path):
        return settings.integrations
    raise ConfigError(
        f"the integration store is {settings.integrations} (WATCHBELL_INTEGRATIONS), which is only read from here; "
        "change it where it is kept, or unset WATCHBELL_INTEGRATIONS to use the file in the home"
    )


def _known(service: str) -> str:
    if service.lower() not in FIELDS:
        raise UsageError(unknown_choice("service", service, tuple(FIELDS)))
    return service.lower()


def _say_what_wins(settings: Settings, service: str, given: dict[str, str]) -> None:
    """Say which of several places counts."""
    for field in given:
        variable = f"{service}_{field}".upper()
        if service in CHATS and os.environ.get(variable):
            say(f"note: it is used before {variable}, which is set as well")
    if service not in CHATS and settings.names_sources:
        warn(
            f"it is not used: {settings.config_file} or the environment name the sources, and then only those count; "
            f"add [sources.{service}] there, or take them out"
        )


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List the integrations of this home and of the environment; secrets are masked.

    \b
    Example:
      watchbell integrations list
    """
    from watchbell_cli.integration_views import rows_of, to_json

    entries = to_json(load_settings())
    if as_json:
        return print_json(entries)
    if not entries:
        return say("nothing is stored; `watchbell integrations set slack` begins")
    return print_table(("service", "instance", "state", "fields"), rows_of(entries), flexible={3})


@click.command()
@click.argument("service", required=False, shell_complete=completion.one_of(*FIELDS))
@_INSTANCE
@click.option("--send", is_flag=True, help="Send a real message, to the chat that --to names.")
@click.option("--to", metavar="CHAT", help="A chat id as in a target, such as C0123ABCD or webhook.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def test(service: str | None, instance: str | None, send: bool, to: str | None, as_json: bool) -> None:
    """Make a real call with what is stored, or set in the environment. Nothing is sent, unless --send.

    Without SERVICE everything that is stored or set is tried.

    Exits with 4 where a credential is missing or refused, 6 where a monitoring system cannot be believed, 7 where a
    provider cannot be reached or a message did not arrive.

    \b
    Example:
      watchbell integrations test
      watchbell integrations test slack
      watchbell integrations test slack --send --to C0123ABCD
    """
    from watchbell_cli import integration_trials
    from watchbell_cli.check_views import print_checks

    settings = load_settings()
    if service is None:
        if send or to is not None or instance is not None:
            raise UsageError("--send, --to and --instance need a SERVICE, such as slack")
        sys.exit(print_checks(integration_trials.try_all(settings), as_json=as_json))
    service = _known(service)
    if send != (to is not None) or (send and service not in CHATS):
        raise UsageError("--send goes with --to CHAT, and with a chat provider")
    if to is not None:
        checks = [integration_trials.send(settings, service, instance, to.removeprefix(f"{service}:"))]
    else:
        checks = integration_trials.try_out(settings, service, instance)
    sys.exit(print_checks(checks, as_json=as_json))


@click.command()
@_SERVICE
@_INSTANCE
def remove(service: str, instance: str | None) -> None:
    """Take SERVICE, or one instance of it, out of integrations.json.

    \b
    Example:
      watchbell integrations remove slack --instance alerts
    """
    from watchbell.secrets.integrations_file import IntegrationsFile

    settings, service = load_settings(), service.lower()
    path = _own_file(settings)
    if not path.exists():
        raise NotFound(f"there is no {path}, so nothing to remove")
    name = IntegrationsFile(path).remove(service, instance)
    say(f"removed {service} ({name}) from {path}")
