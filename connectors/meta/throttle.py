"""Keeping within Meta's rates: what the answers of an app's calls say of them, for all its accounts together.

Source: Meta, "Rate Limits" (Graph API): X-App-Usage, X-Business-Use-Case-Usage (percentages; minutes to wait).
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

NEAR_FULL = 95  # percent; at 100 every call fails, and goes on counting
PAUSE = timedelta(minutes=1)  # between single calls while usage is near full
_MOST = timedelta(days=1)
_NAMES = ("call_count", "total_time", "total_cputime")


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of the rate of the app, or one of its pages, is used up; when calls are taken again."""

    percent: float = 0
    regained_after: timedelta | None = None


def read_usage(headers: Mapping[str, str]) -> Usage:
    """Return the usage the headers of an answer tell (looked up without regard to case by the mapping given)."""
    records = [_parsed(headers.get(name)) for name in ("X-App-Usage", "X-Page-Usage")]
    for business in _parsed(headers.get("X-Business-Use-Case-Usage")).values():
        records += [record for record in business if isinstance(record, dict)] if isinstance(business, list) else []
    percents = [_positive(record.get(name)) for record in records for name in _NAMES]
    minutes = max((_positive(record.get("estimated_time_to_regain_access")) for record in records), default=0.0)
    return Usage(max(percents), timedelta(minutes=minutes) if minutes else None)


class Throttle:
    """One app's pause. Its accounts share it: what one of them uses up, the others have not."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now  # seconds
        self._until = 0.0

    def note(self, usage: Usage) -> None:
        if usage.regained_after is not None:
            self.pause(usage.regained_after)
        elif usage.percent >= NEAR_FULL:
            self.pause(PAUSE)

    def pause(self, time_: timedelta) -> None:
        self._until = max(self._until, self._now() + time_.total_seconds())

    def remaining(self) -> timedelta | None:
        """Return how long no call may be made; None when one may."""
        seconds = self._until - self._now()
        return timedelta(seconds=seconds) if seconds > 0 else None


_APPS: WeakValueDictionary[str, Throttle] = WeakValueDictionary()


def of_app(app_id: str) -> Throttle:
    """Return the throttle of an app, the same one for each account of it that is alive in this process."""
    throttle = _APPS.get(app_id)
    if throttle is None:
        throttle = _APPS[app_id] = Throttle()
    return throttle


def _parsed(header: str | None) -> Mapping[str, Any]:
    try:
        value = json.loads(header or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _positive(number: object) -> float:
    if not isinstance(number, int | float) or isinstance(number, bool) or not number > 0:
        return 0.0
    return float(min(number, _MOST / timedelta(minutes=1)))
