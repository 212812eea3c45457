"""Bytes of a mail to text, whatever they claim to be.

Source: WHATWG "Encoding" (which labels mean a superset in practice), RFC 2045 section 6 (transfer encodings).
"""

import binascii
import codecs
import re
from contextlib import suppress
from functools import lru_cache

# What is labelled so is in practice written in the larger set.
_LARGER = {
    "iso8859-1": "cp1252",
    "ascii": "",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "iso8859-9": "cp1254",
    "tis-620": "cp874",
}
# Text codecs of Python that are no charsets of mail: they unescape, or need quadratic time.
_REFUSED = {"unicode_escape", "raw_unicode_escape", "punycode", "idna", "undefined", "mbcs", "oem"}
_LONGEST_LABEL = 40

# A byte that is no UTF-8 is most likely what Windows wrote; the five bytes it does not know stay what they are.
_STRAY = {0xDC00 + byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0x100)}

_BASE64_WASTE = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
_SAMPLE = 4096  # bytes
_PADDING = re.compile(rb"=+")


def text_of(content: bytes, charset: str | None) -> str:
    """Return `content` as text; never fails. An unknown or impossible charset is guessed: UTF-8, else windows-1252."""
    codec = _codec(charset) if charset else None
    if codec is None or codec == "utf-8":
        try:
            return content.decode()
        except UnicodeDecodeError:
            return content.decode("utf-8", "surrogateescape").translate(_STRAY)
    return content.decode(codec, "replace")


def unescaped(value: str) -> str:
    """Return a header's text read as ASCII with surrogateescape, its 8-bit bytes guessed."""
    return value if value.isascii() else text_of(value.encode("utf-8", "surrogateescape"), None)


def from_base64(content: bytes) -> bytes:
    """Return the bytes of base64 text; what is no base64 is skipped, padding may stand in the middle."""
    end = len(content.rstrip(b"=\r\n \t"))
    if content.find(b"=", 0, end) < 0:
        with suppress(binascii.Error):
            return binascii.a2b_base64(content)
    decoded = []
    for piece in _PADDING.split(content.translate(None, _BASE64_WASTE)):
        whole = len(piece) if len(piece) % 4 != 1 else len(piece) - 1
        decoded.append(binascii.a2b_base64(piece[:whole] + b"=="))
    return b"".join(decoded)


def from_transfer(content: bytes, encoding: str) -> bytes:
    """Return the bytes that were encoded for the way; an unknown encoding leaves them as they are."""
    encoding = encoding.strip().lower()
    if encoding == "base64":
        return from_base64(content) if _is_base64(content) else content
    if encoding == "quoted-printable":
        return binascii.a2b_qp(content)
    return content


def _is_base64(content: bytes) -> bool:
    """Whether the label can be true: plain text labelled base64 has blanks, and would be lost."""
    sample = content[:_SAMPLE].strip()
    return sample.count(b" ") * 40 <= len(sample)


@lru_cache(maxsize=256)
def _codec(label: str) -> str | None:
    """Return Python's codec for a charset's label, None where it must be guessed."""
    label = label.strip().strip("\"'").lower()
    if not 0 < len(label) <= _LONGEST_LABEL or not label.isascii():
        return None
    try:
        found = codecs.lookup(label.removesuffix("-i").removesuffix("-e"))
    except (LookupError, ValueError):
        return None
    # A codec that makes bytes of bytes (zip, hex, rot13) is refused by `_is_text_encoding`, as bytes.decode does.
    if found.name.replace("-", "_") in _REFUSED or not found._is_text_encoding:
        return None
    return _LARGER.get(found.name, found.name) or None
