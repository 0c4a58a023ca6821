"""A model behind a real HTTP server that says what a script tells it, in the manner of OpenAI or of Anthropic.

with ModelServer() as server:
    server.script = [calls("query", promql="up"), says("Two alerts fired.")]
    … base_url = server.openai_url, or server.anthropic_url

The last step is repeated for as long as somebody asks. A step is a function of the handler; the others make one.
"""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Step = Callable[["_Handler"], None]


class ModelServer:
    """Keeps every request: path, headers and parsed body."""

    def __init__(self) -> None:
        self.script: list[Step] = []
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.tokens = 10  # said to have been used, in and out, by each answer
        self.stopping = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": self}))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def anthropic_url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def openai_url(self) -> str:
        return f"{self.anthropic_url}/v1"

    @property
    def bodies(self) -> str:
        """All that was ever sent to the model, as one text."""
        return json.dumps([body for _, _, body in self.requests], ensure_ascii=False)

    def __enter__(self) -> "ModelServer":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()


def says(text: str) -> Step:
    """Answer with a text."""
    return lambda handler: handler.answer(text=text)


def calls(tool: str, **arguments: Any) -> Step:
    """Call a tool."""
    return lambda handler: handler.answer(tool=tool, arguments=arguments)


def fails(status: int, body: str = '{"error": {"message": "no"}}', **headers: str) -> Step:
    """Answer with an error, or with anything else that is no answer of a model."""
    return lambda handler: handler.send(status, body, **headers)


def hangs(handler: "_Handler") -> None:
    """Take the request and never answer."""
    handler.state.stopping.wait(30)


class _Handler(BaseHTTPRequestHandler):
    state: ModelServer

    def do_POST(self) -> None:
        state = self.state
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        state.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        step = state.script[min(len(state.requests), len(state.script)) - 1]
        with suppress(BrokenPipeError, ConnectionResetError):
            step(self)
        self.close_connection = True

    def answer(self, *, text: str | None = None, tool: str = "", arguments: dict[str, Any] | None = None) -> None:
        number = len(self.state.requests)
        shape = _anthropic if self.path.endswith("/messages") else _openai
        self.send(200, json.dumps(shape(f"call_{number}", self.state.tokens, text, tool, arguments or {})))

    def send(self, status: int, body: str, **headers: str) -> None:
        content = body.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name is the base class's
        pass


def _openai(call: str, tokens: int, text: str | None, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": tool, "arguments": json.dumps(arguments)}
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if tool:
        message["tool_calls"] = [{"id": call, "type": "function", "function": function}]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_795_338_000,
        "model": "scripted",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if tool else "stop"}],
        "usage": {"prompt_tokens": tokens, "completion_tokens": tokens, "total_tokens": 2 * tokens},
    }


def _anthropic(call: str, tokens: int, text: str | None, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"type": "text", "text": text}
    if tool:
        content = {"type": "tool_use", "id": call, "name": tool, "input": arguments}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "scripted",
        "content": [content],
        "stop_reason": "tool_use" if tool else "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": tokens, "output_tokens": tokens},
    }
