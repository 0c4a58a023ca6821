"""The console as a provider: plain text to a stream. It needs no credentials; the chat id is a free label."""

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TextIO

from watchbell.deliveries import Means
from watchbell.delivery.interface import (
    Absent,
    CannotTell,
    Delivered,
    Envelope,
    Found,
    NotSent,
    Outcome,
    Part,
    Stamp,
    Unknown,
)
from watchbell.delivery.render import plain
from watchbell.delivery.render.entries import notice
from watchbell.reports.interface import Report


class Console:
    """Writes reports to a text stream, one at a time."""

    name = "console"

    def means(self, chat_id: str) -> Means:
        return Means()

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._turn = threading.Lock()
        self._written = 0

    def render(self, report: Report, stamp: Stamp) -> tuple[Part, ...]:
        return (Part(number=1, of=1, body={"text": plain.message(report, stamp)}),)

    def render_lines(self, headline: str, lines: Sequence[str]) -> Part:
        return Part(number=1, of=1, body={"text": plain.text(notice(headline, lines))})

    def reserve(self, chat_id: str, credentials: Mapping[str, str], within: float = 0.0) -> float:
        return 0.0

    def send(self, part: Part, envelope: Envelope, seconds: float) -> Outcome:
        with self._turn:
            try:
                self._stream.write(_encodable(f"{part.body['text']}\n", self._stream.encoding))
                self._stream.flush()
            except BrokenPipeError:
                return NotSent("console: nobody reads the output any more")
            except ValueError:
                return NotSent("console: the output is closed")
            except OSError as error:  # a full disk, say: a part may have been written
                return Unknown(f"console: writing failed ({error.strerror})")
            self._written += 1
            return Delivered(f"{envelope.chat_id}:{self._written}")

    def find(self, envelope: Envelope, sent_at: datetime, seconds: float) -> Found | Absent | CannotTell:
        return CannotTell("a stream cannot be asked")


def _encodable(text: str, encoding: str | None) -> str:
    """Return the text with what the stream's encoding lacks written as escapes."""
    encoding = encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)
