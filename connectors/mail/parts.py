"""The parts of a mail, by its boundaries: iterative, in bounds, time linear in size.

The standard library's parser goes line by line, recursively, and looks for every open boundary in every line: 1,200
nested parts end it, a large attachment takes it a hundred times as long. This one only looks for the boundaries; a
test compares the two. Source: RFC 2046 section 5.1.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from connectors.mail import charsets, headers

_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+\-]{1,60}/[a-z0-9!#$&^_.+\-]{1,100}")
_MAX_LOOKS = 20_000  # lines that begin like a boundary


class Limits(NamedTuple):
    """How many parts are read, and how deeply nested; what is beyond stays in the original."""

    parts: int = 300
    depth: int = 20


LIMITS = Limits()


@dataclass(slots=True)
class Part:
    """One part: its fields, and where its body stands in the mail. `parts` are those of a multipart that has any."""

    raw: bytes = field(repr=False)
    headers: headers.Headers
    media_type: str
    parameters: Mapping[str, str]
    start: int
    end: int
    depth: int
    parts: list["Part"] = field(default_factory=list)
    is_opaque: bool = False  # a multipart that was not looked into: too deep, too late

    @property
    def body(self) -> bytes:
        """The bytes of the body as they stand."""
        return self.raw[self.start : self.end]

    def content(self) -> bytes:
        """Return the bytes of the body as they were before they were encoded for the way."""
        return charsets.from_transfer(self.body, self.headers.raw("content-transfer-encoding"))

    def text(self) -> str:
        """Return the body as text, as its charset says or as it can be guessed."""
        return charsets.text_of(self.content(), self.parameters.get("charset"))

    def walk(self) -> Iterator["Part"]:
        """Yield this part and every one in it, in order."""
        waiting = [self]
        while waiting:
            part = waiting.pop()
            yield part
            waiting += reversed(part.parts)


class Mail(NamedTuple):
    """`left_out`: how many parts were not read."""

    root: Part
    left_out: int


def parse(raw: bytes, limits: Limits) -> Mail:
    """Return the parts of a mail; never fails."""
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    start = len(raw) - len(raw.lstrip(b"\r\n"))
    if raw.startswith((b"From ", b">From "), start):  # the separator of an mbox file
        start = raw.find(b"\n", start) + 1 or len(raw)
    root = _part(raw, start, len(raw), 0, "text/plain")
    count, looks, left_out = 1, _MAX_LOOKS, 0
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if not part.media_type.startswith("multipart/"):
            continue
        if part.depth >= limits.depth:
            part.is_opaque = True
            continue
        places, rest, looks = _places(part, limits.parts - count, looks)
        if not places:
            part.is_opaque = rest > 0
            part.media_type = part.media_type if rest else "text/plain"  # no boundary: the text is there all the same
            continue
        default = "message/rfc822" if part.media_type == "multipart/digest" else "text/plain"
        part.parts = [_part(raw, start, end, part.depth + 1, default) for start, end in places]
        count += len(places)
        left_out += rest
        waiting += reversed(part.parts)
    return Mail(root, left_out)


def _part(raw: bytes, start: int, end: int, depth: int, default: str) -> Part:
    fields, body = headers.split(raw, start, end)
    kind, parameters = headers.parameters(fields.raw("content-type"))
    match = _MEDIA_TYPE.match(kind)
    # RFC 2045 section 5.2: what says nonsense is plain text.
    media_type = match[0] if match else "text/plain" if kind else default
    return Part(raw, fields, media_type, parameters, body, end, depth)


def _places(part: Part, room: int, looks: int) -> tuple[list[tuple[int, int]], int, int]:
    """Return where the parts of a multipart begin and end, how many more there are, and the looks that remain."""
    if room <= 0:
        return [], 1, looks
    places: list[tuple[int, int]] = []
    rest = 0
    if given := part.parameters.get("boundary", "").rstrip().encode("utf-8", "surrogateescape"):
        places, rest, looks = _between(part, b"--" + given, room, looks)
    if not places and (guess := _guess(part)):
        places, rest, looks = _between(part, b"--" + guess, room, looks)
    return places, rest, looks


def _guess(part: Part) -> bytes:
    """Return the boundary where none is given, or another: the first line that looks like one."""
    head = part.raw[part.start : min(part.end, part.start + 4096)]
    lines = [line.rstrip() for line in head.split(b"\n")]
    for line, after in itertools.pairwise(lines):
        if line.startswith(b"--") and len(line) <= 72 and after.lower().startswith(b"content-"):
            return line[2:]
    return b""


def _between(part: Part, mark: bytes, room: int, looks: int) -> tuple[list[tuple[int, int]], int, int]:
    raw, end = part.raw, part.end
    places: list[tuple[int, int]] = []
    begun = None
    for at in _lines(raw, mark, part.start, end):
        looks -= 1
        line_end = raw.find(b"\n", at, end)
        line_end = end if line_end < 0 else line_end
        tail = raw[at + len(mark) : min(line_end, at + len(mark) + 100)].strip()
        if tail in (b"", b"--"):
            if begun is not None:
                places.append((begun, max(begun, at - 2 if raw[at - 2 : at] == b"\r\n" else at - 1)))
            begun = None if tail else min(line_end + 1, end)
        if tail == b"--" or len(places) >= room or looks <= 0:
            break
    if begun is not None and len(places) < room:
        places.append((begun, end))  # cut off on its way
        begun = None
    if begun is None:
        return places, 0, looks
    ends = raw.find(b"\n" + mark + b"--", begun, end) >= 0
    return places, raw.count(b"\n" + mark, begun, end) + (not ends), looks


def _lines(raw: bytes, mark: bytes, start: int, end: int) -> Iterator[int]:
    """Yield where a line begins with `mark`."""
    if raw.startswith(mark, start, end):
        yield start
    while (start := raw.find(b"\n" + mark, start, end) + 1) > 0:
        yield start
