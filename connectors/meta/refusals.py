"""What a refusal or a failure of Meta's Graph API means to us: one table, code and subcode -> error.

Source: Meta, "Handling Errors" (Graph API), "Error Codes" (Messenger Platform), "Rate Limits" (Graph API). Numbers that
these pages do not list but the API is known to answer with are marked (seen).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from core import errors, model

_SOON = timedelta(minutes=1)
_RATE_PAUSE = timedelta(minutes=5)  # where the answer does not say when calls are taken again
_BLOCK_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code stands for. `pause`: before another attempt, unless the answer names its own."""

    error: type[errors.SendError]
    refusal: model.Refusal | None = None
    pause: timedelta | None = None


_SUSPENDED = Meaning(errors.AccountSuspended)
_WINDOW = Meaning(errors.ReplyWindowClosed, model.Refusal.WINDOW_CLOSED)
_UNREACHABLE = Meaning(errors.PermanentSendError, model.Refusal.UNREACHABLE)
_BLOCKED = Meaning(errors.PermanentSendError, model.Refusal.BLOCKED)
_NO_ADDRESS = Meaning(errors.PermanentSendError, model.Refusal.NO_SUCH_ADDRESS)
_NOT_PERMITTED = Meaning(errors.PermanentSendError, model.Refusal.NOT_PERMITTED)
_GONE = Meaning(errors.PermanentSendError, model.Refusal.GONE)
_TOO_LARGE = Meaning(errors.PermanentSendError, model.Refusal.TOO_LARGE)
_CONTENT = Meaning(errors.PermanentSendError, model.Refusal.CONTENT)
_REFUSED = Meaning(errors.PermanentSendError)
_TRANSIENT = Meaning(errors.TransientSendError)
_UNCERTAIN = Meaning(errors.UncertainSendError)
_RATE = Meaning(errors.TransientSendError, pause=_RATE_PAUSE)
_SPAM = Meaning(errors.TransientSendError, model.Refusal.SPAM, _BLOCK_PAUSE)

MEANINGS: Mapping[tuple[int, int | None], Meaning] = {
    # Broken on their side for a moment; nothing was sent ...
    (1, None): _TRANSIENT,
    (1, 99): _TRANSIENT,
    (2, None): _TRANSIENT,
    (1200, None): _TRANSIENT,  # temporary send message failure
    # ... but here Meta's own page says that the messages were all sent.
    (1, 1357046): _UNCERTAIN,
    # The token, the app or the page: every further message would fail alike.
    (3, None): _SUSPENDED,  # the app lacks the capability
    (102, None): _SUSPENDED,  # session
    (190, None): _SUSPENDED,  # token; its subcodes: see TOKEN
    (230, None): _SUSPENDED,  # the token lacks pages_messaging (seen)
    (10, 1893063): _SUSPENDED,  # the page is temporarily restricted
    (100, 2018029): _SUSPENDED,  # the app's own id is wrong (seen)
    # Rates. They count for the app or the page, so throttle.py slows everything by the same app.
    (4, None): _RATE,  # the app's calls
    (17, None): _RATE,  # the user's calls
    (32, None): _RATE,  # the page's calls
    (341, None): _RATE,  # a limit of the app for some action
    (613, None): Meaning(errors.TransientSendError, pause=_SOON),  # this one call, too often
    (80001, None): _RATE,  # pages
    (80002, None): _RATE,  # instagram
    (80006, None): _RATE,  # messenger
    (4, 2018022): _SPAM,  # too many messages to one person
    (368, None): _SPAM,  # blocked for a while for what was deemed abusive; a text may be the cause, so not the account
    (4, 2018047): _TOO_LARGE,  # attachment too large (seen)
    # The reply window.
    (10, 2018278): _WINDOW,
    (10, 2018065): _WINDOW,  # the same before the rules of 2020 (seen)
    (10, 2534022): _WINDOW,  # instagram
    # The recipient.
    (551, None): _UNREACHABLE,  # this person is not available right now
    (551, 1545041): _UNREACHABLE,
    (200, 1545041): _UNREACHABLE,
    (100, 1545041): _UNREACHABLE,
    (10, 2018108): _BLOCKED,  # does not receive messages from us (seen)
    (200, 2018108): _BLOCKED,
    (100, 2018001): _NO_ADDRESS,  # no matching user
    (100, 2534014): _NO_ADDRESS,  # instagram: no matching user (seen)
    # What we may not do, to this one thing.
    (10, None): _NOT_PERMITTED,
    (200, None): _NOT_PERMITTED,
    (200, 2018028): _NOT_PERMITTED,  # the app is not live: it may write to its own testers only (seen)
    (299, None): _NOT_PERMITTED,
    (10900, None): _NOT_PERMITTED,  # this comment was answered privately already (seen)
    (10903, None): _NOT_PERMITTED,  # this comment cannot be answered privately (seen)
    # What is not there, or cannot be sent.
    (100, 33): _GONE,  # the object does not exist (any more), or not for us
    (803, None): _GONE,  # some of the aliases do not exist
    (100, None): _REFUSED,  # invalid parameter
    (100, 2018018): _CONTENT,  # attachment not accepted (seen)
    (506, None): _CONTENT,  # the same text twice in a row
    (1609005, None): _CONTENT,  # a link in it cannot be posted
}

