"""Every channel: polled accounts, messages taken back, raids, citizens behind several contacts."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from storage.columns import BigId, UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NEW_COLUMNS: dict[str, tuple[tuple[str, Any], ...]] = {
    "contact": (("citizen_id", BigId), ("identity_hmac", sa.LargeBinary())),
    "complaint": (("reply_account", sa.Text()), ("reply_contact_id", BigId)),
    "message": (
        ("contact_id", BigId),
        ("quoted_from", sa.Integer()),
        ("withdrawn_at", UtcDateTime()),
        ("private", sa.Boolean()),
    ),
    "outbox": (("refusal", sa.Text()),),
    "receipt": (("refusal", sa.Text()),),
    "health": (
        ("compared_at", UtcDateTime()),
        ("listed", sa.Integer()),
        ("missing", sa.Integer()),
        ("examined_at", UtcDateTime()),
    ),
}


def upgrade() -> None:
    for table, columns in _NEW_COLUMNS.items():
        for name, of_type in columns:
            op.add_column(table, sa.Column(name, of_type, nullable=True))
    op.create_index(
        "ix_contact_identity",
        "contact",
        ["office_id", "identity_hmac"],
        sqlite_where=sa.text("identity_hmac IS NOT NULL"),
        postgresql_where=sa.text("identity_hmac IS NOT NULL"),
    )
    op.create_index(
        "ix_contact_citizen",
        "contact",
        ["citizen_id"],
        sqlite_where=sa.text("citizen_id IS NOT NULL"),
        postgresql_where=sa.text("citizen_id IS NOT NULL"),
    )
    op.create_index(
        "ix_attachment_sha256",
        "attachment",
        ["sha256"],
        sqlite_where=sa.text("sha256 IS NOT NULL"),
        postgresql_where=sa.text("sha256 IS NOT NULL"),
    )
    op.create_table(
        "kept_apart",
        sa.Column("office_id", sa.Text(), nullable=False),
        sa.Column("first_id", BigId, autoincrement=False, nullable=False),
        sa.Column("second_id", BigId, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("first_id", "second_id"),
    )
    op.create_table(
        "withdrawal",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("account", "provider_id"),
    )
    op.create_table(
        "incident",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("office_id", sa.Text(), nullable=False),
        sa.Column("complaint_id", BigId, nullable=False),
        sa.Column("seen", sa.Integer(), nullable=False),
        sa.Column("first_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["complaint_id"], ["complaint.id"]),
        sa.PrimaryKeyConstraint("account", "fingerprint"),
    )
    op.create_table(
        "cursor",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("office_id", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("holder", sa.Text(), nullable=True),
        sa.Column("lease_until", UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("account"),
    )


def downgrade() -> None:
    for table in ("cursor", "incident", "withdrawal", "kept_apart"):
        op.drop_table(table)
    op.drop_index("ix_attachment_sha256", "attachment")
    op.drop_index("ix_contact_citizen", "contact")
    op.drop_index("ix_contact_identity", "contact")
    for table, columns in reversed(_NEW_COLUMNS.items()):
        with op.batch_alter_table(table) as batch:
            for name, _ in columns:
                batch.drop_column(name)
