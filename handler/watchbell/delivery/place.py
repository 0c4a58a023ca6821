"""The places that a target's chat id can name within a provider: a chat, a thread or topic in it, a webhook. Pure."""

import re
from dataclasses import dataclass

from watchbell.delivery.interface import Refused
from watchbell.tasks import Target

WEBHOOK = "webhook"

#: Telegram's General topic has this number, but must not be addressed by it.
GENERAL_TOPIC = "1"


@dataclass(frozen=True, slots=True)
class Place:
    """A chat and, where the target names one, a thread or topic in it."""

    chat: str
    thread: str | None = None


def slack_place(chat_id: str) -> Place | Refused:
    """Read `C0123ABCD` or `C0123ABCD/1700000000.000100`, a message and the thread below it."""
    chat, slash, thread = chat_id.partition("/")
    if not re.fullmatch(r"#?[\w.-]+", chat):
        return Refused("Slack: a channel id looks like C0123ABCD: copy it from the channel's details")
    if slash and not re.fullmatch(r"\d{9,11}\.\d{6}", thread, re.ASCII):
        return Refused(
            "Slack: a thread is written C0123ABCD/1700000000.000100, with the time stamp of its first message"
        )
    return Place(chat, thread or None)


def telegram_place(chat_id: str) -> Place | Refused:
    """Read `-1001234567890`, `@channel` or `-1001234567890/42`, a topic."""
    chat, slash, topic = chat_id.partition("/")
    if not re.fullmatch(r"@?[A-Za-z0-9_-]+", chat, re.ASCII):
        return Refused("Telegram: a chat id is a number such as -1001234567890, or a public name such as @channel")
    if slash and not re.fullmatch(r"[1-9]\d{0,18}", topic, re.ASCII):
        return Refused("Telegram: a topic is written -1001234567890/42, with the number of the topic")
    return Place(chat, None if topic in ("", GENERAL_TOPIC) else topic)


def discord_place(chat_id: str) -> Place | Refused:
    """Read a channel id; a thread is a channel with an id of its own."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", chat_id, re.ASCII):
        return Refused("Discord: a channel id is a number such as 1100000000000000000: check the chat id")
    return Place(chat_id)


def wrong_place(target: Target) -> str:
    """Return why nothing can ever arrive at a target, empty where something might."""
    if target.provider not in _PLACES or (is_webhook(target.chat_id) and target.provider != "telegram"):
        return ""
    place = _PLACES[target.provider](target.chat_id)
    return place.error if isinstance(place, Refused) else ""


def is_webhook(chat_id: str) -> bool:
    """Say whether the chat id is `webhook` or `webhook/NAME`."""
    return chat_id == WEBHOOK or chat_id.startswith(f"{WEBHOOK}/")


def webhook_name(chat_id: str) -> str:
    """Return which of several webhooks is meant; empty for the only one."""
    return chat_id.partition("/")[2]


_PLACES = {"slack": slack_place, "telegram": telegram_place, "discord": discord_place}


def weaker_promise(target: Target) -> str | None:
    """Return in one line what Watchbell can promise less of for this target, or None."""
    if target.provider == "telegram":
        return "Telegram cannot be asked whether a message arrived: after a lost answer the task's on_unknown decides"
    if target.provider == "slack" and is_webhook(target.chat_id):
        return (
            "a Slack webhook answers without a message id and cannot be asked: after a lost answer the task's "
            "on_unknown decides; parts are not threaded, images are left out"
        )
    if target.provider == "discord" and is_webhook(target.chat_id):
        return (
            "a Discord webhook neither drops a repeat nor can be asked: after a lost answer the task's on_unknown "
            "decides; parts are not linked to each other"
        )
    return None
