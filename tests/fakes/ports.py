"""Free ports for servers that want to be told theirs."""

import random
import socket

#: Below what kernels hand out by themselves: nobody else gets it between this look and the server's start.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
