"""The console as a provider."""

import io
import os
import subprocess
import sys

import pytest

from watchbell.delivery.console import Console
from watchbell.delivery.interface import Delivered, Envelope, NotSent, SendKey, Unknown

KEY = SendKey(task_id="t", fire_time="2026-11-22T09:00Z", target="console:stdout", part=1)


def send(console, make_report, stamp):
    [part] = console.render(make_report(), stamp)
    return console.send(part, Envelope(chat_id="stdout", key=KEY, credentials={}), 5)


def test_the_report_is_written_and_each_message_has_an_id(make_report, stamp):
    stream = io.StringIO()
    console = Console(stream)
    assert send(console, make_report, stamp) == Delivered("stdout:1")
    assert send(console, make_report, stamp) == Delivered("stdout:2")
    assert stream.getvalue().count("Payments digest") == 2
    assert stream.getvalue().endswith("2026-11-22T09:00Z\n")


def test_a_notice_is_plain_lines():
    part = Console(io.StringIO()).render_lines("For the operator", ["one", "two\x1b[31m"])
    assert part.body == {"text": "For the operator\n• one\n• two�[31m"}


def test_a_closed_stream_is_not_sent(make_report, stamp):
    stream = io.StringIO()
    stream.close()
    assert isinstance(send(Console(stream), make_report, stamp), NotSent)


def test_a_pipe_that_nobody_reads_is_not_sent(make_report, stamp):
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w", encoding="utf-8")
    try:
        assert isinstance(send(Console(stream), make_report, stamp), NotSent)
    finally:
        with pytest.raises(BrokenPipeError):
            stream.close()


def test_a_full_disk_is_unknown(make_report, stamp):
    with pytest.raises(OSError), open("/dev/full", "w", encoding="utf-8") as stream:
        outcome = send(Console(stream), make_report, stamp)
    assert isinstance(outcome, Unknown)
    assert "No space" in outcome.error


def test_what_the_terminal_cannot_show_is_written_as_an_escape(make_report, stamp):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    assert isinstance(send(Console(stream), make_report, stamp), Delivered)
    stream.seek(0)
    assert "14:30 \\u2013 Sun" in stream.read()


def test_the_console_and_rendering_do_not_load_httpx():
    names = ["delivery.console", "delivery.interface", "secrets.redaction", "secrets.credentials"]
    names += [f"delivery.render.{dialect}" for dialect in ("plain", "slack", "telegram", "discord")]
    modules = ", ".join(f"watchbell.{name}" for name in names)
    program = f"import sys, {modules}; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
