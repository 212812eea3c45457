"""Comments on a Facebook page and the posts of its visitors: everybody reads them.

Their author can be answered alone, once and within seven days; what he writes then comes by Messenger.

Source: Meta, "Private Replies" (Messenger Platform), "Comment" (Graph API), "Page" (webhooks reference).
"""

from connectors.meta import account, client, feed, listing, messages, sending
from core import model

CHANNEL = feed.CHANNEL
CAPABILITIES = model.Capabilities(
    label="Komentar Facebook",
    mark="FK",
    max_text=model.Limit(8000),
    text_form=model.TextForm.PUBLIC,
    is_public=True,
    private_replies=True,
    max_private_text=model.Limit(2000),
    hiding=True,
    withdrawals=True,
)
_STANDING = account.Standing(
    permissions=(
        *("pages_manage_engagement", "pages_manage_metadata", "pages_messaging", "pages_read_engagement"),
        "pages_read_user_content",
    ),
    fields=("feed",),
)


class Settings(account.PageSettings):
    """A page's comments."""


def create(account_name: str, settings: Settings, public_url: str) -> account.Connector:  # noqa: ARG001 - Entry.create
    """Return the connector of one page."""
    opens = model.Destination(messages.CHANNELS["page"], settings.page_id)

    async def send(graph: client.GraphTransport, message: model.OutboundMessage) -> model.Sent:
        if message.kind is model.MessageKind.HIDING:
            return await sending.hide(graph, message, flag="is_hidden")
        if message.private:
            return await sending.send_private_reply(graph, message, opens, platform="messenger")
        return await sending.send_reply(graph, message, edge="comments")

    return account.Connector(
        CHANNEL,
        CAPABILITIES,
        settings.page_id,
        settings,
        send=send,
        listed=listing.page_comments,
        stands=_STANDING,
    )
