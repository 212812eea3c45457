"""What leaves by Meta's channels: private messages, public replies, private replies to a comment, hiding a comment.

Source: Meta, "Send API", "Message Tags", "Attachment Upload API", "Private Replies" (Messenger Platform); "Comment"
(Graph API); "Comment Moderation" and "Private Replies" (Instagram Platform).
"""

from collections.abc import Mapping
from typing import Any

from connectors.meta import client, refusals
from core import errors, model, text

LONGEST = {"messenger": model.Limit(2000), "instagram": model.Limit(1000, "bytes")}
# Of the page or Instagram account that the token stands for.
_MESSAGES = "me/messages"
_UPLOADS = "me/message_attachments"
_KINDS = ("image", "video", "audio")  # everything else is a "file"


async def send_message(
    graph: client.GraphTransport, message: model.OutboundMessage, *, human_agent: bool, platform: client.Platform
) -> model.Sent:
    """Send a private message to a person who wrote to us; return the id that its echo will have.

    `human_agent`: Meta has granted the app that feature, so what a person wrote may be sent for seven days; everything
    else within 24 hours (ReplyWindowClosed). Files are uploaded first, which nobody sees; each then is a message of its
    own, after the text.
    """
    envelope = {"recipient": {"id": message.address}, **_messaging_type(message, human_agent=human_agent)}
    marked = _mark(message, platform)
    contents: list[Mapping[str, Any]] = [{"text": message.text}] if message.text else []
    try:
        contents += [await _upload(graph, file, platform) for file in message.files]
    except refusals.FAILED as error:
        raise refusals.of_repeatable(error) from None
    if not contents:
        raise errors.PermanentSendError("there is nothing to send")
    sent = await _post(graph, {**envelope, "message": {**contents[0], **marked}})
    further: list[str] = []
    for content in contents[1:]:
        try:
            told = await _post(graph, {**envelope, "message": {**content, **marked}})
            further += [told["message_id"]] if isinstance(told.get("message_id"), str) else []
        except errors.SendError as error:
            # The rest has arrived: another attempt would bring that twice.
            raise errors.UncertainSendError(f"sent in part, then: {error}", error.code) from error
    return model.Sent(_text(sent, "message_id"), further=tuple(further))


async def send_private_reply(
    graph: client.GraphTransport, message: model.OutboundMessage, opens: model.Destination, *, platform: client.Platform
) -> model.Sent:
    """Answer the author of a comment (or of a post on our page) alone: once, and within seven days.

    `opens` is the channel of private messages in which the author can answer; its limit of length holds, and because
    there is only one such answer, it cannot be split.
    """
    answered = _answered(message)
    if not text.fits(message.text, LONGEST[platform]):
        raise errors.PermanentSendError("too long for a private answer", refusal=model.Refusal.TOO_LARGE)
    by = "post_id" if answered.details.get("item") == "post" else "comment_id"
    body = {"recipient": {by: answered.provider_id}, "message": {"text": message.text, **_mark(message, platform)}}
    sent = await _post(graph, body)
    recipient = sent.get("recipient_id")
    opened = (opens, recipient) if isinstance(recipient, str) and recipient else None
    return model.Sent(_text(sent, "message_id"), opened)


async def send_reply(graph: client.GraphTransport, message: model.OutboundMessage, *, edge: str) -> model.Sent:
    """Answer a comment where everybody reads it; `edge` is `comments` on a page, `replies` on Instagram."""
    answered = _answered(message)
    try:
        sent = await graph.post(client.path(answered.provider_id, edge), {"message": message.text})
    except refusals.FAILED as error:
        raise refusals.of_sending(error) from None
    return model.Sent(_text(sent, "id"))


async def hide(graph: client.GraphTransport, message: model.OutboundMessage, *, flag: str) -> model.Sent:
    """Hide a comment from everybody but its author; `flag` is `is_hidden` on a page, `hide` on Instagram.

    May be repeated: what is hidden stays so. The id that is returned names this act alone.
    """
    comment_id = _answered(message).provider_id
    try:
        answer = await graph.post(client.path(comment_id), {flag: True})
    except refusals.FAILED as error:
        raise refusals.of_repeatable(error) from None
    if answer.get("success") is not True:
        raise errors.PermanentSendError("the comment was not hidden", refusal=model.Refusal.NOT_PERMITTED)
    return model.Sent(f"hide:{message.outbox_id}")


def _messaging_type(message: model.OutboundMessage, *, human_agent: bool) -> Mapping[str, str]:
    if message.window_open:
        return {"messaging_type": "RESPONSE"}
    # Only what a person wrote: Meta takes the feature away from who sends automatic texts by it.
    if human_agent and message.is_by_person:
        return {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}
    raise errors.ReplyWindowClosed("the reply window has closed", refusal=model.Refusal.WINDOW_CLOSED)


def _mark(message: model.OutboundMessage, platform: client.Platform) -> Mapping[str, str]:
    """Return what makes the echo give our reference back; Instagram knows no such thing."""
    return {"metadata": message.reference} if platform == "messenger" else {}


def _answered(message: model.OutboundMessage) -> model.Answered:
    if message.answers is None:
        raise errors.PermanentSendError("there is no comment to answer", refusal=model.Refusal.GONE)
    return message.answers


async def _upload(graph: client.GraphTransport, file: model.Enclosure, platform: client.Platform) -> Mapping[str, Any]:
    """Upload a file; return what a message that carries it holds."""
    kind = file.media_type.partition("/")[0]
    kind = kind if kind in _KINDS else "file"
    body: dict[str, Any] = {"message": {"attachment": {"type": kind, "payload": {"is_reusable": True}}}}
    if platform == "instagram":
        body["platform"] = platform
    answer = await graph.post(_UPLOADS, body, client.Upload(file.name, file.media_type, file.content))
    attachment_id = answer.get("attachment_id")
    if not isinstance(attachment_id, str) or not attachment_id:
        raise refusals.NoAnswerError("the answer names no attachment")
    if platform == "instagram":  # Meta, "Upload Media for Instagram Messaging": another shape than Messenger's
        return {"attachment": {"type": "MEDIA_SHARE", "payload": {"id": attachment_id}}}
    return {"attachment": {"type": kind, "payload": {"attachment_id": attachment_id}}}


async def _post(graph: client.GraphTransport, body: Mapping[str, Any]) -> client.Answer:
    try:
        return await graph.post(_MESSAGES, body)
    except refusals.FAILED as error:
        raise refusals.of_sending(error) from None


def _text(answer: client.Answer, name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise errors.UncertainSendError("Meta's answer names no message")
    return value
