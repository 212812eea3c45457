"""Header fields: found, unfolded, decoded; addresses, dates and parameters read from them. Linear in their size.

The parsers of the standard library raise on hostile fields (recursion on parentheses, lone surrogates, index errors);
these read what can be read. Source: RFC 5322, RFC 2047, RFC 2231, RFC 6532 (8-bit fields).
"""

import binascii
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from connectors.mail import charsets
from core import text

MAX_ADDRESSES = 100
MAX_ADDRESS = 254  # characters (RFC 5321 section 4.5.3.1.3)
_MAX_BLOCK = 512 * 1024  # bytes; servers refuse far less
_MAX_VALUE = 64 * 1024
_MAX_PARAMETERS = 8 * 1024

_FIELD = re.compile(r"^([!-9;-~]+)[ \t]*:(.*(?:\n[ \t].*)*)", re.MULTILINE)
_FOLD = re.compile(r"\r?\n")
_GAP = re.compile(r"\s+")
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|\(|\)|<[^<>]*>?|[,;:]|\\.|[^"(),;:<\\]+|.', re.DOTALL)
_COMMENT_TOKEN = re.compile(r"\(|\)|\\.|[^()\\]+|\\", re.DOTALL)
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)', re.DOTALL)
_SEGMENT = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?")
_UNFIT = re.compile(r'[\s<>"(),;:\\\[\]@]')
_QUOTED_LOCAL = re.compile(r'"([^"\\]+)"')


class Headers:
    """The fields of one header block, in order; names in lower case, values unfolded, not decoded."""

    __slots__ = ("_fields", "_first")

    def __init__(self, fields: Iterable[tuple[str, str]] = ()) -> None:
        self._fields = [(name.lower(), _FOLD.sub("", value[:_MAX_VALUE]).strip()) for name, value in fields]
        self._first = dict(reversed(self._fields))

    def __contains__(self, name: str) -> bool:
        return name in self._first

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)

    def raw(self, name: str) -> str:
        """Return the first field of that name as it stands, 8-bit bytes guessed; "" where there is none."""
        return charsets.unescaped(self._first.get(name, ""))

    def every(self, name: str) -> list[str]:
        return [charsets.unescaped(value) for each, value in self._fields if each == name]

    def text(self, name: str, limit: int = 1000) -> str:
        """Return the first field of that name as people read it: decoded, clean, on one line, cut to `limit`."""
        return readable(self.raw(name), limit)


def split(raw: bytes, start: int, end: int) -> tuple[Headers, int]:
    """Return the header fields that begin at `start` and where the body begins.

    The block ends at the first blank line. What stands between its last field and that line belongs to the body, so
    that a mail without the blank line, or without any field, is read too.
    """
    if raw.startswith((b"\n", b"\r\n"), start, end):
        return Headers(), raw.index(b"\n", start) + 1
    found = [at for at in (raw.find(b"\n\n", start, end), raw.find(b"\n\r\n", start, end)) if at >= 0]
    stop = min(found, default=end)
    block = raw[start : min(stop, start + _MAX_BLOCK)].decode("ascii", "surrogateescape")
    fields = list(_FIELD.finditer(block))
    last = fields[-1].end() if fields else 0
    if block[last:].strip() and stop - start <= _MAX_BLOCK:
        body = start + last + bool(fields)
    else:
        body = raw.index(b"\n", stop + 1) + 1 if found else end
    return Headers((match[1], match[2]) for match in fields), body


def readable(value: str, limit: int = 1000) -> str:
    """Return a field's value with its encoded words decoded, clean, on one line, at most `limit` characters."""
    return text.one_line(text.clean(_GAP.sub(" ", words(value))), limit)


def words(value: str) -> str:
    """Return `value` with its encoded words decoded, also those that stand where RFC 2047 does not allow them.

    Neighbours of the same charset are joined before they are decoded: some programs cut in the middle of a character.
    """
    if "=?" not in value:
        return value
    pieces: list[str] = []
    held, charset, end = b"", "", 0
    for match in _ENCODED_WORD.finditer(value):
        between = value[end : match.start()]
        label = match[1].partition("*")[0].lower()  # RFC 2231 adds a language
        if held and (between.strip() or label != charset):
            pieces.append(charsets.text_of(held, charset))
            held = b""
        if between.strip() or end == 0:
            pieces.append(between)
        held, charset, end = held + _word(match[2], match[3]), label, match.end()
    return "".join([*pieces, charsets.text_of(held, charset), value[end:]])


class Address(NamedTuple):
    """Whom a field names: the name as people read it ("" where there is none) and the address in its one form."""

    name: str
    address: str