TOKEN: Mapping[int, str] = {
    458: "the app was removed",
    459: "the person who granted the token must log in first",
    460: "the password was changed",
    463: "the token has expired",
    464: "the person who granted the token is not confirmed",
    467: "the token is not valid any more",
    492: "the person who granted the token has lost the role on the page",
}

_STATUSES: Mapping[int, Meaning] = {401: _SUSPENDED, 429: _RATE, 503: _TRANSIENT}


class RefusedError(Exception):
    """The API answered, but not with success. `code` and `subcode` are None where the answer was not Graph's JSON.

    `is_transient` is Meta's own word; `retry_after` what the headers say. Never holds their text: it may repeat ours.
    """

    def __init__(
        self,
        status: int,
        code: int | None = None,
        subcode: int | None = None,
        *,
        is_transient: bool = False,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(f"HTTP {status}, code {code}/{subcode}")
        self.status = status
        self.code = code
        self.subcode = subcode
        self.is_transient = is_transient
        self.retry_after = retry_after

    @property
    def meaning(self) -> Meaning:
        return _meaning(self)

    @property
    def is_gone(self) -> bool:
        return self.meaning is _GONE

    @property
    def is_rate(self) -> bool:
        """Whether the app or the page made too many calls."""
        return self.meaning is _RATE


class NotSentError(Exception):
    """Certainly nothing of the request was written. `retry_after`: how long we keep still on purpose."""

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class NoAnswerError(Exception):
    """The request was, or may have been, written, and no answer came that can be read."""


FAILED = (RefusedError, NotSentError, NoAnswerError)
Failure = RefusedError | NotSentError | NoAnswerError


def of_sending(error: Failure) -> errors.SendError:
    """Return what a failed post of something that must not be posted twice means."""
    if isinstance(error, RefusedError):
        return _of_refusal(error)
    if isinstance(error, NotSentError):
        return errors.TransientSendError(f"Meta cannot be reached: {error}", retry_after=error.retry_after)
    return errors.UncertainSendError(f"Meta gave no answer: {error}")


def of_repeatable(error: Failure) -> errors.SendError:
    """Return what a failed request means that does no harm when made again (hiding, uploading)."""
    meaning = of_sending(error)
    if isinstance(meaning, errors.UncertainSendError):
        return errors.TransientSendError(str(meaning), meaning.code)
    return meaning


def of_reading(error: Failure) -> errors.TransientSendError:
    """Return what a failed read means: it may always be repeated."""
    meaning = of_sending(error)
    pause = meaning.retry_after if isinstance(meaning, errors.TransientSendError) else None
    return errors.TransientSendError(str(meaning), meaning.code, pause)


def of_checking(error: Failure) -> errors.SendError:
    """Return what a failed trial of the account means: AccountSuspended, or a failed read."""
    meaning = of_sending(error)
    return meaning if isinstance(meaning, errors.AccountSuspended) else of_reading(error)


def _meaning(error: RefusedError) -> Meaning:
    """Look up code and subcode, then the code alone, then what the answer itself says.

    A refusal in Graph's own JSON with a status below 500 certainly did nothing. A bare 5xx says that something broke,
    perhaps after the message was taken: uncertain, like every answer that is not Graph's.
    """
    if error.code is not None:
        found = MEANINGS.get((error.code, error.subcode)) or MEANINGS.get((error.code, None))
        if found is not None:
            return found
        if 80000 <= error.code < 80100:
            return _RATE  # business use cases not named above
        if 200 <= error.code < 300:
            return _NOT_PERMITTED
        if error.is_transient:
            return _TRANSIENT
        return _REFUSED if error.status < 500 else _UNCERTAIN
    return _STATUSES.get(error.status, _UNCERTAIN)


def _of_refusal(error: RefusedError) -> errors.SendError:
    meaning = _meaning(error)
    code = str(error.status) if error.code is None else str(error.code)
    if error.subcode is not None:
        code = f"{code}/{error.subcode}"
    reason = f"Meta refused: {code}"
    if error.code == 190 and (why := TOKEN.get(error.subcode or 0)):
        reason = f"{reason} ({why})"
    if issubclass(meaning.error, errors.TransientSendError):
        pause = error.retry_after or meaning.pause
        return meaning.error(reason, code, pause, refusal=meaning.refusal)
    return meaning.error(reason, code, refusal=meaning.refusal)
