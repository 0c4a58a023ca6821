"""A queue that speaks as much of Amazon SQS as a sender needs, and counts its calls; moto's is slow with many messages.

with FakeSqs() as sqs:
    environ |= sqs.environ          # the endpoint and the queue's URL
    sqs.take(10)                    # a batch, as Lambda hands it to a function
    sqs.refused.add("a1b2c3d4e5f6") # messages that hold this text are refused, one by one
    sqs.is_down = True              # every call is answered with a 500; is_stuck: with nothing
    sqs.answers_to_lose = 1         # the next message is taken, and the connection closed without an answer
"""

import hashlib
import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


class FakeSqs:
    """One standard queue."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.calls = 0
        self.connections = 0
        self.refused: set[str] = set()
        self.is_down = False
        self.is_stuck = False
        self.answers_to_lose = 0
        self.stuck = threading.Event()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._http.daemon_threads = True

    def __enter__(self) -> "FakeSqs":
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stuck.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def environ(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self._http.server_port}"
        return {"AWS_ENDPOINT_URL_SQS": url, "WATCHBELL_QUEUE_URL": f"{url}/1/watchbell-runs"}

    def take(self, most: int = 10) -> dict[str, Any]:
        """Return the event of the oldest messages, and forget them."""
        with self._lock:
            bodies, self.bodies = self.bodies[:most], self.bodies[most:]
        return batch(*bodies)

    def receive(self, entries: list[dict[str, str]]) -> dict[str, Any]:
        """Do what SendMessageBatch does."""
        assert 0 < len(entries) <= 10, "SQS: a batch has 1 to 10 entries"
        assert len({entry["Id"] for entry in entries}) == len(entries), "SQS: the ids of a batch are distinct"
        answer: dict[str, Any] = {"Successful": [], "Failed": []}
        with self._lock:
            for entry in entries:
                body = entry["MessageBody"]
                if any(text in body for text in self.refused):
                    answer["Failed"].append({"Id": entry["Id"], "SenderFault": False, "Code": "InternalError"})
                    continue
                self.bodies.append(body)
                digest = hashlib.md5(body.encode()).hexdigest()
                answer["Successful"].append(
                    {"Id": entry["Id"], "MessageId": str(uuid.uuid4()), "MD5OfMessageBody": digest}
                )
        return answer


def batch(*bodies: str) -> dict[str, Any]:
    """Return the event with which Lambda hands messages to a function."""
    arn = "arn:aws:sqs:eu-central-1:1:watchbell-runs"
    return {
        "Records": [
            {
                "messageId": str(uuid.uuid4()),
                "receiptHandle": "handle",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
                "md5OfBody": hashlib.md5(body.encode()).hexdigest(),
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
                "awsRegion": "eu-central-1",
            }
            for body in bodies
        ]
    }


def _handler_for(sqs: FakeSqs) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            sqs.connections += 1

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert self.headers["X-Amz-Target"] == "AmazonSQS.SendMessageBatch", self.headers["X-Amz-Target"]
            sqs.calls += 1
            if sqs.is_stuck:
                sqs.stuck.wait(60)
            elif sqs.answers_to_lose:
                sqs.answers_to_lose -= 1
                sqs.receive(asked["Entries"])
                self.close_connection = True
            elif sqs.is_down:
                self._answer(500, {"__type": "InternalFailure", "message": "down"})
            else:
                self._answer(200, sqs.receive(asked["Entries"]))

        def _answer(self, status: int, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
