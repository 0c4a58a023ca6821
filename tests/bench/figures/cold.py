"""A cold function, from its start to its first answer from DynamoDB, against making a client of boto3."""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from figures.figure import Figure

from fakes.dynamodb import environment

PAIRS = 15

_CLIENT = "import boto3; boto3.client('dynamodb')"
_TICK = """
import types
from watchbell.aws_lambda import tick_handler
context = types.SimpleNamespace(aws_request_id="1", get_remaining_time_in_millis=lambda: 120_000)
try:
    tick_handler({}, context)
except Exception:
    pass
"""


def figures() -> Iterator[Figure]:
    answered = threading.Event()

    class Answers(BaseHTTPRequestHandler):
        """Answers that there is no such item, and notes when."""

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")
            answered.set()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environ = {"PATH": os.environ["PATH"], **environment(f"http://127.0.0.1:{server.server_port}")}
    environ |= {"WATCHBELL_STORE": "dynamodb:bench", "AWS_LAMBDA_FUNCTION_NAME": "tick"}
    client, tick = [], []
    for _ in range(PAIRS):
        client.append(_seconds(_CLIENT, environ, None))
        tick.append(_seconds(_TICK, environ, answered))
    server.shutdown()
    ours, floor = statistics.median(tick), statistics.median(client)
    yield Figure(
        name="cold function to its first DynamoDB answer ÷ boto3.client",
        ours=f"{ours * 1e3:.0f} ms",
        peer=f"{floor * 1e3:.0f} ms",
        ratio=ours / floor,
        budget=1.5,
    )


def _seconds(program: str, environ: Mapping[str, str], until: threading.Event | None) -> float:
    """Return the seconds from the start of a process to its end, or to what is waited for."""
    if until is not None:
        until.clear()
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", program], env=environ, stdout=subprocess.DEVNULL) as process:
        if until is None:
            process.wait()
        elif not until.wait(60):
            raise RuntimeError("the function never asked DynamoDB")
        taken = time.perf_counter() - start
        process.kill()
    return taken
