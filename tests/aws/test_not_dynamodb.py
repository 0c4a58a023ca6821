"""What answers in DynamoDB's place, a proxy's page say, is never taken for tables without tasks."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from watchbell.clock import SystemClock
from watchbell.errors import StoreError
from watchbell.stores.dynamodb import DynamoStore
from watchbell.stores.dynamodb.tables import check, create_or_upgrade

BODIES = {
    "a page": b"<html><body>Welcome</body></html>",
    "nothing": b"",
    "cut off": b'{"Items": [',
    "a list": b"[]",
    "an empty object": b"{}",
}


@pytest.fixture(params=BODIES.values(), ids=BODIES)
def impostor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Length", str(len(request.param)))
            self.end_headers()
            self.wfile.write(request.param)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is the base class's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    yield
    server.shutdown()
    server.server_close()


READS: dict[str, Callable[[DynamoStore], object]] = {
    "tasks": lambda store: store.tasks.listing(),
    "due": lambda store: store.tasks.due(SystemClock().now()),
    "newest runs": lambda store: store.runs.newest(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_read_fails(impostor: None, read: Callable[[DynamoStore], object]) -> None:
    store = DynamoStore("x")
    try:
        with pytest.raises(StoreError, match="not DynamoDB; check AWS_ENDPOINT_URL"):
            read(store)
    finally:
        store.close()


@pytest.mark.parametrize("look", [check, create_or_upgrade])
def test_the_tables_are_neither_well_nor_made(impostor: None, look: Callable[[str], object]) -> None:
    with pytest.raises(StoreError, match="not DynamoDB"):
        look("x")
