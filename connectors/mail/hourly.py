"""How many mails may leave within an hour, where the office's provider counts them."""

from collections import deque
from collections.abc import Callable
from datetime import timedelta

from core import errors

_HOUR_SECONDS = 3600.0


class HourlyLimit:
    """Counts what was handed over within the last hour: by one process, since it started."""

    def __init__(self, limit: int, seconds: Callable[[], float]) -> None:
        self._limit = limit
        self._seconds = seconds
        self._sent: deque[float] = deque()
        self._waiting = 0

    def require_room(self) -> None:
        """Raise TransientSendError while the hour is full; those who wait are told times one after another."""
        now = self._seconds()
        while self._sent and self._sent[0] <= now - _HOUR_SECONDS:
            self._sent.popleft()
        if len(self._sent) < self._limit:
            self._waiting = max(0, self._waiting - 1)
            return
        pause = self._sent[0] + _HOUR_SECONDS - now + self._waiting * _HOUR_SECONDS / self._limit
        self._waiting += 1
        raise errors.TransientSendError("the hour's mails are used up", retry_after=timedelta(seconds=pause))

    def count(self) -> None:
        self._sent.append(self._seconds())
