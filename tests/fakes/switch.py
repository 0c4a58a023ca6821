"""A dead man's switch: remembers the paths that were asked for, and answers as it is told to."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Switch:
    """`status` is what it answers; `silent` lets it take requests and never answer."""

    def __init__(self) -> None:
        self.status = 200
        self.silent = False
        self.paths: list[str] = []
        self.stopping = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"switch": self}))
        self._http.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/ping/0b5e55ed-secret-uuid"

    def __enter__(self) -> "Switch":
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()


class _Handler(BaseHTTPRequestHandler):
    switch: Switch

    def do_GET(self) -> None:
        self.switch.paths.append(self.path.partition("/ping/0b5e55ed-secret-uuid")[2] or "/")
        if self.switch.silent:
            self.switch.stopping.wait(20)
            return
        self.send_response(self.switch.status)
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Stay silent."""
