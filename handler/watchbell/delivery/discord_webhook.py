"""Discord's webhooks: the URL is the credential. Their promise is weaker: no nonce, no way to search."""

import re
from collections.abc import Mapping

import httpx

from watchbell.delivery.interface import Refused

NAME = "Discord"

_PATH = re.compile(r"(.*/api)(?:/v\d+)?(/webhooks/\d+/[A-Za-z0-9_-]+)/?", re.ASCII)


def address(credentials: Mapping[str, str]) -> str | Refused:
    """Return the URL to post to, or what is wrong with the stored one; the words never hold it.

    Without a version Discord takes an outdated one; without `wait` it would answer before the message is kept.
    """
    url = credentials.get("webhook_url", "")
    if not url:
        return Refused(
            f"{NAME}: no webhook URL is known: put it into integrations.json (`watchbell integrations set discord`), "
            "or set DISCORD_WEBHOOK_URL"
        )
    try:
        parsed = httpx.URL(url)
        found = _PATH.fullmatch(parsed.path)
    except (httpx.InvalidURL, ValueError):
        found = None
    if found is None or parsed.scheme not in ("https", "http"):
        return Refused(f"{NAME}: the webhook URL should look like https://discord.com/api/webhooks/…: store it again")
    thread = parsed.params.get("thread_id")
    query = {"wait": "true"} | ({"thread_id": thread} if thread else {})
    return str(parsed.copy_with(path=f"{found[1]}/v10{found[2]}", query=None).copy_with(params=query))
