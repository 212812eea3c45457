"""What is written in public on Instagram: comments on our media, comments on a live video, mentions elsewhere. Pure.

Source: Meta, "Instagram" (Graph API webhooks reference), "Webhook notification examples" (Instagram Platform).
"""

from connectors.meta import payload
from connectors.meta.payload import Ignored, Item, Outcome, UnreadableError
from core import model

CHANNEL = "instagram_comments"


def destination(item: Item) -> model.Destination:
    return model.Destination(CHANNEL, item.owner)


def read(item: Item, **about: object) -> Outcome:
    """Return a comment. Its time is when Meta told of it: the comment's own is not told."""
    value = item.content
    name = payload.identifier(value.get("id")) or payload.identifier(value.get("comment_id"))
    if name is None:
        raise UnreadableError("a comment has no id")
    by, media = payload.mapping(value.get("from")), payload.mapping(value.get("media"))
    author = payload.identifier(by.get("id"))
    if author == item.owner:
        return Ignored.OWN
    words = payload.prose(value.get("text"))
    above = payload.identifier(value.get("parent_id"))
    media_id = payload.identifier(media.get("id")) or payload.identifier(value.get("media_id"))
    comment = model.InboundMessage(
        provider_id=name,
        address=author or f"unknown:{name}",
        text=words,
        sent_at=item.told_at,
        name=payload.line(by.get("username"), payload.MAX_NAME) or None,
        # A GIF comes without a text, and so does everything that the API does not show.
        content=model.Content.TEXT if words.strip() else model.Content.UNSUPPORTED,
        details=payload.details(
            item="comment",
            comment_id=name,
            media_id=media_id,
            media_type=media.get("media_product_type"),
            ad_id=media.get("ad_id"),
            parent_id=above,
            **about,
        ),
        replies_to=(above,) if above else (),
        thread=media_id,
        destination=destination(item),
    )
    return [comment]


def read_live(item: Item) -> Outcome:
    """Return a comment on a live video: it can be answered privately only while that lasts."""
    return read(item, live="yes")


def read_mention(item: Item) -> Outcome:
    """Return the place where the account was named, on media of others: neither author nor text is told."""
    value = item.content
    media_id = payload.identifier(value.get("media_id"))
    name = payload.identifier(value.get("comment_id")) or media_id
    if name is None:
        raise UnreadableError("a mention does not say where")
    mention = model.InboundMessage(
        provider_id=name,
        address=f"unknown:{name}",
        sent_at=item.told_at,
        content=model.Content.UNSUPPORTED,
        details=payload.details(type="mention", item="mention", comment_id=value.get("comment_id"), media_id=media_id),
        thread=media_id,
        destination=destination(item),
    )
    return [mention]
