"""Every table. Rows never leave storage: the other modules take and return core.model values."""

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from core import model
from storage.columns import BigId, EnumText, JsonText, UtcDateTime


def _key(**kw: Any) -> Any:
    return Field(primary_key=True, sa_type=BigId, sa_column_kwargs={"autoincrement": False}, **kw)


def _ref(target: str | None = None, **kw: Any) -> Any:
    return Field(sa_type=BigId, foreign_key=target, **kw) if target else Field(sa_type=BigId, **kw)


def _at(**kw: Any) -> Any:
    return Field(sa_type=UtcDateTime, **kw)


def _enum(kind: Any, **kw: Any) -> Any:
    return Field(sa_type=EnumText(kind), **kw)


def _text(**kw: Any) -> Any:
    return Field(sa_type=sa.Text, **kw)


def _json(**kw: Any) -> Any:
    return Field(sa_type=JsonText, **kw)


def _bytes(**kw: Any) -> Any:
    return Field(sa_type=sa.LargeBinary, **kw)


class RawItem(SQLModel, table=True):
    """What arrived, as it arrived (sealed). Kept for a configured time; the quarantine is its state."""

    __tablename__ = "raw_item"
    __table_args__ = (
        sa.Index(
            "ix_raw_item_quarantine",
            "office_id",
            "id",
            sqlite_where=sa.text("state = 'quarantined'"),
            postgresql_where=sa.text("state = 'quarantined'"),
        ),
    )
    id: int = _key()
    office_id: str = _text()
    account: str = _text()
    origin: str = _text()  # webhook | form | catch_up
    state: str = _text()  # processed | quarantined | dismissed
    reason: str | None = _text(nullable=True)
    received_at: datetime = _at()
    sealed: bytes = _bytes()


class ContactRow(SQLModel, table=True):
    __tablename__ = "contact"
    __table_args__ = (
        sa.UniqueConstraint("account", "address_hmac"),
        sa.Index(
            "ix_contact_identity",
            "office_id",
            "identity_hmac",
            sqlite_where=sa.text("identity_hmac IS NOT NULL"),
            postgresql_where=sa.text("identity_hmac IS NOT NULL"),
        ),
        sa.Index(
            "ix_contact_citizen",
            "citizen_id",
            sqlite_where=sa.text("citizen_id IS NOT NULL"),
            postgresql_where=sa.text("citizen_id IS NOT NULL"),
        ),
    )
    id: int = _key()
    office_id: str = _text()
    account: str = _text()
    address_hmac: bytes = _bytes()
    address_sealed: bytes = _bytes()
    reply_address_sealed: bytes | None = _bytes(nullable=True)
    name: str | None = _text(nullable=True)
    created_at: datetime = _at()
    last_inbound_at: datetime | None = _at(nullable=True)
    opted_out_at: datetime | None = _at(nullable=True)
    citizen_id: int | None = _ref(nullable=True)  # shared by the contacts of one person
    identity_hmac: bytes | None = _bytes(nullable=True)  # of the number or address that the provider has proven


class KeptApartRow(SQLModel, table=True):
    """Two contacts of whom a person said that they are not one citizen: not proposed again."""

    __tablename__ = "kept_apart"
    office_id: str = _text()
    first_id: int = Field(primary_key=True, sa_type=BigId, sa_column_kwargs={"autoincrement": False})
    second_id: int = Field(primary_key=True, sa_type=BigId, sa_column_kwargs={"autoincrement": False})


_WORK = "state IN ('new', 'in_progress')"


