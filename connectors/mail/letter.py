"""A message of the office as a mail: letterhead, number, subject, text, and the headers that keep it in its thread.

Source: RFC 5322, RFC 2045 to 2049, RFC 3834 (automatic answers), RFC 6532; Microsoft, "X-Auto-Response-Suppress".
"""

import email.policy
import html
import re
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage

from connectors.mail import automatic, smtp, texts, tokens
from core import errors, model, privacy, text
from core.ids import Number
from core.model import MessageKind

_MAX_SUBJECT = 160
_MAX_NAME = 120
_MAX_ADDRESS = 254
_MAX_FILE_NAME = 120

# The visible ASCII that an id may have; a longer one is no id that a mail program would find again.
_MESSAGE_ID = re.compile(r"<[!-;=?-~]{1,250}>")
_LOCAL = re.compile(r"[^\s\x00-\x20\x7f()<>\[\]\\,;:\"@]{1,64}")
_DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9\-]{1,63}")
_MEDIA_TYPE = re.compile(r"(application|audio|font|image|text|video)/[A-Za-z0-9!#$&^_.+\-]{1,100}")
_REPLIED = re.compile(r"^(?:\s*(?:re|aw|sv|bls|balas)\s*(?:\[\d+\])?:)+\s*", re.IGNORECASE)
_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]]")

# Why a system wrote (RFC 3834 section 5): in answer to a mail, or of its own accord. What a person wrote has none.
_IN_ANSWER = frozenset({MessageKind.ACKNOWLEDGEMENT, MessageKind.FURTHER_ACKNOWLEDGEMENT, MessageKind.PRIVACY_NOTICE})


@dataclass(frozen=True, slots=True)
class Route:
    """How one mail goes out and comes back. Ids are within angle brackets.

    `sender`: the office's own address, in From; it must be of our domain, or DMARC has the mail refused.
    `name`: how the office is called. `reply_to`: where answers go, None for `sender`. `return_path`: where bounces go.
    `instance`: this deployment's name in the header by which we know our own mails.
    """

    sender: str
    name: str | None
    message_id: str
    reply_to: str | None
    return_path: str
    instance: str


def build(message: model.OutboundMessage, route: Route, now: datetime) -> smtp.Envelope:
    """Return the mail; PermanentSendError when the contact's address can be no mailbox.

    Nothing of it is 8 bit, so that no server on the way has to encode it anew and break a signature; only an address
    beyond ASCII makes its header so.
    """
    recipient = mailbox(message.address)
    if recipient is None:
        raise errors.PermanentSendError("the address can be no mailbox", refusal=model.Refusal.NO_SUCH_ADDRESS)
    name = text.one_line(text.clean(route.name or ""), _MAX_NAME)
    answered = dict(message.answers.details) if message.answers is not None else {}
    title = _title(answered.get("subject", ""), message.number)
    mail = EmailMessage(policy=email.policy.SMTPUTF8 if not recipient.isascii() else email.policy.SMTP)
    mail["Date"] = now
    mail["From"] = _address(route.sender, name)
    mail["To"] = _address(recipient)
    if route.reply_to is not None:
        mail["Reply-To"] = _address(route.reply_to, name)
    mail["Subject"] = _subject(title, message)
    if not message.is_by_person:
        mail["Auto-Submitted"] = "auto-replied" if message.kind in _IN_ANSWER else "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
    mail[automatic.LOOP_HEADER] = route.instance
    lines, footer = _head(message, title), _footer(message)
    words = text.clean(message.text).strip()
    mail.set_content(_plain(name, lines, words, footer), cte="quoted-printable")
    mail.add_alternative(_html(name, lines, words, footer), subtype="html", cte="quoted-printable")
    for file in message.files:
        _attach(mail, file)
    content = _thread(route.message_id, answered) + mail.as_bytes()
    return smtp.Envelope(route.return_path, recipient, content, utf8=not recipient.isascii())


def mailbox(address: str) -> str | None:
    """Return an address with its domain in ASCII; None when it can be no mailbox."""
    local, _, domain = address.rpartition("@")
    try:
        if not domain.isascii():
            import idna  # noqa: PLC0415 - its tables are large, and such domains rare

            domain = idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError:
        return None
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain) or len(f"{local}@{domain}".encode()) > _MAX_ADDRESS:
        return None
    return f"{local}@{domain}"


# --- Headers ----------------------------------------------------------------------------------------------------------


def _thread(message_id: str, answered: dict[str, str]) -> bytes:
    """Return the headers that hold ids: written here, as the library breaks up an id longer than its line."""
    replied = _ids(answered.get("message_id", ""))[:1]
    before = _ids(answered.get("references", "")) or _ids(answered.get("in_reply_to", ""))
    chain = [each for each in dict.fromkeys(before) if each not in replied]
    lines = [f"Message-ID: {message_id}"]
    if replied:
        # The first names the thread, the last ones its end: what lies between may be left out (RFC 5322 3.6.4).
        chain = chain if len(chain) < tokens.MAX_REFERENCES else [chain[0], *chain[2 - tokens.MAX_REFERENCES :]]
        lines += [f"In-Reply-To: {replied[0]}", "References: " + "\r\n ".join([*chain, *replied])]
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _ids(value: str) -> list[str]:
    return _MESSAGE_ID.findall(value)


