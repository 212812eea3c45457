"""The office's own chat: citizens write and read on our page, which the office's website shows in a frame.

Every session is a contact of its own, proven by a token that the page was given: nobody reads another's conversation,
and a phone number left with it opens nothing. Sending is storing: the page reads what was written from the timeline,
and says itself what it has shown. Whoever has left is told at the number or address he left that an answer waits.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors import normalise
from core import errors, model, text

CHANNEL = "webchat"
MAX_FILES, MAX_FILE_BYTES = 5, 8 * 1024**2
CAPABILITIES = model.Capabilities(
    label="Obrolan web",
    mark="OW",
    max_text=model.Limit(10_000),
    text_form=model.TextForm.CHAT,
    receipts=True,
    read_receipts=True,
    idempotent_send=True,
    presence=True,
    sent_files=model.SentFiles(("image/*", "application/pdf"), MAX_FILES, MAX_FILE_BYTES),
)

# The names of a message's fields. TRAP is hidden from people: only a machine fills it in.
NAME, CONTACT, CATEGORY, TEXT, KEY, TRAP = "name", "contact", "category", "text", "key", "website"
# As browsers write an origin; nothing else may get into the header that names them.
_ORIGIN = re.compile(r"https?://[a-z0-9](?:[a-z0-9.\-]{0,252}[a-z0-9])?(?::[1-9][0-9]{0,4})?", re.ASCII)


class Settings(BaseModel):
    """One chat. `origins`: the sites that may show it (`https://dukcapil.kota-contoh.example`), besides our own.

    `missed_after_minutes`: how long an answer may stay unread before the citizen is told elsewhere that it is there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    origins: tuple[str, ...] = ()
    missed_after_minutes: Annotated[int, Field(ge=1, le=1440)] = 5

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        for value in values:
            if not _ORIGIN.fullmatch(value):
                raise ValueError(f"{value!r} is no site: https://name or https://name:port, in lower case, no path")
        return values


class Connector:
    """core.ports' Conversation and Sender: reads what our page sends, and lets the page have what is sent to it."""

    channel = CHANNEL
    capabilities = CAPABILITIES

    def __init__(self, settings: Settings) -> None:
        self.origins = settings.origins
        self.missed_after = timedelta(minutes=settings.missed_after_minutes)

    def address(self, session: str) -> str:
        """Return the contact's address of a session (a UUID)."""
        return f"obrolan:{session}"

    def parse_chat(
        self, session: str, fields: Mapping[str, str], files: Sequence[model.StoredFile], received_at: datetime
    ) -> model.InboundMessage:
        """Return a message written in a session (a UUID); FormMistakes names every field that is wrong.

        The provider id begins with the key that the page gave the message, so that the page knows its own again. The
        rest of it binds the key to session and content: the same one sent twice is one message, another text under
        the same key (the button "back") is another, and a key seen elsewhere leads to nobody's complaint.
        """
        name, wrong_name = normalise.name(fields.get(NAME, ""))
        reply_address, wrong_contact = normalise.contact(fields.get(CONTACT, ""))
        category, wrong_category = normalise.category(fields.get(CATEGORY, ""))
        found = {NAME: wrong_name, CONTACT: wrong_contact, CATEGORY: wrong_category}
        mistakes = {field: wrong for field, wrong in found.items() if wrong is not None}
        body = text.clean(fields.get(TEXT, "")).strip()
        if not body and not files:
            mistakes[TEXT] = normalise.REQUIRED
        elif not text.fits(body, CAPABILITIES.max_text):
            mistakes[TEXT] = normalise.TOO_LONG
        key = normalise.key(fields.get(KEY, ""))
        if key is None:
            mistakes[KEY] = normalise.INVALID
        if fields.get(TRAP):
            mistakes[TRAP] = normalise.FILLED
        if mistakes or key is None:
            raise errors.FormMistakes(mistakes)
        content = "\0".join([session, body, *(file.sha256 for file in files)])
        return model.InboundMessage(
            provider_id=f"{key}.{hashlib.sha256(content.encode()).hexdigest()[:32]}",
            address=self.address(session),
            text=body,
            sent_at=received_at,
            name=name,
            files=tuple(files),
            reply_address=reply_address,
            category=category,
        )

    def parse_contact(self, value: str) -> str:
        """Return a number or address left to be answered at, as `parse_chat` does; FormMistakes also for none."""
        contact, wrong = normalise.contact(value)
        if contact is None:
            raise errors.FormMistakes({CONTACT: wrong or normalise.REQUIRED})
        return contact

    async def send(self, message: model.OutboundMessage) -> model.Sent:
        """Return at once: what was written stands on the timeline, from which the citizen's page reads it."""
        return model.Sent(f"chat:{message.reference}")


def create(account_name: str, settings: Settings, public_url: str) -> Connector:  # noqa: ARG001 - as all factories
    """Return the connector of one account."""
    return Connector(settings)
