"""What people do at Meta: citizens in Messenger, under a post, on Instagram; a colleague in the page's own inbox."""

from collections.abc import Sequence
from typing import Any

from simulator import graph_records as records
from simulator import graph_webhooks as webhooks
from simulator.graph import GraphStandIn


class People:
    """Acts on a stand-in. Each returns when its webhook was answered, gave up, or was held back.

    People are named by the id that the account knows them by; `name` makes them known by a name as well.
    """

    def __init__(self, stand_in: GraphStandIn) -> None:
        self._stand_in = stand_in

    async def write(self, account_id: str, person_id: str, text: str = "", **more: Any) -> records.Message:
        """Send a private message; the keywords are those of `put`."""
        message = self.put(account_id, person_id, text, **more)
        await self._stand_in.tell_message(message)
        return message

    def put(
        self,
        account_id: str,
        person_id: str,
        text: str = "",
        *,
        name: str = "",
        media: Sequence[tuple[str, bytes]] = (),
        reply_to: str | None = None,
    ) -> records.Message:
        """Send a private message without its being announced: it is only listed, as during an outage of the webhook."""
        stand_in, now = self._stand_in, self._stand_in.clock.now()
        person = stand_in.person(account_id, person_id, name)
        person.wrote_at = now
        mid = stand_in.new_mid(stand_in.accounts[account_id])
        files = stand_in.keep_media(media)
        message = records.Message(mid, account_id, person_id, text, now, media=files, reply_to=reply_to)
        stand_in.keep_message(message)
        return message

    async def answer_as_colleague(self, account_id: str, person_id: str, text: str) -> records.Message:
        """Write to a person from the page's own inbox, past the office's program."""
        stand_in = self._stand_in
        mid = stand_in.new_mid(stand_in.accounts[account_id])
        stand_in.person(account_id, person_id)
        message = records.Message(mid, account_id, person_id, text, stand_in.clock.now(), from_us=True)
        stand_in.keep_message(message)
        await stand_in.tell_message(message)
        return message

    async def edit(self, message: records.Message, text: str) -> None:
        message.text = text
        edit = {"message_edit": {"mid": message.mid, "text": text, "num_edit": 1}}
        await self._stand_in.tell(message, "message_edits", edit)

    async def unsend(self, message: records.Message) -> None:
        """Take a message back; Instagram tells, Messenger does not."""
        message.is_unsent, message.text, message.media = True, "", []
        self._stand_in.changed()
        if self._stand_in.accounts[message.account_id].is_instagram:
            event = {"message": {"mid": message.mid, "is_deleted": True}}
            await self._stand_in.tell(message, "messages", event)

    async def react(self, message: records.Message, emoji: str | None) -> None:
        """Put a sign to a message, ours or one's own; None takes it away."""
        action = {"action": "react", "reaction": "other", "emoji": emoji} if emoji else {"action": "unreact"}
        message.reaction = emoji
        await self._stand_in.tell(message, "message_reactions", {"reaction": {"mid": message.mid, **action}})

    async def press(self, account_id: str, person_id: str, title: str, payload: str, name: str = "") -> records.Message:
        """Press a button of ours; it stands in the conversation as a message."""
        message = self.put(account_id, person_id, title, name=name)
        postback = {"postback": {"mid": message.mid, "title": title, "payload": payload}}
        await self._stand_in.tell(message, "messaging_postbacks", postback)
        message.handover = records.Handover.DONE
        return message

    async def read(self, account_id: str, person_id: str) -> None:
        """Look at the conversation: everything that had arrived is read."""
        stand_in = self._stand_in
        ours = [each for each in stand_in.person(account_id, person_id).messages if each.from_us]
        unread = [message for message in ours if message.state == "delivered"]
        if not unread:
            return
        for message in unread:
            message.state = "read"
        stand_in.changed()
        if stand_in.accounts[account_id].is_instagram:
            await stand_in.tell(unread[-1], "messaging_seen", {"read": {"mid": unread[-1].mid}})
        else:
            watermark = webhooks.milliseconds(stand_in.clock.now())
            await stand_in.tell(unread[-1], "message_reads", {"read": {"watermark": watermark}})

    # --- Where everybody reads it ---------------------------------------------------------------------------------

    async def comment(self, post_id: str, person_id: str | None, text: str = "", **more: Any) -> records.Comment:
        """Comment on a post; the keywords are those of `put_comment`."""
        comment = self.put_comment(post_id, person_id, text, **more)
        account = self._stand_in.accounts[self._account_of(post_id).id]
        await self._stand_in.tell_comment(account, comment)
        return comment

    def put_comment(
        self,
        post_id: str,
        person_id: str | None,
        text: str = "",
        *,
        name: str = "",
        parent_id: str | None = None,
        photo: tuple[str, bytes] | None = None,
    ) -> records.Comment:
        """Comment without its being announced. Without `person_id` Meta does not say who wrote it."""
        stand_in = self._stand_in
        found = stand_in.post(post_id)
        if found is None:
            raise KeyError(post_id)
        account, post = found
        if person_id is not None:
            name = stand_in.person(account.id, person_id, name).name
        media = stand_in.keep_media([photo])[0] if photo else None
        comment = records.Comment(
            new_comment_id(stand_in, account, post),
            post.id,
            parent_id or post.id,
            person_id,
            name,
            text,
            stand_in.clock.now(),
            photo=media,
        )
        stand_in.keep_comment(post, comment)
        return comment

    async def edit_comment(self, comment: records.Comment, text: str) -> None:
        """Change a comment; a page is told of it, Instagram tells nothing."""
        comment.text = text
        await self._tell_page(comment, "edited")

    async def remove_comment(self, comment: records.Comment) -> None:
        comment.is_removed = True
        await self._tell_page(comment, "remove")

    async def visit(self, account_id: str, person_id: str, text: str, name: str = "") -> records.Post:
        """Write a post of one's own on the page."""
        person = self._stand_in.person(account_id, person_id, name)
        post = self._stand_in.publish(account_id, text, person_id, person.name)
        await self._stand_in.tell_post(self._stand_in.accounts[account_id], post)
        return post

    async def _tell_page(self, comment: records.Comment, verb: str) -> None:
        account = self._account_of(comment.post_id)
        self._stand_in.changed()
        if not account.is_instagram:
            await self._stand_in.tell_comment(account, comment, verb)

    def _account_of(self, post_id: str) -> records.Account:
        found = self._stand_in.post(post_id)
        if found is None:
            raise KeyError(post_id)
        return found[0]


def new_comment_id(stand_in: GraphStandIn, account: records.Account, post: records.Post) -> str:
    number = stand_in.number()
    return f"1801{number:013d}" if account.is_instagram else f"{post.id.rpartition('_')[2]}_{number:09d}"
