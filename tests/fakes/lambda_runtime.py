"""Lambda's side of the runtime API, for one sandbox: the real runtime client runs a bundle against it.

    with LambdaRuntime(bundle, "watchbell.aws_lambda.tick_handler", environ) as function:
        function.invoke({"scheduled_time": "2026-11-22T09:00:07Z"})     # its answer, or FunctionFailed

The process sees the bundle, the runtime client and Python's own library, and nothing of this project's environment.
See AWS's documentation "Using the Lambda runtime API for custom runtimes".
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

_VERSION = "/2018-06-01/runtime"
#: What the runtime client consists of.
_CLIENT = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
_WAIT_SECONDS = 60.0


class FunctionFailed(Exception):
    """The function raised, or its process ended."""


class LambdaRuntime:
    """One sandbox of one function."""

    def __init__(self, bundle: Path, handler: str, environ: Mapping[str, str], *, folder: Path) -> None:
        self._events: queue.Queue[tuple[str, bytes, float]] = queue.Queue()
        self._answers: queue.Queue[tuple[bool, Any]] = queue.Queue()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self._events, self._answers))
        self._http.daemon_threads = True
        self._log = folder / f"{handler.rpartition('.')[2]}-{uuid.uuid4().hex[:8]}.log"
        client = folder / "runtime-client"
        _link_client(client)
        self._command = [getattr(sys, "_base_executable", sys.executable), "-B", "-m", "awslambdaric", handler]
        self._environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{bundle}:{client}",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._http.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": handler.rpartition(".")[2].replace("_", "-"),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "LAMBDA_TASK_ROOT": str(bundle),
            **environ,
        }
        self._bundle = bundle

    def __enter__(self) -> "LambdaRuntime":
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command, env=self._environ, cwd=self._bundle, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait(20)
        self._http.shutdown()
        self._http.server_close()

    def send(self, event: Any, *, seconds: float = 120.0) -> None:
        """Invoke without waiting; the function may go on for `seconds`."""
        deadline = time.time() + seconds
        self._events.put((str(uuid.uuid4()), json.dumps(event).encode(), deadline))

    def invoke(self, event: Any, *, seconds: float = 120.0) -> Any:
        """Invoke, and return the answer; raises FunctionFailed."""
        self.send(event, seconds=seconds)
        return self.answer()

    def answer(self, within: float = _WAIT_SECONDS) -> Any:
        """Wait for the answer to the oldest invocation."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            try:
                is_well, answer = self._answers.get(timeout=0.05)
            except queue.Empty:
                if self.process.poll() is not None and self._answers.empty():
                    raise FunctionFailed(f"the process ended with {self.process.returncode}\n{self.log}") from None
                continue
            if not is_well:
                raise FunctionFailed(json.dumps(answer))
            return answer
        raise FunctionFailed(f"no answer within {within:g} s\n{self.log}")

    @property
    def log(self) -> str:
        """What the function wrote so far."""
        return self._log.read_text()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of the log that are JSON."""
        return [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]


def _link_client(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in _CLIENT:
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        path = Path(spec.origin)
        path = path.parent if path.name == "__init__.py" else path
        link = folder / path.name
        if not link.exists():
            link.symlink_to(path)


def _handler_for(
    events: "queue.Queue[tuple[str, bytes, float]]", answers: "queue.Queue[tuple[bool, Any]]"
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            assert self.path == f"{_VERSION}/invocation/next", self.path
            request_id, body, deadline = events.get()
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", request_id)
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int(deadline * 1000)))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-central-1:1:function:watchbell")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answers.put((self.path.endswith("/response"), json.loads(body)))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    return Handler
