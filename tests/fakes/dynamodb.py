"""Somewhere for tables in tests: Amazon's DynamoDB Local as a process, or moto's server as a thread.

DynamoDB Local has no option to listen on loopback alone; it checks no credentials and keeps everything in memory. It
ends with the process that started it, however that ends.
"""

import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from fakes.ports import free_port
from fakes.programs import DYNAMODB_LOCAL, program
from watchbell.stores.dynamodb.connection import new_client
from watchbell.stores.dynamodb.tables import create_or_upgrade

READY_SECONDS = 60.0

#: Ends the server when its standard input does.
_UNTIL_INPUT_ENDS = '"$@" & server=$!; cat; kill $server'


def environment(url: str) -> dict[str, str]:
    """Return AWS's standard settings for a server at `url`, and nothing of the account of whoever runs the tests."""
    return {
        "AWS_ENDPOINT_URL_DYNAMODB": url,
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@contextmanager
def dynamodb_local(folder: Path) -> Iterator[str]:
    """Run DynamoDB Local; give its URL."""
    port = free_port()
    java = [program("dynamodb-local") or "java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    server = [f"-Djava.library.path={DYNAMODB_LOCAL / 'DynamoDBLocal_lib'}", "-jar", "DynamoDBLocal.jar"]
    options = ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
    with (folder / "dynamodb-local.log").open("wb") as log:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _UNTIL_INPUT_ENDS, "sh", *java, *server, *options],
            cwd=DYNAMODB_LOCAL,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + READY_SECONDS
    while True:
        assert process.poll() is None, "DynamoDB Local ended at once"
        assert time.monotonic() < until, "DynamoDB Local does not answer"
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return


@contextmanager
def moto_server() -> Iterator[str]:
    """Run moto's server in this process; give its URL."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


@lru_cache
def _client_of(url: str) -> Any:
    return new_client()


def shared_client() -> Any:
    """Return this process's client by AWS's standard settings; making one takes longer than most tests."""
    return _client_of(os.environ["AWS_ENDPOINT_URL_DYNAMODB"])


def new_tables() -> str:
    """Make tables by AWS's standard settings; return their prefix."""
    prefix = f"test-{secrets.token_hex(6)}"
    create_or_upgrade(prefix, client=shared_client())
    return prefix


class Meter:
    """Counts the requests of one client and what they consumed, as DynamoDB itself says."""

    def __init__(self) -> None:
        self.client = new_client()
        self._lock = threading.Lock()
        self.requests: dict[str, int] = {}
        self.units = {"read": 0.0, "write": 0.0}
        events = self.client.meta.events
        events.register("provide-client-params.dynamodb", self._ask)
        events.register("after-call.dynamodb", self._count)

    def _ask(self, params: Mapping[str, Any], model: Any, **_: Any) -> dict[str, Any]:
        if "ReturnConsumedCapacity" not in model.input_shape.members:
            return dict(params)
        return {**params, "ReturnConsumedCapacity": "INDEXES"}

    def _count(self, parsed: Mapping[str, Any], model: Any, **_: Any) -> None:
        consumed = parsed.get("ConsumedCapacity", [])
        kind = "read" if model.name in ("GetItem", "BatchGetItem", "Query", "Scan") else "write"
        with self._lock:
            self.requests[model.name] = self.requests.get(model.name, 0) + 1
            for one in consumed if isinstance(consumed, list) else [consumed]:
                self.units[kind] += one.get("CapacityUnits", 0.0)
