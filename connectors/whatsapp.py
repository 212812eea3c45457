"""WhatsApp through Twilio: free text within 24 hours of the citizen's last message, approved templates after.

Source: Twilio, "WhatsApp: message limits and the 24-hour window", "Content templates".
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

from connectors import twilio
from core import errors, model

CHANNEL = "whatsapp"
SCHEME = "whatsapp:"
CAPABILITIES = model.Capabilities(
    label="WhatsApp",
    mark="WA",
    max_text=model.Limit(1600),
    reply_window=timedelta(hours=24),
    templates=True,
    receipts=True,
    read_receipts=True,
    automatic_per_day=15,  # absence notes of business accounts answer every message
)


class Template(BaseModel):
    """An approved template: its ContentSid, and which value fills its {{1}}, {{2}} ..., by the names of the message."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    content_sid: Annotated[str, Field(pattern=r"^HX[0-9a-fA-F]{32}$")]
    variables: tuple[str, ...] = ()


class Settings(twilio.Settings):
    """A Twilio account with `templates` by the kind of message they stand for (`acknowledgement`, `answer` ...)."""

    templates: Mapping[model.MessageKind, Template] = Field(default_factory=dict)

    @field_validator("sender")
    @classmethod
    def _has_scheme(cls, value: str | None) -> str | None:
        return value if value is None or value.startswith(SCHEME) else SCHEME + value


def create(account_name: str, settings: Settings, public_url: str) -> twilio.Connector:
    """Return the connector of one account; `public_url` is where the provider reaches us."""
    return twilio.Connector(
        CHANNEL,
        CAPABILITIES,
        account_name,
        settings,
        public_url,
        scheme=SCHEME,
        content=lambda message: _content(message, settings.templates),
        may_write_first=model.MessageKind.MISSED_NOTICE in settings.templates,
    )


def _content(message: model.OutboundMessage, templates: Mapping[model.MessageKind, Template]) -> Mapping[str, str]:
    if message.window_open:
        return {"body": message.text}
    template = templates.get(message.kind)
    if template is None:
        raise errors.ReplyWindowClosed(f"no template for {message.kind}")
    missing = [name for name in template.variables if name not in message.variables]
    if missing:
        raise errors.PermanentSendError(f"the template needs {', '.join(missing)}")
    # Meta refuses line breaks, runs of blanks and empty values in a variable.
    values = [" ".join(message.variables[name].split()) or "-" for name in template.variables]
    filled = {str(number): value for number, value in enumerate(values, 1)}
    return {"content_sid": template.content_sid} | ({"content_variables": json.dumps(filled)} if filled else {})
