"""`watchbell alerts receive`: an address for Alertmanager's webhook, which writes the alert log."""

import ipaddress
import threading
from pathlib import Path

import click

from watchbell.errors import ConfigError, CredentialError, UsageError
from watchbell.reports.sources.alert_log import append, append_refusal
from watchbell.secrets.redaction import remember_secret
from watchbell.settings import Settings, load_settings
from watchbell_cli.alerts_home import make_home
from watchbell_cli.home import now
from watchbell_cli.output import say
from watchbell_cli.tick_command import stop_on_signals
from watchbell_cli.webhook_receiver import Receiver

LISTEN = "127.0.0.1:9797"
TOKEN_VARIABLE = "WATCHBELL_RECEIVE_TOKEN"  # noqa: S105  its name, not its value
SHORTEST_TOKEN = 16


@click.command(short_help="Listen for Alertmanager's webhook, and record what it sends.")
@click.option("--listen", metavar="HOST:PORT", default=LISTEN, show_default=True, help="Where to listen.")
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"A file with the token that senders must show; {TOKEN_VARIABLE} holds it otherwise.",
)
@click.option("--without-token", is_flag=True, help="Take payloads from anyone who can reach the address.")
def receive(listen: str, token_file: Path | None, without_token: bool) -> None:
    """Listen for Alertmanager's webhook and add each payload to the alert log, until SIGINT or SIGTERM.

    A payload is answered 200 once it is on disk. GET /-/healthy says that the receiver runs.

    \b
    Example:
      watchbell alerts receive --listen 0.0.0.0:9797 --token-file /etc/watchbell/receive-token
    """
    settings = load_settings()
    host, port = _address(listen)
    token = _token(settings, token_file)
    if token is None and not without_token and not _is_loopback(host):
        raise UsageError(
            f"{host} can be reached from other machines, and anyone there could write what reports are made of: "
            "pass --token-file FILE, or --without-token if something else keeps them out"
        )
    make_home(settings)
    try:
        receiver = Receiver(
            host,
            port,
            lambda payload: append(settings.alert_log, payload, now()),
            lambda reason: append_refusal(settings.alert_log, reason, now()),
            token,
        )
    except (OSError, OverflowError) as error:
        raise ConfigError(f"cannot listen on {listen}: {getattr(error, 'strerror', None) or error}") from None
    with stop_on_signals() as stop, receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.2})
        thread.start()
        say(f"watchbell: {receiver.url} records into {settings.alert_log}; Ctrl-C ends it")
        stop.wait()
        receiver.shutdown()
        thread.join()
    say("watchbell: stopped")


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise UsageError(f"--listen {listen}: write HOST:PORT, such as {LISTEN}")
    return host.strip("[]"), int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(settings: Settings, file: Path | None) -> str | None:
    if file is None:
        token, place = settings.environ.get(TOKEN_VARIABLE), TOKEN_VARIABLE
    else:
        place = str(file)
        try:
            token = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise CredentialError(f"{file}, which should hold the token, cannot be read: {reason}") from None
    if token is None:
        return None
    if len(token) < SHORTEST_TOKEN or not all("!" <= letter <= "~" for letter in token):
        raise CredentialError(
            f"the token in {place} has to be {SHORTEST_TOKEN} or more printable ASCII characters without spaces: "
            "`openssl rand -hex 32` makes one"
        )
    remember_secret(token)
    return token
