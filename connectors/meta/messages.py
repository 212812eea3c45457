"""The events of private conversations, of Messenger and Instagram alike. Pure.

Source: Meta, "Webhook events" (Messenger Platform: messages, message_echoes, message_edits, message_reactions,
messaging_postbacks, message_reads, message_deliveries, messaging_handovers, standby); "Webhook notification examples"
(Instagram Platform).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.meta import attachments, payload
from connectors.meta.payload import Ignored, Item, Outcome, UnreadableError
from core import model, text

CHANNELS: Mapping[payload.Platform, str] = {"page": "messenger", "instagram": "instagram"}

_REFERENCE = re.compile(r"\d{1,20}\.\d{1,9}")
_BOOKKEEPING = {
    "pass_thread_control": Ignored.HANDED_OVER,
    "take_thread_control": Ignored.HANDED_OVER,
    "request_thread_control": Ignored.HANDED_OVER,
    "app_roles": Ignored.HANDED_OVER,
    "optin": Ignored.OPENED,
    "referral": Ignored.OPENED,
    "account_linking": Ignored.OPENED,
    "game_play": Ignored.OPENED,
}
_SIGNS = {
    "love": "❤",
    "like": "👍",
    "dislike": "👎",
    "smile": "😆",
    "laugh": "😆",
    "wow": "😮",
    "sad": "😢",
    "angry": "😠",
}
_LONGEST_SIGN = 16


def destination(item: Item) -> model.Destination:
    return model.Destination(CHANNELS[item.platform], item.owner)


def read(item: Item, app_id: str) -> Outcome:
    """Return what one event says; UnreadableError. `app_id` tells what this program sent from what others did."""
    content = item.content
    if isinstance(message := content.get("message"), dict):
        return _message(item, message, app_id)
    for name, reader in _READERS.items():
        if isinstance(part := content.get(name), dict):
            if payload.identifier(payload.mapping(content.get("sender")).get("id")) == item.owner:
                return Ignored.OWN
            return reader(item, part)
    for name, reason in _BOOKKEEPING.items():
        if name in content:
            return reason
    known = ("sender", "recipient", "timestamp")
    raise UnreadableError(
        f"an unknown kind of event: {payload.keyword(next((n for n in content if n not in known), ''))}"
    )


def _message(item: Item, message: Mapping[str, Any], app_id: str) -> Outcome:
    mid = _mid(message)
    if message.get("is_deleted") is True:
        return [model.Withdrawal(mid, _at(item), destination(item))]
    sender = _party(item, "sender")
    if message.get("is_self") is True:  # an Instagram account that writes to itself
        return Ignored.OWN
    if message.get("is_echo") is True or sender == item.owner:
        return [_echo(item, mid, message, app_id)]
    return [_written(item, mid, sender, message)]


def _written(item: Item, mid: str, sender: str, message: Mapping[str, Any]) -> model.InboundMessage:
    parts = attachments.read(message.get("attachments"))
    words = _words(message, parts)
    above = payload.mapping(message.get("reply_to"))
    story = payload.mapping(above.get("story"))
    quoted = payload.identifier(above.get("mid"))
    details = {
        **parts.details,
        **payload.details(story_id=story.get("id"), story_link=payload.address(story.get("url"))),
        **_pressed(message),
        **_referral(message.get("referral")),
    }
    return model.InboundMessage(
        provider_id=mid,
        address=sender,
        text=words,
        sent_at=_at(item),
        content=_content(message, parts, words, details),
        details=details,
        files=tuple(parts.files),
        replies_to=(quoted,) if quoted else (),
        destination=destination(item),
    )


def _content(
    message: Mapping[str, Any], parts: attachments.Parts, words: str, details: Mapping[str, str]
) -> model.Content:
    if message.get("is_unsupported") is True:
        return model.Content.UNSUPPORTED
    if parts.content is not None:
        return parts.content
    if "button_payload" in details:
        return model.Content.BUTTON
    return model.Content.TEXT if words.strip() or parts.files else model.Content.EMPTY


def _echo(item: Item, mid: str, message: Mapping[str, Any], app_id: str) -> model.InboundEvent:
    """Read what left by the account: our own message, or what a colleague wrote in Meta's inbox or another program."""
    metadata = message.get("metadata")
    reference = metadata if isinstance(metadata, str) and _REFERENCE.fullmatch(metadata) else None
    sent_by = payload.identifier(message.get("app_id"))
    if sent_by == app_id or (sent_by is None and reference is not None):
        return model.DeliveryReceipt(
            mid, model.DeliveryState.ACCEPTED, reference=reference, destination=destination(item)
        )
    parts = attachments.read(message.get("attachments"))
    return model.ColleagueAnswer(
        provider_id=mid,
        address=_party(item, "recipient"),
        text=_words(message, parts),
        sent_at=_at(item),
        files=tuple(parts.files),
        destination=destination(item),
    )


