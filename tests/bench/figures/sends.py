"""1,000 sends to a server that answers after 100 ms, against what that latency alone costs."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from figures.figure import Figure

from watchbell.delivery.interface import Delivered, Envelope, Part, SendKey
from watchbell.delivery.slack import Slack

SENDS, WORKERS, LATENCY_SECONDS = 1_000, 16, 0.1


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(LATENCY_SECONDS)
        body = b'{"ok": true, "channel": "C1", "ts": "1.2"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


def figures() -> Iterator[Figure]:
    server = _Server(("127.0.0.1", 0), _Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    provider = Slack(f"http://127.0.0.1:{server.server_port}")
    part = Part(number=1, of=1, body={"text": "hello"})

    def send(number: int) -> bool:
        key = SendKey(task_id=f"{number:012x}", fire_time="2026-11-22T09:00Z", target="slack:C1", part=1)
        envelope = Envelope(chat_id="C1", key=key, credentials={"bot_token": "xoxb-bench"})
        outcome = provider.send(part, envelope, 30)
        return isinstance(outcome, Delivered)

    assert send(0)
    start = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        delivered = sum(pool.map(send, range(SENDS)))
    seconds = time.perf_counter() - start
    server.shutdown()
    server.server_close()
    assert delivered == SENDS
    floor = SENDS * LATENCY_SECONDS / WORKERS
    yield Figure(
        name=f"{SENDS:,} sends at {LATENCY_SECONDS * 1e3:.0f} ms latency, {WORKERS} workers ÷ the latency alone",
        ours=f"{seconds:.1f} s",
        peer=f"{floor:.1f} s",
        ratio=seconds / floor,
        budget=1.5,
    )
