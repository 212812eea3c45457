"""What an SMTP server's refusal, or its silence, means to us: one table, reply -> error.

A reply is a decision, 421 after the content included: 4yz says that the server took no responsibility and the client
is to try again. Only silence after the content (time-out, lost connection) leaves it open whether the citizen gets the
mail. Source: RFC 5321 sections 4.2 and 4.5.3.2, RFC 3463 and its registry of enhanced status codes, RFC 6647.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from typing import NamedTuple

from core import errors
from core.model import Refusal

GREYLISTED = timedelta(minutes=5)  # RFC 6647 section 5: most let the next attempt through after one to five minutes
RATE_LIMITED = timedelta(minutes=15)
MAILBOX_FULL = timedelta(hours=1)
_BUSY = timedelta(minutes=2)

_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?!\d)")
_SPAM = re.compile(r"spam|junk|black ?list|block ?list|reputation|spamhaus|\bRBL\b|\bDNSBL\b", re.IGNORECASE)
_RATE = re.compile(r"\brate\b|too (?:many|much|fast)|limit|quota of|throttl", re.IGNORECASE)
_GREY = re.compile(r"gr[ae]y-?list", re.IGNORECASE)
# Said of us at the first recipient by servers that put off their checks until then.
_OURS = re.compile(r"\brelay|sender address rejected|client host|not owned by user", re.IGNORECASE)


class Stage(Enum):
    """Which command the server answered."""

    CONNECT = "connect"
    LOGIN = "login"
    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"


class Reply(NamedTuple):
    """An answer of the server. Its text may carry addresses: it is looked at, and never shown."""

    code: int
    text: str

    @property
    def enhanced(self) -> tuple[int, int, int] | None:
        """The status code of RFC 3463 as (class, subject, detail); None where there is none or it contradicts."""
        match = _ENHANCED.match(self.text)
        found = None if match is None else (int(match[1]), int(match[2]), int(match[3]))
        return found if found and found[0] == self.code // 100 else None

    @property
    def status(self) -> str:
        """The codes alone, as `550 5.1.1`."""
        return f"{self.code} {'.'.join(map(str, self.enhanced))}" if self.enhanced else str(self.code)


# A permanent refusal by subject and detail of its enhanced code; None stands for every other detail.
_BY_ENHANCED: Mapping[tuple[int, int | None], Refusal] = {
    # 10: the domain takes no mail at all (RFC 7505)
    **{(1, detail): Refusal.NO_SUCH_ADDRESS for detail in (0, 1, 2, 3, 4, 6, 10)},
    (2, None): Refusal.UNREACHABLE,  # 2.1: the mailbox is disabled
    (2, 2): Refusal.MAILBOX_FULL,
    (2, 3): Refusal.TOO_LARGE,
    (3, None): Refusal.UNREACHABLE,
    (3, 4): Refusal.TOO_LARGE,
    (4, None): Refusal.UNREACHABLE,
    (6, None): Refusal.CONTENT,
    (6, 7): Refusal.UNREACHABLE,  # non-ASCII addresses are not supported on the way there
    (7, 2): Refusal.NOT_PERMITTED,
    (7, 17): Refusal.NO_SUCH_ADDRESS,  # the mailbox has changed hands (RFC 7293)
    (7, 18): Refusal.NO_SUCH_ADDRESS,
    **{(7, detail): Refusal.SPAM for detail in range(20, 30)},  # signatures and sender policies that are asked for
}
# Without one, or with one that says nothing (5.7.1, 5.5.0): by the command and the code.
_BY_CODE: Mapping[tuple[Stage, int], Refusal] = {
    (Stage.SENDER, 523): Refusal.TOO_LARGE,
    (Stage.SENDER, 552): Refusal.TOO_LARGE,
    (Stage.RECIPIENT, 501): Refusal.NO_SUCH_ADDRESS,
    (Stage.RECIPIENT, 510): Refusal.NO_SUCH_ADDRESS,
    (Stage.RECIPIENT, 511): Refusal.NO_SUCH_ADDRESS,
    (Stage.RECIPIENT, 521): Refusal.NO_SUCH_ADDRESS,  # the host takes no mail (RFC 7504)
    (Stage.RECIPIENT, 523): Refusal.TOO_LARGE,
    (Stage.RECIPIENT, 550): Refusal.NO_SUCH_ADDRESS,
    (Stage.RECIPIENT, 551): Refusal.NO_SUCH_ADDRESS,
    (Stage.RECIPIENT, 552): Refusal.MAILBOX_FULL,
    (Stage.RECIPIENT, 553): Refusal.NO_SUCH_ADDRESS,
    (Stage.RECIPIENT, 554): Refusal.NOT_PERMITTED,
    (Stage.RECIPIENT, 556): Refusal.NO_SUCH_ADDRESS,
    (Stage.CONTENT, 523): Refusal.TOO_LARGE,
    (Stage.CONTENT, 550): Refusal.SPAM,
    (Stage.CONTENT, 552): Refusal.TOO_LARGE,
    (Stage.CONTENT, 554): Refusal.SPAM,
}
_VAGUE = {(5, 5, 0), (5, 7, 0), (5, 7, 1), (5, 0, 0)}
_NOT_LOGGED_IN = {530, 534, 535, 538}


def of_reply(reply: Reply, stage: Stage) -> errors.SendError:
    """Return what a refusal means for the message: certainly not sent, in any case but a reply that is none."""
    reason = f"the mail server answers {reply.status} ({stage.value})"
    if 400 <= reply.code < 500:
        refusal, pause = _transient(reply, stage)
        return errors.TransientSendError(reason, reply.status, pause, refusal=refusal)
    if not 500 <= reply.code < 600:
        if stage is Stage.CONTENT:
            return errors.UncertainSendError(reason, reply.status)
        return errors.TransientSendError(reason, reply.status)
    if _is_of_account(reply, stage):
        return errors.AccountSuspended(reason, reply.status)
    return errors.PermanentSendError(reason, reply.status, refusal=_permanent(reply, stage))


def of_silence(stage: Stage, what: str) -> errors.SendError:
    """Return what a lost connection or a time-out means; `what` names it without saying anything of the mail."""
    reason = f"the mail server gave no answer: {what} ({stage.value})"
    if stage is Stage.CONTENT:
        return errors.UncertainSendError(reason)
    return errors.TransientSendError(reason)


def too_large(limit: int) -> errors.PermanentSendError:
    """Return the refusal of a mail that is larger than the server says it takes (bytes)."""
    return errors.PermanentSendError(f"the mail server takes {limit} bytes at most", refusal=Refusal.TOO_LARGE)


def no_utf8() -> errors.PermanentSendError:
    """Return the refusal of an address that only SMTPUTF8 can carry (RFC 6531)."""
    return errors.PermanentSendError("the mail server takes ASCII addresses only", refusal=Refusal.UNREACHABLE)


def _transient(reply: Reply, stage: Stage) -> tuple[Refusal | None, timedelta | None]:
    """Return whose fault it is, the recipient's or nobody's, and how long to wait; None leaves that to the outbox."""
    if stage in (Stage.CONNECT, Stage.LOGIN):
        return None, None
    subject_detail = reply.enhanced[1:] if reply.enhanced else None
    if subject_detail == (2, 2) or (reply.code == 452 and stage is Stage.RECIPIENT and subject_detail is None):
        return Refusal.MAILBOX_FULL, MAILBOX_FULL
    if _GREY.search(reply.text):
        return Refusal.UNREACHABLE, GREYLISTED
    if _RATE.search(reply.text) or subject_detail == (7, 28):
        return None, RATE_LIMITED
    if stage is Stage.RECIPIENT and reply.code != 421:  # what most greylists say without the word
        return Refusal.UNREACHABLE, GREYLISTED
    return None, _BUSY


def _is_of_account(reply: Reply, stage: Stage) -> bool:
    """Whether every message would be refused alike, because of who we are rather than whom we write to."""
    if stage in (Stage.CONNECT, Stage.LOGIN) or reply.code in _NOT_LOGGED_IN:
        return True
    if reply.enhanced in {(5, 1, 7), (5, 1, 8), (5, 7, 8), (5, 7, 9), (5, 7, 11)}:
        return True
    if stage is Stage.SENDER:
        return _permanent(reply, stage) is not Refusal.TOO_LARGE
    return stage is Stage.RECIPIENT and bool(_OURS.search(reply.text))


def _permanent(reply: Reply, stage: Stage) -> Refusal | None:
    if reply.enhanced and reply.enhanced not in _VAGUE:
        subject, detail = reply.enhanced[1:]
        meaning = _BY_ENHANCED.get((subject, detail)) or _BY_ENHANCED.get((subject, None))
        if meaning is not None:
            return meaning
    if stage is not Stage.SENDER and _SPAM.search(reply.text):
        return Refusal.SPAM
    if stage is Stage.RECIPIENT and reply.enhanced and reply.enhanced[1] == 7:
        return Refusal.NOT_PERMITTED
    return _BY_CODE.get((stage, reply.code))
