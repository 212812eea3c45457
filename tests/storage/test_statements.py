"""Prepared statements: what goes in comes out, on both databases, whatever the column's type."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import model
from storage import tables
from storage.columns import BigId, EnumText, JsonText, UtcDateTime

_every = sa.Table(
    "every_type", sa.MetaData(),
    sa.Column("id", BigId, primary_key=True, autoincrement=False),
    sa.Column("at", UtcDateTime), sa.Column("details", JsonText), sa.Column("state", EnumText(model.DeliveryState)),
    sa.Column("body", sa.LargeBinary), sa.Column("number", sa.BigInteger), sa.Column("small", sa.Integer),
    sa.Column("is_open", sa.Boolean), sa.Column("day", sa.Date), sa.Column("text", sa.Text),
)  # fmt: skip
_BY_ID = sa.select(_every).where(_every.c.id == sa.bindparam("id"))
_BY_TIME = sa.select(_every.c.id).where(_every.c.at <= sa.bindparam("until", type_=UtcDateTime)).order_by(_every.c.at)
_quiet = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _text,
    lambda inner: st.lists(inner) | st.dictionaries(_text, inner),
)
_times = st.datetimes(
    datetime(1970, 1, 1),
    datetime(2200, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=9))]),
)


@pytest.fixture
def every(book):
    engine = book.database.engine()
    _every.create(engine)
    engine.dispose()
    return book


@_quiet
@given(
    row=st.fixed_dictionaries(
        {
            "at": st.none() | _times,
            "details": st.dictionaries(_text, _json) | st.lists(_json),
            "state": st.none() | st.sampled_from(model.DeliveryState),
            "body": st.none() | st.binary(),
            "number": st.none() | st.integers(-(2**63), 2**63 - 1),
            "small": st.integers(-(2**31), 2**31 - 1),
            "is_open": st.none() | st.booleans(),
            "day": st.none() | st.dates(date(1, 1, 1), date(9999, 12, 31)),
            "text": st.none() | _text,
        }
    )
)
def test_every_type_comes_back_as_it_went_in(every, row):
    every.database.begin(every.connection)
    tx = every.tx()
    tx.insert(_every, id=2**62, **row)
    found = tx.one(_BY_ID, id=2**62)._asdict()
    every.connection.execute("ROLLBACK")
    found["body"] = None if found["body"] is None else bytes(found["body"])
    assert found == {"id": 2**62, **row}
    assert found["at"] is None or found["at"].utcoffset() == timedelta()
    assert found["state"] is None or isinstance(found["state"], model.DeliveryState)
    assert found["is_open"] is None or isinstance(found["is_open"], bool)


@_quiet
@given(times=st.lists(_times, min_size=2, max_size=5), until=_times)
def test_times_compare_as_moments_whatever_zone_they_are_given_in(every, times, until):
    every.database.begin(every.connection)
    tx = every.tx()
    for number, at in enumerate(times):
        empty = dict.fromkeys(column.name for column in _every.columns)
        tx.insert(_every, **{**empty, "id": number, "at": at})
    found = [row.id for row in tx.all(_BY_TIME, until=until)]
    every.connection.execute("ROLLBACK")
    assert [times[number] for number in found] == sorted(at for at in times if at <= until)


@pytest.mark.parametrize(
    ("column", "value"),
    [("at", datetime(2026, 1, 1)), ("state", "no such state")],
)
def test_a_naive_time_and_an_unknown_word_are_never_stored(every, column, value):
    every.database.begin(every.connection)
    empty = dict.fromkeys(column.name for column in _every.columns)
    with pytest.raises((ValueError, KeyError)):
        every.tx().insert(_every, **{**empty, "id": 1, column: value})
    every.connection.execute("ROLLBACK")


def test_rows_added_are_seen_by_every_statement_that_reads_them_and_parents_come_first(book):
    book.database.begin(book.connection)
    tx = book.tx()
    complaint = book.complaint(tx)
    by_state = sa.select(tables.complaint.c.id).where(tables.complaint.c.state == sa.literal_column("'new'"))
    by_id = sa.select(tables.complaint).where(tables.complaint.c.id == sa.bindparam("id"))
    joined = sa.select(tables.audit.c.id).select_from(
        tables.complaint.join(tables.audit, tables.audit.c.chain == tables.complaint.c.id)
    )
    assert tx.one(by_id, id=complaint.id).id == complaint.id
    other = book.complaint(tx)
    assert {row.id for row in tx.all(by_state)} == {complaint.id, other.id}
    third = book.complaint(tx)
    assert len(tx.all(joined)) == 3
    assert tx.one(by_id, id=third.id + 10**6) is None
    book.connection.execute("ROLLBACK")


def test_a_row_changed_and_looked_for_by_another_column_while_others_wait_is_found(book):
    book.database.begin(book.connection)
    tx = book.tx()
    first = book.complaint(tx)
    tx.flush()
    second = book.complaint(tx)
    change = (
        sa.update(tables.complaint)
        .where(tables.complaint.c.office_id == sa.bindparam("office_is"))
        .values(preview=sa.bindparam("preview", type_=sa.Text))
    )
    assert tx.run(change, office_is="contoh", preview="semua") == 2
    by_number = sa.select(tables.complaint.c.preview).where(
        tables.complaint.c.office_id == sa.bindparam("office_id"), tables.complaint.c.sequence == sa.bindparam("number")
    )
    for complaint in (first, second):
        assert tx.scalar(by_number, office_id="contoh", number=complaint.number.sequence) == "semua"
    book.connection.execute("ROLLBACK")
