"""Comments on an Instagram account's media, and where others name the account: everybody reads them.

Their author can be answered alone, once and within seven days (of a live video: while it lasts); what he writes then
comes as a private message. That a comment was changed or removed is not told.

Source: Meta, "Comment Moderation", "Private Replies", "Mentions" (Instagram Platform).
"""

from connectors.meta import account, client, instagram, listing, media_comments, sending
from core import model

CHANNEL = media_comments.CHANNEL
CAPABILITIES = model.Capabilities(
    label="Komentar Instagram",
    mark="IK",
    max_text=model.Limit(2200),
    text_form=model.TextForm.PUBLIC,
    is_public=True,
    private_replies=True,
    max_private_text=model.Limit(1000, "bytes"),
    hiding=True,
)


class Settings(instagram.AccountSettings):
    """An account's comments."""


def create(account_name: str, settings: Settings, public_url: str) -> account.Connector:  # noqa: ARG001 - Entry.create
    """Return the connector of one Instagram account."""
    opens = model.Destination(instagram.CHANNEL, settings.instagram_id)

    async def send(graph: client.GraphTransport, message: model.OutboundMessage) -> model.Sent:
        if message.kind is model.MessageKind.HIDING:
            return await sending.hide(graph, message, flag="hide")
        if message.private:
            return await sending.send_private_reply(graph, message, opens, platform="instagram")
        return await sending.send_reply(graph, message, edge="replies")

    return instagram.connect(
        CHANNEL,
        CAPABILITIES,
        settings,
        send=send,
        listed=listing.instagram_comments,
        permissions=(
            "instagram_basic",
            "instagram_manage_comments",
            "instagram_manage_messages",
            "pages_manage_metadata",
        ),
        fields=("comments", "live_comments"),
    )
