"""Identifiers: sortable row ids, the public number of a complaint, the citizen's tracking PIN."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from core.clock import Clock

ContactId = NewType("ContactId", int)
CitizenId = NewType("CitizenId", int)  # a person behind several contacts
ComplaintId = NewType("ComplaintId", int)
MessageId = NewType("MessageId", int)
OutboxId = NewType("OutboxId", int)
PersonId = NewType("PersonId", int)

_EPOCH_MS = 1_735_689_600_000  # 2025-01-01 UTC; 41 bits of milliseconds last until 2094
_NODE_BITS, _SEQUENCE_BITS = 10, 12
NODES = 1 << _NODE_BITS
PIN_DIGITS = 6  # of the secret that opens a complaint's tracking page
_NUMBER = re.compile(r"^\s*([A-Za-z]{1,10})[-\s]*(\d{4})[-\s]*(\d{1,9})\s*$")


class Ids:
    """Makes 63-bit ids that grow with time, unique over processes with different `node` (0 to NODES - 1).

    Grows even when the clock steps back. Not for use by several threads at once without a lock of the caller.
    """

    def __init__(self, clock: Clock, node: int) -> None:
        if not 0 <= node < NODES:
            raise ValueError("node out of range")
        self._clock = clock
        self._node = node << _SEQUENCE_BITS
        self._last = (0, 0)

    def next(self) -> int:
        moment = int(self._clock.now().timestamp() * 1000) - _EPOCH_MS
        last_moment, sequence = self._last
        if moment <= last_moment:
            moment, sequence = last_moment, sequence + 1
            if sequence >> _SEQUENCE_BITS:
                moment, sequence = last_moment + 1, 0
        else:
            sequence = 0
        self._last = (moment, sequence)
        return moment << (_NODE_BITS + _SEQUENCE_BITS) | self._node | sequence


def first_at(moment: datetime) -> int:
    """Return the lowest id that can be made at or after `moment`."""
    return max(0, int(moment.timestamp() * 1000) - _EPOCH_MS) << (_NODE_BITS + _SEQUENCE_BITS)


@dataclass(frozen=True, slots=True, order=True)
class Number:
    """The public number of a complaint: gap-free per office and year. Written `ADU-2026-000123`."""

    prefix: str
    year: int
    sequence: int

    def __str__(self) -> str:
        return f"{self.prefix}-{self.year}-{self.sequence:06d}"

    @classmethod
    def parse(cls, text: str) -> "Number":
        """Read a number as people type it: any case, spaces for hyphens, zeros left out; ValueError if it is none."""
        match = _NUMBER.match(text)
        if match is None:
            raise ValueError("not a complaint number")
        return cls(match[1].upper(), int(match[2]), int(match[3]))
