"""What Meta holds of the messages and comments since a time, so that an outage of ours loses nothing.

Each listed record is given the shape its webhook had and read by the reader of webhooks: what arrives twice, by both
ways, is then the same message. Not listed are comments on advertisements, and of an Instagram conversation all but its
twenty latest messages.

Source: Meta, "Conversations API" (Messenger Platform), "Message", "Page Feed", "Comments" (Graph API), "IG Media",
"IG Comment" (Instagram Platform); "Rate Limits": two calls a second to conversations.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.meta import client, refusals
from core import errors, model

Read = Callable[[Mapping[str, Any]], Sequence[model.InboundEvent]]
Listed = model.InboundMessage | model.ColleagueAnswer

_OBJECTS = {"messenger": "page", "instagram": "instagram"}
_PAGE = "50"
_POSTS = 400  # the newest posts whose comments are looked at
_MESSAGE_FIELDS = "id,created_time,from,to,message,attachments,sticker,shares,story,is_unsupported"
_POST_FIELDS = "id,from,message,created_time,updated_time,full_picture"
_COMMENT_FIELDS = "id,from,message,created_time,parent{id},attachment"
_REPLY_FIELDS = "id,from,username,text,timestamp,parent_id"
_MEDIA_FIELDS = "id,timestamp,media_product_type,comments_count"
# A clock of theirs that is a little ahead or behind must not cost a message.
_SKEW = timedelta(minutes=5)
_CALL_SECONDS = 0.5


class Pace:
    """Waits before each call but the first."""

    def __init__(self, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._is_first = True

    async def wait(self) -> None:
        if not self._is_first:
            await self._sleep(_CALL_SECONDS)
        self._is_first = False


@dataclass(frozen=True, slots=True)
class Source:
    """Whose list is read: `read` is the reader of webhook bodies, `owner` the id of the page or account."""

    graph: client.GraphTransport
    owner: str
    read: Read
    pace: Pace = field(default_factory=Pace)


async def messages(source: Source, platform: client.Platform, since: datetime) -> AsyncIterator[Listed]:
    """Yield every private message since `since`, the office's own as ColleagueAnswer; TransientSendError on failure.

    What the program itself sent is among the latter: their provider ids are known.
    """
    since -= _SKEW
    parameters = {"platform": platform, "fields": "id,updated_time", "limit": _PAGE}
    async for conversation in _records(source, "me/conversations", parameters, lambda each: _is_after(each, since)):
        of_one = {"fields": _MESSAGE_FIELDS, "limit": _PAGE}
        edge = client.path(str(conversation.get("id")), "messages")
        async for message in _records(source, edge, of_one, lambda each: _is_after(each, since), may_be_gone=True):
            item = _messaging(message, source.owner)
            if item is not None:
                body = _body(_OBJECTS[platform], source.owner, item["timestamp"], "messaging", item)
                for event in _read(source, body, _name(message)):
                    yield event


async def page_comments(source: Source, since: datetime) -> AsyncIterator[Listed]:
    """Yield every comment on the page's newest posts, and every post of a visitor, since `since`."""
    since -= _SKEW
    parameters = {"fields": _POST_FIELDS, "limit": "100"}
    async for post in _records(source, "me/feed", parameters, lambda _: True, most=_POSTS):
        post_id, written = str(post.get("id")), {"created_time": post.get("created_time")}
        if _is_visitors(post, source.owner) and _is_after(written, since):
            for event in _read(source, _feed(source.owner, _visitor_post(post)), _name(post)):
                yield event
        if not _is_after(post, since):  # a comment counts as an update of its post
            continue
        of_one = {"fields": _COMMENT_FIELDS, "filter": "stream", "order": "reverse_chronological", "limit": _PAGE}
        edge = client.path(post_id, "comments")
        async for comment in _records(source, edge, of_one, lambda each: _is_after(each, since), may_be_gone=True):
            for event in _read(source, _feed(source.owner, _comment(comment, post_id)), _name(comment)):
                yield event


