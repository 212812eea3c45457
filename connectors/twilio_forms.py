"""Twilio's signed form webhooks: proof of origin, and what they say. Pure.

Source: Twilio, "Webhooks security", "Messaging webhooks", "Status callbacks", "Advanced opt-out".
"""

import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import parse_qs, parse_qsl, urlsplit

from twilio.request_validator import RequestValidator, add_port, remove_port

from connectors import twilio_errors
from core import errors, model, ports, text

SIGNATURE_HEADER = "x-twilio-signature"
_MAX_FIELDS = 1_000  # Twilio sends about forty
_MAX_FILES = 20  # Twilio promises ten
_MAX_NAME = 120
_MAX_DETAIL = 500

_PROVIDER_ID = re.compile(r"[A-Za-z0-9_\-]{1,64}")
_PHONE = re.compile(r"\+[1-9]\d{7,14}", re.ASCII)
_ADDRESS = re.compile(r"[^\s\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]{1,256}")
_REFERENCE = re.compile(r"[A-Za-z0-9._:\-]{1,64}")
_DEGREES = re.compile(r"-?\d{1,3}(?:\.\d{1,20})?", re.ASCII)
_MEDIA_URL = re.compile(r"MediaUrl(\d{1,3})", re.ASCII)

_STATES = {
    "accepted": model.DeliveryState.ACCEPTED,
    "scheduled": model.DeliveryState.ACCEPTED,
    "queued": model.DeliveryState.ACCEPTED,
    "sending": model.DeliveryState.ACCEPTED,
    "sent": model.DeliveryState.ACCEPTED,
    "delivered": model.DeliveryState.DELIVERED,
    "read": model.DeliveryState.READ,
    "undelivered": model.DeliveryState.FAILED,
    "failed": model.DeliveryState.FAILED,
    "canceled": model.DeliveryState.FAILED,
}
_INBOUND_STATUSES = frozenset({"", "receiving", "received"})
# WhatsApp's kinds that text and files show in full; others (order, reaction, whatever comes) are marked as not shown.
_SHOWN_TYPES = frozenset(
    {"", "text", "image", "audio", "voice", "video", "document", "file", "sticker", "location", "contacts", "button"}
    | {"interactive"}
)
_CARD_TYPES = frozenset({"text/vcard", "text/x-vcard", "text/directory"})
_WORD_EDGE = " \t\r\n.,!?;:'\"*_()[]"

Form = Mapping[str, Sequence[str]]


class Signatures:
    """Proves that Twilio made a request: signed with one of `tokens` for `public_url`, and for our own account.

    `public_url` is what the provider calls, without the path of the request: behind a proxy the request's own Host
    says something else. Two tokens are accepted while one replaces the other.
    """

    def __init__(self, tokens: Iterable[str], account_sid: str, public_url: str) -> None:
        self._validators = [RequestValidator(token) for token in tokens]  # type: ignore[no-untyped-call]
        self._account_sid = account_sid.encode()
        # Twilio signs with or without the port, whichever of its machines calls (the vendor's validator says so too).
        parsed = urlsplit(public_url.rstrip("/"))
        variants = (remove_port(parsed), add_port(parsed))  # type: ignore[no-untyped-call]
        self._bases = tuple(dict.fromkeys([parsed.geturl(), *variants]))

    def verify(self, request: ports.RawRequest) -> None:
        """Raise SignatureError unless the request is proven."""
        given = request.headers.get(SIGNATURE_HEADER, "").encode("utf-8", "surrogatepass")
        if not given:
            raise errors.SignatureError("the request carries no signature")
        try:
            form = read_form(request.body)
        except errors.PayloadError as error:
            raise errors.SignatureError(str(error)) from error
        if not self._is_signed(request.target, form, given):
            raise errors.SignatureError("the signature does not fit this address and content")
        # A number that moved to another account with the same parent keeps calling here.
        accounts = form.get("AccountSid", ())
        if len(accounts) != 1 or not hmac.compare_digest(accounts[0].encode(), self._account_sid):
            raise errors.SignatureError("the request is about another account")

    def _is_signed(self, target: str, form: "Form", given: bytes) -> bool:
        expected = (
            validator.compute_signature(base + target, form)  # type: ignore[no-untyped-call]
            for validator in self._validators
            for base in self._bases
        )
        try:
            return any(hmac.compare_digest(each.encode(), given) for each in expected)
        except UnicodeEncodeError:  # surrogates in the target
            return False


class _Fields(dict[str, list[str]]):
    """A form as the vendor's validator reads one: every value of a name, in constant time."""

    getall = dict.__getitem__


@lru_cache(maxsize=1)
def read_form(body: bytes) -> "Form":
    """Return the fields of a form body; PayloadError when it has too many.

    The last one is kept: reading a form costs four fifths of proving its origin, and each is proven, then parsed.
    """
    fields = _Fields()
    try:
        pairs = parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise errors.PayloadError("the form has too many fields") from None
    for name, value in pairs:
        # A percent sign before nonsense decodes to U+FFFD, which no signature fits.
        fields.setdefault(name, []).append(value)
    return fields


class Words:
    """Which words, alone in a message, stop or resume our writing to a contact."""

    def __init__(self, stop: Iterable[str], start: Iterable[str]) -> None:
        self._meanings = {
            **{_word(each): model.Consent.IN for each in start},
            **{_word(each): model.Consent.OUT for each in stop},
        }

    def consent(self, body: str, opt_out_type: str) -> model.Consent | None:
        """Return what the contact wishes; Twilio's own word (OptOutType) counts first."""
        if opt_out_type.upper() == "STOP":
            return model.Consent.OUT
        if opt_out_type.upper() == "START":
            return model.Consent.IN
        return self._meanings.get(_word(body)) if len(body) <= _MAX_NAME else None