class ComplaintRow(SQLModel, table=True):
    __tablename__ = "complaint"
    __table_args__ = (
        sa.UniqueConstraint("office_id", "year", "sequence"),
        sa.Index("ix_complaint_contact", "contact_id", "id"),
        sa.Index(
            "ix_complaint_work",
            "office_id",
            "due_at",
            "id",
            sqlite_where=sa.text(_WORK),
            postgresql_where=sa.text(_WORK),
        ),
        sa.Index("ix_complaint_state", "office_id", "state", "queue", "due_at", "id"),
        sa.Index(
            "ix_complaint_assignee",
            "assignee_id",
            "due_at",
            "id",
            sqlite_where=sa.text("assignee_id IS NOT NULL AND state <> 'closed'"),
            postgresql_where=sa.text("assignee_id IS NOT NULL AND state <> 'closed'"),
        ),
        sa.Index(
            "ix_complaint_waiting",
            "office_id",
            "last_message_at",
            "id",
            sqlite_where=sa.text("state = 'waiting_citizen'"),
            postgresql_where=sa.text("state = 'waiting_citizen'"),
        ),
        sa.Index(
            "ix_complaint_closed",
            "office_id",
            "closed_at",
            "id",
            sqlite_where=sa.text("state = 'closed'"),
            postgresql_where=sa.text("state = 'closed'"),
        ),
    )
    id: int = _key()
    office_id: str = _text()
    prefix: str = _text()
    year: int
    sequence: int
    contact_id: int = _ref("contact.id")
    previous_id: int | None = _ref(nullable=True)
    account: str = _text()
    channel: str = _text()
    intake: str = _enum(model.Intake)
    state: str = _enum(model.ComplaintState)
    queue: str = _enum(model.Queue)
    assignee_id: int | None = _ref(nullable=True)
    category: str | None = _text(nullable=True)
    preview: str = _text()
    received_at: datetime = _at()
    last_message_at: datetime = _at()
    due_at: datetime | None = _at(nullable=True)
    breached_at: datetime | None = _at(nullable=True)
    answered_at: datetime | None = _at(nullable=True)
    closed_at: datetime | None = _at(nullable=True)
    close_reason: str | None = Field(sa_type=EnumText(model.CloseReason), nullable=True)
    acknowledged_until: datetime = _at()
    reply_account: str | None = _text(nullable=True)  # where the citizen wrote last, if not where it began
    reply_contact_id: int | None = _ref(nullable=True)
    version: int
    audit_sequence: int
    audit_hash: bytes = _bytes()


class MessageRow(SQLModel, table=True):
    __tablename__ = "message"
    __table_args__ = (
        sa.Index(
            "uq_message_provider",
            "account",
            "provider_id",
            unique=True,
            sqlite_where=sa.text("provider_id IS NOT NULL"),
            postgresql_where=sa.text("provider_id IS NOT NULL"),
        ),
        sa.Index("ix_message_complaint", "complaint_id", "id"),
    )
    id: int = _key()
    office_id: str = _text()
    complaint_id: int = _ref("complaint.id")
    account: str = _text()
    kind: str = _enum(model.MessageKind)
    content: str = _enum(model.Content)
    text: str = _text()
    details: Any = _json(nullable=True)
    provider_id: str | None = _text(nullable=True)
    author_id: int | None = _ref(nullable=True)
    raw_id: int | None = _ref(nullable=True)
    sent_at: datetime | None = _at(nullable=True)
    created_at: datetime = _at()
    contact_id: int | None = _ref(nullable=True)  # None: the contact with whom the complaint began
    quoted_from: int | None = Field(default=None, nullable=True)
    withdrawn_at: datetime | None = _at(nullable=True)
    private: bool | None = Field(default=None, nullable=True)


class WithdrawalRow(SQLModel, table=True):
    """A message taken back before it reached us."""

    __tablename__ = "withdrawal"
    account: str = _text(primary_key=True)
    provider_id: str = _text(primary_key=True)
    received_at: datetime = _at()