async def instagram_comments(source: Source, since: datetime) -> AsyncIterator[Listed]:
    """Yield every comment, and every reply to one, on the account's newest media since `since`."""
    since -= _SKEW
    parameters = {"fields": _MEDIA_FIELDS, "limit": "100"}
    async for media in _records(source, client.path(source.owner, "media"), parameters, lambda _: True, most=_POSTS):
        if not media.get("comments_count"):
            continue
        of_one = {"fields": f"{_REPLY_FIELDS},replies{{{_REPLY_FIELDS}}}", "limit": _PAGE}
        edge = client.path(str(media.get("id")), "comments")
        # An old comment may have a new reply, so all of them are looked at.
        async for comment in _records(source, edge, of_one, lambda _: True, may_be_gone=True):
            for each in (comment, *_data(comment.get("replies"))):
                if _is_after(each, since):
                    value = _instagram_comment(each, media, comment)
                    at = _seconds(each.get("timestamp"))
                    body = _body("instagram", source.owner, at, "changes", {"field": "comments", "value": value})
                    for event in _read(source, body, _name(each)):
                        yield event


async def _records(
    source: Source,
    path: str,
    parameters: Mapping[str, str],
    wanted: Callable[[Mapping[str, Any]], bool],
    *,
    most: int | None = None,
    may_be_gone: bool = False,
) -> AsyncIterator[Mapping[str, Any]]:
    """Yield the wanted records of a list that has the newest first: a page without one of them is the last.

    `may_be_gone`: the list belongs to something that may have been deleted since it was listed itself.
    """
    seen = 0
    try:
        async for page in client.pages(source.graph, path, parameters, source.pace.wait):
            records = _data(page)
            found = [record for record in records if wanted(record)]
            for record in found:
                yield record
            seen += len(records)
            if not found or (most is not None and seen >= most):
                return
    except refusals.RefusedError as error:
        if not (may_be_gone and error.is_gone):
            raise refusals.of_reading(error) from None
    except refusals.FAILED as error:
        raise refusals.of_reading(error) from None


def _read(source: Source, body: Mapping[str, Any], name: str | None) -> Iterator[Listed]:
    try:
        events = source.read(body)
    except errors.PayloadError as error:
        raise errors.TransientSendError("Meta's answer cannot be read") from error
    for event in events:
        if isinstance(event, model.InboundMessage):
            yield replace(event, name=event.name or name)  # lists tell names that webhooks do not
        elif isinstance(event, model.ColleagueAnswer):
            yield event


# --- From the shape of lists to that of webhooks ----------------------------------------------------------------------


def _body(object_: str, owner: str, time: int | None, kind: str, item: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"object": object_, "entry": [{"id": owner, "time": time or 0, kind: [item]}]}


def _feed(owner: str, value: Mapping[str, Any]) -> Mapping[str, Any]:
    return _body("page", owner, value["created_time"], "changes", {"field": "feed", "value": value})


def _messaging(message: Mapping[str, Any], owner: str) -> Mapping[str, Any] | None:
    """Return a listed message as `entry.messaging` has it; None when it does not say from whom, or which it is."""
    sender, seconds = message.get("from"), _seconds(message.get("created_time"))
    mid = message.get("id")
    if not isinstance(sender, dict) or not isinstance(sender.get("id"), str) or not isinstance(mid, str):
        return None
    recipients = [each["id"] for each in _data(message.get("to")) if isinstance(each.get("id"), str)]
    is_ours = sender["id"] == owner
    if is_ours and not recipients:
        return None
    told: dict[str, Any] = {"mid": mid, "attachments": [*_attachments(message)]}
    if isinstance(message.get("message"), str) and message["message"]:
        told["text"] = message["message"]
    if is_ours:
        told["is_echo"] = True
    if message.get("is_unsupported") is True:
        told["is_unsupported"] = True
    story = message.get("story")
    if isinstance(story, dict) and isinstance(story.get("reply_to"), dict):
        told["reply_to"] = {"story": {"id": story["reply_to"].get("id"), "url": story["reply_to"].get("link")}}
    return {
        "sender": {"id": sender["id"]},
        "recipient": {"id": recipients[0] if is_ours else owner},
        "timestamp": 0 if seconds is None else seconds * 1000,
        "message": told if told["attachments"] else {name: told[name] for name in told if name != "attachments"},
    }


