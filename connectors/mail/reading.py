"""Raw mail to the words of `core`: what a citizen wrote, or what a mail system reports. Pure, and never fails.

Source: RFC 5322, RFC 2045 to 2047, RFC 2231, RFC 3464, RFC 3676, RFC 3834, RFC 8601; the modules beside this one say
which of them they read.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connectors.mail import authentication, automatic, body, bounces, headers, html, parts, quotes, tokens
from core import ids, model, ports, text

MEDIA_TYPE = "message/rfc822"

_SKEW = timedelta(days=1)  # by which a sender's clock may be wrong
_OLDEST = timedelta(days=30)
_MAX_NAME = 120
_MAX_SUBJECT = 500
_PICTURE_BYTES = 3_000_000  # of all pictures that stand in the text together
_TRACE = frozenset({"received", "delivered-to", "x-original-to", "return-path", "envelope-to"})
_ENCRYPTED = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"})


@dataclass(frozen=True, slots=True)
class Known:
    """What a mailbox's connector knows.

    `addresses`: the mailbox's own and its aliases, in lower case. `thread_key`: the secret of `tokens`. `instance`:
    this deployment's name in `automatic.LOOP_HEADER`. `authserv_id`: how the office's own mail server names itself in
    Authentication-Results, None where none does. What is beyond a limit stays in the original, and the details say so.
    """

    addresses: frozenset[str]
    thread_key: bytes = field(repr=False)
    instance: str
    authserv_id: str | None = None
    max_bytes: int = 40 * 1024 * 1024
    max_files: int = 50
    limits: parts.Limits = parts.LIMITS


def read(raw: bytes, known: Known, received_at: datetime) -> Sequence[model.InboundEvent]:
    """Return what a mail says, always at least one event: a message, or the receipt of a report about a mail of ours.

    `details` of a message, each only where there is something to say: subject; message_id, references (for the answer,
    nearest last), reply_to; cc; list; authentication (pass, fail, none); automatic (an `automatic.Reason`);
    forwarded, encrypted, text_cut ("1"); left_out (how many files only the original has).
    """
    try:
        return [_event(raw, known, received_at)]
    except Exception:  # noqa: BLE001 - a mail nobody foresaw still is a complaint; its original is kept
        return [_placeholder(raw)]


def original(raw: bytes) -> ports.OriginalMessage:
    """Return a mail as a file, and its HTML, safe to show, where it has any; never fails."""
    name = f"surat-{hashlib.sha256(raw).hexdigest()[:12]}.eml"
    try:
        shown = _shown(raw)
    except Exception:  # noqa: BLE001 - the file is there all the same
        shown = None
    return ports.OriginalMessage(name, MEDIA_TYPE, raw, shown)


def _event(raw: bytes, known: Known, received_at: datetime) -> model.InboundEvent:
    mail = parts.parse(raw[: known.max_bytes], known.limits)
    fields = mail.root.headers
    recipients = _recipients(fields)
    report = bounces.receipt(mail, recipients, known.thread_key)
    if report is not None:
        return report
    message_id = tokens.normal_id(text.clean(fields.raw("message-id")))
    if message_id is not None and tokens.outbox_of(message_id, known.thread_key) is not None:
        sender, _ = _sender(fields, known)
        if sender is not None and sender.address.lower() in known.addresses:
            # Our own mail, come back by a forwarding rule or a copy to ourselves: nothing new, but it did leave.
            return model.DeliveryReceipt(message_id, model.DeliveryState.ACCEPTED)
        message_id = None  # somebody else's words under the id of a mail of ours
    return _message(mail, known, received_at, recipients, message_id or _content_id(mail), len(raw) > known.max_bytes)


def _message(
    mail: parts.Mail, known: Known, received_at: datetime, recipients: Sequence[str], provider_id: str, is_cut: bool
) -> model.InboundMessage:
    fields = mail.root.headers
    sender, reply_to = _sender(fields, known)
    subject = fields.text("subject", _MAX_SUBJECT)
    said = body.read(mail, known.max_files)
    answers = tokens.replies_to(text.clean(fields.raw("in-reply-to")), text.clean(fields.raw("references")))
    whole = said.text or _text_of_attached(said, known)
    own, quoted = quotes.split(
        whole, reply=bool(answers) or quotes.is_reply(subject), forward=quotes.is_forward(subject)
    )
    machine = automatic.reason(fields, sender.address if sender else None, subject, known.addresses, known.instance)
    if machine is None and bounces.is_report(mail):
        machine = automatic.Reason.REPORT
    verdict = _verdict(fields, sender, known)
    vouched = sender is not None and verdict is authentication.Verdict.PASS
    author = _author(sender, reply_to, machine)
    details = _details(fields, subject, provider_id, answers, known) | {
        "reply_to": reply_to or "",
        "authentication": verdict.value,
        "automatic": machine.value if machine else "",
        "forwarded": "1" if quotes.is_forward(subject) else "",
        "encrypted": "1" if any(part.media_type in _ENCRYPTED for part in mail.root.walk()) else "",
        "text_cut": "1" if said.is_cut or is_cut else "",
        "left_out": str(said.left_out) if said.left_out else "",
    }
    return model.InboundMessage(
        provider_id=provider_id,
        address=author or f"unknown:{hashlib.sha256(provider_id.encode()).hexdigest()[:16]}",
        text=own or ("" if quoted else subject),
        quoted=quoted,
        sent_at=_sent_at(fields, received_at),
        name=(sender.name[:_MAX_NAME] or None) if sender else None,
        content=_content(own or quoted or subject, said),
        details={key: value for key, value in details.items() if value},
        files=said.files,
        is_automatic=machine is not None,
        is_doubtful=verdict is authentication.Verdict.FAIL,
        replies_to=answers,
        number=_number(recipients, subject, known.thread_key),
        reply_address=reply_to,
        identity=sender.address if sender and vouched else None,
    )


def _sender(fields: headers.Headers, known: Known) -> tuple[headers.Address | None, str | None]:
    """Return the author, and the address he asks answers to be sent to, None where that is his own."""
    named = [each for value in fields.every("from") for each in headers.addresses(value)]
    for other in ("sender", "reply-to", "return-path"):
        named = named or headers.addresses(fields.raw(other))
    sender = named[0] if named else None
    wanted = headers.addresses(fields.raw("reply-to"))
    reply_to = wanted[0].address if wanted else None
    if reply_to is None or reply_to.lower() in known.addresses or (sender and reply_to == sender.address):
        return sender, None
    return sender, reply_to


def _author(sender: headers.Address | None, reply_to: str | None, machine: automatic.Reason | None) -> str | None:
    """Return the contact's address: the author's; of a mail in our own name, as websites send them, who is answered."""
    if machine is automatic.Reason.OWN and reply_to is not None:
        return reply_to
    return sender.address if sender else None


def _verdict(fields: headers.Headers, sender: headers.Address | None, known: Known) -> authentication.Verdict:
    authors = [each for value in fields.every("from") for each in headers.addresses(value)]
    if sender is None or len(fields.every("from")) != 1 or len(authors) != 1:
        # No author or several: which of them the server's word is about cannot be told.
        return authentication.Verdict.NONE if not authors else authentication.Verdict.FAIL
    domain = sender.address.rpartition("@")[2]
    return authentication.verdict(fields.every("authentication-results"), known.authserv_id, domain)


def _details(
    fields: headers.Headers, subject: str, provider_id: str, answers: tuple[str, ...], known: Known
) -> dict[str, str]:
    named = [each.address for each in headers.addresses(fields.raw("cc"))]
    copies = [each for each in named if each.lower() not in known.addresses]
    return {
        "subject": subject,
        "message_id": provider_id if provider_id.startswith("<") else "",
        "references": " ".join(reversed(answers)),
        "cc": ", ".join(copies[:20]),
        "list": fields.text("list-id", 200),
    }


def _content(said: str, found: body.Body) -> model.Content:
    return model.Content.TEXT if said or found.files else model.Content.EMPTY


def _text_of_attached(said: body.Body, known: Known) -> str:
    """Return the text of the mail that a mail without words forwards."""
    if not said.attached:
        return ""
    return body.read(parts.parse(said.attached[0], known.limits), 0).text


def _recipients(fields: headers.Headers) -> list[str]:
    return [
        each.address
        for name in ("delivered-to", "x-original-to", "envelope-to", "to", "cc")
        for value in fields.every(name)[:10]
        for each in headers.addresses(value)
    ]


def _number(recipients: Sequence[str], subject: str, key: bytes) -> ids.Number | None:
    named = filter(None, (tokens.number_in_address(each, key) for each in recipients))
    return next(named, None) or tokens.number_in_subject(subject)


def _sent_at(fields: headers.Headers, received_at: datetime) -> datetime | None:
    """Return when the mail reached the mailbox, by its server's clock; else when its sender says that he wrote it.

    The server put its field on top. A sender's clock is believed within a month back and a day ahead.
    """
    arrived = headers.date(fields.raw("received").rpartition(";")[2])
    if arrived is not None:
        return min(arrived, received_at)
    written = headers.date(fields.raw("date"))
    if written is None or not received_at - _OLDEST <= written <= received_at + _SKEW:
        return None
    return min(written, received_at)


def _content_id(mail: parts.Mail) -> str:
    """Return what tells a mail without a usable Message-ID from others, the same in every mailbox it came to."""
    root = mail.root
    digest = hashlib.sha256()
    for name, value in root.headers:
        if name in ("from", "date", "subject", "to", "message-id"):
            digest.update(f"{name}:{value}\n".encode("utf-8", "surrogateescape"))
    digest.update(root.body.replace(b"\r\n", b"\n").rstrip())
    return f"sha256:{digest.hexdigest()}"


def _placeholder(raw: bytes) -> model.InboundMessage:
    digest = hashlib.sha256(raw).hexdigest()
    return model.InboundMessage(
        provider_id=f"sha256:{digest}",
        address=f"unknown:{digest[:16]}",
        content=model.Content.UNSUPPORTED,
        is_automatic=True,
    )


def _shown(raw: bytes) -> str | None:
    pictures: dict[str, bytes] = {}
    source = None
    room = _PICTURE_BYTES
    for part in parts.parse(raw, parts.LIMITS).root.walk():
        if part.media_type == "text/html" and source is None:
            source = text.clean(part.text())
        name = part.headers.raw("content-id").strip().strip("<>")
        if name and part.media_type.startswith("image/") and part.end - part.start <= room:
            pictures[name] = part.content()
            room -= len(pictures[name])
    return None if source is None else html.sanitised(source, pictures)
