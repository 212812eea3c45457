"""Twilio's rules about messages: what a create must hold, what the codes mean, how long a text is. Pure.

Source: Twilio, "Messages resource" (parameters of create), "Error and warning dictionary", "Advanced Opt-Out".
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from multidict import MultiMapping

from simulator import twilio_records as records

REPLY_WINDOW = timedelta(hours=24)
OUTSIDE_WINDOW = 63016
MAX_BODY = 1600
STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT", "BERHENTI"})
START_WORDS = frozenset({"START", "YES", "UNSTOP", "MULAI"})

PARAMETERS = frozenset(
    {"To", "From", "MessagingServiceSid", "FallbackFrom", "Body", "ContentSid", "ContentVariables", "MediaUrl"}
    | {"StatusCallback", "ApplicationSid", "MaxPrice", "ProvideFeedback", "Attempt", "ValidityPeriod", "ForceDelivery"}
    | {"ContentRetention", "AddressRetention", "SmartEncoded", "PersistentAction", "TrafficType", "ShortenUrls"}
    | {"ScheduleType", "SendAt", "SendAsMms", "RiskCheck", "MessageIntent"}
)

# What a create is refused with at once: code -> HTTP status and text. Every other code comes in a status callback.
AT_ONCE = {
    20001: (400, "Invalid parameter"),
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource was not found"),
    20429: (429, "Too Many Requests"),
    20503: (503, "Service Unavailable"),
    21211: (400, "Invalid 'To' Phone Number"),
    21408: (400, "Permission to send a message has not been enabled for the region"),
    21602: (400, "Message body is required"),
    21603: (400, "A 'From' phone number is required"),
    21604: (400, "A 'To' phone number is required"),
    21606: (400, "The 'From' phone number is not a valid message-capable number of the account"),
    21609: (400, "The 'StatusCallback' URL is not valid"),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21611: (429, "This 'From' number has exceeded the maximum number of queued messages"),
    21614: (400, "'To' number is not a valid mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit"),
    21655: (400, "The ContentSid is invalid"),
    21656: (400, "The ContentVariables parameter is invalid"),
    21701: (404, "The Messaging Service does not exist"),
    21703: (400, "The Messaging Service has no sender for this channel"),
    21910: (400, "'From' and 'To' must be of the same channel"),
    63007: (400, "Could not find a channel with the specified 'From' address"),
    63038: (429, "Account exceeded the daily messages limit"),
}
# Said in a status callback.
_AFTERWARDS = {
    30001: "Queue overflow",
    30003: "Unreachable destination handset",
    30005: "Unknown destination handset",
    30006: "Landline or unreachable carrier",
    30036: "Validity period expired",
    OUTSIDE_WINDOW: "Outside the allowed window",
    63018: "Rate limit exceeded for the channel",
    63024: "Invalid message recipient",
}
_NUMBER = re.compile(r"\+[1-9]\d{6,14}")
_WHATSAPP_ADDRESS = re.compile(r"whatsapp:(\+[1-9]\d{6,14}|[A-Z]{2}\.[A-Za-z0-9]{1,128})")  # a number or a BSUID
_CONTENT_SID = re.compile(r"HX[0-9a-fA-F]{32}")
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}\s]+)\s*\}\}")
_MAX_VALIDITY_SECONDS = 36_000

_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("^{}\\[~]|€")


class RefusedError(Exception):
    """The API refuses a request with this code; `retry_after` in seconds."""

    def __init__(self, code: int, status: int | None = None, detail: str = "", retry_after: int | None = None) -> None:
        usual, text = AT_ONCE.get(code, (400, meaning(code)))
        super().__init__(f"{text}: {detail}" if detail else text)
        self.code = code
        self.status = status or usual
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Draft:
    """A create that passed; `failure` is the code it will fail with afterwards."""

    sender: str
    recipient: str
    body: str
    messaging_service_sid: str | None
    status_callback: str | None
    content_sid: str | None
    media_urls: tuple[str, ...]
    failure: int | None


def meaning(code: int) -> str:
    return _AFTERWARDS.get(code) or AT_ONCE.get(code, (0, "Unknown error"))[1]


def failed_status(code: int) -> str:
    """Return how a message ends that was accepted and failed: the carrier's codes are 'undelivered'."""
    return "undelivered" if 30002 < code < 31000 else "failed"


def refusal(code: int, *, in_callback: bool | None = None, retry_after: int | None = None) -> records.Refusal:
    """Return a refusal with `code`, at once or in the callback as Twilio does it unless told otherwise."""
    afterwards = code not in AT_ONCE if in_callback is None else in_callback
    return records.Refusal(code, None if afterwards else AT_ONCE.get(code, (400, ""))[0], retry_after)