class PersonalNumberRow(SQLModel, table=True):
    """The digits behind a mask in a message: sealed, and found by HMAC."""

    __tablename__ = "personal_number"
    __table_args__ = (sa.Index("ix_personal_number_hmac", "office_id", "hmac"),)
    message_id: int = Field(
        primary_key=True, sa_type=BigId, foreign_key="message.id", sa_column_kwargs={"autoincrement": False}
    )
    ordinal: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    office_id: str = _text()
    complaint_id: int = _ref()
    kind: str = _text()
    start: int  # of its mask in the message's text
    hmac: bytes = _bytes()
    sealed: bytes = _bytes()


class AttachmentRow(SQLModel, table=True):
    __tablename__ = "attachment"
    __table_args__ = (
        sa.Index("ix_attachment_message", "message_id"),
        sa.Index(
            "ix_attachment_pending",
            "next_at",
            sqlite_where=sa.text("state = 'pending'"),
            postgresql_where=sa.text("state = 'pending'"),
        ),
        sa.Index(
            "ix_attachment_sha256",
            "sha256",
            sqlite_where=sa.text("sha256 IS NOT NULL"),
            postgresql_where=sa.text("sha256 IS NOT NULL"),
        ),
    )
    id: int = _key()
    office_id: str = _text()
    complaint_id: int = _ref()
    message_id: int = _ref("message.id")
    account: str = _text()
    name: str | None = _text(nullable=True)
    media_type: str = _text()
    size: int | None = Field(default=None, sa_type=sa.BigInteger, nullable=True)
    sha256: str | None = _text(nullable=True)
    state: str = _text()  # pending | stored | refused
    reason: str | None = _text(nullable=True)
    url_sealed: bytes | None = _bytes(nullable=True)
    attempts: int
    next_at: datetime | None = _at(nullable=True)


class CalendarRow(SQLModel, table=True):
    """A service calendar as it stood when deadlines were reckoned by it, under the hash of its text."""

    __tablename__ = "calendar"
    version: str = _text(primary_key=True)
    body: str = _text()


class DeadlineRow(SQLModel, table=True):
    """A clock. `next_at` is when the scheduler must look: the next warning, or the due time."""

    __tablename__ = "deadline"
    __table_args__ = (
        sa.Index("ix_deadline_complaint", "complaint_id"),
        sa.Index(
            "ix_deadline_next",
            "next_at",
            "id",
            sqlite_where=sa.text("state = 'pending'"),
            postgresql_where=sa.text("state = 'pending'"),
        ),
    )
    id: int = _key()
    office_id: str = _text()
    complaint_id: int = _ref("complaint.id")
    clock: str = _text()
    state: str = _enum(model.DeadlineState)
    started_at: datetime = _at()
    due_at: datetime = _at()
    next_at: datetime | None = _at(nullable=True)
    warnings: Any = _json()
    impossible: bool
    rule: str = _text()
    calendar: str = _text()
    met_at: datetime | None = _at(nullable=True)
    breached_at: datetime | None = _at(nullable=True)


_PENDING = "state IN ('queued', 'sending', 'uncertain') AND next_at IS NOT NULL"
_AHEAD = "state IN ('queued', 'sending')"


