"""Meta's rules about what a page may send, and how the Graph API refuses. Pure.

Source: Meta, "Send API", "Message Tags", "Private Replies", "Error Codes" (Messenger Platform), "Handling Errors".
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from simulator import graph_records as records

REPLY_WINDOW = timedelta(hours=24)
HUMAN_WINDOW = timedelta(days=7)
MAX_TEXT = 2000  # characters
MAX_INSTAGRAM_BYTES = 1000
MAX_COMMENT = 8000
_MAX_METADATA = 1000

_TEXTS = {
    1: "An unknown error occurred",
    2: "An unexpected error has occurred. Please retry your request later.",
    4: "Application request limit reached",
    10: "Application does not have permission for this action",
    33: "Unsupported request. The object does not exist or cannot be loaded",
    100: "Invalid parameter",
    190: "Invalid OAuth access token.",
    200: "Permissions error",
    368: "The action attempted has been deemed abusive or is otherwise disallowed",
    551: "This person isn't available right now.",
    613: "Calls to this API have exceeded the rate limit.",
    10900: "Activity already replied to",
    10903: "This user can't reply to this activity",
}


class RefusedError(Exception):
    """The API refuses a request."""

    def __init__(self, refusal: records.Refusal, detail: str = "") -> None:
        text = _TEXTS.get(refusal.code, "Error")
        super().__init__(f"(#{refusal.code}) {detail or text}")
        self.refusal = refusal

    def json(self) -> Mapping[str, Any]:
        refusal = self.refusal
        told: dict[str, Any] = {"message": str(self), "type": "OAuthException", "code": refusal.code}
        if refusal.subcode is not None:
            told["error_subcode"] = refusal.subcode
        if refusal.is_transient:
            told["is_transient"] = True
        return {"error": {**told, "fbtrace_id": "AduanTrace"}}


def refused(code: int, subcode: int | None = None, detail: str = "", status: int = 400) -> RefusedError:
    return RefusedError(records.Refusal(code, subcode, status), detail)


def gone() -> RefusedError:
    return refused(100, 33, _TEXTS[33])


def require(given: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse parameters that the call does not have; Meta passes over some of them, which would hide mistakes here."""
    if unknown := set(given) - {*known, "appsecret_proof"}:
        raise refused(100, detail=f"unknown parameter: {', '.join(sorted(unknown))}")


def read_message(account: records.Account, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Check the message of a send: one text or one attachment, within the channel's length; return it."""
    message = body.get("message")
    if not isinstance(message, dict):
        raise refused(100, detail="param message must be non-empty")
    require(message, ("text", "attachment", "metadata", "quick_replies"))
    text, attachment = message.get("text"), message.get("attachment")
    if (text is None) == (attachment is None):
        raise refused(100, 2018034, "message cannot be empty, must provide valid attachment or text")
    if text is not None:
        _check_text(account, text)
    metadata = message.get("metadata")
    if metadata is not None and (not isinstance(metadata, str) or len(metadata) > _MAX_METADATA):
        raise refused(100, detail="metadata must be a string of at most 1000 characters")
    return message


def _check_text(account: records.Account, text: Any) -> None:
    if not isinstance(text, str) or not text.strip():
        raise refused(100, detail="param message[text] must be a non-empty UTF-8 encoded string")
    if account.is_instagram and len(text.encode()) > MAX_INSTAGRAM_BYTES:
        raise refused(100, 2534037, "Message text is too long")
    if not account.is_instagram and len(text.encode("utf-16-le")) // 2 > MAX_TEXT:
        raise refused(100, detail=f"Length of param message[text] must be less than or equal to {MAX_TEXT}")


def check_window(
    account: records.Account, person: records.Person, body: Mapping[str, Any], now: datetime
) -> str | None:
    """Refuse what comes too late for its type; return the tag."""
    kind, tag = body.get("messaging_type", "RESPONSE"), body.get("tag")
    if kind not in ("RESPONSE", "UPDATE", "MESSAGE_TAG"):
        raise refused(100, detail="messaging_type must be one of RESPONSE, UPDATE, MESSAGE_TAG")
    if (kind == "MESSAGE_TAG") != (tag is not None):
        raise refused(100, detail="a tag belongs to MESSAGE_TAG")
    if tag not in (None, "HUMAN_AGENT"):
        raise refused(100, detail="unknown tag")
    if tag is not None and not account.human_agent:
        raise refused(10, detail="the app may not use the tag HUMAN_AGENT")
    window = REPLY_WINDOW if tag is None else HUMAN_WINDOW
    is_late = person.wrote_at is None or now - person.wrote_at > window
    if is_late or (account.faults.window_closed and tag is None):
        raise refused(10, outside_window(account), "This message is sent outside of allowed window.")
    return tag


def outside_window(account: records.Account) -> int:
    return 2534022 if account.is_instagram else 2018278


def check_private_reply(account: records.Account, comment: records.Comment, now: datetime) -> None:
    """Refuse a second private reply, one after seven days, one to ourselves, one to nobody known."""
    if comment.has_private_reply:
        raise refused(10900)
    if comment.author in (None, account.id) or now - comment.at > HUMAN_WINDOW:
        raise refused(10903)
