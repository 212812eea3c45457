"""Mails as programs and servers out there write them: a citizen's, a bounce, an absence notice.

Source: RFC 5322; RFC 3464 (delivery status), RFC 3834 (automatic answers), RFC 8601 (Authentication-Results).
"""

import email
import email.policy
import email.utils
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.message import EmailMessage, MIMEPart

from simulator import mail_records as records
from simulator import mail_texts as texts

HOST = "mx.simulator.example"


def compose(
    sender: str,
    name: str,
    to: str,
    subject: str,
    text: str,
    now: datetime,
    *,
    html: str | None = None,
    files: Sequence[records.File] = (),
    in_reply_to: records.Mail | None = None,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return a citizen's mail as his mail program makes it; an answer quotes below what it answers."""
    message = EmailMessage(policy=email.policy.SMTP)
    message["Date"] = now
    message["From"] = email.utils.formataddr((name, sender))
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = f"<{secrets.token_hex(12)}@{sender.rpartition('@')[2]}>"
    if in_reply_to is not None:
        before = str(in_reply_to.message["References"] or "").split()
        message["In-Reply-To"] = in_reply_to.message_id
        message["References"] = " ".join([*before[-8:], in_reply_to.message_id])
        text = f"{text}\n\n{_quoted(in_reply_to)}"
    for header, value in (headers or {}).items():
        message[header] = value
    message.set_content(text, cte="quoted-printable")
    if html is not None:
        message.add_alternative(html, subtype="html", cte="quoted-printable")
    for file in files:
        main, _, sub = file.media_type.partition("/")
        message.add_attachment(file.content, maintype=main, subtype=sub, filename=file.name)
    return message.as_bytes()


def _quoted(mail: records.Mail) -> str:
    day = f"{mail.at:%d/%m/%Y}"
    lines = "\n".join(f"> {line}".rstrip() for line in mail.text.strip().splitlines())
    return f"{texts.QUOTE.format(tanggal=day, pengirim=mail.message['From'])}\n{lines}\n"


def automatic_reply(mail: records.Mail, now: datetime) -> bytes:
    """Return what the machine of a mailbox whose owner is away answers."""
    headers = {"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All", "In-Reply-To": mail.message_id}
    subject = f"{texts.AWAY_SUBJECT}: {mail.subject}"
    return compose(mail.recipient, "", mail.reply_to, subject, texts.AWAY, now, headers=headers)


def bounce(mail: records.Mail, now: datetime, *, status: str = "5.1.1", action: str = "failed") -> bytes:
    """Return the delivery status notification of a mail of the office, to its envelope sender."""
    report = EmailMessage(policy=email.policy.SMTP)
    report["Date"] = now
    report["From"] = f"Mail Delivery System <MAILER-DAEMON@{HOST}>"
    report["To"] = mail.sender
    report["Subject"] = "Undelivered Mail Returned to Sender"
    report["Message-ID"] = f"<{secrets.token_hex(12)}@{HOST}>"
    report["Auto-Submitted"] = "auto-replied"
    report["MIME-Version"] = "1.0"
    report.add_header("Content-Type", "multipart/report", report_type="delivery-status")
    explanation = MIMEPart(policy=email.policy.SMTP)
    explanation.set_content(f"This is the mail system at host {HOST}.\n\nYour message could not be delivered.\n")
    blocks = (
        f"Reporting-MTA: dns; {HOST}\r\n\r\n"
        f"Final-Recipient: rfc822; {mail.recipient}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; 550 {status} User unknown\r\n"
    )
    about = email.message_from_string(f"Content-Type: message/delivery-status\r\n\r\n{blocks}")
    headers, _, _ = mail.content.partition(b"\r\n\r\n")
    original = MIMEPart(policy=email.policy.SMTP)
    original.set_content(headers + b"\r\n", maintype="text", subtype="rfc822-headers", cte="7bit")
    report.set_payload([explanation, about, original])
    return report.as_bytes()


def traced(content: bytes, sender: str, recipient: str, now: datetime) -> bytes:
    """Return a mail with what the receiving server writes above it; an empty `sender` is a bounce's."""
    domain = sender.rpartition("@")[2]
    verdict = f"dmarc=pass header.from={domain}" if domain else "none"
    return (
        f"Return-Path: <{sender}>\r\nDelivered-To: {recipient}\r\n"
        f"Authentication-Results: {HOST}; {verdict}\r\n"
        f"Received: from {domain or HOST} by {HOST} with ESMTP;\r\n {email.utils.format_datetime(now)}\r\n"
    ).encode() + content