def read_event(target: str, form: "Form", words: Words) -> model.InboundEvent:
    """Return the message or receipt of a webhook; PayloadError when it cannot be told or misses what we need."""
    fields = {name: values[0] for name, values in form.items()}
    status = (fields.get("MessageStatus") or fields.get("SmsStatus") or "").lower()
    if status in _INBOUND_STATUSES:
        return read_message(fields, words)
    return _read_receipt(target, fields, status)


def read_message(fields: Mapping[str, str], words: Words) -> model.InboundMessage:
    """Return the message that `fields` (first value of each name) describe, in whatever form it came."""
    provider_id = _provider_id(fields)
    address = _address(fields)
    body = text.clean(fields.get("Body", ""))
    files = _files(fields)
    content, details = _content(fields, body, files)
    if content is model.Content.BUTTON and not body.strip():
        body = details.get("button_text", "")
    return model.InboundMessage(
        provider_id=provider_id,
        address=address,
        identity=_match(_PHONE, address.rpartition(":")[2]),
        text=body,
        name=text.one_line(text.clean(fields.get("ProfileName", "")), _MAX_NAME) or None,
        content=content,
        details=details,
        files=files,
        consent=words.consent(body, fields.get("OptOutType", "")),
        replies_to=tuple(
            sid for sid in (_match(_PROVIDER_ID, fields.get("OriginalRepliedMessageSid")),) if sid is not None
        ),
    )


def _read_receipt(target: str, fields: Mapping[str, str], status: str) -> model.DeliveryReceipt:
    # An unknown status may be a failure: in quarantine somebody sees it, as a guess nobody would.
    if status not in _STATES:
        raise errors.PayloadError(f"unknown message status {text.one_line(text.clean(status), 40)}")
    code = fields.get("ErrorCode", "").strip()
    reference = parse_qs(target.partition("?")[2][:1_000]).get("ob", [None])[0]
    return model.DeliveryReceipt(
        provider_id=_provider_id(fields),
        state=_STATES[status],
        error_code=code[:20] if code.isascii() and code.isalnum() and code != "0" else None,
        refusal=twilio_errors.refusal_of(code),
        reference=_match(_REFERENCE, reference),
    )


def _content(
    fields: Mapping[str, str], body: str, files: tuple[model.RemoteFile, ...]
) -> tuple[model.Content, dict[str, str]]:
    kind = fields.get("MessageType", "").strip().lower()
    details: dict[str, str] = {}
    if fields.get("Forwarded") == "true" or fields.get("FrequentlyForwarded") == "true":
        details["forwarded"] = "often" if fields.get("FrequentlyForwarded") == "true" else "once"
    if all(_DEGREES.fullmatch(fields.get(name, "")) for name in ("Latitude", "Longitude")):
        return model.Content.LOCATION, details | _details(
            fields, latitude=["Latitude"], longitude=["Longitude"], address=["Address"], label=["Label"]
        )
    pressed = _details(fields, button_text=["ButtonText", "ListTitle"], button_payload=["ButtonPayload", "ListId"])
    if pressed:
        return model.Content.BUTTON, details | pressed
    if kind == "contacts" or any(file.media_type in _CARD_TYPES for file in files):
        return model.Content.CONTACT_CARD, details
    lacks_files = not files and fields.get("NumMedia", "").strip("0 ") != ""
    if kind not in _SHOWN_TYPES or (kind == "location") or (lacks_files and not body.strip()):
        return model.Content.UNSUPPORTED, details | _details(fields, type=["MessageType"])
    if not body.strip() and not files:
        return model.Content.EMPTY, details
    return model.Content.TEXT, details


def _details(fields: Mapping[str, str], **names: Sequence[str]) -> dict[str, str]:
    """Return the details whose field, the first of its names that has a value, says anything."""
    found = {}
    for detail, sources in names.items():
        value = next((fields[source] for source in sources if fields.get(source)), "")
        if line := text.one_line(text.clean(value), _MAX_DETAIL):
            found[detail] = line
    return found


def _files(fields: Mapping[str, str]) -> tuple[model.RemoteFile, ...]:
    """Return the files by the addresses that are there: NumMedia may be missing, wrong or no number."""
    numbers = sorted(int(match[1]) for match in map(_MEDIA_URL.fullmatch, fields) if match)
    return tuple(
        model.RemoteFile(url, text.one_line(text.clean(fields.get(f"MediaContentType{number}", "")), 100) or None)
        for number in numbers[:_MAX_FILES]
        if (url := text.clean(fields.get(f"MediaUrl{number}", "")).strip())
    )


def _provider_id(fields: Mapping[str, str]) -> str:
    for name in ("MessageSid", "SmsSid", "SmsMessageSid"):
        if sid := _match(_PROVIDER_ID, fields.get(name)):
            return sid
    raise errors.PayloadError("the form has no message SID")


def _address(fields: Mapping[str, str]) -> str:
    """Return the sender, opaque: a number, `whatsapp:` and a number, or an id that is no number at all (BSUID)."""
    if address := _match(_ADDRESS, fields.get("From")):
        return address
    raise errors.PayloadError("the form has no sender")


def _match(pattern: re.Pattern[str], value: str | None) -> str | None:
    return value if value is not None and pattern.fullmatch(value) else None


def _word(body: str) -> str:
    return body.strip(_WORD_EDGE).casefold()