def _title(subject: str, number: Number | None) -> str:
    """Return the subject of the contact's mail without what answering adds to it, our own tag included.

    A personal number that stands in it is masked: subjects are shown in lists and kept in logs everywhere.
    """
    line = text.one_line(text.clean(subject), 998)
    if number is not None:
        line = line.replace(tokens.subject_tag(number), "")
    line = _REPLIED.sub("", text.one_line(privacy.mask(line), _MAX_SUBJECT)).strip()
    return line or texts.SUBJECT


def _subject(title: str, message: model.OutboundMessage) -> str:
    reply = [texts.REPLY] if message.answers is not None else []
    tag = [tokens.subject_tag(message.number)] if message.number is not None else []
    return " ".join([*reply, title, *tag])


def _address(address: str, name: str = "") -> Address:
    local, _, domain = address.rpartition("@")
    return Address(name, local, domain)


# --- Body -------------------------------------------------------------------------------------------------------------


def _head(message: model.OutboundMessage, title: str) -> list[tuple[str, str]]:
    """Return the lines under the letterhead, as label and value."""
    lines = [(texts.NUMBER, str(message.number))] if message.number is not None else []
    if message.files:
        lines.append((texts.ENCLOSURES, texts.FILES.format(jumlah=len(message.files))))
    return [*lines, (texts.SUBJECT_LABEL, title)]


def _footer(message: model.OutboundMessage) -> list[str]:
    automatic = [] if message.is_by_person else [texts.FOOTER_AUTOMATIC]
    return [*automatic, texts.FOOTER_REPLY, texts.FOOTER_PRIVACY]


def _plain(name: str, lines: list[tuple[str, str]], words: str, footer: list[str]) -> str:
    width = max(len(label) for label, _ in lines)
    head = "\n".join(f"{label:<{width}} : {value}" for label, value in lines)
    kop = f"{name}\n{'-' * min(len(name), 72)}\n\n" if name else ""
    # "-- " begins what mail programs leave out when they quote.
    return f"{kop}{head}\n\n{words}\n\n-- \n{' '.join(footer)}\n"


def _html(name: str, lines: list[tuple[str, str]], words: str, footer: list[str]) -> str:
    """Return the letter as HTML: every text escaped, styles inline, nothing to fetch from anywhere."""
    kop = f'<p style="{_KOP}">{html.escape(name)}</p>' if name else ""
    head = "".join(
        f'<tr><td style="padding:0 12px 2px 0;color:#55606f">{html.escape(label)}</td>'
        f'<td style="padding:0 0 2px">{html.escape(value)}</td></tr>'
        for label, value in lines
    )
    paragraphs = "".join(
        f'<p style="margin:0 0 14px">{_linked(paragraph)}</p>'
        for paragraph in re.split(r"\n\s*\n", words)
        if paragraph.strip()
    )
    foot = "<br>".join(html.escape(sentence) for sentence in footer)
    return (
        '<!doctype html><html lang="id"><head><meta charset="utf-8"></head>'
        f'<body style="margin:0;padding:16px;font:15px/1.5 Arial,Helvetica,sans-serif;color:#1b2430">'
        f'<div style="max-width:640px;margin:0 auto">\n{kop}\n'
        f'<table role="presentation" style="border-collapse:collapse;margin:0 0 18px">{head}</table>\n'
        f'{paragraphs}\n<p style="{_FOOT}">{foot}</p>\n</div></body></html>\n'
    )


_KOP = "margin:0 0 16px;padding:0 0 8px;border-bottom:2px solid #1b2430;font-size:17px;font-weight:bold"
_FOOT = "margin:22px 0 0;padding:8px 0 0;border-top:1px solid #dde2e9;font-size:13px;color:#55606f"


def _linked(paragraph: str) -> str:
    """Return a paragraph escaped, its web addresses as links that show where they lead."""
    pieces, end = [], 0
    for match in _LINK.finditer(paragraph):
        address = html.escape(match[0])
        pieces += [html.escape(paragraph[end : match.start()]), f'<a href="{address}">{address}</a>']
        end = match.end()
    return "".join([*pieces, html.escape(paragraph[end:])]).replace("\n", "<br>\n")


def _attach(mail: EmailMessage, file: model.Enclosure) -> None:
    kind = file.media_type if _MEDIA_TYPE.fullmatch(file.media_type) else "application/octet-stream"
    main, _, sub = kind.partition("/")
    name = text.one_line(text.clean(file.name), _MAX_FILE_NAME).replace("/", "_").replace("\\", "_")
    mail.add_attachment(file.content, maintype=main, subtype=sub, filename=name or "lampiran")
