"""Facebook Messenger: private conversations with a page.

Free text within 24 hours of the citizen's last message; within seven days what a person wrote, if Meta has granted the
app the feature "Human Agent".

Source: Meta, "Send API", "Message Tags", "Webhook events" (Messenger Platform).
"""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from connectors.meta import account, listing, messages, sending
from core import model

CHANNEL = messages.CHANNELS["page"]
CAPABILITIES = model.Capabilities(
    label="Facebook Messenger",
    mark="FM",
    max_text=model.Limit(2000),
    reply_window=timedelta(hours=24),
    human_reply_window=timedelta(days=7),
    receipts=True,
    read_receipts=True,
    withdrawals=True,
    max_attachment_bytes=25 * 1024 * 1024,
    sent_files=model.SentFiles(("image/jpeg", "image/png", "image/gif", "application/pdf"), 3, 8 * 1024 * 1024),
)
_STANDING = account.Standing(
    permissions=("pages_manage_metadata", "pages_messaging"),
    fields=(
        *("messages", "message_deliveries", "message_echoes", "message_edits", "message_reactions", "message_reads"),
        "messaging_postbacks",
    ),
)


class Settings(account.PageSettings):
    """A page's conversations. `human_agent`: Meta has granted the app that feature."""

    human_agent: bool = False


def create(account_name: str, settings: Settings, public_url: str) -> account.Connector:  # noqa: ARG001 - Entry.create
    """Return the connector of one page."""
    return account.Connector(
        CHANNEL,
        CAPABILITIES if settings.human_agent else replace(CAPABILITIES, human_reply_window=None),
        settings.page_id,
        settings,
        send=partial(sending.send_message, human_agent=settings.human_agent, platform="messenger"),
        listed=_listed,
        stands=_STANDING,
    )


def _listed(source: listing.Source, since: datetime) -> account.Listed:
    return listing.messages(source, "messenger", since)
