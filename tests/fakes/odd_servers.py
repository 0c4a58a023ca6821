"""Small servers on loopback for probes: TLS with any certificate, HTTP that drips, and DNS with fixed records."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator

import dns.message
import dns.rcode
import dns.rrset


@contextlib.contextmanager
def tcp_server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Yield the port of a server that hands every connection to `answer`, in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=_handle, args=(answer, connection), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        # Closing alone would leave it listening for as long as the thread waits in accept.
        listener.shutdown(socket.SHUT_RDWR)


def _handle(answer: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with connection, contextlib.suppress(OSError):
        answer(connection)


@contextlib.contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[int]:
    """Yield the port of a server that does nothing but the TLS handshake."""

    def shake_hands(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    with tcp_server(shake_hands) as port:
        yield port


@contextlib.contextmanager
def http_server(*pieces: bytes, pause: threading.Event | None = None, seconds: float = 0.0) -> Iterator[str]:
    """Yield the URL of a server that sends these pieces, with a pause after each."""
    stop = pause or threading.Event()

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        for piece in pieces:
            connection.sendall(piece)
            if stop.wait(seconds):
                return

    with tcp_server(answer) as port:
        yield f"http://127.0.0.1:{port}/"
    stop.set()


@contextlib.contextmanager
def dns_server(records: dict[tuple[str, str], list[str]]) -> Iterator[int]:
    """Yield the UDP port of a server with these records by (name, type); other names do not exist."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    asked, sender = listener.recvfrom(4096)
                    listener.sendto(_dns_answer(asked, records), sender)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def _dns_answer(asked: bytes, records: dict[tuple[str, str], list[str]]) -> bytes:
    query = dns.message.from_wire(asked)
    response = dns.message.make_response(query)
    question = query.question[0]
    name, kind = question.name.to_text(omit_final_dot=True), question.rdtype.name
    found = records.get((name, kind))
    if found:
        response.answer.append(dns.rrset.from_text(question.name, 60, "IN", kind, *found))
    elif name not in {known for known, _ in records}:
        response.set_rcode(dns.rcode.NXDOMAIN)
    return response.to_wire()
