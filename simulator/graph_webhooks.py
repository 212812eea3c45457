"""Meta's webhooks: the shape of what they tell, the signature over the exact bytes, one attempt at a time.

Source: Meta, "Webhooks from Meta: getting started" (handshake, signature, batches), "Webhook events" (Messenger
Platform), "Webhooks examples" (Instagram Platform), "Page" and "Instagram" (webhooks reference).
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from core.clock import Clock
from simulator import graph_records as records

TIMEOUT_SECONDS = 15
_MAX_CHALLENGE = 64


def message_item(message: records.Message, urls: Mapping[str, str]) -> Mapping[str, Any]:
    """Return a message, or the echo of one of ours, as `entry.messaging` has it; `urls` of its media by id."""
    told: dict[str, Any] = {"mid": message.mid}
    if message.text:
        told["text"] = message.text
    if message.media:
        told["attachments"] = [{"type": each.kind, "payload": {"url": urls[each.id]}} for each in message.media]
    if message.reply_to:
        told["reply_to"] = {"mid": message.reply_to}
    if message.from_us:
        told["is_echo"] = True
        told |= {name: value for name in ("app_id", "metadata") if (value := getattr(message, name)) is not None}
        if "app_id" in told:
            told["app_id"] = int(told["app_id"])
    return messaging(message, {"message": told}, message.at)


def messaging(message: records.Message, event: Mapping[str, Any], at: datetime) -> Mapping[str, Any]:
    person, account = {"id": message.person_id}, {"id": message.account_id}
    is_echo = "message" in event and message.from_us
    sender, recipient = (account, person) if is_echo else (person, account)
    return {"sender": sender, "recipient": recipient, "timestamp": milliseconds(at), **event}


def comment_item(account: records.Account, comment: records.Comment, verb: str, url: str | None) -> Mapping[str, Any]:
    """Return a comment as `entry.changes` has it."""
    if account.is_instagram:
        value: dict[str, Any] = {"id": comment.id, "media": {"id": comment.post_id, "media_product_type": "FEED"}}
        value |= {"text": comment.text}
        if comment.author:
            value["from"] = {"id": comment.author, "username": comment.name}
        if comment.parent_id != comment.post_id:
            value["parent_id"] = comment.parent_id
        return {"field": "comments", "value": value}
    value = {
        "item": "comment",
        "verb": verb,
        "comment_id": comment.id,
        "post_id": comment.post_id,
        "parent_id": comment.parent_id,
        "created_time": int(comment.at.timestamp()),
    }
    if comment.author:
        value["from"] = {"id": comment.author, "name": comment.name}
    if verb != "remove":
        value["message"] = comment.text
        if url:
            value["photo"] = url
    return {"field": "feed", "value": value}


def post_item(post: records.Post, verb: str = "add") -> Mapping[str, Any]:
    """Return a post on a page as `entry.changes` has it."""
    author = {"from": {"id": post.author, "name": post.name}} if post.author else {}
    created = int(post.at.timestamp())
    value = {"item": "post", "verb": verb, "post_id": post.id, "message": post.text, "created_time": created}
    return {"field": "feed", "value": {**value, **author}}


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def body_of(events: Sequence[records.Event], object_: str) -> bytes:
    """Return events in one body, an entry for each account, as Meta writes JSON: not a character beyond ASCII."""
    entries: dict[str, dict[str, Any]] = {}
    for event in events:
        time = milliseconds(event.at) if event.kind != "changes" else int(event.at.timestamp())
        entry = entries.setdefault(event.account_id, {"id": event.account_id, "time": time})
        entry.setdefault(event.kind, []).append(event.item)
    body = json.dumps({"object": object_, "entry": [*entries.values()]}, separators=(",", ":"))
    return body.replace("/", "\\/").encode("ascii")


def signature(secret: str, body: bytes) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


class Webhooks:
    """The connections to whoever listens; opened with the first request."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def post(self, account_id: str, url: str, body: bytes, secret: str) -> records.Delivery:
        """Make one attempt; return what came of it."""
        headers = {
            "Content-Type": "application/json",
            "X-Hub-Signature-256": signature(secret, body),
            "X-Hub-Signature": "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest(),
            "User-Agent": "facebookexternalua",
        }
        status, error = None, None
        try:
            async with self._opened().post(
                URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
            ) as response:
                await response.content.read(_MAX_CHALLENGE)
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as failure:
            error = type(failure).__name__
        return records.Delivery(self._clock.now(), account_id, url, body, status, error)

    async def shake_hands(self, url: str, verify_token: str) -> bool:
        """Ask by GET whether the webhook is the app's; it must give the challenge back."""
        challenge = str(secrets.randbelow(10**10))
        query = {"hub.mode": "subscribe", "hub.challenge": challenge, "hub.verify_token": verify_token}
        try:
            async with self._opened().get(
                URL(f"{url}?{urlencode(query)}", encoded=True), allow_redirects=False
            ) as response:
                answer = await response.content.read(_MAX_CHALLENGE)
                return response.status == 200 and answer == challenge.encode()
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A connection per request: a kept one that the restarted receiver has forgotten would look like an outage.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
