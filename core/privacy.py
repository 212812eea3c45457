"""Find and hide personal numbers: NIK, KK, phone numbers, e-mail addresses. Pure, in linear time.

A NIK has 16 digits PPKKCC DDMMYY SSSS (region of first issue, birth date with 40 added to a woman's day, serial); a KK
number has the same shape with the date of its recording. There is no check digit: a valid form proves nothing.
The digits in the middle are a birth date, so that only the last four may ever be shown.
"""

import re
import unicodedata
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

HIDDEN_NUMBER = "[nomor disembunyikan]"
HIDDEN_ADDRESS = "[alamat disembunyikan]"

_SEPARATOR = r"[ .\-\u00a0\u2010-\u2015]?"
_FIRST = r"\d(?<!\d\d)"  # a digit that follows none: written so, the search skips from digit to digit
# Sixteen digits, as one or in groups; in groups not from 0, which begins a phone number and no region.
_SIXTEEN = re.compile(rf"{_FIRST}(?:\d{{15}}|(?<!0)(?:{_SEPARATOR}\d){{15}})(?!\d)")
_RUN = re.compile(rf"{_FIRST}(?:{_SEPARATOR}\d){{12,}}")  # 13 and more: also a NIK with a digit too few or too many
_DIGIT = re.compile(r"\d")
_SHORTEST = 9  # digits of a phone number
_PHONE = re.compile(rf"(?<![\d+])(?:\+?62|\(?0){_SEPARATOR}[2-9](?:\)?{_SEPARATOR}\d){{7,11}}(?!\d)")
_EMAIL = re.compile(
    r"(?<![\w.+%\-])([\w.+%\-]{1,64})@((?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z]{2,24})(?![\w\-])", re.ASCII
)
_MOTHER = re.compile(r"(\bibu kandung\s{0,3}[:=]\s{0,3})([^\n,;.]{1,60})", re.IGNORECASE)
_WORD = re.compile(r"\b(?:(?P<kk>kk|kartu keluarga)|(?P<nik>nik|e?ktp|ktp-el|an))\b", re.IGNORECASE)
_WORD_REACH = 40  # characters before a number in which a word says what it is

# Kemendagri's codes of the 38 provinces.
_PROVINCES = frozenset(
    [*range(11, 20), 21, *range(31, 37), *range(51, 54), *range(61, 66), *range(71, 77), 81, 82, *range(91, 97)]
)


class Kind(StrEnum):
    """What a number of 16 digits is, as far as its form and the words before it tell."""

    NIK = "nik"
    KK = "kk"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Found:
    """A number of 16 digits (ASCII, no separators) and its place in the text it is told of."""

    kind: Kind
    digits: str
    start: int
    end: int


def find_numbers(text: str) -> list[Found]:
    """Return every number of 16 digits in `text`, in order, whatever separates its digits (blank, dot, hyphen)."""
    return [
        Found(_kind(digits, text[max(0, match.start() - _WORD_REACH) : match.start()]), digits, *match.span())
        for match in _SIXTEEN.finditer(text)
        for digits in (_digits(match[0]),)
    ]


def seal_points(text: str) -> tuple[str, list[Found]]:
    """Return `text` with every number of 16 digits masked, and the numbers in order, placed in the masked text.

    To show them again, put each in place of the sixteen characters from its `start` (`unseal`): a citizen may have
    written asterisks himself, so that the mask alone does not say where a number was.
    """
    parts, points = [], []
    done = length = 0
    for found in find_numbers(text):
        parts += [text[done : found.start], _masked(found.digits)]
        length += found.start - done
        points.append(Found(found.kind, found.digits, length, length + 16))
        length += 16
        done = found.end
    return "".join([*parts, text[done:]]), points


def unseal(masked: str, points: Sequence[Found]) -> str:
    """Return the text that `seal_points` masked, its numbers written without separators."""
    parts = []
    done = 0
    for point in points:
        parts += [masked[done : point.start], point.digits]
        done = point.end
    return "".join([*parts, masked[done:]])


