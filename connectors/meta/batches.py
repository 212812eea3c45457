"""The batches that Meta's webhooks deliver: events of many kinds for many accounts, each read by itself. Pure.

One event that cannot be read costs no other: it becomes Unreadable, with a body of its own.

Source: Meta, "Webhooks: getting started" (up to 1000 updates in a batch), "Webhook events" (Messenger Platform),
"Webhook notification examples" (Instagram Platform), "Page" and "Instagram" (Graph API webhooks reference).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from connectors.meta import feed, media_comments, messages, payload
from connectors.meta.payload import Ignored, Item, Outcome, UnreadableError
from core import errors, model

# What another app's conversation brings is read alike: its citizen wrote to the office, whoever answers.
_MESSAGES = ("messaging", "standby")
_LISTS = (*_MESSAGES, "changes")

_READERS = {
    ("page", "feed"): feed.read,
    ("page", "mention"): feed.read_mention,
    ("page", "ratings"): feed.read_rating,
    ("instagram", "comments"): media_comments.read,
    ("instagram", "live_comments"): media_comments.read_live,
    ("instagram", "mentions"): media_comments.read_mention,
}
_BOOKKEEPING = {
    "story_insights": Ignored.COUNTED,
    "inbox_labels": Ignored.ABOUT_PAGE,
    **dict.fromkeys(
        (
            *("about", "affiliation", "attire", "awards", "bio", "birthday", "category", "company_overview"),
            *("conversations", "cover", "culinary_team", "current_location", "description", "email", "features"),
            *("founded", "general_info", "general_manager", "hours", "leadgen", "live_videos", "location", "members"),
            *("mission", "name", "page_about_story", "page_change_proposal", "page_upcoming_change", "parking"),
            *("payment_options", "personal_info", "personal_interests", "phone", "picture", "price_range"),
            *("product_review", "products", "public_transit", "publisher_subscriptions", "videos", "website"),
        ),
        Ignored.ABOUT_PAGE,
    ),
}


def load(body: bytes) -> Mapping[str, Any]:
    """Return the batch of a request's body; PayloadError when it is no JSON object."""
    try:
        batch = json.loads(body)
    except (ValueError, RecursionError):
        raise errors.PayloadError("the body is no JSON") from None
    if not isinstance(batch, dict):
        raise errors.PayloadError("the body is no JSON object")
    return batch


def read(batch: Mapping[str, Any], app_id: str) -> list[model.InboundEvent]:
    """Return every event of a batch but those that Ignored names; PayloadError when it is none."""
    return [event for outcome in outcomes(batch, app_id) if not isinstance(outcome, Ignored) for event in outcome]


def outcomes(batch: Mapping[str, Any], app_id: str) -> list[Outcome]:
    """Return what becomes of each event of a batch, in order, and of each entry that holds none."""
    platform, entries = batch.get("object"), batch.get("entry")
    if platform not in ("page", "instagram"):
        raise errors.PayloadError("the batch is of no kind we know")
    if not isinstance(entries, list):
        raise errors.PayloadError("the batch has no entries")
    return [outcome for entry in entries for outcome in _outcomes(cast("payload.Platform", platform), entry, app_id)]


def _outcomes(platform: payload.Platform, entry: object, app_id: str) -> list[Outcome]:
    try:
        owner, found = _items(entry)
    except UnreadableError as error:
        return [[_unreadable(platform, entry, str(error), None)]]
    told_at = payload.moment(payload.mapping(entry).get("time"))
    read = []
    for key, raw in found:
        item = Item(platform, owner, told_at, payload.mapping(raw))
        try:
            read.append(_outcome(item, key, app_id))
        except UnreadableError as error:
            alone = {"id": owner, "time": payload.mapping(entry).get("time"), key: [raw]}
            read.append([_unreadable(platform, alone, str(error), _destination(item, key))])
    return read


def _items(entry: object) -> tuple[str, Sequence[tuple[str, Any]]]:
    """Return whose an entry is, and its events, each with the list it stood in."""
    parts = payload.mapping(entry)
    owner = payload.identifier(parts.get("id"))
    if owner is None:
        raise UnreadableError("an entry does not say whose it is")
    lists = {key: parts[key] for key in _LISTS if key in parts}
    if "field" in parts:  # so apps of Instagram login are told of comments
        lists["changes"] = [{"field": parts["field"], "value": parts.get("value")}]
    if not lists or not all(isinstance(each, list) for each in lists.values()):
        raise UnreadableError("an entry has no events that can be read")
    return owner, list(_flat(lists))


def _flat(lists: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, Any]]:
    for key, items in lists.items():
        yield from ((key, item) for item in items)


def _outcome(item: Item, key: str, app_id: str) -> Outcome:
    if key in _MESSAGES:
        return messages.read(item, app_id)
    field, value = payload.keyword(item.content.get("field")), payload.mapping(item.content.get("value"))
    inner = Item(item.platform, item.owner, item.told_at, value)
    if "sender" in value and "recipient" in value:  # messages told as a change, as the dashboard's test button does
        return messages.read(inner, app_id)
    if field in _BOOKKEEPING:
        return _BOOKKEEPING[field]
    reader = _READERS.get((item.platform, field))
    if reader is None:
        raise UnreadableError(f"an unknown kind of change: {field}")
    return reader(inner)


def _destination(item: Item, key: str) -> model.Destination:
    return messages.destination(item) if key in _MESSAGES else _CHANGES[item.platform](item)


_CHANGES = {"page": feed.destination, "instagram": media_comments.destination}


def _unreadable(platform: str, entry: object, reason: str, destination: model.Destination | None) -> model.Unreadable:
    try:
        body = json.dumps({"object": platform, "entry": [entry]}).encode()
    except RecursionError:
        raise errors.PayloadError("the body is nested too deeply") from None
    return model.Unreadable(body, reason, destination)
