"""Mail that a machine wrote, and why we think so: it is kept, and never answered by a machine of ours.

Source: RFC 3834 (automatic responses), RFC 2919 and RFC 2369 (lists), Microsoft [MS-OXCMAIL] 2.2.3.2.14.
"""

import re
from collections.abc import Set as AbstractSet
from enum import StrEnum

from connectors.mail import headers

LOOP_HEADER = "X-Aduan-Loop"  # every mail of ours carries it, with the name of this deployment

_MAX_HOPS = 30
_SYSTEM = re.compile(r"(?:mailer-?daemon|postmaster|mail-?delivery(?:-?(?:sub)?system)?)(?:[+\-].*)?", re.IGNORECASE)
_NO_REPLY = re.compile(
    r"(?:.*[._+\-])?(?:no|do-?not|dont|tidak|jangan)[._\-]?(?:perlu[._\-]?)?(?:reply|di?balas)(?:[._+\-].*)?"
    r"|bounces?(?:[+\-].*)?",
    re.IGNORECASE,
)
_ABSENT_SUBJECT = re.compile(
    r"\s*(?:"
    r"(?:balasan|jawaban|respons?|pesan|tanggapan) otomatis\b"  # Indonesian
    r"|(?:sedang )?(?:cuti|di luar kantor|tidak di (?:kantor|tempat))"
    r"(?: (?:hingga|sampai|s/?d|mulai|tanggal|tgl)\b.*)?\s*$"
    r"|(?:balasan automatik|jawapan automatik)\b|(?:bercuti|di luar pejabat)\s*(?::|$)"  # Malay
    r"|auto(?:matic)?[ \-]?(?:reply|response|responder)\b|auto:|out[ \-]of[ \-](?:the )?office\b|ooo\s*:|on leave\s*:"
    r"|automatisch antwoord\b|afwezigheids?|automatische antwort\b|abwesenheits?\w*"  # Dutch, German
    r"|r.ponse automatique\b|absence du bureau\b|respuesta autom.tica\b|fuera de la? oficina\b"  # French, Spanish
    r")",
    re.IGNORECASE,
)
_BOUNCE_SUBJECT = re.compile(
    r"\s*(?:undeliver(?:ed|able)|mail delivery (?:failed|failure|subsystem)"
    r"|delivery (?:status notification|failure|has failed)|returned mail|failure notice|mail system error"
    r"|(?:pesan|surat|e-?mail) (?:anda )?(?:tidak (?:dapat )?terkirim|gagal (?:ter)?kirim)|gagal (?:ter)?kirim\b"
    r"|pengiriman (?:pesan |surat )?gagal)",
    re.IGNORECASE,
)


class Reason(StrEnum):
    """Why a mail counts as automatic."""

    LOOP = "loop"
    OWN = "own"
    HOPS = "hops"
    BOUNCE = "bounce"
    REPORT = "report"
    AUTO_SUBMITTED = "auto_submitted"
    SUPPRESS = "suppress"
    NULL_SENDER = "null_sender"
    NO_REPLY = "no_reply"
    LIST = "list"
    PRECEDENCE = "precedence"
    SUBJECT = "subject"
    NO_SENDER = "no_sender"


def reason(
    fields: headers.Headers, sender: str | None, subject: str, own: AbstractSet[str], instance: str
) -> Reason | None:
    """Return why a mail is automatic, None for one that a person seems to have written.

    `sender`: the author's address, None where there is none; `own`: the addresses of this mailbox, in lower case;
    `instance`: what our own mails say in LOOP_HEADER. Another deployment's answers may be a person's.
    """
    local = (sender or "").rpartition("@")[0]
    if fields.raw(LOOP_HEADER.lower()).lower() == instance.lower() and instance:
        return Reason.LOOP
    if sender is not None and sender.lower() in own:
        return Reason.OWN
    if sum(name == "received" for name, _ in fields) > _MAX_HOPS:
        return Reason.HOPS
    if _SYSTEM.fullmatch(local) or fields.raw("return-path").replace(" ", "") == "<>":
        return Reason.BOUNCE if _BOUNCE_SUBJECT.match(subject) else Reason.NULL_SENDER
    if sender is None:
        return Reason.NO_SENDER
    return _by_field(fields, subject, own) or (Reason.NO_REPLY if _NO_REPLY.fullmatch(local) else None)


def _by_field(fields: headers.Headers, subject: str, own: AbstractSet[str]) -> Reason | None:
    """Return what the fields that machines set say; the subject last, as people write subjects too."""
    if fields.raw("auto-submitted").partition(";")[0].strip().lower() not in ("", "no"):
        return Reason.AUTO_SUBMITTED
    if any(name in fields for name in ("x-autoreply", "x-autorespond", "x-auto-reply")):
        return Reason.AUTO_SUBMITTED
    if fields.raw("x-auto-response-suppress").strip().lower() not in ("", "none"):
        return Reason.SUPPRESS
    ours = _is_own_list(fields, own)
    if not ours and any(name in fields for name in ("list-id", "list-post", "list-unsubscribe", "mailing-list")):
        return Reason.LIST
    precedence = fields.raw("precedence").strip().lower()
    if precedence in ("bulk", "junk", "auto_reply") or (precedence == "list" and not ours):
        return Reason.PRECEDENCE
    return Reason.SUBJECT if _ABSENT_SUBJECT.match(subject) else None


def _is_own_list(fields: headers.Headers, own: AbstractSet[str]) -> bool:
    """Whether the list is the office's own address, as a group that hands its mails to several officials is."""
    post = headers.addresses(fields.raw("list-post").replace("mailto:", ""))
    return any(each.address.lower() in own for each in post)