class OutboxRow(SQLModel, table=True):
    """What must leave. A message to a citizen has the id of its message row.

    `next_at`: queued - when to try; sending - when the lease ends; uncertain - when it goes to a person.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        sa.UniqueConstraint("idempotency_key"),
        sa.Index(
            "uq_outbox_provider",
            "account",
            "provider_id",
            unique=True,
            sqlite_where=sa.text("provider_id IS NOT NULL"),
            postgresql_where=sa.text("provider_id IS NOT NULL"),
        ),
        sa.Index("ix_outbox_due", "next_at", "id", sqlite_where=sa.text(_PENDING), postgresql_where=sa.text(_PENDING)),
        sa.Index(
            "ix_outbox_contact", "contact_id", "id", sqlite_where=sa.text(_AHEAD), postgresql_where=sa.text(_AHEAD)
        ),
    )
    id: int = _key()
    office_id: str = _text()
    account: str = _text()
    contact_id: int = _ref("contact.id")
    complaint_id: int = _ref("complaint.id")
    kind: str = _enum(model.MessageKind)
    idempotency_key: str = _text()
    state: str = _enum(model.DeliveryState)
    attempts: int
    next_at: datetime | None = _at(nullable=True)
    provider_id: str | None = _text(nullable=True)
    error: str | None = _text(nullable=True)
    error_code: str | None = _text(nullable=True)
    refusal: str | None = Field(sa_type=EnumText(model.Refusal), nullable=True)
    sealed: bytes = _bytes()
    created_at: datetime = _at()
    updated_at: datetime = _at()


class ReceiptRow(SQLModel, table=True):
    """A receipt that came before our own send returned."""

    __tablename__ = "receipt"
    account: str = _text(primary_key=True)
    provider_id: str = _text(primary_key=True)
    state: str = Field(primary_key=True, sa_type=EnumText(model.DeliveryState))
    error_code: str | None = _text(nullable=True)
    refusal: str | None = Field(sa_type=EnumText(model.Refusal), nullable=True)
    received_at: datetime = _at()


class IncidentRow(SQLModel, table=True):
    """The same text from many in one public conversation: how often it came, and the complaint that stands for all."""

    __tablename__ = "incident"
    account: str = _text(primary_key=True)
    fingerprint: bytes = _bytes(primary_key=True)
    office_id: str = _text()
    complaint_id: int = _ref("complaint.id")
    seen: int
    first_at: datetime = _at()


class CursorRow(SQLModel, table=True):
    """How far an account that we ask has been read, and which process asks it until when."""

    __tablename__ = "cursor"
    account: str = _text(primary_key=True)
    office_id: str = _text()
    body: str | None = _text(nullable=True)
    holder: str | None = _text(nullable=True)
    lease_until: datetime | None = _at(nullable=True)


class RegisterRow(SQLModel, table=True):
    """The last number given, per office and year; raised in the transaction that uses it, so that no gap can be."""

    __tablename__ = "register"
    office_id: str = _text(primary_key=True)
    year: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    last: int


class AuditRow(SQLModel, table=True):
    """Append-only (triggers refuse change and removal) and hash-chained; chain 0 is the office's own."""

    __tablename__ = "audit"
    __table_args__ = (sa.UniqueConstraint("office_id", "chain", "sequence"),)
    id: int = _key()
    office_id: str = _text()
    chain: int = _ref()
    sequence: int
    at: datetime = _at()
    actor: str = _text()
    action: str = _text()
    facts: str = _text()
    hash: bytes = _bytes()


class AuditChainRow(SQLModel, table=True):
    """The head of an office's own chain; that of a complaint is on the complaint."""

    __tablename__ = "audit_chain"
    office_id: str = _text(primary_key=True)
    audit_sequence: int
    audit_hash: bytes = _bytes()


class AuditSealRow(SQLModel, table=True):
    """A day's seal over everything audited since the seal before: what is behind it cannot be cut off unseen."""

    __tablename__ = "audit_seal"
    office_id: str = _text(primary_key=True)
    through_id: int = Field(primary_key=True, sa_type=BigId, sa_column_kwargs={"autoincrement": False})
    sealed_at: datetime = _at()
    entries: int
    hash: bytes = _bytes()


class PersonRow(SQLModel, table=True):
    __tablename__ = "person"
    __table_args__ = (sa.UniqueConstraint("office_id", "username"),)
    id: int = _key()
    office_id: str = _text()
    username: str = _text()
    name: str = _text()
    role: str = _enum(model.Role)
    is_active: bool
    password_hash: str = _text()
    totp_sealed: bytes | None = _bytes(nullable=True)
    totp_used: int | None = Field(default=None, sa_type=sa.BigInteger, nullable=True)
    failures: int
    locked_until: datetime | None = _at(nullable=True)
    absent_from: datetime | None = _at(nullable=True)
    absent_until: datetime | None = _at(nullable=True)
    created_at: datetime = _at()


