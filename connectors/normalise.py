"""What people type into our own pages, brought to one form. Pure; a hostile text is refused at once."""

import re
import uuid

from core import text

MAX_NAME, MAX_CONTACT = 120, 254  # characters

# What is wrong with a field of a form.
REQUIRED, TOO_LONG, INVALID, FILLED = "required", "too_long", "invalid", "filled"

_CATEGORY = re.compile(r"[a-z0-9_]{1,40}(?:\.[a-z0-9_]{1,40})?")
_PHONE_GAP = re.compile(r"[\s.()\-]+")
_PHONE = re.compile(r"(?:\+?62|0)([2-9]\d{7,11})", re.ASCII)
_FOREIGN_PHONE = re.compile(r"\+[1-9]\d{7,14}", re.ASCII)
_EMAIL = re.compile(r"[^\s@<>\",;:\\()\[\]]{1,64}@((?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24})")


def name(value: str) -> tuple[str | None, str | None]:
    """Return a person's name on one line, None for an empty one; and what is wrong with it."""
    line = text.one_line(text.clean(value), MAX_NAME + 1)
    return (None, TOO_LONG) if len(line) > MAX_NAME else (line or None, None)


def contact(value: str) -> tuple[str | None, str | None]:
    """Return a telephone number as +62... or an e-mail address, None for an empty one; and what is wrong with it."""
    given = text.clean(value).strip()
    if not given:
        return None, None
    if len(given) > MAX_CONTACT:
        return None, TOO_LONG
    address = email(given) if "@" in given else phone(given)
    return address, None if address else INVALID


def category(value: str) -> tuple[str | None, str | None]:
    """Return the code of a category, known or not, None for an empty one; and what is wrong with it."""
    given = value.strip()
    if not given:
        return None, None
    return (given, None) if _CATEGORY.fullmatch(given) else (None, INVALID)


def key(value: str) -> str | None:
    """Return a UUID in its canonical form, None when it is none."""
    try:
        return str(uuid.UUID(value.strip()))
    except ValueError:
        return None


def phone(value: str) -> str | None:
    """Return a phone number as +62..., or + and a foreign number; None when it is none.

    Reads `0812-0000-1234`, `62812...`, `+62 812 ...` (the numbering plan gives 9 to 13 digits after the 0).
    """
    digits = _PHONE_GAP.sub("", value)
    if match := _PHONE.fullmatch(digits):
        return f"+62{match[1]}"
    return digits if not digits.startswith("+62") and _FOREIGN_PHONE.fullmatch(digits) else None


def email(value: str) -> str | None:
    """Return an e-mail address with its domain in lower case, None when it is none."""
    local, _, domain = value.rpartition("@")
    address = f"{local}@{domain.lower()}"
    return address if _EMAIL.fullmatch(address) else None
