"""What a refusal or a failure of Twilio's API means to us: one table, code -> error.

Source: Twilio, "Error and warning dictionary" and "WhatsApp: error codes"; RFC 9110 section 15 for bare statuses.
"""

from collections.abc import Mapping
from datetime import timedelta

from core import errors, model

_MAX_RETRY_AFTER_SECONDS = 24 * 3600

# Nothing leaves by this account until somebody mends it, or a day has passed (63038). The sender's own faults belong
# here, not to one message: every further one would fail alike.
_SUSPENDED = frozenset(
    {
        10001,  # account is not active
        20003,  # wrong credentials
        20005,  # account is not active
        20006,  # access denied
        20008,  # test credentials
        20404,  # no such account (the path holds nothing else that could be missing)
        21212,  # "From" is no number
        21603,  # no "From"
        21606,  # "From" is not ours, or cannot send texts
        21659,  # "From" is no number of this country's rules
        21660,  # "From" belongs to another account
        21701,  # no such Messaging Service
        21703,  # the Messaging Service is empty
        21704,  # the Messaging Service has no sender at all
        21705,  # the Messaging Service's SID is wrong
        21910,  # "From" and "To" are of different channels
        30002,  # account suspended
        63001,  # the channel does not know our credentials
        63002,  # the channel does not know our "From"
        63007,  # no such channel sender
        63020,  # the business has not accepted Twilio's invitation
        63038,  # daily limit of the account
        63051,  # WhatsApp business account locked
        63112,  # WhatsApp business account disabled
        90010,  # account is not active
    }
)
_TRANSIENT = frozenset(
    {
        14107,  # rate limit
        20429,  # too many concurrent requests
        20503,  # service unavailable
        21611,  # the sender's queue is full
        21730,  # maintenance
        30001,  # queue overflow
        30022,  # carrier's rate limit
        63017,  # rate of the account
        63018,  # rate of the channel (WhatsApp 429, 471, 1015)
    }
)
_PERMANENT = frozenset(
    {
        20001,  # a parameter is wrong
        21211,  # "To" is no number
        21217,  # "To" is no number
        21219,  # "To" is not verified (trial account)
        21408,  # this country is not allowed
        21601,  # "To" cannot receive texts
        21602,  # no body
        21604,  # no "To"
        21605,  # body too long
        21609,  # our status callback URL is not valid
        21612,  # no way from this sender to this recipient
        21614,  # "To" is no mobile number
        21617,  # body too long
        21619,  # neither body nor media
        21635,  # "To" is a landline
        21654,  # no such content template
        21655,  # content SID is wrong
        21656,  # content variables are wrong
        30003,  # handset unreachable
        30004,  # blocked
        30005,  # no such handset
        30006,  # landline
        30007,  # filtered by the carrier
        30036,  # validity period expired
        63003,  # the channel does not know "To"
        63005,  # content not accepted
        63013,  # against the channel's policy
        63019,  # media could not be loaded
        63021,  # content not valid
        63024,  # invalid recipient
        63027,  # no template in this language
        63028,  # template parameters do not match
        63030,  # parameter not supported
        63032,  # recipient is in an experiment of Meta
        63049,  # Meta chose not to deliver
    }
)
_MEANINGS: Mapping[int, type[errors.SendError]] = {
    **dict.fromkeys(_SUSPENDED, errors.AccountSuspended),
    **dict.fromkeys(_TRANSIENT, errors.TransientSendError),
    **dict.fromkeys(_PERMANENT, errors.PermanentSendError),
    63016: errors.ReplyWindowClosed,  # free text to WhatsApp more than 24 hours after the contact's last message
    21610: errors.RecipientOptedOut,  # STOP was sent from this number
}
# What the office is told of a refused message; the other codes are faults of ours, and stand for themselves.
_REFUSALS: Mapping[int, model.Refusal] = {
    **dict.fromkeys((21211, 21217, 21601, 21614, 21635, 30005, 30006, 63003, 63024), model.Refusal.NO_SUCH_ADDRESS),
    **dict.fromkeys((21612, 30003, 30036), model.Refusal.UNREACHABLE),
    **dict.fromkeys((30007, 63049), model.Refusal.SPAM),
    **dict.fromkeys((63005, 63013, 63021), model.Refusal.CONTENT),
    **dict.fromkeys((21605, 21617), model.Refusal.TOO_LARGE),
    **dict.fromkeys((21219, 21408, 63032), model.Refusal.NOT_PERMITTED),
    21610: model.Refusal.OPTED_OUT,
    30004: model.Refusal.BLOCKED,
    63016: model.Refusal.WINDOW_CLOSED,
}
_STATUSES: Mapping[int, type[errors.SendError]] = {
    401: errors.AccountSuspended,
    429: errors.TransientSendError,
    503: errors.TransientSendError,
}


