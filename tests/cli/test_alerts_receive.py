"""`watchbell alerts receive`: what is answered 200 is on disk, what could be taken later is 5xx, garbage is 4xx."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from watchbell.clock import SystemClock
from watchbell.reports.interface import Coverage, CoverageStatus
from watchbell.reports.sources.alert_log import AlertLog, append
from watchbell_cli.webhook_receiver import MOST_AT_ONCE, Receiver

from .conftest import command

Run = Callable[..., Any]
CLOCK = SystemClock()
TOKEN = "0123456789abcdef0123"


def payload(name: str = "DiskFull", **more: Any) -> dict[str, Any]:
    alert = {"status": "firing", "labels": {"alertname": name}, "startsAt": "2026-11-22T01:00:00Z"}
    return {"version": "4", "status": "firing", "alerts": [alert], **more}


class Receiving:
    """A running receiver."""

    def __init__(self, home: Path, *options: str, **environ: str) -> None:
        arguments = command("alerts", "receive", "--listen", "127.0.0.1:0", *options)
        self.process = subprocess.Popen(
            arguments, env={**os.environ, "WATCHBELL_HOME": str(home), **environ}, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        found = re.search(r"127\.0\.0\.1:(\d+)", line)
        assert found, line + self.process.stderr.read()
        self.port = int(found[1])

    def send(self, body: Any, *, method: str = "POST", path: str = "/", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        with closing(connection):
            connection.request(method, path, raw, headers)
            with connection.getresponse() as answer:
                return answer.status, answer.read().decode()

    def stop(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=15)
        return self.process.returncode, errors


@pytest.fixture
def receiving(home: Path) -> Iterator[Callable[..., Receiving]]:
    made: list[Receiving] = []

    def make(*options: str, **environ: str) -> Receiving:
        made.append(Receiving(home, *options, **environ))
        return made[-1]

    yield make
    for one in made:
        if one.process.poll() is None:
            one.stop()
        elif one.process.stderr is not None:
            one.process.stderr.close()


def recorded(home: Path) -> list[str]:
    path = home / "alerts.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    entries = [json.loads(line) for line in lines]
    return [entry["payload"]["alerts"][0]["labels"]["alertname"] for entry in entries if "payload" in entry]


def report_of(home: Path) -> Coverage:
    """What a report on the last hour would say of the log, had heartbeats come all the time."""
    now = CLOCK.now()
    watchdog = {"status": "firing", "labels": {"alertname": "Watchdog"}, "startsAt": "2026-01-01T00:00:00Z"}
    for minutes in (90, 0):
        append(home / "alerts.jsonl", {"alerts": [watchdog]}, now - timedelta(minutes=minutes))
    return AlertLog(home / "alerts.jsonl").read(now - timedelta(hours=1), now + timedelta(seconds=2)).coverage


def test_what_is_answered_200_is_in_the_log(receiving: Callable[..., Receiving], home: Path) -> None:
    receiver = receiving()
    assert receiver.send(payload()) == (200, "recorded 1 alert(s)\n")
    assert recorded(home) == ["DiskFull"]
    assert receiver.send(payload("Späte Ärger"), path="/any/path") == (200, "recorded 1 alert(s)\n")
    assert recorded(home) == ["DiskFull", "Späte Ärger"]
    assert (home / "alerts.jsonl").stat().st_mode & 0o777 == 0o600
    code, errors = receiver.stop()
    assert code == 0
    assert "recorded 1 alert(s) from 127.0.0.1" in errors


def test_it_says_that_it_runs(receiving: Callable[..., Receiving]) -> None:
    receiver = receiving()
    assert receiver.send(b"", method="GET", path="/-/healthy") == (200, "ok\n")
    assert receiver.send(b"", method="GET", path="/")[0] == 404


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"not json", 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b'{"alerts": []}', 400, "not an Alertmanager webhook payload"),
        (b'{"alerts": [{"labels": {}}]}', 400, "an alert has no 'status'"),
        (b" " * (5 * 1024 * 1024 + 1), 413, "larger than 5120 KiB; send smaller groups (group_by: ['...']"),
        (json.dumps(payload(x="\x7f" * 3_000_000), ensure_ascii=False).encode(), 400, "send smaller groups"),
    ],
)
def test_what_could_never_be_taken_in_is_refused_for_good(
    receiving: Callable[..., Receiving], home: Path, body: bytes, status: int, words: str
) -> None:
    receiver = receiving()
    if status == 413:  # the answer comes before the body is read
        with socket.create_connection(("127.0.0.1", receiver.port)) as raw:
            raw.sendall(f"POST / HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode())
            answer = raw.makefile("rb").read().decode()
        assert " 413 " in answer.splitlines()[0]
    else:
        code, answer = receiver.send(body)
        assert code == status
    assert words in answer
    assert recorded(home) == []
    coverage = report_of(home)
    assert coverage.status is CoverageStatus.UNPROVEN
    assert "line 1 of" in coverage.detail
    assert f"a payload was refused: {answer.splitlines()[-1]}"[:200] in coverage.detail


def test_a_refusal_that_cannot_be_noted_is_no_refusal(receiving: Callable[..., Receiving], home: Path) -> None:
    receiver = receiving()
    (home / "alerts.jsonl").mkdir()
    assert receiver.send(b"not json") == (503, "it could not be written; send it again\n")


def test_a_refusal_is_noted_in_a_line_that_older_readers_cannot_read_and_that_is_short(
    receiving: Callable[..., Receiving], home: Path
) -> None:
    assert receiving().send({"alerts": [{"status": "x" * 100_000}]})[0] == 400
    (line,) = (home / "alerts.jsonl").read_text().splitlines()
    assert len(line) < 1000
    assert json.loads(line).keys() == {"received_at", "refused"}
    assert line.endswith("}")


def test_the_largest_payload_is_written_in_one_line_that_can_be_read(
    receiving: Callable[..., Receiving], home: Path
) -> None:
    big = json.dumps(payload(externalURL="ü" * 2_600_000), ensure_ascii=False).encode()
    assert receiving().send(big)[0] == 200
    (line,) = (home / "alerts.jsonl").read_bytes().splitlines()
    assert len(line) < 16 * 1024 * 1024


def test_what_cannot_be_written_is_to_be_sent_again(receiving: Callable[..., Receiving], home: Path) -> None:
    receiver = receiving()
    (home / "alerts.jsonl").mkdir()
    assert receiver.send(payload()) == (503, "it could not be written; send it again\n")
    (home / "alerts.jsonl").rmdir()
    assert receiver.send(payload())[0] == 200
    assert recorded(home) == ["DiskFull"]
    assert "cannot write the alert log" in receiver.stop()[1]


def test_a_body_in_chunks_is_read_as_well(receiving: Callable[..., Receiving], home: Path) -> None:
    receiver = receiving()
    raw = json.dumps(payload()).encode()
    with closing(http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=10)) as connection:
        connection.request("POST", "/", iter([raw[:10], raw[10:]]), encode_chunked=True)
        with connection.getresponse() as answer:
            assert answer.status == 200
    assert recorded(home) == ["DiskFull"]
    with socket.create_connection(("127.0.0.1", receiver.port)) as broken:
        broken.sendall(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        assert b" 400 " in broken.makefile("rb").readline()
    assert report_of(home).status is CoverageStatus.UNPROVEN


def test_chunks_that_break_off_are_no_refusal(receiving: Callable[..., Receiving], home: Path) -> None:
    receiver = receiving()
    with socket.create_connection(("127.0.0.1", receiver.port)) as raw:
        raw.sendall(b'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n')
        raw.shutdown(socket.SHUT_WR)
        assert raw.makefile("rb").read() == b""
    assert report_of(home).status is CoverageStatus.OK


def test_a_body_that_breaks_off_is_not_recorded(receiving: Callable[..., Receiving], home: Path) -> None:
    receiver = receiving()
    with socket.create_connection(("127.0.0.1", receiver.port)) as raw:
        body = json.dumps(payload()).encode()
        raw.sendall(f"POST / HTTP/1.1\r\nContent-Length: {len(body) + 1}\r\n\r\n".encode() + body)
        raw.shutdown(socket.SHUT_WR)
        assert raw.makefile("rb").read() == b""
    assert recorded(home) == []


@pytest.mark.parametrize("how", ["file", "environment"])
def test_with_a_token_only_those_who_show_it_are_heard(
    receiving: Callable[..., Receiving], home: Path, tmp_path: Path, how: str
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    if how == "file":
        receiver = receiving("--token-file", str(tmp_path / "token"))
    else:
        receiver = receiving(WATCHBELL_RECEIVE_TOKEN=TOKEN)
    for given in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Authorization": "Bearer ü"}):
        headers = {name: value.encode().decode("latin-1") for name, value in given.items()}
        assert receiver.send(payload(), **headers) == (401, "the token is missing or wrong\n")
        assert receiver.send(b"not json", **headers)[0] == 401
    assert not (home / "alerts.jsonl").exists()  # a stranger can neither spoil nor fill it
    assert receiver.send(payload(), Authorization=f"Bearer {TOKEN}")[0] == 200
    assert receiver.send(b"", method="GET", path="/-/healthy")[0] == 200
    assert TOKEN not in receiver.stop()[1]


def test_many_at_once_are_all_recorded_each_in_a_line_of_its_own(
    receiving: Callable[..., Receiving], home: Path
) -> None:
    receiver = receiving()
    answers: list[int] = []

    def send(number: int) -> None:
        code = 503
        while code == 503:  # again and again, as Alertmanager does
            with suppress(ConnectionError):
                code, _ = receiver.send(payload(f"A{number}"))
        answers.append(code)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 60
    assert sorted(recorded(home)) == sorted(f"A{number}" for number in range(60))


def test_a_payload_on_its_way_is_recorded_before_it_ends(receiving: Callable[..., Receiving], home: Path) -> None:
    receiver = receiving()
    body = json.dumps(payload()).encode()
    with socket.create_connection(("127.0.0.1", receiver.port)) as raw:
        raw.sendall(f"POST / HTTP/1.1\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:20])
        receiver.send(b"", method="GET", path="/-/healthy")  # by now the first request has its thread
        receiver.process.send_signal(signal.SIGTERM)
        raw.sendall(body[20:])
        assert b" 200 " in raw.makefile("rb").readline()
    assert receiver.process.wait(15) == 0
    assert recorded(home) == ["DiskFull"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--listen", "0.0.0.0:0"), 2, "can be reached from other machines"),
        (("--listen", "[::]:0"), 2, "can be reached from other machines"),
        (("--listen", "example.test:0"), 2, "can be reached from other machines"),
        (("--listen", "9797"), 2, "write HOST:PORT"),
        (("--listen", "127.0.0.1:99999"), 2, "write HOST:PORT"),
        (("--listen", "127.0.0.1:x"), 2, "write HOST:PORT"),
        (("--listen", "192.0.2.1:0", "--without-token"), 3, "cannot listen on 192.0.2.1:0"),
        (("--token-file", "/nonexistent/token"), 4, "the token, cannot be read: No such file or directory"),
    ],
)
def test_what_it_refuses_to_do(watchbell: Run, options: tuple[str, ...], code: int, words: str) -> None:
    ended = watchbell("alerts", "receive", *options)
    assert ended.code == code
    assert words in ended.err


def test_a_short_token_is_none(watchbell: Run, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    ended = watchbell("alerts", "receive", "--token-file", str(tmp_path / "token"))
    assert ended.code == 4
    assert "16 or more printable ASCII characters" in ended.err


def test_a_port_that_is_taken_is_named(watchbell: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = watchbell("alerts", "receive", "--listen", f"127.0.0.1:{port}")
    assert ended.code == 3
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in ended.err


def test_requests_that_no_thread_could_be_had_for_take_no_room_from_later_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_thread(*_: Any) -> None:
        raise RuntimeError("can't start new thread")

    with Receiver("127.0.0.1", 0, lambda payload: 1, lambda reason: None, None) as receiver:
        server = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05})
        server.start()
        address = ("127.0.0.1", receiver.server_address[1])
        with monkeypatch.context() as patch:
            patch.setattr("socketserver.threading.Thread", no_thread)
            for _ in range(MOST_AT_ONCE + 1):
                with closing(socket.create_connection(address, timeout=10)) as connection:
                    connection.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
                    with suppress(ConnectionError):
                        assert connection.recv(100) == b""
        with closing(http.client.HTTPConnection(*address, timeout=10)) as connection:
            connection.request("GET", "/-/healthy")
            assert connection.getresponse().status == 200
        receiver.shutdown()
        server.join()
