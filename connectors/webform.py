"""The office's public web form: what a citizen fills in becomes a message like any other.

Every form is a contact of its own, so that nobody reads another's complaint by giving his phone number. The form's
state is followed on the tracking page; an answer goes by the phone or e-mail the citizen gave, at an official's hand.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from core import errors, model, text

CHANNEL = "webform"
CAPABILITIES = model.Capabilities(
    label="Situs web",
    mark="WW",
    max_text=model.Limit(10_000),
    text_form=model.TextForm.LETTER,
    answerable=False,
)

# The names of the form's fields. TRAP is hidden from people: only a machine fills it in.
NAME, CONTACT, CATEGORY, TEXT, KEY, TRAP = "name", "contact", "category", "text", "key", "website"
MAX_NAME, MAX_CONTACT, MAX_TEXT = 120, 254, CAPABILITIES.max_text.count

# What is wrong with a field.
REQUIRED, TOO_LONG, INVALID, FILLED = "required", "too_long", "invalid", "filled"

_CATEGORY = re.compile(r"[a-z0-9_]{1,40}(?:\.[a-z0-9_]{1,40})?")
_PHONE_GAP = re.compile(r"[\s.()\-]+")
_PHONE = re.compile(r"(?:\+?62|0)([2-9]\d{7,11})", re.ASCII)
_FOREIGN_PHONE = re.compile(r"\+[1-9]\d{7,14}", re.ASCII)
_EMAIL = re.compile(r"[^\s@<>\",;:\\()\[\]]{1,64}@((?:[a-z0-9](?:[a-z0-9\-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24})")


class Settings(BaseModel):
    """The form needs none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Connector:
    """Reads what arrives at our own page; nothing leaves by it."""

    channel = CHANNEL
    capabilities = CAPABILITIES

    def parse_form(
        self, fields: Mapping[str, str], files: Sequence[model.StoredFile], received_at: datetime
    ) -> model.InboundMessage:
        """See `parse_form` of this module."""
        return parse_form(fields, files, received_at)


def create(account_name: str, settings: Settings, public_url: str) -> Connector:  # noqa: ARG001 - as all factories
    """Return the connector of one account."""
    return Connector()


def parse_form(
    fields: Mapping[str, str], files: Sequence[model.StoredFile], received_at: datetime
) -> model.InboundMessage:
    """Return the message of a filled-in form; FormMistakes names every field that is wrong.

    Name, contact and category may be empty: a complaint may be anonymous. `KEY` is the UUID the page was given with,
    which makes a form sent twice one message. An unknown category is kept: it may have been removed while the citizen
    wrote. The contact becomes `reply_address`, a phone as +62..., an e-mail address with its domain in lower case.
    """
    mistakes = {}
    name = text.one_line(text.clean(fields.get(NAME, "")), MAX_NAME + 1)
    if len(name) > MAX_NAME:
        mistakes[NAME] = TOO_LONG
    contact = text.clean(fields.get(CONTACT, "")).strip()
    reply_address = _reply_address(contact)
    if contact and reply_address is None:
        mistakes[CONTACT] = TOO_LONG if len(contact) > MAX_CONTACT else INVALID
    category = fields.get(CATEGORY, "").strip()
    if category and not _CATEGORY.fullmatch(category):
        mistakes[CATEGORY] = INVALID
    body = text.clean(fields.get(TEXT, "")).strip()
    if not body:
        mistakes[TEXT] = REQUIRED
    elif len(body) > MAX_TEXT:
        mistakes[TEXT] = TOO_LONG
    key = _key(fields.get(KEY, ""))
    if key is None:
        mistakes[KEY] = INVALID
    if fields.get(TRAP):
        mistakes[TRAP] = FILLED
    if mistakes or key is None:
        raise errors.FormMistakes(mistakes)
    return model.InboundMessage(
        provider_id=key,
        address=f"form:{key}",
        text=body,
        sent_at=received_at,
        name=name or None,
        files=tuple(files),
        reply_address=reply_address,
        category=category or None,
    )


def normalise_phone(value: str) -> str | None:
    """Return a phone number as +62..., or + and a foreign number; None when it is none.

    Reads `0812-0000-1234`, `62812...`, `+62 812 ...` (the numbering plan gives 9 to 13 digits after the 0).
    """
    digits = _PHONE_GAP.sub("", value)
    if match := _PHONE.fullmatch(digits):
        return f"+62{match[1]}"
    return digits if not digits.startswith("+62") and _FOREIGN_PHONE.fullmatch(digits) else None


def _reply_address(contact: str) -> str | None:
    if len(contact) > MAX_CONTACT:
        return None
    local, at, domain = contact.rpartition("@")
    if not at:
        return normalise_phone(contact)
    address = f"{local}@{domain.lower()}"
    return address if _EMAIL.fullmatch(address) else None


def _key(value: str) -> str | None:
    try:
        return str(uuid.UUID(value.strip()))
    except ValueError:
        return None
