"""The load generator, a process of its own: kept connections, closed loop or open loop with a fixed rate.

In the open loop a request's latency counts from the time it was meant to be sent, so that a server that stalls cannot
hide the requests which waited for it (coordinated omission).
"""

import itertools
import json
import re
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import office

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Load:
    """What to ask for. `rate` per second makes it an open loop.

    `ready` requests are made before the clock starts, numbered from `first` on; with `repeat` they are sent again and
    again.
    """

    port: int
    path: str
    connections: int
    seconds: float
    first: int
    ready: int
    rate: float | None = None
    repeat: bool = False


@dataclass(frozen=True)
class Outcome:
    """What came of it: answers of 200 per second, latencies in ms, answers that were not 200."""

    per_second: float
    p50_ms: float
    p99_ms: float
    refused: int
    count: int


def run(load: Load) -> Outcome:
    """Start the generator as a process and wait for its outcome."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load", json.dumps(asdict(load))],
        cwd=Path(__file__).parent.parent,
        check=True,
        stdout=subprocess.PIPE,
    )
    return Outcome(**json.loads(done.stdout))


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.sent_at = 0.0

    def send(self, request: bytes, at: float) -> None:
        self.received = b""
        self.sent_at = at
        self.socket.sendall(request)

    def is_answered(self) -> bool:
        self.received += self.socket.recv(65536)
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return False
        length = _LENGTH.search(head + b"\r\n")
        return length is not None and len(body) >= int(length[1])

    def is_ok(self) -> bool:
        return self.received.startswith(b"HTTP/1.1 200")


def _generate(load: Load) -> Outcome:
    made = list(office.requests(load.path, load.first, load.ready))
    waiting = itertools.cycle(made) if load.repeat else iter(made)
    poll = selectors.EpollSelector()
    connections = [_Connection(load.port) for _ in range(load.connections)]
    for connection in connections:
        poll.register(connection.socket, selectors.EVENT_READ, connection)
    generate = _closed if load.rate is None else _open
    begun = time.perf_counter()
    latencies, refused = generate(load, waiting, poll, connections)
    seconds = load.seconds if load.rate is None else time.perf_counter() - begun
    ordered = sorted(latencies)
    return Outcome(
        per_second=len(ordered) / seconds,
        p50_ms=ordered[len(ordered) // 2] * 1000,
        p99_ms=ordered[int(len(ordered) * 0.99)] * 1000,
        refused=refused,
        count=len(ordered),
    )


def _closed(
    load: Load, waiting: Iterator[bytes], poll: selectors.BaseSelector, connections: list[_Connection]
) -> tuple[list[float], int]:
    """Keep every connection busy for the time given; return latencies (s) and how many answers were not 200."""
    now = time.perf_counter
    latencies: list[float] = []
    refused = 0
    until = now() + load.seconds
    for connection in connections:
        connection.send(next(waiting), now())
    busy = len(connections)
    while busy:
        for key, _ in poll.select():
            connection = key.data
            if not connection.is_answered():
                continue
            at = now()
            if at < until:
                latencies.append(at - connection.sent_at)
                refused += not connection.is_ok()
                connection.send(next(waiting), at)  # StopIteration: more should have been made ready
            else:
                poll.unregister(connection.socket)
                busy -= 1
    return latencies, refused


def _open(
    load: Load, waiting: Iterator[bytes], poll: selectors.BaseSelector, connections: list[_Connection]
) -> tuple[list[float], int]:
    """Send at the fixed rate, whatever comes back; a request that finds no connection free waits, and that counts."""
    now = time.perf_counter
    latencies: list[float] = []
    refused = 0
    idle = list(connections)
    assert load.rate is not None
    total, sent = int(load.rate * load.seconds), 0
    begun = now()
    while len(latencies) < total:
        while sent < total and idle and (meant := begun + sent / load.rate) <= now():
            idle.pop().send(next(waiting), meant)
            sent += 1
        pause = max(0.0, begun + sent / load.rate - now()) if sent < total and idle else None
        for key, _ in poll.select(pause):
            connection = key.data
            if connection.is_answered():
                latencies.append(now() - connection.sent_at)
                refused += not connection.is_ok()
                idle.append(connection)
    return latencies, refused


if __name__ == "__main__":
    print(json.dumps(asdict(_generate(Load(**json.loads(sys.argv[1]))))))
