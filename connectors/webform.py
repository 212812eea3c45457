"""The office's public web form: what a citizen fills in becomes a message like any other.

Every form is a contact of its own, so that nobody reads another's complaint by giving his phone number. The form's
state is followed on the tracking page; an answer goes by the phone or e-mail the citizen gave, at an official's hand.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from connectors import normalise
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
MAX_TEXT = CAPABILITIES.max_text.count


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
    name, wrong_name = normalise.name(fields.get(NAME, ""))
    reply_address, wrong_contact = normalise.contact(fields.get(CONTACT, ""))
    category, wrong_category = normalise.category(fields.get(CATEGORY, ""))
    found = {NAME: wrong_name, CONTACT: wrong_contact, CATEGORY: wrong_category}
    mistakes = {field: wrong for field, wrong in found.items() if wrong is not None}
    body = text.clean(fields.get(TEXT, "")).strip()
    if not body:
        mistakes[TEXT] = normalise.REQUIRED
    elif len(body) > MAX_TEXT:
        mistakes[TEXT] = normalise.TOO_LONG
    key = normalise.key(fields.get(KEY, ""))
    if key is None:
        mistakes[KEY] = normalise.INVALID
    if fields.get(TRAP):
        mistakes[TRAP] = normalise.FILLED
    if mistakes or key is None:
        raise errors.FormMistakes(mistakes)
    return model.InboundMessage(
        provider_id=key,
        address=f"form:{key}",
        text=body,
        sent_at=received_at,
        name=name,
        files=tuple(files),
        reply_address=reply_address,
        category=category,
    )
