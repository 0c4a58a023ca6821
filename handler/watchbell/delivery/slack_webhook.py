"""Slack's incoming webhooks: the URL is the credential, the answer is one word in plain text.

Their promise is weaker: no message id, no thread, no way to ask. The word `ok` is the only evidence there is.
"""

from collections.abc import Mapping

import httpx

from watchbell.delivery.answers import Answer, Meaning, meanings, not_understood, quoted, rate_limited, told
from watchbell.delivery.interface import Delivered, Outcome, Refused, Unknown

NAME = "Slack webhook"

#: Stands for the message id, which a webhook does not tell.
OK_WITHOUT_ID = "ok (a webhook gives no id)"

LONGEST_WORD = 64

_BUG = "Slack does not accept the message; please report this as a bug of Watchbell"
_GONE = "the webhook is gone: store a new one (SLACK_WEBHOOK_URL)"
_BLOCKED = "the workspace does not allow it there; ask its administrators"

CODES: Mapping[str, Meaning] = {
    **meanings(Refused, _BUG, "invalid_payload", "no_text", "too_many_attachments", "invalid_blocks",
               "invalid_blocks_format", "msg_too_long", "msg_blocks_too_long"),
    **meanings(Refused, "the user whom the webhook writes to is gone", "user_not_found"),
    **meanings(Refused, _BLOCKED, "action_prohibited", "posting_to_general_channel_denied"),
    **meanings(Refused, "the channel is gone: make a new webhook", "channel_not_found"),
    **meanings(Refused, "the channel is archived: unarchive it or make a new webhook", "channel_is_archived"),
    **meanings(Refused, _GONE, "no_team", "no_service", "no_service_id", "no_active_hooks", "invalid_token",
               "team_disabled"),
    **meanings(Unknown, "Slack failed; the message may have been posted", "rollup_error"),
}  # fmt: skip

NOT_TAKEN = ("invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long")


def address(credentials: Mapping[str, str]) -> str | Refused:
    """Return the webhook's URL, or what is wrong with it; the words never hold it."""
    url = credentials.get("webhook_url", "")
    if not url:
        return Refused(
            f"{NAME}: no URL is known: put it into integrations.json (`watchbell integrations set slack`), "
            "or set SLACK_WEBHOOK_URL"
        )
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        parsed = httpx.URL("")
    if parsed.scheme not in ("https", "http") or not parsed.host or parsed.path in ("", "/"):
        return Refused(f"{NAME}: the URL should be one of hooks.slack.com, as Slack shows it: store it again")
    return url


def word(answer: Answer) -> str:
    """Return the one word of the answer, or nothing where it is not Slack's."""
    text = (answer.body or b"")[: LONGEST_WORD + 1].decode("utf-8", "replace").strip()
    return text if len(text) <= LONGEST_WORD and text.replace("_", "").isalnum() and text.isascii() else ""


def outcome(answer: Answer) -> Outcome:
    """Return what the answer means."""
    said = word(answer)
    if answer.status == 429:
        return rate_limited(NAME, answer)
    if answer.status == 200 and said == "ok":
        return Delivered(OK_WITHOUT_ID)
    meaning = CODES.get(said)
    if meaning is not None and answer.status >= 400:
        return told(NAME, meaning, said)
    if 400 <= answer.status < 500 and "_" in said:
        return Refused(f"{NAME}: refused ({quoted(said)})")
    return not_understood(NAME, answer)
