"""Instagram: private conversations with a professional account.

An account is reached by the token of the Facebook page beside it, or by "Instagram login" and a token of its own.

Source: Meta, "Instagram Messaging" (Messenger Platform), "Instagram API with Instagram login" (Instagram Platform).
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Literal

from connectors.meta import account, client, listing, messages, sending
from core import model

CHANNEL = messages.CHANNELS["instagram"]
CAPABILITIES = model.Capabilities(
    label="Instagram",
    mark="IG",
    max_text=model.Limit(1000, "bytes"),
    reply_window=timedelta(hours=24),
    human_reply_window=timedelta(days=7),
    receipts=True,
    read_receipts=True,
    withdrawals=True,
    max_attachment_bytes=25 * 1024 * 1024,
    sent_files=model.SentFiles(("image/jpeg", "image/png"), 3, 8 * 1024 * 1024),
)


class AccountSettings(account.Settings):
    """An Instagram account. `token_expires_on`: the last day of a token of Instagram login, which no API tells."""

    instagram_id: account.Id
    login: Literal["facebook", "instagram"] = "facebook"
    token_expires_on: date | None = None


class Settings(AccountSettings):
    """An account's conversations. `human_agent`: Meta has granted the app that feature."""

    human_agent: bool = False


def create(account_name: str, settings: Settings, public_url: str) -> account.Connector:  # noqa: ARG001 - Entry.create
    """Return the connector of one Instagram account."""
    return connect(
        CHANNEL,
        CAPABILITIES if settings.human_agent else replace(CAPABILITIES, human_reply_window=None),
        settings,
        send=partial(sending.send_message, human_agent=settings.human_agent, platform="instagram"),
        listed=_listed,
        permissions=("instagram_basic", "instagram_manage_messages", "pages_manage_metadata"),
        fields=("messages", "messaging_postbacks"),
    )


def connect(
    channel: str,
    capabilities: model.Capabilities,
    settings: AccountSettings,
    *,
    send: account.Send,
    listed: account.Listing,
    permissions: Sequence[str],
    fields: Sequence[str],
) -> account.Connector:
    """Return a connector for an Instagram account, by either way of reaching it."""
    has_page = settings.login == "facebook"
    return account.Connector(
        channel,
        capabilities,
        settings.instagram_id,
        settings,
        send=send,
        listed=listed,
        stands=account.Standing(
            permissions=permissions,
            # By a page the app is subscribed to the page; the fields of Instagram are set for the app as a whole.
            fields=() if has_page else fields,
            named_by="" if has_page else "user_id",
            has_debugger=has_page,
            expires_on=settings.token_expires_on,
        ),
        base_url=client.FACEBOOK if has_page else client.INSTAGRAM,
    )


def _listed(source: listing.Source, since: datetime) -> account.Listed:
    return listing.messages(source, "instagram", since)