def read_create(account: records.Account, form: MultiMapping[str], now: datetime) -> Draft:
    """Check a create as Twilio does, and more strictly: a parameter it does not know is refused (20001).

    Free text outside WhatsApp's reply window passes and fails afterwards (63016), as with Twilio.
    """
    if unknown := set(form) - PARAMETERS:
        raise RefusedError(20001, detail=", ".join(sorted(unknown)))
    recipient = form.get("To", "")
    if not recipient:
        raise RefusedError(21604)
    if not (_NUMBER.fullmatch(recipient) or _WHATSAPP_ADDRESS.fullmatch(recipient)):
        raise RefusedError(21211, detail=recipient)
    sender = _sender(account, form, recipient)
    body, content_sid = _content(account, form)
    callback = form.get("StatusCallback") or account.lines[sender].status_url
    if callback and not re.match(r"https?://[^/\s]+", callback):
        raise RefusedError(21609)
    validity = form.get("ValidityPeriod", "1")
    if not (validity.isdigit() and 1 <= int(validity) <= _MAX_VALIDITY_SECONDS):
        raise RefusedError(20001, detail="ValidityPeriod")
    if (sender, recipient) in account.opted_out:
        raise RefusedError(21610)
    return Draft(
        sender=sender,
        recipient=recipient,
        body=body,
        messaging_service_sid=form.get("MessagingServiceSid") or None,
        status_callback=callback,
        content_sid=content_sid,
        media_urls=tuple(form.getall("MediaUrl", [])),
        failure=None if content_sid or is_window_open(account, sender, recipient, now) else OUTSIDE_WINDOW,
    )


def _sender(account: records.Account, form: MultiMapping[str], recipient: str) -> str:
    service, sender = form.get("MessagingServiceSid"), form.get("From")
    on_whatsapp = recipient.startswith(records.WHATSAPP)
    if sender:
        if sender not in account.lines:
            raise RefusedError(63007 if sender.startswith(records.WHATSAPP) else 21606, detail=sender)
        if sender.startswith(records.WHATSAPP) != on_whatsapp:
            raise RefusedError(21910)
        return sender
    if not service:
        raise RefusedError(21603)
    pool = account.senders_of(service)
    if not pool:
        raise RefusedError(21701, detail=service)
    fitting = [each for each in pool if each.startswith(records.WHATSAPP) == on_whatsapp]
    if not fitting:
        raise RefusedError(21703)
    return fitting[0]


def _content(account: records.Account, form: MultiMapping[str]) -> tuple[str, str | None]:
    body, content_sid = form.get("Body", ""), form.get("ContentSid")
    if content_sid:
        if not _CONTENT_SID.fullmatch(content_sid):
            raise RefusedError(21655, detail=content_sid)
        return _fill(account.templates.get(content_sid), form.get("ContentVariables", "{}")), content_sid
    if not body and "MediaUrl" not in form:
        raise RefusedError(21602)
    if len(body) > MAX_BODY:
        raise RefusedError(21617)
    return body, None


def _fill(template: str | None, variables: str) -> str:
    try:
        values = json.loads(variables)
    except ValueError:
        raise RefusedError(21656) from None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise RefusedError(21656)
    if template is None:
        return " · ".join(values[name] for name in sorted(values))
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)


def is_window_open(account: records.Account, sender: str, recipient: str, now: datetime) -> bool:
    """True if free text may be sent: always by SMS, within 24 h of the citizen's last message by WhatsApp."""
    if not recipient.startswith(records.WHATSAPP):
        return True
    last = account.last_inbound.get((sender, recipient))
    return not account.faults.window_closed and last is not None and now - last < REPLY_WINDOW


def segments(text: str) -> int:
    """Return how many text messages carry `text` (GSM 03.38: 160 or 153 septets; else UCS-2: 70 or 67 units)."""
    if all(character in _GSM_BASIC or character in _GSM_EXTENDED for character in text):
        length, single, part = sum(1 + (character in _GSM_EXTENDED) for character in text), 160, 153
    else:
        length, single, part = len(text.encode("utf-16-le")) // 2, 70, 67
    return 1 if length <= single else -(-length // part)


def opt_out_type(body: str) -> str | None:
    """Return 'STOP' or 'START' if the whole text is such a word, as Advanced Opt-Out tells it; else None."""
    word = body.strip().upper()
    return "STOP" if word in STOP_WORDS else "START" if word in START_WORDS else None