def addresses(value: str) -> list[Address]:
    """Return the addresses of a field, groups opened, at most MAX_ADDRESSES; what is no address is left out."""
    found: list[Address] = []
    said: list[str] = []
    angle, remark, position = "", "", 0
    while position < len(value) and len(found) < MAX_ADDRESSES:
        match = _TOKEN.match(value, position)
        if match is None:
            break
        piece, position = match[0], match.end()
        if piece == "(":
            comment, position = _comment(value, position)
            remark = remark or comment
        elif piece in (",", ";"):
            _add(found, said, angle, remark)
            said, angle, remark = [], "", ""
        elif piece == ":":
            said = []  # what came before was a group's name
        elif piece.startswith("<"):
            angle = angle or piece
        else:
            # Quotes around the part before an @ belong to the address.
            is_name = piece.startswith('"') and not value.startswith("@", position)
            said.append(_unquoted(piece) if is_name else piece)
    if len(found) < MAX_ADDRESSES:
        _add(found, said, angle, remark)
    return found


def normal_address(value: str) -> str | None:
    """Return an address with its domain in lower case (IDN as xn--), None where it is none.

    The part before the @ stays: by RFC 5321 it may depend on case.
    """
    value = text.clean(value).strip().removeprefix("mailto:").strip("<>")
    value = value.rpartition(":")[2] if value.startswith("@") else value  # an old source route
    local, at, domain = value.rpartition("@")
    local, domain = _QUOTED_LOCAL.sub(r"\1", local), domain.rstrip(".").lower()
    if not (at and local and domain) or len(value) > MAX_ADDRESS or _UNFIT.search(local) or _UNFIT.search(domain):
        return None
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode()
        except UnicodeError:
            return None
    return f"{unicodedata.normalize('NFC', local)}@{domain}"


def date(value: str) -> datetime | None:
    """Return the instant of a Date field (UTC where it names no zone), None where it is none."""
    try:
        found = parsedate_to_datetime(value[:100])
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def parameters(value: str) -> tuple[str, Mapping[str, str]]:
    """Return what stands before the first semicolon, in lower case, and the parameters by their names, decoded.

    Reads RFC 2231 (charset, language, continuations), and encoded words, which are not allowed there and are common.
    """
    value = value[:_MAX_PARAMETERS]
    kind = value.partition(";")[0].partition("(")[0].strip().lower()
    if ";" not in value:
        return kind, {}
    plain: dict[str, str] = {}
    segments: dict[str, list[tuple[int, bool, str]]] = {}
    for match in _PARAMETER.finditer(value):
        name, content = match[1].lower(), match[2]
        content = _unquoted(content) if content[:1] == '"' else content.strip()
        part = _SEGMENT.fullmatch(name) if "*" in name else None
        if part is None:
            plain.setdefault(name, words(content))
        else:
            segments.setdefault(part[1], []).append((int(part[2] or 0), part[3] is not None, content))
    return kind, plain | {name: _joined(each) for name, each in segments.items()}


def _unquoted(value: str) -> str:
    return _QUOTED_PAIR.sub(r"\1", value[1:-1] if len(value) > 1 and value.endswith('"') else value[1:])


def _joined(segments: list[tuple[int, bool, str]]) -> str:
    charset, content = "", b""
    for index, (_, is_encoded, value) in enumerate(sorted(segments)):
        if is_encoded and index == 0 and value.count("'") >= 2:
            charset, _, value = value.split("'", 2)  # noqa: PLW2901 - the rest is the value
        encoded = value.encode("utf-8", "surrogateescape")
        content += unquote_to_bytes(encoded) if is_encoded else encoded
    return charsets.text_of(content, charset or None)


def _word(encoding: str, value: str) -> bytes:
    content = value.encode("utf-8", "surrogateescape")
    if encoding in "bB":
        return charsets.from_base64(content)
    return binascii.a2b_qp(content, header=True)


def _comment(value: str, position: int) -> tuple[str, int]:
    """Return the comment that began before `position`, however deeply it nests, and where it ends."""
    depth, said = 1, []
    while depth and (match := _COMMENT_TOKEN.match(value, position)):
        piece, position = match[0], match.end()
        depth += (piece == "(") - (piece == ")")
        if depth:
            said.append(piece)
    return "".join(said), position


def _add(found: list[Address], said: list[str], angle: str, remark: str) -> None:
    phrase = "".join(said)
    address = normal_address(angle or phrase)
    if address is None:
        # `Siti Rahma siti@example.org`: written without brackets.
        address = next(filter(None, map(normal_address, angle.split() or phrase.split()[:20])), None)
    if address is not None:
        name = phrase if angle else remark
        found.append(Address("" if "@" in name and normal_address(name) == address else readable(name, 200), address))
