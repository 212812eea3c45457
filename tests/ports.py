"""Ports for servers that must know theirs before they listen."""

import random
import socket


def free_port() -> int:
    """Return a port that nobody listens at, below those that the kernel gives to outgoing connections.

    A port that was bound to 0 and closed again may be somebody's outgoing connection a moment later.
    """
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