def _edit(item: Item, edit: Mapping[str, Any]) -> Outcome:
    if not isinstance(edit.get("text"), str):
        if str(edit.get("num_edit")) == "0":
            return Ignored.FIRST_VERSION
        raise UnreadableError("an edit does not say what the message is now")
    words = payload.prose(edit["text"])
    changed = model.InboundMessage(
        provider_id=_mid(edit),
        address=_party(item, "sender"),
        text=words,
        sent_at=_at(item),
        content=model.Content.TEXT if words.strip() else model.Content.EMPTY,
        destination=destination(item),
    )
    return [model.Revision(changed)]


def _postback(item: Item, postback: Mapping[str, Any]) -> Outcome:
    """Read a pressed button. What it says may be forged or of an old menu: it is shown, and nothing follows from it."""
    sender, at = _party(item, "sender"), _at(item)
    mid = payload.identifier(postback.get("mid"))
    if mid is None:  # in conversations of another app
        if at is None:
            raise UnreadableError("a pressed button has neither id nor time")
        mid = f"postback:{sender}:{at.timestamp():.3f}"
    pressed = model.InboundMessage(
        provider_id=mid,
        address=sender,
        text=payload.prose(postback.get("title")),
        sent_at=at,
        content=model.Content.BUTTON,
        details={
            **payload.details(button_text=postback.get("title"), button_payload=postback.get("payload")),
            **_referral(postback.get("referral")),
        },
        destination=destination(item),
    )
    return [pressed]


def _reaction(item: Item, reaction: Mapping[str, Any]) -> Outcome:
    sign = None
    if reaction.get("action") != "unreact":
        name = payload.line(reaction.get("reaction"), _LONGEST_SIGN)
        sign = payload.line(reaction.get("emoji"), _LONGEST_SIGN) or _SIGNS.get(name) or name
        if not sign:
            raise UnreadableError("a reaction does not say which")
    return [model.Reaction(_mid(reaction), _party(item, "sender"), sign, destination(item))]


def _read(item: Item, read: Mapping[str, Any]) -> Outcome:
    if (mid := payload.identifier(read.get("mid"))) is not None:  # Instagram names the message, Messenger a time
        return [model.DeliveryReceipt(mid, model.DeliveryState.READ, destination=destination(item))]
    if (until := payload.moment(read.get("watermark"))) is not None:
        return [model.Watermark(_party(item, "sender"), model.DeliveryState.READ, until, destination(item))]
    raise UnreadableError("a notice of reading does not say of what")


def _delivery(item: Item, delivery: Mapping[str, Any]) -> Outcome:
    mids = delivery.get("mids")
    known = [mid for each in mids if (mid := payload.identifier(each))] if isinstance(mids, list) else []
    state = model.DeliveryState.DELIVERED
    events: list[model.InboundEvent] = [
        model.DeliveryReceipt(mid, state, destination=destination(item)) for mid in known
    ]
    if (until := payload.moment(delivery.get("watermark"))) is not None:
        events.append(model.Watermark(_party(item, "sender"), state, until, destination(item)))
    if not events:
        raise UnreadableError("a notice of delivery does not say of what")
    return events


_READERS = {
    "message_edit": _edit,
    "postback": _postback,
    "reaction": _reaction,
    "read": _read,
    "delivery": _delivery,
}


def _words(message: Mapping[str, Any], parts: attachments.Parts) -> str:
    """Return the text, and the links that were shared but do not stand in it already."""
    written = payload.prose(message.get("text"))
    lines: Sequence[str] = [line for line in map(text.clean, parts.lines) if line not in written]
    return "\n".join([*([written] if written else []), *lines])


def _pressed(message: Mapping[str, Any]) -> dict[str, str]:
    chosen = payload.mapping(message.get("quick_reply")).get("payload")
    return {} if chosen is None else payload.details(button_text=message.get("text"), button_payload=chosen)


def _referral(referral: object) -> dict[str, str]:
    """Return by which link or advertisement a conversation was opened."""
    told = payload.mapping(referral)
    product = payload.mapping(told.get("product")).get("id")
    return payload.details(referral=told.get("ref") or told.get("ad_id") or product or told.get("source"))


def _mid(part: Mapping[str, Any]) -> str:
    mid = payload.identifier(part.get("mid"))
    if mid is None:
        raise UnreadableError("it does not say which message")
    return mid


def _party(item: Item, name: str) -> str:
    party = payload.identifier(payload.mapping(item.content.get(name)).get("id"))
    if party is None:
        raise UnreadableError(f"it names no {name}")
    return party


def _at(item: Item) -> datetime | None:
    return payload.moment(item.content.get("timestamp"))
