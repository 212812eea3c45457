"""What mail systems report of our mails: delivered, delayed, failed, shown. Only a verified report changes anything.

Anybody can send a report; one counts when it names a Message-ID that we made, which only its receivers know, or came
to the bounce address of that mail. Source: RFC 3461, RFC 3464 (delivery), RFC 8098 (disposition), RFC 3463 (codes).
"""

import re
from collections.abc import Iterator, Sequence

from connectors.mail import headers, parts, smtp_errors, tokens
from core import errors, model

_DELIVERY = ("message/delivery-status", "message/global-delivery-status")
_DISPOSITION = ("message/disposition-notification", "message/global-disposition-notification")
_ORIGINAL = (
    "message/rfc822",
    "text/rfc822-headers",
    "message/global",
    "message/global-headers",
    "message/rfc822-headers",
)
_MAX_REPORT = 64 * 1024  # bytes that are read of a report
_MAX_GROUPS = 50
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_CODE = re.compile(r"(?<!\d)([45]\d\d)(?!\d)")
_GROUP = re.compile(rb"(?:\r?\n){2,}")

# `relayed` left our reach, `expanded` went to a list, `delayed` is still tried: none is an end, all prove acceptance.
_ACTIONS = {
    "failed": model.DeliveryState.FAILED,
    "delivered": model.DeliveryState.DELIVERED,
    "relayed": model.DeliveryState.ACCEPTED,
    "expanded": model.DeliveryState.ACCEPTED,
    "delayed": model.DeliveryState.ACCEPTED,
}


def is_report(mail: parts.Mail) -> bool:
    """Whether a mail is a report of a mail system in one of the standard forms, whoever made it."""
    return any(part.media_type in _DELIVERY + _DISPOSITION for part in mail.root.walk())


def receipt(mail: parts.Mail, recipients: Sequence[str], key: bytes) -> model.DeliveryReceipt | None:
    """Return what a report says of a mail of ours; None for what is no report, or not provably about ours.

    `recipients`: the addresses the report itself came to.
    """
    for part in mail.root.walk():
        if part.media_type in _DELIVERY + _DISPOSITION:
            groups = list(_groups(part))
            if (ours := _about(mail, groups, recipients, key)) is None:
                return None
            return _delivery(ours, groups) if part.media_type in _DELIVERY else _disposition(ours, groups)
    return None


def _about(mail: parts.Mail, groups: Sequence[headers.Headers], recipients: Sequence[str], key: bytes) -> str | None:
    """Return our Message-ID that a report is about."""
    told = [group.raw("original-message-id") for group in groups]
    for part in mail.root.walk():
        if part.media_type in _ORIGINAL:
            original = part.content()[:_MAX_REPORT]
            told.append(headers.split(original, 0, len(original))[0].raw("message-id"))
    named = tokens.own_among(filter(None, map(tokens.normal_id, told)), key)
    return named or next(filter(None, (tokens.bounced(each, key) for each in recipients)), None)


def _delivery(ours: str, groups: Sequence[headers.Headers]) -> model.DeliveryReceipt | None:
    found: list[tuple[model.DeliveryState, headers.Headers]] = []
    for group in groups:
        state = _ACTIONS.get(group.raw("action").partition("(")[0].strip().lower())
        if state is not None:
            found.append((state, group))
    if not found:
        return None
    # Our mails have one recipient; where a server split him in two, the worst is what a person must hear of.
    state, group = next((each for each in found if each[0] is model.DeliveryState.FAILED), found[0])
    status = _STATUS.search(group.raw("status"))
    code = status[0] if status else None
    refusal = _refusal(code or "", group.raw("diagnostic-code")) if state is model.DeliveryState.FAILED else None
    return model.DeliveryReceipt(ours, state, error_code=code if refusal or state is _FAILED else None, refusal=refusal)


_FAILED = model.DeliveryState.FAILED


def _refusal(status: str, diagnostic: str) -> model.Refusal | None:
    """Return what a failure means, by the reply of the recipient's server where the report quotes it."""
    answer = diagnostic.partition(";")[2][:1000]
    code = _CODE.search(answer)
    told = _STATUS.search(answer)
    enhanced = told[0] if told and status.endswith(".0.0") else status or (told[0] if told else "")
    reply = smtp_errors.Reply(int(code[1]) if code else int(enhanced[:1] or 5) * 100 + 50, f"{enhanced} {answer}")
    error: errors.SendError = smtp_errors.of_reply(reply, smtp_errors.Stage.RECIPIENT)
    return error.refusal


def _disposition(ours: str, groups: Sequence[headers.Headers]) -> model.DeliveryReceipt | None:
    """Return READ for a mail that was shown; one deleted unread did arrive (RFC 8098 section 3.2.6)."""
    for group in groups:
        kind = group.raw("disposition").partition(";")[2].partition("/")[0].strip().lower()
        if kind == "displayed":
            return model.DeliveryReceipt(ours, model.DeliveryState.READ)
        if kind in ("deleted", "dispatched", "processed"):
            return model.DeliveryReceipt(ours, model.DeliveryState.DELIVERED)
    return None


def _groups(part: parts.Part) -> Iterator[headers.Headers]:
    """Yield the groups of fields of a report: one for the mail, then one for each recipient."""
    for block in _GROUP.split(part.content()[:_MAX_REPORT])[:_MAX_GROUPS]:
        yield headers.split(block, 0, len(block))[0]
