"""Every error a caller acts on; the docstring of a leaf says what the caller does."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from core import model


class AduanError(Exception):
    """Base of all errors raised on purpose; its text is fit to show to an admin or operator."""


class ConfigError(AduanError):
    """The configuration cannot be used: show every mistake and stop."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = tuple(mistakes)


class SignatureError(AduanError):
    """A webhook is not proven to come from its provider: answer 403, keep the raw request in quarantine."""


class PayloadError(AduanError):
    """A genuine webhook has a shape we cannot read: answer 200, keep the raw request in quarantine."""


class FormMistakes(PayloadError):
    """A form cannot be taken as it is: show it again, every field in `mistakes` with what is wrong with it."""

    def __init__(self, mistakes: Mapping[str, str]) -> None:
        super().__init__(", ".join(f"{field}: {mistake}" for field, mistake in mistakes.items()))
        self.mistakes = dict(mistakes)


class StorageUnavailable(AduanError):
    """Nothing was written and nothing may be promised: answer 503, the sender tries again."""


class NotFound(AduanError):
    """There is no such thing, or the asker may not know of it."""


class NotAllowed(AduanError):
    """The person may not do this, or the complaint does not allow it now; the text says why."""


class StaleDecision(AduanError):
    """Somebody else decided first; show what stands now."""


class SendError(AduanError):
    """A message did not leave, or may not have left. `code` is the provider's own, `refusal` what it means."""

    def __init__(self, reason: str, code: str | None = None, *, refusal: model.Refusal | None = None) -> None:
        super().__init__(reason)
        self.code = code
        self.refusal = refusal


class TransientSendError(SendError):
    """Certainly not sent and worth another attempt, not before `retry_after` where the provider named one."""

    def __init__(
        self,
        reason: str,
        code: str | None = None,
        retry_after: timedelta | None = None,
        *,
        refusal: model.Refusal | None = None,
    ) -> None:
        super().__init__(reason, code, refusal=refusal)
        self.retry_after = retry_after


class PermanentSendError(SendError):
    """Certainly not sent, and the same attempt would fail again: a person decides."""


class ReplyWindowClosed(PermanentSendError):
    """The channel takes no free text to this contact now and there is no template for it."""


class RecipientOptedOut(PermanentSendError):
    """The contact asked not to be written to (STOP, BERHENTI) until he writes again."""


class AccountSuspended(SendError):
    """Certainly not sent; nothing will leave by this account until its credentials or standing are mended."""


class UncertainSendError(SendError):
    """May have been sent: never repeat it on a channel without idempotent send."""


class MediaNotReady(AduanError):
    """The provider does not have the file yet, or cannot be reached: ask again after `retry_at`."""

    def __init__(self, reason: str, retry_at: datetime | None = None) -> None:
        super().__init__(reason)
        self.retry_at = retry_at


class MediaRefused(AduanError):
    """The file will never be fetched (host not allowed, too large, gone); the text says why."""


class ScannerUnavailable(AduanError):
    """Nobody can say now whether a file holds a virus: it is not opened before somebody can."""