class RefusedError(Exception):
    """The API answered, but not with success. `code` is Twilio's own, None where the answer was not Twilio's JSON."""

    def __init__(self, status: int, code: int | None = None, retry_after: timedelta | None = None) -> None:
        super().__init__(f"HTTP {status}, code {code}")
        self.status = status
        self.code = code
        self.retry_after = retry_after


class NotSentError(Exception):
    """The API could not be reached: certainly nothing of the request was written."""


class NoAnswerError(Exception):
    """The request was, or may have been, written, and no answer came that can be read."""


def retry_after(header: str | None) -> timedelta | None:
    """Read a Retry-After header in seconds (a day at most); None where there is none, or a date, which we leave out."""
    if header is None or not header.strip().isascii() or not header.strip().isdigit():
        return None
    return timedelta(seconds=min(int(header.strip()[:9]), _MAX_RETRY_AFTER_SECONDS))


def refusal_of(code: str) -> model.Refusal | None:
    """Return what a code of the error dictionary, as it stands in a form, means for the citizen's message."""
    return _REFUSALS.get(int(code)) if code.isascii() and code.isdigit() and len(code) < 10 else None


def of_sending(error: RefusedError | NotSentError | NoAnswerError) -> errors.SendError:
    """Return what a failed create means for the message."""
    if isinstance(error, RefusedError):
        return _of_refusal(error)
    if isinstance(error, NotSentError):
        return errors.TransientSendError(f"Twilio cannot be reached: {error}")
    return errors.UncertainSendError(f"Twilio gave no answer: {error}")


def of_reading(error: RefusedError | NotSentError | NoAnswerError) -> errors.TransientSendError:
    """Return what a failed read means: it may always be repeated."""
    if isinstance(error, RefusedError):
        return errors.TransientSendError(str(error), _text(error), error.retry_after)
    return errors.TransientSendError(f"Twilio cannot be reached: {error}")


def of_checking(error: RefusedError | NotSentError | NoAnswerError) -> errors.SendError:
    """Return what a failed trial of the account means: AccountSuspended, or a failed read."""
    meaning = of_sending(error)
    return meaning if isinstance(meaning, errors.AccountSuspended) else of_reading(error)


def _of_refusal(error: RefusedError) -> errors.SendError:
    """Look up the code, then the status.

    A bare 500, 502 or 504 says that something broke, perhaps after the message was taken: uncertain, like every
    answer that is not mapped, because a repeated create would reach the citizen twice. A 503 says that the server is
    unable to handle the request, 429 that it would not, and a 400 with a code of Twilio's that it refused.
    """
    unmapped = errors.PermanentSendError if error.status == 400 and error.code else errors.UncertainSendError
    meaning = _MEANINGS.get(error.code or 0) or _STATUSES.get(error.status) or unmapped
    if issubclass(meaning, errors.TransientSendError):
        return meaning(str(error), _text(error), error.retry_after)
    return meaning(str(error), _text(error), refusal=_REFUSALS.get(error.code or 0))


def _text(error: RefusedError) -> str:
    return str(error.code or error.status)
