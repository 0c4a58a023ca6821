"""Asks a chat provider whether it takes a credential, by calls that send nothing."""

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from watchbell.checkup.checks import CREDENTIALS, DELIVERY, Check, ok, problem, warning
from watchbell.delivery import discord, discord_webhook, slack_webhook
from watchbell.delivery.answers import Answer, quoted
from watchbell.delivery.http import ChatApi
from watchbell.delivery.interface import NotSent, Refused, Unknown
from watchbell.settings import Settings

SECONDS = 10.0
#: What Slack says to a webhook's message without a text, when the webhook itself is in order.
_EMPTY_MESSAGE = {"no_text", "invalid_payload", "missing_text_or_fallback_or_attachments"}
_SCOPE = "chat:write"


class Probed(NamedTuple):
    """What came of it, and the server's own clock where it told the time."""

    check: Check
    server_time: datetime | None = None


def probe_chat(settings: Settings, service: str, field: str, secret: str, name: str) -> Probed:
    """Try one `bot_token` or `webhook_url`; nothing is sent to anybody. Never raises for what the network does."""
    answer = _PROBES[service, field](settings, secret)
    if isinstance(answer, Refused):
        return Probed(problem(name, answer.error, _store_again(service), CREDENTIALS))
    if not isinstance(answer, Answer):
        advice = f"check the network, the proxy and {_ADDRESSES[service]}"
        return Probed(problem(name, answer.error, advice, DELIVERY))
    return Probed(_READERS[service, field](name, answer), _date(answer))


def _date(answer: Answer) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError):
        return None


def _store_again(service: str) -> str:
    return f"store a valid one: watchbell integrations set {service}"


_Sent = Answer | NotSent | Unknown | Refused


def _slack_bot(settings: Settings, secret: str) -> _Sent:
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json; charset=utf-8"}
    return ChatApi("Slack", settings.slack_api_url).post("/auth.test", headers=headers, fields={}, seconds=SECONDS)


def _slack_webhook(settings: Settings, secret: str) -> _Sent:
    url = slack_webhook.address({"webhook_url": secret})
    if isinstance(url, Refused):
        return url
    # A message without a text: Slack refuses it, and tells by how whether the webhook is there.
    return ChatApi("Slack", settings.slack_api_url).post(url, headers={}, fields={}, seconds=SECONDS)


def _telegram_bot(settings: Settings, secret: str) -> _Sent:
    path = f"/bot{quote(secret, safe=':')}/getMe"
    return ChatApi("Telegram", settings.telegram_api_url).get(path, headers={}, query={}, seconds=SECONDS)


def _discord_bot(settings: Settings, secret: str) -> _Sent:
    headers = {"Authorization": f"Bot {secret}", "User-Agent": discord.user_agent()}
    return ChatApi("Discord", settings.discord_api_url).get("/users/@me", headers=headers, query={}, seconds=SECONDS)


def _discord_webhook(settings: Settings, secret: str) -> _Sent:
    url = discord_webhook.address({"webhook_url": secret})
    if isinstance(url, Refused):
        return url
    api = ChatApi("Discord", settings.discord_api_url)
    return api.get(url.partition("?")[0], headers={"User-Agent": discord.user_agent()}, query={}, seconds=SECONDS)


def _read_slack_bot(name: str, answer: Answer) -> Check:
    fields = answer.fields() or {}
    if fields.get("ok") is True:
        scopes = answer.headers.get("x-oauth-scopes")
        if scopes is not None and _SCOPE not in {scope.strip() for scope in scopes.split(",")}:
            advice = f"give the app the scope {_SCOPE}, install it again, and store the new token"
            return problem(name, f"signed in, but without the scope {_SCOPE}", advice, CREDENTIALS)
        return ok(name, _signed_in(fields.get("user") or fields.get("user_id"), fields.get("team")))
    code = str(fields.get("error", ""))
    if not code or answer.status == 429 or code in ("ratelimited", "internal_error", "fatal_error"):
        return _strange(name, "Slack", answer)
    return problem(name, f"Slack refused the token ({quoted(code)})", _store_again("slack"), CREDENTIALS)


def _read_slack_webhook(name: str, answer: Answer) -> Check:
    said = slack_webhook.word(answer)
    if said in _EMPTY_MESSAGE:
        return ok(name, "the webhook is there (Slack refused an empty message, as it should)")
    if answer.status in (403, 404, 410) and said:
        return problem(name, f"Slack refused the webhook ({quoted(said)})", _store_again("slack"), CREDENTIALS)
    return _strange(name, "Slack", answer)


def _read_telegram_bot(name: str, answer: Answer) -> Check:
    fields = answer.fields() or {}
    if fields.get("ok") is True:
        return ok(name, _signed_in(_of(fields.get("result"), "username"), None, at="@"))
    if answer.status in (401, 403, 404, 421) and "description" in fields:
        said = quoted(fields["description"])
        return problem(name, f"Telegram refused the token ({said})", _store_again("telegram"), CREDENTIALS)
    return _strange(name, "Telegram", answer)


def _read_discord_bot(name: str, answer: Answer) -> Check:
    fields = answer.fields() or {}
    if answer.status == 200 and fields.get("id"):
        return ok(name, _signed_in(fields.get("username"), None))
    return _read_discord_refusal(name, "token", answer)


def _read_discord_webhook(name: str, answer: Answer) -> Check:
    fields = answer.fields() or {}
    if answer.status == 200 and fields.get("id"):
        return ok(name, f"the webhook {quoted(fields.get('name') or fields['id'])} is there")
    return _read_discord_refusal(name, "webhook", answer)


def _read_discord_refusal(name: str, what: str, answer: Answer) -> Check:
    fields = answer.fields() or {}
    if answer.status in (401, 403, 404) and "message" in fields:
        said = quoted(fields["message"])
        return problem(name, f"Discord refused the {what} ({said})", _store_again("discord"), CREDENTIALS)
    return _strange(name, "Discord", answer)


def _strange(name: str, provider: str, answer: Answer) -> Check:
    """Return what an answer means that says nothing of the credential."""
    if answer.status == 429:
        return warning(name, f"{provider}: too many requests just now", "try again in a few minutes")
    said = f"{provider} answered HTTP {answer.status} without an answer of its own to the question"
    return problem(name, said, f"check the proxy and {_ADDRESSES[provider.lower()]}, or try again later", DELIVERY)


def _signed_in(who: object, where: object, at: str = "") -> str:
    place = f" in {quoted(where)}" if where else ""
    return f"signed in as {at}{quoted(who or 'the bot')}{place}"


def _of(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, dict) else None


_ADDRESSES = {
    "slack": "WATCHBELL_SLACK_API_URL",
    "telegram": "WATCHBELL_TELEGRAM_API_URL",
    "discord": "WATCHBELL_DISCORD_API_URL",
}
_PROBES: Mapping[tuple[str, str], Callable[[Settings, str], Any]] = {
    ("slack", "bot_token"): _slack_bot,
    ("slack", "webhook_url"): _slack_webhook,
    ("telegram", "bot_token"): _telegram_bot,
    ("discord", "bot_token"): _discord_bot,
    ("discord", "webhook_url"): _discord_webhook,
}
_READERS: Mapping[tuple[str, str], Callable[[str, Answer], Check]] = {
    ("slack", "bot_token"): _read_slack_bot,
    ("slack", "webhook_url"): _read_slack_webhook,
    ("telegram", "bot_token"): _read_telegram_bot,
    ("discord", "bot_token"): _read_discord_bot,
    ("discord", "webhook_url"): _read_discord_webhook,
}
