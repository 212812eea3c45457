"""What is written in public on a Facebook page: comments, posts of visitors, mentions, recommendations. Pure.

Source: Meta, "Page" (Graph API webhooks reference: feed, mention, ratings).
"""

from collections.abc import Mapping
from typing import Any

from connectors.meta import payload
from connectors.meta.payload import Ignored, Item, Outcome, UnreadableError
from core import model

CHANNEL = "facebook_comments"

_EDITED = frozenset({"edit", "edited", "update"})
_REMOVED = frozenset({"remove", "delete"})
_HIDDEN = frozenset({"hide", "unhide"})
_POSTS = frozenset({"post", "status", "photo", "video", "link", "note", "album", "reel", "share", "story", "question"})
_LINKED = {"photo": "image/jpeg", "video": "video/mp4"}  # with such a post, `link` is where the file stands


def destination(item: Item) -> model.Destination:
    return model.Destination(CHANNEL, item.owner)


def read(item: Item) -> Outcome:
    """Return what one change of the feed says; UnreadableError."""
    value = item.content
    kind, verb = _kind(value), payload.keyword(value.get("verb"))
    if ignored := _ignored(item):
        return ignored
    if verb in _HIDDEN:
        return Ignored.HIDDEN
    if kind == "share" and verb == "add" and not payload.prose(value.get("message")).strip():
        return Ignored.SHARED
    if kind == "comment":
        return [_event(item, _comment_id(value), verb)]
    if kind == "rating":
        return read_rating(item)
    if kind in _POSTS:
        return [_event(item, _post_id(value), verb)]
    raise UnreadableError(f"an unknown kind of post: {kind}")


def read_mention(item: Item) -> Outcome:
    """Return the comment or post elsewhere that names the page; its text often is not told."""
    value = item.content
    if ignored := _ignored(item):
        return ignored
    name = _comment_id(value) if _kind(value) == "comment" else _post_id(value)
    return [_event(item, name, payload.keyword(value.get("verb", "add")), type="mention")]


def read_rating(item: Item) -> Outcome:
    """Return a recommendation of the page, or what was said to one."""
    value = item.content
    if ignored := _ignored(item):
        return ignored
    name = payload.identifier(value.get("comment_id")) or payload.identifier(value.get("open_graph_story_id"))
    if name is None:
        raise UnreadableError("a recommendation has no id")
    return [
        _event(item, name, payload.keyword(value.get("verb")), type="rating", title=value.get("recommendation_type"))
    ]


def _ignored(item: Item) -> Ignored | None:
    if _kind(item.content) in ("reaction", "like"):
        return Ignored.LIKED
    return Ignored.OWN if _author(item.content) == item.owner else None


def _event(item: Item, name: str, verb: str, **about: object) -> model.InboundEvent:
    if verb in _REMOVED:
        return model.Withdrawal(name, None, destination(item))
    if verb in _EDITED:
        return model.Revision(_written(item, name, **about))
    if verb == "add":
        return _written(item, name, **about)
    raise UnreadableError(f"an unknown act: {verb}")


def _written(item: Item, name: str, **about: object) -> model.InboundMessage:
    value = item.content
    author, kind = _author(value), _kind(value)
    words = payload.prose(value.get("message") or value.get("review_text"))
    files = _files(value)
    post_id = payload.identifier(value.get("post_id")) or payload.identifier(value.get("open_graph_story_id"))
    above = _above(value, post_id) if kind == "comment" else None
    post = payload.mapping(value.get("post"))
    return model.InboundMessage(
        provider_id=name,
        # Without permission, or by the author's own wish, nobody is named. Two such comments are not one person's.
        address=author or f"unknown:{name}",
        text=words,
        sent_at=payload.moment(value.get("created_time")),
        name=_name(value),
        # A sticker is told of by no field at all.
        content=model.Content.TEXT if words.strip() or files else model.Content.UNSUPPORTED,
        details=payload.details(
            item=kind if kind in ("comment", "rating") else "post",
            comment_id=name if kind == "comment" else None,
            post_id=post_id,
            parent_id=above,
            link=payload.address(value.get("permalink_url")) or payload.address(post.get("permalink_url")),
            **about,
        ),
        files=files,
        replies_to=(above,) if above else (),
        thread=post_id or name,
        destination=destination(item),
    )


def _kind(value: Mapping[str, Any]) -> str:
    return payload.keyword(value.get("item"))


def _author(value: Mapping[str, Any]) -> str | None:
    told = (payload.mapping(value.get("from")).get("id"), value.get("sender_id"), value.get("reviewer_id"))
    return next((author for each in told if (author := payload.identifier(each))), None)


def _name(value: Mapping[str, Any]) -> str | None:
    told = (payload.mapping(value.get("from")).get("name"), value.get("sender_name"), value.get("reviewer_name"))
    return next((name for each in told if (name := payload.line(each, payload.MAX_NAME))), None)


def _comment_id(value: Mapping[str, Any]) -> str:
    name = payload.identifier(value.get("comment_id"))
    if name is None:
        raise UnreadableError("a comment has no id")
    return _in_full(name, payload.identifier(value.get("post_id")))


def _post_id(value: Mapping[str, Any]) -> str:
    told = (value.get(name) for name in ("post_id", "share_id", "photo_id", "video_id"))
    name = next((found for each in told if (found := payload.identifier(each))), None)
    if name is None:
        raise UnreadableError("a post has no id")
    return name


def _in_full(name: str, post_id: str | None) -> str:
    """Return a comment's id as lists have it, `<post>_<comment>`: webhooks name some by their second part alone."""
    if "_" in name or post_id is None:
        return name
    return f"{post_id.rpartition('_')[2]}_{name}"


def _above(value: Mapping[str, Any], post_id: str | None) -> str | None:
    """Return the comment that this one answers; None when it answers the post itself."""
    parent = payload.identifier(value.get("parent_id"))
    if parent is None or post_id is None or parent in (post_id, post_id.rpartition("_")[2]):
        return None
    return _in_full(parent, post_id)


def _files(value: Mapping[str, Any]) -> tuple[model.RemoteFile, ...]:
    photos = value.get("photos")
    told = [(each, "image/jpeg") for each in (photos if isinstance(photos, list) else [])]
    told += [(value.get("photo"), "image/jpeg"), (value.get("video"), "video/mp4")]
    if (linked := _LINKED.get(_kind(value))) is not None:
        told.append((value.get("link"), linked))
    found = {url: kind for each, kind in told if (url := payload.address(each))}
    return tuple(model.RemoteFile(url, kind) for url, kind in found.items())
