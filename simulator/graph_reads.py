"""What the stand-in's API shows: objects by their fields, lists by pages.

Source: Meta, "Conversations API", "Message", "Comment", "Page Feed", "IG Media", "Debug Token", "Paginated Results".
"""

import base64
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from simulator import graph_records as records
from simulator import graph_rules as rules
from simulator.graph import GraphStandIn

DEFAULT_LIMIT, MAX_LIMIT = 25, 100
INSTAGRAM_DETAILED = 20  # the latest messages of an Instagram conversation; of the others only the id is told
_PAGING = ("fields", "limit", "after", "before")


class Reads:
    """Answers GET requests of one account's token."""

    def __init__(self, stand_in: GraphStandIn) -> None:
        self._stand_in = stand_in

    def answer(self, account: records.Account, parts: Sequence[str], query: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what stands at a path, `me` already resolved; RefusedError when there is nothing for this token."""
        match parts:
            case [account_id] if account_id in (account.id, account.linked.id if account.linked else None):
                rules.require(query, ("fields",))
                told = _chosen(self._account(self._stand_in.accounts[account_id]), query.get("fields"))
            case [account_id, "conversations"] if account_id == account.id:
                told = self._conversations(account, query)
            case [conversation, "messages"] if conversation.startswith("t_"):
                told = self._messages(self._in_conversation(account, conversation), query)
            case [account_id, "feed" | "media"]:
                told = self._posts(self._own(account, account_id), parts[1], query)
            case [account_id, "subscribed_apps"]:
                told = self._subscribed(self._own(account, account_id))
            case [object_id, "comments" | "replies"]:
                told = self._comments(account, object_id, query)
            case [object_id]:
                rules.require(query, ("fields",))
                told = _chosen(self._object(account, object_id), query.get("fields"))
            case _:
                raise rules.gone()
        return told

    def debug_token(self, token: str) -> Mapping[str, Any]:
        """Return what the debugger says of a token, which the app itself asks."""
        account = next((each for each in self._stand_in.accounts.values() if each.token == token), None)
        if account is None:
            return {"data": {"is_valid": False, "error": {"code": 190, "message": "Invalid OAuth access token."}}}
        is_over = account.expires_at is not None and account.expires_at <= self._stand_in.clock.now()
        return {
            "data": {
                "app_id": account.app.id,
                "type": "PAGE",
                "application": "Aduan",
                "expires_at": _timestamp(account.expires_at),
                "data_access_expires_at": _timestamp(account.data_access_expires_at),
                "is_valid": account.faults.token_subcode is None and not is_over,
                "scopes": list(account.scopes),
                "profile_id": account.id,
            }
        }

    def _account(self, account: records.Account) -> Mapping[str, Any]:
        more = {"user_id": account.id, "username": account.name} if account.is_instagram else {}
        return {"id": account.id, "name": account.name, **more}

    def _own(self, account: records.Account, account_id: str) -> records.Account:
        """Return the account, or the one linked to it, by its id."""
        for own in (account, account.linked):
            if own is not None and own.id == account_id:
                return own
        raise rules.gone()

    def _subscribed(self, account: records.Account) -> Mapping[str, Any]:
        if account.subscribed is None:
            return {"data": []}
        return {"data": [{"id": account.app.id, "name": "Aduan", "subscribed_fields": list(account.subscribed)}]}

    # --- Conversations --------------------------------------------------------------------------------------------

    def _conversations(self, account: records.Account, query: Mapping[str, str]) -> Mapping[str, Any]:
        rules.require(query, (*_PAGING, "platform", "user_id"))
        platform = query.get("platform", "instagram" if account.is_instagram else "messenger")
        of = account.linked if platform == "instagram" and not account.is_instagram else account
        if of is None or of.is_instagram != (platform == "instagram"):
            raise rules.refused(100, detail="no such platform for this account")
        people = [person for person in of.people.values() if person.messages]
        people.sort(key=lambda person: person.messages[-1].at, reverse=True)
        listed = [
            {"id": conversation_id(of, person), "updated_time": written(person.messages[-1].at)} for person in people
        ]
        return self._page(listed, query)

    def _in_conversation(self, account: records.Account, conversation: str) -> tuple[records.Account, records.Person]:
        for of in (account, account.linked):
            for person in of.people.values() if of else ():
                if conversation_id(of or account, person) == conversation:
                    return of or account, person
        raise rules.gone()

    def _messages(self, found: tuple[records.Account, records.Person], query: Mapping[str, str]) -> Mapping[str, Any]:
        rules.require(query, _PAGING)
        account, person = found
        newest = [message for message in reversed(person.messages) if not message.is_unsent]
        told = len(newest) if not account.is_instagram else INSTAGRAM_DETAILED
        listed = [self._message(account, person, message) for message in newest[:told]]
        return self._page(listed, query)

    def _message(self, account: records.Account, person: records.Person, message: records.Message) -> Mapping[str, Any]:
        name = "username" if account.is_instagram else "name"
        sides = [{"id": person.id, name: person.name}, {"id": account.id, name: account.name}]
        sender, recipient = reversed(sides) if message.from_us else sides
        told: dict[str, Any] = {
            "id": message.mid,
            "created_time": written(message.at),
            "from": sender,
            "to": {"data": [recipient]},
            "message": message.text,
        }
        if message.media:
            told["attachments"] = {"data": [self._attachment(media) for media in message.media]}
        return told

    def _attachment(self, media: records.Media) -> Mapping[str, Any]:
        url, name = self._stand_in.media_url(media), media.name or media.id
        told = {"id": media.id, "mime_type": media.content_type, "name": name, "size": len(media.content)}
        if media.kind == "image":
            return {**told, "image_data": {"url": url, "width": 1, "height": 1}}
        return {**told, "video_data": {"url": url}} if media.kind == "video" else {**told, "file_url": url}

    # --- Posts and comments ---------------------------------------------------------------------------------------

    def _posts(self, account: records.Account, edge: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        rules.require(query, _PAGING)
        if (edge == "media") != account.is_instagram:
            raise rules.refused(100, detail=f"nonexisting field ({edge})")
        newest = sorted(account.posts, key=lambda post: post.at, reverse=True)
        return self._page([self._post(account, post) for post in newest], query)

    def _post(self, account: records.Account, post: records.Post) -> Mapping[str, Any]:
        if account.is_instagram:
            return {
                "id": post.id,
                "caption": post.text,
                "timestamp": written(post.at),
                "media_product_type": "FEED",
                "comments_count": len(post.comments),
            }
        return {
            "id": post.id,
            "message": post.text,
            "created_time": written(post.at),
            "updated_time": written(post.updated_at or post.at),
            "from": {"id": post.author or account.id, "name": post.name or account.name},
        }

    def _comments(self, account: records.Account, object_id: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        """List the newest first: of a post (on Instagram those that answer none), or what answers a comment."""
        found = self._stand_in.post(object_id)
        if found is not None and found[0] in (account, account.linked):
            owner, post = found
            rules.require(query, _PAGING if owner.is_instagram else (*_PAGING, "filter", "order"))
            is_stream = query.get("filter") == "stream"
            listed = [each for each in post.comments if is_stream or each.parent_id == post.id]
        else:
            owner, post, _ = self.comment(account, object_id)
            rules.require(query, _PAGING)
            listed = [each for each in post.comments if each.parent_id == object_id]
        shown = [self._comment(owner, post, each) for each in reversed(listed) if not each.is_removed]
        return self._page(shown, query)

    def comment(
        self, account: records.Account, comment_id: str
    ) -> tuple[records.Account, records.Post, records.Comment]:
        """Return a comment that this token may see; RefusedError when there is none (any more)."""
        found = self._stand_in.comment(comment_id)
        if found is None or found[2].is_removed or found[0] not in (account, account.linked):
            raise rules.gone()
        return found

    def _object(self, account: records.Account, object_id: str) -> Mapping[str, Any]:
        post = self._stand_in.post(object_id)
        if post is not None and post[0] in (account, account.linked):
            return self._post(*post)
        message = self._stand_in.message(object_id)
        if message is not None and message.account_id in (account.id, account.linked.id if account.linked else None):
            owner = self._stand_in.accounts[message.account_id]
            return self._message(owner, owner.people[message.person_id], message)
        return self._comment(*self.comment(account, object_id))

    def _comment(self, account: records.Account, post: records.Post, comment: records.Comment) -> Mapping[str, Any]:
        is_answer = comment.parent_id != post.id
        if account.is_instagram:
            told: dict[str, Any] = {"id": comment.id, "text": comment.text, "timestamp": written(comment.at)}
            if comment.author:
                told |= {"from": {"id": comment.author, "username": comment.name}, "username": comment.name}
            if is_answer:
                return {**told, "parent_id": comment.parent_id}
            answers = [each for each in post.comments if each.parent_id == comment.id and not each.is_removed]
            return {**told, "replies": {"data": [self._comment(account, post, each) for each in answers]}}
        told = {
            "id": comment.id,
            "message": comment.text,
            "created_time": written(comment.at),
            "is_hidden": comment.is_hidden,
            "can_reply_privately": comment.author not in (None, account.id) and not comment.has_private_reply,
        }
        if comment.author:
            told["from"] = {"id": comment.author, "name": comment.name}
        if is_answer:
            told["parent"] = {"id": comment.parent_id}
        if comment.photo:
            image = {"image": {"src": self._stand_in.media_url(comment.photo), "width": 1, "height": 1}}
            told["attachment"] = {"type": "photo", "media": image}
        return told

    def _page(self, listed: Sequence[Mapping[str, Any]], query: Mapping[str, str]) -> Mapping[str, Any]:
        """Return a page of a list; a cursor names the last record of the page before, so that nothing shifts."""
        limit = query.get("limit", str(DEFAULT_LIMIT))
        if not (limit.isascii() and limit.isdigit() and int(limit) > 0):
            raise rules.refused(100, detail="limit must be a number")
        size, start = min(int(limit), MAX_LIMIT), 0
        if after := query.get("after"):
            ids = [_cursor(record) for record in listed]
            if after not in ids:
                raise rules.refused(100, detail="the cursor is not valid")
            start = ids.index(after) + 1
        shown = listed[start : start + size]
        if not shown:
            return {"data": []}
        paging: dict[str, Any] = {"cursors": {"before": _cursor(shown[0]), "after": _cursor(shown[-1])}}
        if start + size < len(listed):
            # As Meta does it, with the token of whoever asked: nobody should follow this.
            following = urlencode({**query, "after": _cursor(shown[-1]), "access_token": "TOKEN"})
            paging["next"] = f"{self._stand_in.base_url}/?{following}"
        return {"data": [_chosen(record, query.get("fields")) for record in shown], "paging": paging}


def conversation_id(account: records.Account, person: records.Person) -> str:
    return f"t_{account.id}{person.id}"


def written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S+0000")


def _timestamp(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp())


def _cursor(record: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(str(record["id"]).encode()).decode()


def _chosen(record: Mapping[str, Any], fields: str | None) -> Mapping[str, Any]:
    """Return the record's `fields` (`id,from,replies{id}`) and always its id; without them a few that Meta tells."""
    if fields is None:
        wanted = {"name", "message", "text", "created_time", "timestamp", "from", "updated_time"}
    else:
        wanted, depth = set(), 0
        for part in re.split(r"([{},])", fields):
            depth += (part == "{") - (part == "}")
            if depth == 0 and part.strip("{},"):
                wanted.add(part)
            if depth < 0:
                raise rules.refused(100, detail="syntax error in fields")
    return {name: value for name, value in record.items() if name in wanted or name == "id"}
