"""Where a mail belongs: what we put into our own mails to know their answers again, made and verified here.

Our Message-ID, the address an answer goes to and the address a bounce goes to carry a keyed check, so that nobody can
write into a complaint by guessing its number. Everything is lower case: some servers change the case of addresses. A
Message-ID is written with its angle brackets wherever it occurs in this program, as a provider id too.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator

from core import ids

MAX_REFERENCES = 20

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_CHECK = r"([a-z2-7]{16})"
_NUMBER = r"([a-z]{1,10}-\d{4}-\d{1,9})"
_REPLY_TOKEN = re.compile(rf"{_NUMBER}\.{_CHECK}", re.ASCII)
_MESSAGE_TOKEN = re.compile(rf"([0-9a-z]{{1,13}})\.(x|{_NUMBER})\.{_CHECK}", re.ASCII)
_TAG = re.compile(r"\[\s{0,3}([A-Za-z]{1,10}-\d{4}-\d{1,9})\s{0,3}\]", re.ASCII)
_BARE = re.compile(r"(?<![A-Za-z\d\-])([A-Za-z]{1,10}-\d{4}-\d{6,9})(?![\d\-])", re.ASCII)
_BRACKETED = re.compile(r"<([^<>]{1,998})>")
_BLANK = re.compile(r"\s+")
_LONGEST_ID = 250  # characters; RFC 5322 allows a line of 998


def reply_token(number: ids.Number, key: bytes) -> str:
    """Return what names a complaint in an address: its number and 80 bits that only `key` can make."""
    name = str(number).lower()
    return f"{name}.{_check(key, 'reply', name)}"


def reply_address(base: str, number: ids.Number, key: bytes) -> str:
    """Return `base` with the complaint's token: answers sent to it belong to the complaint."""
    return _plus(base, reply_token(number, key))


def message_id(outbox_id: int, number: ids.Number | None, key: bytes, domain: str) -> str:
    """Return the Message-ID of an outbox row, with its brackets: the same at every attempt.

    A receiver drops the second copy of a mail that was sent twice, and the answers name it.
    """
    name = f"{_base36(outbox_id)}.{str(number).lower() if number else 'x'}"
    return f"<{name}.{_check(key, 'message', name)}@{domain.lower()}>"


def outbox_of(value: str, key: bytes) -> ids.OutboxId | None:
    """Return the outbox row that a Message-ID of ours names; None for any other and for a forged one."""
    match = _MESSAGE_TOKEN.fullmatch(value.strip("<>").rpartition("@")[0].lower())
    if match is None or not hmac.compare_digest(_check(key, "message", f"{match[1]}.{match[2]}"), match[4]):
        return None
    return ids.OutboxId(int(match[1], 36))


def bounce_address(base: str, own_message_id: str) -> str:
    """Return the envelope sender of a mail of ours (VERP): what cannot be delivered comes back to it.

    `base` and the Message-ID are of the same domain. A local part has room for 64 characters: in `base`, 16 before the
    @ are safe.
    """
    return _plus(base, own_message_id.strip("<>").rpartition("@")[0])


def bounced(address: str, key: bytes) -> str | None:
    """Return the Message-ID that an address made by `bounce_address` names; None for any other and a forged one."""
    local, _, domain = address.rpartition("@")
    found = f"<{local.partition('+')[2].lower()}@{domain.lower()}>"
    return found if outbox_of(found, key) is not None else None


def number_in_address(address: str, key: bytes) -> ids.Number | None:
    """Return the complaint that an address made by `reply_address` names; None for any other and a forged one."""
    match = _REPLY_TOKEN.fullmatch(address.rpartition("@")[0].partition("+")[2].lower())
    if match is None or not hmac.compare_digest(_check(key, "reply", match[1]), match[2]):
        return None
    return ids.Number.parse(match[1])


def subject_tag(number: ids.Number) -> str:
    """Return the mark of a complaint in the subject of its mails."""
    return f"[{number}]"


def number_in_subject(subject: str) -> ids.Number | None:
    """Return the complaint that a subject names, by our mark rather than in passing.

    It proves nothing: numbers can be guessed, so that the author must take part in the complaint.
    """
    match = _TAG.search(subject) or _BARE.search(subject)
    return None if match is None else ids.Number.parse(match[1])


def normal_id(value: str) -> str | None:
    """Return a Message-ID in its one form, None where it cannot tell this mail from others.

    Blanks inside (folding gone wrong) are taken out; what carries no @ must at least be long.
    """
    match = _BRACKETED.search(value)
    inner = _BLANK.sub("", match[1] if match else value.strip().strip("<>"))
    if len(inner) > _LONGEST_ID or ("@" in inner and len(inner) < 4) or ("@" not in inner and len(inner) < 16):
        return None
    return f"<{inner}>"


def replies_to(in_reply_to: str, references: str) -> tuple[str, ...]:
    """Return the Message-IDs a mail answers, the nearest first, at most MAX_REFERENCES."""
    found = dict.fromkeys([*_ids(in_reply_to), *reversed(list(_ids(references)))])
    return tuple(found)[:MAX_REFERENCES]


def own_among(values: Iterable[str], key: bytes) -> str | None:
    """Return the first Message-ID of ours."""
    return next((value for value in values if outbox_of(value, key) is not None), None)


def _ids(value: str) -> Iterator[str]:
    """Yield the Message-IDs of a field; without brackets, what has an @ (`Your message of ...` has none)."""
    found = _BRACKETED.findall(value) or [each for each in value.split() if "@" in each]
    return filter(None, (normal_id(f"<{each}>") for each in found))


def _plus(base: str, token: str) -> str:
    local, _, domain = base.rpartition("@")
    return f"{local}+{token}@{domain}"


def _check(key: bytes, purpose: str, name: str) -> str:
    digest = hmac.digest(key, f"{purpose}\0{name}".encode(), hashlib.sha256)
    return base64.b32encode(digest[:10]).decode().lower()


def _base36(value: int) -> str:
    digits = ""
    while True:
        value, rest = divmod(value, 36)
        digits = _DIGITS[rest] + digits
        if not value:
            return digits