def _attachments(message: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for each in _data(message.get("attachments")):
        media_type = str(each.get("mime_type") or "").partition("/")[0]
        places = [each.get(name) for name in ("image_data", "video_data")]
        urls = [place.get("url") for place in places if isinstance(place, dict)]
        kind = "image" if isinstance(each.get("image_data"), dict) else "video" if urls else media_type
        yield _attachment(
            kind if kind in ("image", "video", "audio") else "file", each.get("file_url") or (*urls, None)[0]
        )
    if message.get("sticker"):
        yield _attachment("sticker", message["sticker"])
    for each in _data(message.get("shares")):
        yield _attachment("share", each.get("link"))
    story = message.get("story")
    if isinstance(story, dict) and isinstance(story.get("mention"), dict):
        yield _attachment("story_mention", story["mention"].get("link"))


def _attachment(kind: str, url: object) -> Mapping[str, Any]:
    return {"type": kind, "payload": {"url": url} if isinstance(url, str) else {}}


def _comment(comment: Mapping[str, Any], post_id: str) -> Mapping[str, Any]:
    parent = comment.get("parent")
    attachment = comment.get("attachment")
    media = attachment.get("media") if isinstance(attachment, dict) else None
    image = media.get("image") if isinstance(media, dict) else None
    return _told(
        item="comment",
        verb="add",
        comment_id=comment.get("id"),
        post_id=post_id,
        parent_id=parent.get("id") if isinstance(parent, dict) else post_id,
        message=comment.get("message"),
        photo=image.get("src") if isinstance(image, dict) else None,
        created_time=_seconds(comment.get("created_time")) or 0,
        **{"from": comment.get("from")},
    )


def _visitor_post(post: Mapping[str, Any]) -> Mapping[str, Any]:
    return _told(
        item="post",
        verb="add",
        post_id=post.get("id"),
        message=post.get("message"),
        photo=post.get("full_picture"),
        created_time=_seconds(post.get("created_time")) or 0,
        **{"from": post.get("from")},
    )


def _instagram_comment(
    comment: Mapping[str, Any], media: Mapping[str, Any], above: Mapping[str, Any]
) -> Mapping[str, Any]:
    author = comment.get("from")
    return _told(
        id=comment.get("id"),
        text=comment.get("text"),
        parent_id=comment.get("parent_id") or (above.get("id") if comment is not above else None),
        media=_told(id=media.get("id"), media_product_type=media.get("media_product_type")),
        **{"from": author if isinstance(author, dict) else None},
    )


def _told(**fields: Any) -> dict[str, Any]:
    """Return the fields that have a value: webhooks leave the others out."""
    return {name: value for name, value in fields.items() if value is not None}


def _data(edge: object) -> list[Mapping[str, Any]]:
    found = edge.get("data") if isinstance(edge, dict) else None
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _name(record: Mapping[str, Any]) -> str | None:
    author = record.get("from")
    names = [author.get("name"), author.get("username")] if isinstance(author, dict) else []
    return next((name for name in (*names, record.get("username")) if isinstance(name, str) and name), None)


def _is_visitors(post: Mapping[str, Any], owner: str) -> bool:
    author = post.get("from")
    return isinstance(author, dict) and author.get("id") != owner


def _is_after(record: Mapping[str, Any], since: datetime) -> bool:
    """Whether the record's latest time is not before `since`; one without a time is taken rather than lost."""
    times = [_moment(record.get(name)) for name in ("updated_time", "created_time", "timestamp")]
    known = [moment for moment in times if moment is not None]
    return not known or max(known) >= since


def _seconds(written: object) -> int | None:
    moment = _moment(written)
    return None if moment is None else int(moment.timestamp())


def _moment(written: object) -> datetime | None:
    """Return a time as the API writes it (2026-11-22T03:00:00+0000)."""
    try:
        moment = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        return None
    return None if moment is None else moment if moment.tzinfo else moment.replace(tzinfo=UTC)
