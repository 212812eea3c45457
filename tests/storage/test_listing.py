"""Lists: every complaint once, page by page, in the queue where it belongs, by an index."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import ids, model
from storage import alarms, attachments, audit, complaints, deadlines, listing, messages, outbox, raw
from storage.listing import View

NOW = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)
State, Queue = model.ComplaintState, model.Queue
UNTIL = NOW + timedelta(hours=14)
_quiet = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_at = st.integers(-40, 40).map(lambda hours: NOW + timedelta(hours=hours))


@st.composite
def complaint(draw):
    state = draw(st.sampled_from(State))
    is_work = state in (State.NEW, State.IN_PROGRESS)
    return {
        "office_id": draw(st.sampled_from(["contoh", "contoh", "contoh", "lain"])),
        "state": state,
        "queue": draw(st.sampled_from(Queue)),
        "assignee_id": None if state is State.NEW else draw(st.sampled_from([None, 7, 8])),
        "due_at": draw(_at) if is_work else None,
        "closed_at": draw(_at) if state is State.CLOSED else None,
        "last_message_at": draw(_at),
    }


def everything(tx, view, count, office_id="contoh"):
    found, after = [], None
    while True:
        page = listing.page(tx, office_id, view, NOW, UNTIL, ids.PersonId(7), after, count)
        assert len(page.items) <= count
        found += [item.complaint for item in page.items]
        if page.next_key is None:
            return found
        assert page.items
        after = page.next_key


@_quiet
@given(rows=st.lists(complaint(), max_size=14), count=st.integers(1, 6))
def test_pages_hold_every_complaint_of_a_queue_once_and_in_order(book, rows, count):
    book.database.begin(book.connection)
    tx = book.tx()
    added = [book.complaint(tx, **columns) for columns in rows]
    mine = [c for c in added if c.office_id == "contoh"]
    work = [c for c in mine if c.state in (State.NEW, State.IN_PROGRESS)]
    expected = {
        View.NEW: [c for c in work if c.state is State.NEW and c.queue is Queue.ADMIN],
        View.TODAY: [c for c in work if NOW <= c.due_at < UNTIL],
        View.LATE: [c for c in work if c.due_at < NOW],
        View.MINE: [c for c in added if c.assignee_id == 7 and c.state.is_open],
        View.ESCALATED: [c for c in work if c.queue is Queue.SUPERVISOR],
        View.WAITING: [c for c in mine if c.state is State.WAITING_CITIZEN],
        View.CLOSED: [c for c in mine if c.state is State.CLOSED],
        View.ALL: work,
    }
    counts = listing.counts(tx, "contoh", NOW, UNTIL, ids.PersonId(7))
    found = {view: everything(tx, view, count) for view in View}
    book.connection.execute("ROLLBACK")
    far = NOW + timedelta(days=10**5)
    for view, members in expected.items():
        if view is View.CLOSED:
            members.sort(key=lambda c: (c.closed_at, c.id), reverse=True)
        elif view is View.WAITING:
            members.sort(key=lambda c: (c.last_message_at, c.id), reverse=True)
        else:
            members.sort(key=lambda c: (c.due_at or far, c.id))
        assert [c.id for c in found[view]] == [c.id for c in members], view
        assert counts.get(view, len(members)) == len(members)
    # Each is work, or waits for the citizen, or is closed; work is late, due today or due later.
    parts = [c.id for view in (View.ALL, View.WAITING, View.CLOSED) for c in found[view]]
    assert sorted(parts) == sorted(c.id for c in mine)
    assert not {c.id for c in found[View.TODAY]} & {c.id for c in found[View.LATE]}
    assert not {c.id for c in found[View.NEW]} & {c.id for c in found[View.ESCALATED]}


def test_a_line_tells_of_a_failed_delivery_until_it_is_cleared(book):
    book.database.begin(book.connection)
    tx = book.tx()
    one = book.complaint(tx)
    for kind, has_failed in [(model.AlarmKind.BREACHED, False), (model.AlarmKind.ANSWER_FAILED, True)]:
        alarms.raise_(tx, "contoh", kind, f"{kind}:1", NOW, complaint_id=one.id)
        [item] = listing.page(tx, "contoh", View.ALL, NOW, UNTIL, ids.PersonId(7)).items
        assert item.has_failed_delivery is has_failed
    alarms.clear(tx, "contoh", f"{model.AlarmKind.ANSWER_FAILED}:1", NOW, "system")
    [item] = listing.page(tx, "contoh", View.ALL, NOW, UNTIL, ids.PersonId(7)).items
    assert not item.has_failed_delivery
    book.connection.execute("ROLLBACK")


HOT = {
    "outbox claim": (outbox._CLAIM, ["ix_outbox_due", "ix_outbox_contact"]),
    "outbox lapsed": (outbox._LAPSED, ["ix_outbox_due"]),
    "outbox any due": (outbox._IS_ANY_DUE, ["ix_outbox_due"]),
    "receipt's entry": (outbox._BY_PROVIDER, ["uq_outbox_provider"]),
    "receipts overtaken": (outbox._OVERTAKEN, ["uq_outbox_provider"]),
    "deadlines due": (deadlines._DUE, ["ix_deadline_next"]),
    "deadlines of a complaint": (deadlines._OF_COMPLAINT, ["ix_deadline_complaint"]),
    "deadlines to reckon": (deadlines._PENDING, []),
    "message known": (messages._IS_KNOWN, ["uq_message_provider"]),
    "timeline": (messages._TIMELINE, ["ix_message_complaint"]),
    "files of a complaint": (messages._FILES, ["ix_message_complaint", "ix_attachment_message"]),
    "files due": (attachments._CLAIM, ["ix_attachment_pending"]),
    "any file due": (attachments._IS_ANY_DUE, ["ix_attachment_pending"]),
    "complaints with a number": (messages._HOLDING, ["ix_personal_number_hmac"]),
    "latest of a contact": (complaints._LATEST_OF_CONTACT, ["ix_complaint_contact"]),
    "alarms of a complaint": (alarms._CLEAR_COMPLAINT, ["ix_alarm_complaint"]),
    "open alarms": (alarms._OPEN, ["uq_alarm_open"]),
    "numbers of alarms": (alarms._NUMBERS, ["uq_alarm_open"]),
    "audit chains": (audit._CHAINS, ["sqlite_autoindex_audit"]),
    "audit page": (audit._PAGE, []),
    "newest audit row": (audit._NEWEST_BEFORE, []),
    "quarantine": (raw._QUARANTINED, ["ix_raw_item_quarantine"]),
    "quarantine count": (raw._COUNT_OF_ACCOUNT, ["ix_raw_item_quarantine"]),
}
INDEX = {
    View.NEW: "ix_complaint_state",
    View.TODAY: "ix_complaint_work",
    View.LATE: "ix_complaint_work",
    View.MINE: "ix_complaint_assignee",
    View.ESCALATED: "ix_complaint_",
    View.WAITING: "ix_complaint_waiting",
    View.CLOSED: "ix_complaint_closed",
    View.ALL: "ix_complaint_work",
}
HOT |= {f"page {view} {n}": (listing._page(view, n), [INDEX[view]]) for view in View for n in (False, True)}
HOT |= {
    f"count {view}": (listing._counter(view), ["ix_complaint_"]) for view in View if view not in (View.CLOSED, View.ALL)
}
LARGE = (
    "complaint",
    "outbox",
    "ahead",
    "deadline",
    "message",
    "attachment",
    "audit",
    "raw_item",
    "personal_number",
    "alarm",
)


@pytest.mark.parametrize("name", HOT)
def test_hot_statements_walk_an_index_and_never_a_whole_table(sqlite_book, name):
    statement, indexes = HOT[name]
    prepared = sqlite_book.tx()._prepare(statement)
    sql = f"EXPLAIN QUERY PLAN {prepared.sql}"
    plan = [row[3] for row in sqlite_book.connection.execute(sql, [None] * prepared.sql.count("?"))]
    walked = [step for step in plan if step.startswith("SCAN") and step.split()[1] in LARGE]
    assert not [step for step in walked if "USING" not in step], plan
    for index in indexes:
        assert any(index in step for step in plan), plan
    if name.startswith("page") and "saya" not in name:
        assert not [step for step in plan if "TEMP B-TREE" in step], plan