class SessionRow(SQLModel, table=True):
    """A signed-in browser, under the hash of its token."""

    __tablename__ = "session"
    token_hash: bytes = _bytes(primary_key=True)
    person_id: int = _ref("person.id")
    created_at: datetime = _at()
    seen_at: datetime = _at()
    expires_at: datetime = _at()


class HolidayRow(SQLModel, table=True):
    __tablename__ = "holiday"
    office_id: str = _text(primary_key=True)
    day: date = Field(primary_key=True)
    name: str = _text()
    kind: str = _text()
    is_closed: bool


class AlarmRow(SQLModel, table=True):
    __tablename__ = "alarm"
    __table_args__ = (
        sa.Index(
            "uq_alarm_open",
            "office_id",
            "key",
            unique=True,
            sqlite_where=sa.text("cleared_at IS NULL"),
            postgresql_where=sa.text("cleared_at IS NULL"),
        ),
        sa.Index("ix_alarm_complaint", "complaint_id"),
    )
    id: int = _key()
    office_id: str = _text()
    kind: str = _enum(model.AlarmKind)
    key: str = _text()
    complaint_id: int | None = _ref(nullable=True)
    account: str | None = _text(nullable=True)
    note: str | None = _text(nullable=True)
    count: int
    raised_at: datetime = _at()
    last_at: datetime = _at()
    cleared_at: datetime | None = _at(nullable=True)
    cleared_by: str | None = _text(nullable=True)


class HealthRow(SQLModel, table=True):
    __tablename__ = "health"
    account: str = _text(primary_key=True)
    office_id: str = _text()
    last_outbound_at: datetime | None = _at(nullable=True)
    suspended_at: datetime | None = _at(nullable=True)
    retry_at: datetime | None = _at(nullable=True)
    error: str | None = _text(nullable=True)
    caught_up_to: datetime | None = _at(nullable=True)
    compared_at: datetime | None = _at(nullable=True)
    listed: int | None = Field(default=None, nullable=True)
    missing: int | None = Field(default=None, nullable=True)
    examined_at: datetime | None = _at(nullable=True)


class NodeRow(SQLModel, table=True):
    """Hands out node numbers, so that ids made by different threads and processes differ."""

    __tablename__ = "node"
    id: int | None = Field(default=None, primary_key=True)


class TrialRow(SQLModel, table=True):
    """Wrong PINs tried on a complaint's tracking page, so that guessing ends early."""

    __tablename__ = "pin_trial"
    complaint_id: int = Field(
        primary_key=True, sa_type=BigId, foreign_key="complaint.id", sa_column_kwargs={"autoincrement": False}
    )
    failures: int
    locked_until: datetime | None = _at(nullable=True)


def core_table(row: type[SQLModel]) -> sa.Table:
    """Return the SQLAlchemy table of a row class."""
    return row.__table__  # type: ignore[attr-defined,no-any-return]


metadata = SQLModel.metadata
raw_item = core_table(RawItem)
contact = core_table(ContactRow)
kept_apart = core_table(KeptApartRow)
complaint = core_table(ComplaintRow)
message = core_table(MessageRow)
withdrawal = core_table(WithdrawalRow)
personal_number = core_table(PersonalNumberRow)
attachment = core_table(AttachmentRow)
calendar = core_table(CalendarRow)
deadline = core_table(DeadlineRow)
outbox = core_table(OutboxRow)
receipt = core_table(ReceiptRow)
incident = core_table(IncidentRow)
cursor = core_table(CursorRow)
register = core_table(RegisterRow)
audit = core_table(AuditRow)
audit_chain = core_table(AuditChainRow)
audit_seal = core_table(AuditSealRow)
person = core_table(PersonRow)
session = core_table(SessionRow)
holiday = core_table(HolidayRow)
alarm = core_table(AlarmRow)
health = core_table(HealthRow)
node = core_table(NodeRow)
pin_trial = core_table(TrialRow)
