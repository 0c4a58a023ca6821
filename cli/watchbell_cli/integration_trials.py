"""Tries integrations out: calls that send nothing, or one real message through the code that reports go through."""

import secrets
import sys
from collections.abc import Iterator

from watchbell.checkup.chat_probes import probe_chat
from watchbell.checkup.checks import CREDENTIALS, DELIVERY, SOURCE, Check, ok, problem
from watchbell.clock import SystemClock
from watchbell.delivery.interface import Delivered, Envelope, Outcome, SendKey, Unknown
from watchbell.delivery.place import WEBHOOK, is_webhook
from watchbell.errors import CredentialError
from watchbell.instants import format_instant
from watchbell.secrets.credentials import resolve
from watchbell.secrets.integrations import CHATS, FIELDS, active_credentials, field_of
from watchbell.secrets.redaction import remember_secret
from watchbell.secrets.references import is_reference
from watchbell.settings import Settings
from watchbell.settings.sources import UNREADABLE, stored_sources
from watchbell.wiring.providers import make_providers

_SECONDS = 30.0


def try_out(settings: Settings, service: str, instance: str | None) -> list[Check]:
    """Call with every credential of a service, or with those of one instance."""
    checks = list(_trials(settings, service, instance))
    if checks:
        return checks
    which = f"{service} has no instance {instance!r}" if instance else f"nothing is stored for {service}"
    advice = f"watchbell integrations set {service}" + (f" --instance {instance}" if instance else "")
    return [problem(service, which, advice, CREDENTIALS if service in CHATS else SOURCE)]


def try_all(settings: Settings) -> list[Check]:
    """Call with every credential of every service, those of the environment too."""
    checks = [check for service in FIELDS for check in _trials(settings, service, None)]
    return checks or [problem("integrations", "nothing is stored", "watchbell integrations set slack", CREDENTIALS)]


def _trials(settings: Settings, service: str, instance: str | None) -> Iterator[Check]:
    return _chats(settings, service, instance) if service in CHATS else _sources(settings, service, instance)


def _chats(settings: Settings, service: str, instance: str | None) -> Iterator[Check]:
    found: set[str] = set()
    for one in active_credentials(service, settings.integrations):
        for field in FIELDS[service] if instance is None or instance in one.names else ():
            secret = one.credentials.get(field_of(one.credentials, service, field))
            if secret:
                found.add(field)
                yield _tried(settings, service, field, str(secret), f"{service}/{one.name} {field}")
    for field in FIELDS[service] if instance is None else ():
        variable = f"{service}_{field}".upper()
        secret = settings.environ.get(variable)
        if secret and field not in found:
            yield _tried(settings, service, field, secret, variable)


def _tried(settings: Settings, service: str, field: str, written: str, name: str) -> Check:
    try:
        secret = _followed(settings, written)
    except CredentialError as error:
        return problem(name, str(error), "see docs/how-to/aws-credentials.md", CREDENTIALS)
    return probe_chat(settings, service, field, secret, name).check


def _followed(settings: Settings, written: str) -> str:
    """Return a secret, or what a reference to one stands for; masked from now on."""
    if is_reference(written):
        return settings.references.secret(written, settings.environ)
    remember_secret(written)
    return written


def _sources(settings: Settings, service: str, instance: str | None) -> Iterator[Check]:
    from watchbell.checkup.source_probes import probe_source

    kept = stored_sources(settings.integrations)
    unreadable = [source for source in kept if source.kind == UNREADABLE]
    ours = [source for source in kept if source.kind == service]
    names = [] if unreadable else [one.names for one in active_credentials(service, settings.integrations)]
    for source, known in zip(ours, names, strict=True):
        if instance is None or instance in known:
            yield probe_source(settings, source, SystemClock(), f"{service}/{known[0] if known else 'default'}").check
    for source in (*unreadable, *(settings.sources if settings.names_sources and instance is None else ())):
        if source.kind in (service, UNREADABLE):
            name = source.options.get("name", source.kind)
            yield probe_source(settings, source, SystemClock(), f"{name} (configured)").check


def send(settings: Settings, service: str, instance: str | None, chat_id: str) -> Check:
    """Send a real message through the same provider as reports."""
    name = f"{service}:{chat_id}"
    try:
        credentials = _credentials(settings, service, instance, chat_id)
    except CredentialError as error:
        return problem(name, str(error), f"watchbell integrations set {service}", CREDENTIALS)
    provider = make_providers(settings, sys.stdout)[service]
    now = format_instant(SystemClock().now())
    part = provider.render_lines("Watchbell: a test message", [f"Sent by `watchbell integrations test` at {now}."])
    key = SendKey(task_id="integrations-test", fire_time=f"{now}-{secrets.token_hex(4)}", target=name, part=1)
    return _told(name, provider.send(part, Envelope(chat_id=chat_id, key=key, credentials=credentials), _SECONDS))


def _credentials(settings: Settings, service: str, instance: str | None, chat_id: str) -> dict[str, str]:
    """Resolve as a delivery does; an instance of a webhook is a part of its chat id, of a bot it is looked up."""
    if instance is None or is_webhook(chat_id):
        named = f"{WEBHOOK}/{instance}" if instance and chat_id == WEBHOOK else chat_id
        return dict(
            resolve(
                service,
                integrations=settings.integrations,
                environ=settings.environ,
                params={},
                chat_id=named,
                references=settings.references,
            )
        )
    for one in active_credentials(service, settings.integrations):
        token = one.credentials.get(field_of(one.credentials, service, "bot_token"))
        if instance in one.names and token:
            return {"bot_token": _followed(settings, str(token))}
    raise CredentialError(f"{service} has no bot token called {instance!r}")


def _told(name: str, outcome: Outcome) -> Check:
    if isinstance(outcome, Delivered):
        note = f"; {outcome.note}" if outcome.note else ""
        return ok(name, f"delivered, message {outcome.message_id}{note}")
    if isinstance(outcome, Unknown):
        return problem(name, f"it may have arrived: {outcome.error}", "look into the chat", DELIVERY)
    return problem(name, outcome.error, "nothing was sent; mend it and try again", DELIVERY)
