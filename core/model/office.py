"""The people of an office, and what they are told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.ids import ComplaintId, PersonId


class Role(StrEnum):
    ADMIN = "admin"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"


@dataclass(frozen=True, slots=True)
class Person:
    id: PersonId
    office_id: str
    username: str
    name: str
    role: Role
    is_active: bool = True
    absent_from: datetime | None = None
    absent_until: datetime | None = None

    def is_absent(self, now: datetime) -> bool:
        return (
            self.absent_from is not None
            and self.absent_from <= now
            and (self.absent_until is None or now < self.absent_until)
        )


class AlarmKind(StrEnum):
    QUARANTINE = "quarantine"
    ACKNOWLEDGEMENT_FAILED = "acknowledgement_failed"
    ANSWER_FAILED = "answer_failed"
    NOTICE_FAILED = "notice_failed"
    UNCERTAIN = "uncertain"
    ACCOUNT_SUSPENDED = "account_suspended"
    ACCOUNT_UNREACHABLE = "account_unreachable"
    IMPOSSIBLE_DEADLINE = "impossible_deadline"
    DEADLINE_NEAR = "deadline_near"
    BREACHED = "breached"
    MEDIA_FAILED = "media_failed"
    VIRUS = "virus"
    SCANNER_UNAVAILABLE = "scanner_unavailable"
    CALENDAR_ENDS = "calendar_ends"
    ACCOUNT_WARNING = "account_warning"  # it works now and will not for long: a token that expires, no event for days
    PUBLIC_NUMBER = "public_number"  # a personal number stands where everybody can read it
    RAID = "raid"  # the same text from many, counted as one complaint
    FLOOD = "flood"  # one contact writes more than a person does
    ANSWER_UNREAD = "answer_unread"  # the citizen was not there, and left no address


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something a person must look at. One open alarm per `key`; repeated raising only counts."""

    id: int
    office_id: str
    kind: AlarmKind
    key: str
    raised_at: datetime
    count: int = 1
    complaint_id: ComplaintId | None = None
    account: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """How an account fares. `suspended_at` set: nothing leaves by it until `retry_at`.

    `compared_at`: when it was last compared with what the provider holds; it listed `listed` messages then, of which
    `missing` were not known to us and were taken in. `examined_at`: when its standing was last looked at.
    """

    account: str
    last_outbound_at: datetime | None = None
    suspended_at: datetime | None = None
    retry_at: datetime | None = None
    error: str | None = None
    caught_up_to: datetime | None = None
    compared_at: datetime | None = None
    listed: int | None = None
    missing: int | None = None
    examined_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log: who did what to which chain, and the hash over it and its predecessor (hex)."""

    id: int
    office_id: str
    chain: int
    sequence: int
    at: datetime
    actor: str
    action: str
    facts: Mapping[str, str]
    hash: str


@dataclass(frozen=True, slots=True)
class Event:
    """Something changed: told to open pages after the commit. `topic` is 'complaint', 'alarm' or 'health'."""

    office_id: str
    topic: str
    key: str
