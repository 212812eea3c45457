"""Text messages (SMS, and pictures where the number takes them) through Twilio.

Source: Twilio, "Messages resource".
"""

from pydantic import field_validator

from connectors import twilio
from core import model

CHANNEL = "sms"
CAPABILITIES = model.Capabilities(
    label="SMS",
    mark="SMS",
    max_text=model.Limit(1600),
    text_form=model.TextForm.SHORT,
    receipts=True,
    automatic_per_day=15,  # another machine may be listening: they answer each other for ever
)


class Settings(twilio.Settings):
    """A Twilio account whose `sender` is a number, a short code or an alphanumeric id (which nobody can answer)."""

    @field_validator("sender")
    @classmethod
    def _has_no_scheme(cls, value: str | None) -> str | None:
        if value is not None and ":" in value:
            raise ValueError("must be a number or sender id of text messages")
        return value


def create(account_name: str, settings: Settings, public_url: str) -> twilio.Connector:
    """Return the connector of one account; `public_url` is where the provider reaches us."""
    return twilio.Connector(
        CHANNEL,
        CAPABILITIES,
        account_name,
        settings,
        public_url,
        scheme="",
        content=lambda message: {"body": message.text},
    )