def mask(text: str) -> str:
    """Return `text` fit for lists, notices, exports and logs: numbers, phones, e-mail and mother's name partly hidden.

    Any run of 13 digits or more is hidden but for its last four; a phone number keeps its beginning and end.
    """
    if len(_DIGIT.findall(text)) >= _SHORTEST:  # most messages hold no number at all, and every one is looked at
        text = _SIXTEEN.sub(lambda match: _masked(_digits(match[0])), text)
        text = _PHONE.sub(lambda match: _mask_phone(match[0]), text)
        text = _RUN.sub(lambda match: _masked(_digits(match[0])), text)
    if "@" in text:
        text = _EMAIL.sub(lambda match: f"{match[1][0]}****@{match[2]}", text)
    return _MOTHER.sub(lambda match: match[1] + mask_name(match[2]), text)


def mask_public(text: str) -> str:
    """Return `text` fit for everybody: no digit of a long number or a phone, nothing of an e-mail address."""
    text = _RUN.sub(HIDDEN_NUMBER, text)
    text = _PHONE.sub(HIDDEN_NUMBER, text)
    text = _EMAIL.sub(HIDDEN_ADDRESS, text)
    return _MOTHER.sub(lambda match: match[1] + HIDDEN_NUMBER.replace("nomor", "nama"), text)


def mask_name(name: str) -> str:
    """Return the first name and the initials: `Siti R****`; a single name is reduced to its initial."""
    first, *others = name.split() or [""]
    if not others:
        return first and f"{first[0]}****"
    return " ".join([first, *(f"{other[0]}****" for other in others)])


def mask_address(address: str) -> str:
    """Return a contact's opaque address so that one who knows it recognises it: `scheme:+62812****1234`."""
    scheme, colon, rest = address.rpartition(":")
    local, at, domain = rest.rpartition("@")
    if at:
        return f"{scheme}{colon}{local[:1]}****@{domain}"
    if rest.startswith("+") and len(rest) > 10:
        return f"{scheme}{colon}{rest[:6]}****{rest[-4:]}"
    if len(rest) > 8:
        return f"{scheme}{colon}{rest[:2]}****{rest[-2:]}"
    return f"{scheme}{colon}{rest[:1]}****"


def _masked(digits: str) -> str:
    return "*" * 12 + digits[-4:]


def _mask_phone(phone: str) -> str:
    digits = ("+" if phone.startswith("+") else "") + _digits(phone)
    return f"{digits[: 6 if digits.startswith('+') else 4]}****{digits[-4:]}"


def _digits(text: str) -> str:
    """Return the digits of `text` in ASCII: a citizen's keyboard may write Arabic or full-width ones."""
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())


def _kind(digits: str, before: str) -> Kind:
    """Tell NIK from KK: by a date that only one can have, else by the nearest word before, else not at all."""
    region, day, month, year = digits[:6], int(digits[6:8]), int(digits[8:10]), int(digits[10:12])
    if int(region[:2]) not in _PROVINCES or "00" in (region[2:4], region[4:]) or digits[12:] == "0000":
        return Kind.NUMBER
    if not _is_date(day - 40 if day > 40 else day, month, year):
        return Kind.NUMBER
    # KK numbers have been issued by this scheme since about 2005: an earlier date is a birth date. Years 05 to 50 may
    # be either (this year's records, or citizens born before 1951), and this module has no clock.
    if day > 40 or year < 5 or year > 50:
        return Kind.NIK
    words = [match.lastgroup for match in _WORD.finditer(before)]
    return Kind(words[-1]) if words and words[-1] else Kind.NUMBER


def _is_date(day: int, month: int, year: int) -> bool:
    """Whether such a day exists in 19yy or 20yy; a two-digit year leaps every fourth, 00 being 2000."""
    return 1 <= month <= 12 and 1 <= day <= monthrange(2000 + year, month)[1]
