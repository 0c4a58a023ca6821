"""A strict fake of the Slack, Telegram and Discord APIs over real HTTP, with faults on request.

In a test:

    with ChatServer() as server:                 # rates=1.0 enforces the documented rates
        Slack(server.slack_url)                  # also telegram_url, discord_url
        server.fault(then="reset", accept=True)  # the next request is accepted, then the connection is reset
        server.deny("C1", "history")             # also membership, view, send
        server.messages                          # what was posted

As a process: `python tests/fakes/chat_server.py --port 0 --journal FILE` prints its port. Each accepted message is
appended to the journal and fsynced before the answer goes out, so a test that kills the client can count real sends;
`GET /_stats` counts requests, 429s, messages and duplicates. `--rates` enforces the documented rates, `--chaos 0.3
--seed 7` fails that share of requests in every known way.
Faults come by `POST /_fault` (the arguments of `fault`, as JSON; also "provider" and "chat_id") or by a magic chat id:
one that ends in `FAIL-429`, `FAIL-RESET-AFTER` and so on (see chat/faults.py), `ERROR-<provider's code>` or
`SLOW-<n>MS`; with `-ONCE` behind it only the first request to it fails. A token with `REVOKED` in it is refused.

Each provider is a module in the folder chat/.
"""

import argparse
import sys
from pathlib import Path

if __name__ == "__main__":  # as a program it finds its own folder, whatever the interpreter was told
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fakes.chat.discord import discord_message
from fakes.chat.faults import MAGIC, Chaos, Fault
from fakes.chat.room import Message
from fakes.chat.server import ChatServer
from fakes.chat.slack import slack_message
from fakes.chat.telegram import telegram_message

__all__ = ["MAGIC", "Chaos", "ChatServer", "Fault", "Message", "discord_message", "slack_message", "telegram_message"]

#: They have the providers' shapes and open nothing.
SAMPLE_TOKENS = {
    "SLACK_BOT_TOKEN": "xoxb-1111-sample-token",
    "TELEGRAM_BOT_TOKEN": "123456789:sample-token-of-thirty-characters-00000",
    "DISCORD_BOT_TOKEN": "sampletoken0000000000000.sample.000000000000000000000000000",
}


def exports(server: ChatServer) -> str:
    """Return the lines that point a shell at this server."""
    urls = {
        "WATCHBELL_SLACK_API_URL": server.slack_url,
        "WATCHBELL_TELEGRAM_API_URL": server.telegram_url,
        "WATCHBELL_DISCORD_API_URL": server.discord_url,
        "SLACK_WEBHOOK_URL": f"{server.url}/slack/services/T0SAMPLE/B0SAMPLE/sample",
        "DISCORD_WEBHOOK_URL": f"{server.url}/discord/api/webhooks/1200000000000000001/sample",
    }
    return "\n".join(f"export {name}={value}" for name, value in (urls | SAMPLE_TOKENS).items())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--journal", help="append each posted message to this file")
    arguments.add_argument("--rates", type=float, nargs="?", const=1.0, metavar="SPEED", help="enforce rates")
    arguments.add_argument("--chaos", type=float, default=0.0, metavar="SHARE", help="fail this share of requests")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--hang", type=float, default=3.0, metavar="SECONDS", help="how long chaos hangs and drips")
    arguments.add_argument("--nonce-seconds", type=float, default=120.0)
    arguments.add_argument("--exports", action="store_true", help="print what points a shell here, not only the port")
    options = arguments.parse_args()
    chaos = Chaos(options.chaos, options.seed, options.hang) if options.chaos else None
    server = ChatServer(
        options.port, options.journal, rates=options.rates, chaos=chaos, nonce_seconds=options.nonce_seconds
    )
    print(exports(server) if options.exports else server.port, flush=True)
    try:
        server.serve()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    main()
