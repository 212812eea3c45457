"""What the stand-in's API takes: messages, private and public answers, files, hiding, deleting.

Source: Meta, "Send API", "Attachment Upload API", "Private Replies", "Comment", "Comment Moderation", "Page Feed".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from simulator import graph_records as records
from simulator import graph_rules as rules
from simulator.graph import GraphStandIn
from simulator.graph_people import new_comment_id
from simulator.graph_reads import Reads

MAX_FILE_BYTES = 25 * 1024 * 1024
_SEND = ("recipient", "message", "messaging_type", "tag", "notification_type")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """The answer to a post, and the message or comment it made, which is then told of."""

    answer: Mapping[str, Any]
    message: records.Message | None = None
    comment: tuple[records.Account, records.Comment, str] | None = None


class Writes:
    """Answers POST and DELETE requests of one account's token."""

    def __init__(self, stand_in: GraphStandIn, reads: Reads) -> None:
        self._stand_in = stand_in
        self._reads = reads
        self._uploads: dict[str, tuple[str, str, records.Media]] = {}  # whose platform, kind, file

    def post(
        self, account: records.Account, parts: Sequence[str], body: Mapping[str, Any], file: Upload | None
    ) -> Written:
        """Carry out a post; RefusedError when the API would not."""
        match parts:
            case [account_id, "messages"] if account_id == account.id:
                written = self._send(account, body)
            case [account_id, "message_attachments"] if account_id == account.id:
                written = self._upload(body, file)
            case [account_id, "feed"] if account_id == account.id and not account.is_instagram:
                rules.require(body, ("message",))
                written = Written({"id": self._stand_in.publish(account.id, _text(body)).id})
            case [account_id, "subscribed_apps"] if account_id == account.id:
                rules.require(body, ("subscribed_fields",))
                account.subscribed = tuple(str(body.get("subscribed_fields", "")).split(","))
                written = Written({"success": True})
            case [object_id, "comments" | "replies"]:
                written = self._comment(account, object_id, parts[1], body)
            case [comment_id, "likes"]:
                rules.require(body, ())
                self._reads.comment(account, comment_id)
                written = Written({"success": True})
            case [comment_id]:
                written = self._hide(account, comment_id, body)
            case _:
                raise rules.gone()
        return written

    def delete(self, account: records.Account, parts: Sequence[str]) -> Written:
        if len(parts) != 1:
            raise rules.gone()
        owner, _, comment = self._reads.comment(account, parts[0])
        comment.is_removed = True
        self._stand_in.changed()
        return Written({"success": True}, comment=None if owner.is_instagram else (owner, comment, "remove"))

    # --- Messages -------------------------------------------------------------------------------------------------

    def _send(self, account: records.Account, body: Mapping[str, Any]) -> Written:
        rules.require(body, _SEND)
        recipient = body.get("recipient")
        if not isinstance(recipient, dict) or len(recipient) != 1:
            raise rules.refused(100, detail="param recipient must be one of id, comment_id, post_id")
        ((by, object_id),) = recipient.items()
        if by == "id":
            owner, person = self._recipient(account, object_id)
            tag = rules.check_window(owner, person, body, self._stand_in.clock.now())
        elif by in ("comment_id", "post_id"):
            owner, person, tag = *self._author(account, by, str(object_id)), None
        else:
            raise rules.refused(100, detail="param recipient must be one of id, comment_id, post_id")
        content = rules.read_message(owner, body)
        message = records.Message(
            self._stand_in.new_mid(owner),
            owner.id,
            person.id,
            content.get("text", ""),
            self._stand_in.clock.now(),
            from_us=True,
            app_id=owner.app.id,
            metadata=content.get("metadata"),
            tag=tag,
            media=self._attached(owner, content.get("attachment")),
        )
        self._stand_in.keep_message(message)
        return Written({"recipient_id": person.id, "message_id": message.mid}, message=message)

    def _recipient(self, account: records.Account, person_id: Any) -> tuple[records.Account, records.Person]:
        for owner in (account, account.linked):
            person = owner.people.get(person_id) if owner and isinstance(person_id, str) else None
            if owner is not None and person is not None:
                if person.blocks_us:
                    raise rules.refused(551, 1545041)
                return owner, person
        raise rules.refused(100, 2534014 if account.is_instagram else 2018001, "No matching user found")

    def _author(self, account: records.Account, by: str, object_id: str) -> tuple[records.Account, records.Person]:
        """Return who wrote a comment or a post on the page, to be answered alone."""
        now = self._stand_in.clock.now()
        if by == "post_id":
            post = self._stand_in.post(object_id)
            if post is None or post[0] is not account or post[1].author is None:
                raise rules.gone()
            return account, self._stand_in.person(account.id, post[1].author)
        owner, _, comment = self._reads.comment(account, object_id)
        rules.check_private_reply(owner, comment, now)
        comment.has_private_reply = True
        return owner, self._stand_in.person(owner.id, comment.author or "", comment.name)

    def _attached(self, owner: records.Account, attachment: Any) -> list[records.Media]:
        """Return the file that was uploaded for this platform; Instagram names it in another way."""
        if attachment is None:
            return []
        payload = attachment.get("payload") if isinstance(attachment, dict) else None
        name = "id" if owner.is_instagram else "attachment_id"
        upload = self._uploads.get(str(payload.get(name) if isinstance(payload, dict) else None))
        kind = "MEDIA_SHARE" if owner.is_instagram else upload and upload[1]
        if upload is None or upload[0] != owner.object or kind != attachment.get("type"):
            raise rules.refused(100, 2018018, "the attachment cannot be sent")
        return [upload[2]]

    def _upload(self, body: Mapping[str, Any], file: Upload | None) -> Written:
        rules.require(body, ("message", "platform"))
        message = body.get("message")
        attachment = message.get("attachment") if isinstance(message, dict) else None
        kind = attachment.get("type") if isinstance(attachment, dict) else None
        if kind not in ("image", "video", "audio", "file") or file is None:
            raise rules.refused(100, 2018018, "an attachment needs a type and a file")
        if len(file.content) > MAX_FILE_BYTES:
            raise rules.refused(4, 2018047, "Attachment size exceeds allowable limit")
        (media,) = self._stand_in.keep_media([(file.content_type, file.content)])
        named = records.Media(media.id, media.content_type, media.content, file.name)
        self._stand_in.media[media.id] = named
        attachment_id = f"{self._stand_in.number():016d}"
        platform = "instagram" if body.get("platform") == "instagram" else "page"
        self._uploads[attachment_id] = (platform, kind, named)
        return Written({"attachment_id": attachment_id})

    # --- Comments -------------------------------------------------------------------------------------------------

    def _comment(self, account: records.Account, object_id: str, edge: str, body: Mapping[str, Any]) -> Written:
        rules.require(body, ("message",))
        text = _text(body)
        found = self._stand_in.post(object_id)
        if found is not None and found[0] in (account, account.linked):
            owner, post, parent_id = *found, object_id
        else:
            owner, post, above = self._reads.comment(account, object_id)
            if owner.is_instagram and above.is_hidden:
                raise rules.refused(100, detail="a hidden comment cannot be answered")
            # What answers an answer stands beside it, below the same comment.
            parent_id = above.id if above.parent_id == post.id else above.parent_id
        if edge != ("replies" if owner.is_instagram and parent_id != post.id else "comments"):
            raise rules.refused(100, detail=f"nonexisting field ({edge})")
        comment = records.Comment(
            new_comment_id(self._stand_in, owner, post),
            post.id,
            parent_id,
            owner.id,
            owner.name,
            text,
            self._stand_in.clock.now(),
        )
        self._stand_in.keep_comment(post, comment)
        return Written({"id": comment.id}, comment=(owner, comment, "add"))

    def _hide(self, account: records.Account, comment_id: str, body: Mapping[str, Any]) -> Written:
        owner, _, comment = self._reads.comment(account, comment_id)
        flag = "hide" if owner.is_instagram else "is_hidden"
        rules.require(body, (flag, "message"))
        if not isinstance(body.get(flag), bool):
            raise rules.refused(100, detail=f"param {flag} must be a boolean")
        comment.is_hidden = body[flag]
        self._stand_in.changed()
        verb = "hide" if comment.is_hidden else "unhide"
        return Written({"success": True}, comment=None if owner.is_instagram else (owner, comment, verb))


def _text(body: Mapping[str, Any]) -> str:
    text = body.get("message")
    if not isinstance(text, str) or not text.strip() or len(text) > rules.MAX_COMMENT:
        raise rules.refused(100, detail="param message must be a text")
    return text
