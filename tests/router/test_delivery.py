"""Delivery: sent once, in order, and what may have been sent never again; receipts settle it, or a person does."""

import asyncio
import itertools
from collections import deque
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import pytest
from twilio.request_validator import RequestValidator

from core import errors, model, ports
from router import answers, complaints, delivery, intake, receipts, resending
from router.delivery import DeliveryWorker
from simulator import twilio_records
from storage import alarms, contacts, deadlines, listing, outbox

State = model.DeliveryState


class Line:
    """A provider whose every answer the test decides: an id, an error, or a coroutine function that gives one."""

    channel = "whatsapp"

    def __init__(self, capabilities):
        self.capabilities = capabilities
        self.outcomes = deque()
        self.sent = []
        self.standing = None
        self._ids = (f"PV{n}" for n in itertools.count(1))

    async def send(self, message):
        self.sent.append(message)
        outcome = self.outcomes.popleft() if self.outcomes else next(self._ids)
        if isinstance(outcome, Exception):
            raise outcome
        return model.Sent(outcome if isinstance(outcome, str) else await outcome(message))

    async def check(self):
        if self.standing is not None:
            raise self.standing


@pytest.fixture
def line(world):
    line = Line(world.desk.connectors["wa"].capabilities)
    world.desk = replace(world.desk, connectors={**world.desk.connectors, "wa": line})
    return line


async def entries(world):
    return await world.rows("outbox")


async def entry(world, kind="acknowledgement"):
    [found] = await world.rows("outbox", f"kind='{kind}'")
    return found


async def alarm_kinds(world):
    return sorted({alarm.kind for alarm in await world.look(alarms.open_, "contoh")})


async def complaint(world):
    [found] = await world.rows("complaint")
    return found


async def receive(world, state, reference=None, provider_id="PV1", code=None):
    receipt = model.DeliveryReceipt(provider_id, state, code, reference)
    await world.desk.store.write(receipts.record, "wa", receipt, world.clock.at)


async def answered(world, line):
    """A complaint, acknowledged, with an answer on its way."""
    await world.arrives()
    await world.deliver()
    world.clock.forward(hours=1)
    await answers.answer(
        world.desk, world.admin, (await complaint(world)).id, answers.Reply("Sudah kami proses."), "kunci-1"
    )
    line.sent.clear()


async def claim(world):
    """Take what is due as a worker does that then dies."""
    return await world.desk.store.write(outbox.claim, world.clock.at, world.clock.at + delivery.LEASE, 10)


# --- Order --------------------------------------------------------------------------------------------------------


async def test_an_entry_that_backs_off_holds_back_the_later_ones_of_its_contact_and_nobody_elses(world, line):
    line.outcomes.append(errors.TransientSendError("busy"))
    await world.arrives("satu", sender="+6281200000001")
    await world.deliver()
    world.clock.forward(seconds=1)  # the order of one millisecond is nobody's
    await answers.answer(world.desk, world.admin, (await complaint(world)).id, answers.Reply("Jawaban"), "k")
    await world.arrives("lain", sender="+6281200000002")
    await world.deliver()
    assert [m.address[-1] for m in line.sent] == ["1", "2"]
    world.clock.forward(minutes=1)
    await world.deliver()
    assert [(m.address[-1], m.kind) for m in line.sent[2:]] == [
        ("1", model.MessageKind.ACKNOWLEDGEMENT),
        ("1", model.MessageKind.ANSWER),
    ]


async def test_the_parts_of_a_long_answer_leave_in_their_order_once_even_when_it_is_submitted_twice(world, line):
    await world.arrives()
    number = (await complaint(world)).id
    body = " ".join(f"kalimat{n}." for n in range(300))
    await asyncio.gather(
        *(answers.answer(world.desk, world.admin, number, answers.Reply(body), "sama") for _ in range(3))
    )
    await world.deliver()
    texts = [m.text for m in line.sent if m.kind is model.MessageKind.ANSWER]
    assert len(texts) > 1
    words = [word for text in texts for word in text.split() if word.startswith("kalimat")]
    assert words == [f"kalimat{n}." for n in range(300)]


# --- Certainly not sent -------------------------------------------------------------------------------------------


async def test_a_passing_failure_backs_off_longer_each_time_and_tells_an_admin_until_it_is_over(world, line):
    line.outcomes.extend([errors.TransientSendError("unreachable")] * 5)
    await world.arrives()
    pauses = []
    for _ in range(5):
        await world.deliver()
        found = await entry(world)
        assert found.state is State.QUEUED
        pauses.append(found.next_at - world.clock.at)
        world.clock.at = found.next_at
    assert all(0.5 <= pause / timedelta(seconds=5 * 2**n) <= 1.5 for n, pause in enumerate(pauses))
    assert await alarm_kinds(world) == [model.AlarmKind.ACCOUNT_UNREACHABLE]
    await world.deliver()
    assert (await entry(world)).state is State.ACCEPTED
    assert len(line.sent) == 6
    assert await alarm_kinds(world) == []


async def test_a_word_that_an_account_is_reached_again_ends_its_alarm_however_soon(world, line):
    await world.arrives("satu", sender="+6281200000001")
    await world.deliver()
    world.clock.forward(seconds=1)
    await world.arrives("dua", sender="+6281200000002")
    line.outcomes.extend([errors.TransientSendError("unreachable")] * 4)
    for _ in range(4):
        await world.deliver()
        world.clock.at = (await entries(world))[-1].next_at
    assert await alarm_kinds(world) == [model.AlarmKind.ACCOUNT_UNREACHABLE]
    world.clock.forward(minutes=-1)
    await world.arrives("tiga", sender="+6281200000003")
    await world.deliver()
    assert await alarm_kinds(world) == []


async def test_the_provider_may_ask_for_a_longer_pause(world):
    sid = next(iter(world.provider.accounts))
    world.provider.refuse(sid, 20429, retry_after=600)
    await world.arrives()
    await world.deliver()
    assert (await entry(world)).next_at >= world.clock.at + timedelta(seconds=600)
    world.clock.forward(minutes=9)
    await world.deliver()
    assert world.provider.creates() == 0
    world.clock.forward(minutes=2)
    await world.deliver()
    assert world.provider.creates() == 1


async def test_a_refusal_raises_an_alarm_and_the_failed_answers_clock_runs_on(world, line):
    await answered(world, line)
    assert (await complaint(world)).state is model.ComplaintState.WAITING_CITIZEN
    line.outcomes.append(errors.PermanentSendError("refused", "63024"))
    await world.deliver()
    failed = await entry(world, "answer")
    assert (failed.state, failed.error_code) == (State.FAILED, "63024")
    assert await alarm_kinds(world) == [model.AlarmKind.ANSWER_FAILED]
    found = await complaint(world)
    assert found.state is model.ComplaintState.IN_PROGRESS
    assert found.due_at == found.received_at + timedelta(days=2)
    assert found.answered_at is None
    [clock] = await world.look(deadlines.of_complaint, found.id)
    assert (clock.state, clock.met_at) == (model.DeadlineState.PENDING, None)


async def test_sending_again_really_sends_and_the_answer_counts_again(world, line):
    await answered(world, line)
    line.outcomes.append(errors.PermanentSendError("refused"))
    await world.deliver()
    world.clock.forward(hours=30)
    failed = await entry(world, "answer")
    await resending.send_again(world.desk, world.admin, failed.id)
    with pytest.raises(errors.StaleDecision):
        await resending.send_again(world.desk, world.supervisor, failed.id)
    await world.deliver()
    assert [m.reference for m in line.sent] == [f"{failed.id}.1", f"{failed.id}.2"]
    assert (await entry(world, "answer")).state is State.ACCEPTED
    assert await alarm_kinds(world) == []
    found = await complaint(world)
    assert (found.state, found.due_at) == (model.ComplaintState.WAITING_CITIZEN, None)
    [clock] = await world.look(deadlines.of_complaint, found.id)
    assert clock.state is model.DeadlineState.MET


async def test_sending_again_sends_also_after_days_and_a_second_failure_lets_the_clocks_run_on_again(world, line):
    await answered(world, line)
    line.outcomes.append(errors.PermanentSendError("refused"))
    await world.deliver()
    world.clock.forward(days=3)
    failed = await entry(world, "answer")
    line.outcomes.append(errors.PermanentSendError("refused again"))
    await resending.send_again(world.desk, world.admin, failed.id)
    await world.deliver()
    assert len(line.sent) == 2
    assert await alarm_kinds(world) == [model.AlarmKind.ANSWER_FAILED]
    found = await complaint(world)
    assert found.state is model.ComplaintState.IN_PROGRESS
    [clock] = await world.look(deadlines.of_complaint, found.id)
    assert clock.state is model.DeadlineState.PENDING


async def test_a_failed_second_answer_does_not_undo_what_the_first_answered(world, line):
    await answered(world, line)
    await world.deliver()
    world.clock.forward(minutes=5)
    line.outcomes.append(errors.PermanentSendError("refused"))
    await answers.answer(world.desk, world.admin, (await complaint(world)).id, answers.Reply("Tambahan."), "kunci-2")
    await world.deliver()
    found = await complaint(world)
    assert (found.state, found.due_at) == (model.ComplaintState.WAITING_CITIZEN, None)
    assert await alarm_kinds(world) == [model.AlarmKind.ANSWER_FAILED]


async def test_what_cannot_be_sent_for_two_days_goes_to_a_person(world, line):
    line.outcomes.extend([errors.TransientSendError("unreachable")] * 2)
    await world.arrives()
    await world.deliver()
    world.clock.forward(hours=49)
    await world.deliver()
    assert (await entry(world)).state is State.FAILED
    assert model.AlarmKind.ACKNOWLEDGEMENT_FAILED in await alarm_kinds(world)


async def test_a_contact_who_asked_for_silence_is_not_written_to(world, line):
    await world.arrives()
    [who] = await world.rows("contact")
    await world.desk.store.write(contacts.set_opted_out, who.id, world.clock.at)
    await world.deliver()
    assert line.sent == []
    assert (await entry(world)).state is State.FAILED
    assert await alarm_kinds(world) == [model.AlarmKind.ACKNOWLEDGEMENT_FAILED]


async def test_an_answer_after_the_reply_window_closed_fails_with_an_alarm_instead_of_vanishing(world):
    await world.arrives()
    await world.deliver()
    world.clock.forward(hours=25)
    await answers.answer(world.desk, world.admin, (await complaint(world)).id, answers.Reply("Terlambat"), "k")
    await world.deliver()
    assert world.provider.creates() == 1
    assert (await entry(world, "answer")).state is State.FAILED
    assert await alarm_kinds(world) == [model.AlarmKind.ANSWER_FAILED]


async def test_a_removed_account_leaves_its_complaints_readable_and_its_answers_fail_visibly(world):
    await world.arrives()
    left = {name: account for name, account in world.desk.accounts.items() if name != "wa"}
    desk = replace(world.desk, accounts=left, connectors={n: c for n, c in world.desk.connectors.items() if n != "wa"})
    await DeliveryWorker(desk).deliver_due()
    assert (await entry(world)).state is State.FAILED
    found = await complaints.page(desk, world.admin, listing.View.NEW)
    shown = await complaints.details(desk, world.admin, found.items[0].complaint.number)
    assert not shown.account.capabilities.answerable
    with pytest.raises(errors.NotAllowed):
        await answers.answer(desk, world.admin, shown.complaint.id, answers.Reply("Jawaban"), "k")
    await complaints.close(desk, world.admin, shown.complaint.id, model.CloseReason.NOT_OURS, tell=True)


# --- Perhaps sent -------------------------------------------------------------------------------------------------


async def test_a_lost_answer_is_never_sent_twice_and_a_late_receipt_settles_it(world):
    sid = next(iter(world.provider.accounts))
    world.provider.faults(sid).lose_answer(twilio_records.LostAnswer.DROPPED)
    world.provider.write(sid, "whatsapp:+6281200000001", "whatsapp:+6281200009000", "halo")  # opens its window
    await world.arrives()
    await world.deliver()
    assert (await entry(world)).state is State.UNCERTAIN
    for _ in range(3):
        world.clock.forward(minutes=11)
        await delivery.sweep(world.desk)
        await world.deliver()
    assert world.provider.creates() == 1
    assert await alarm_kinds(world) == [model.AlarmKind.UNCERTAIN]
    await carry(world, world.provider.deliveries)
    assert (await entry(world)).state is State.DELIVERED
    assert await alarm_kinds(world) == []


async def carry(world, deliveries):
    """Bring the provider's own status callbacks to us, signed: nothing listens at the public address."""
    for each in list(deliveries):
        parts = urlsplit(each.url)
        signature = RequestValidator("token-of-wa").compute_signature(each.url, dict(each.params))
        headers = {"x-twilio-signature": signature, "content-type": "application/x-www-form-urlencoded"}
        target = f"{parts.path}?{parts.query}"
        request = ports.RawRequest("wa", target, headers, urlencode(each.params).encode(), world.clock.at)
        await intake.receive(world.desk, request)


async def test_without_a_receipt_a_person_decides_that_it_arrived_or_is_sent_again(world, line):
    line.outcomes.extend([errors.UncertainSendError("no answer"), ValueError("a bug in a connector")])
    await world.arrives("satu", sender="+6281200000001")
    await world.arrives("dua", sender="+6281200000002")
    await world.deliver()
    one, two = await entries(world)
    assert (one.state, two.state) == (State.UNCERTAIN, State.UNCERTAIN)
    assert await alarm_kinds(world) == []
    world.clock.forward(minutes=11)
    await delivery.sweep(world.desk)
    assert await alarm_kinds(world) == [model.AlarmKind.UNCERTAIN]
    await resending.mark_arrived(world.desk, world.admin, one.id)
    await resending.send_again(world.desk, world.admin, two.id)
    await world.deliver()
    assert [row.state for row in await entries(world)] == [State.ACCEPTED, State.ACCEPTED]
    assert len(line.sent) == 3
    assert await alarm_kinds(world) == []


@pytest.mark.parametrize("is_idempotent", [False, True])
async def test_a_worker_that_died_midway_leaves_an_entry_uncertain_or_sent_again_where_that_is_safe(
    world, line, is_idempotent
):
    line.capabilities = replace(line.capabilities, idempotent_send=is_idempotent)
    await world.arrives()
    [dead] = await claim(world)
    await delivery.sweep(world.desk)
    assert (await entry(world)).state is State.SENDING  # the lease still runs
    world.clock.at += delivery.LEASE
    await delivery.sweep(world.desk)
    await world.deliver()
    assert (await entry(world)).state is (State.ACCEPTED if is_idempotent else State.UNCERTAIN)
    assert [m.reference for m in line.sent] == ([f"{dead.id}.2"] if is_idempotent else [])


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (model.Sent("PV1"), State.ACCEPTED),
        (errors.TransientSendError("x"), State.QUEUED),
        (errors.PermanentSendError("x"), State.FAILED),
    ],
)
async def test_an_outcome_written_down_after_its_lease_ended_still_counts(world, line, outcome, state):
    await world.arrives()
    [late] = await claim(world)
    world.clock.at += delivery.LEASE
    await delivery.sweep(world.desk)
    world.clock.forward(minutes=11)
    await delivery.sweep(world.desk)
    assert await alarm_kinds(world) == [model.AlarmKind.UNCERTAIN]
    await world.desk.store.write(delivery._record, world.desk, late, outcome, world.clock.at)
    assert (await entry(world)).state is state
    assert model.AlarmKind.UNCERTAIN not in await alarm_kinds(world)


async def test_two_workers_at_once_never_send_an_entry_twice(world, line):
    gate = asyncio.Event()

    async def slowly(message):
        await gate.wait()
        return f"PV-{message.reference}"

    line.outcomes.extend([slowly] * 60)
    await asyncio.gather(*(world.arrives("halo", sender=f"+62812000{n:05}") for n in range(20)))
    workers = [DeliveryWorker(world.desk, parallel=4) for _ in range(2)]
    rounds = [asyncio.create_task(worker.deliver_due()) for worker in workers]
    gate.set()
    while any(await asyncio.gather(*rounds)):
        rounds = [asyncio.create_task(worker.deliver_due()) for worker in workers]
    assert len(line.sent) == len({m.outbox_id for m in line.sent}) == 20
    assert {row.state for row in await entries(world)} == {State.ACCEPTED}


# --- A suspended account ------------------------------------------------------------------------------------------


async def test_nothing_is_tried_by_a_suspended_account_until_its_credentials_are_good_again(world, line):
    line.outcomes.append(errors.AccountSuspended("HTTP 401, code 20003", "20003"))
    line.standing = errors.AccountSuspended("HTTP 401, code 20003", "20003")
    await world.arrives("satu", sender="+6281200000001")
    await world.deliver()
    await world.arrives("dua", sender="+6281200000002")
    for _ in range(3):
        world.clock.forward(minutes=3)
        await delivery.probe(world.desk)
        await world.deliver()
    assert len(line.sent) == 1
    assert await alarm_kinds(world) == [model.AlarmKind.ACCOUNT_SUSPENDED]
    line.standing = None
    await delivery.probe(world.desk)
    await world.deliver()
    assert len(line.sent) == 1  # the next trial is not due yet
    world.clock.forward(minutes=3)
    await delivery.probe(world.desk)
    await world.deliver()
    assert [row.state for row in await entries(world)] == [State.ACCEPTED, State.ACCEPTED]
    assert await alarm_kinds(world) == []


async def test_what_waited_out_an_outage_leaves_as_soon_as_the_provider_can_be_reached(world, line):
    line.standing = errors.TransientSendError("cannot be reached")
    line.outcomes.extend([line.standing] * 5)
    await world.arrives()
    for _ in range(5):
        await world.deliver()
        world.clock.forward(minutes=11)
    await world.deliver()
    assert await alarm_kinds(world) == []  # it came back by itself, and the sixth attempt left
    line.outcomes.extend([line.standing] * 5)
    await world.arrives("lagi", sender="+6281200000002")
    for _ in range(5):
        await world.deliver()
        world.clock.forward(minutes=11)
    world.clock.forward(minutes=-11)
    assert await alarm_kinds(world) == [model.AlarmKind.ACCOUNT_UNREACHABLE]
    tried = len(line.sent)
    await delivery.probe(world.desk)
    await world.deliver()
    assert len(line.sent) == tried  # still out of reach: nothing is hastened
    line.standing = None
    world.clock.forward(minutes=3)
    await delivery.probe(world.desk)
    await world.deliver()
    assert len(line.sent) == tried + 1
    assert [row.state for row in await entries(world)] == [State.ACCEPTED, State.ACCEPTED]
    assert await alarm_kinds(world) == []


async def test_what_a_provider_put_off_keeps_its_time(world, line):
    limited = errors.TransientSendError("too many", "20429", timedelta(hours=1))
    line.outcomes.extend([errors.TransientSendError("cannot be reached")] * 4 + [limited])
    await world.arrives()
    for _ in range(5):
        await world.deliver()
        world.clock.forward(minutes=11)
    await delivery.probe(world.desk)
    await world.deliver()
    assert len(line.sent) == 5


# --- Receipts -----------------------------------------------------------------------------------------------------


async def test_receipts_in_any_order_never_move_a_state_back(world, line):
    await world.arrives()
    await world.deliver()
    for state, stands in [
        (State.READ, State.READ),
        (State.DELIVERED, State.READ),
        (State.ACCEPTED, State.READ),
        (State.FAILED, State.READ),
        (State.READ, State.READ),
    ]:
        await receive(world, state)
        assert (await entry(world)).state is stands
    assert await alarm_kinds(world) == []


async def test_a_failure_told_later_raises_the_alarm_and_proof_of_delivery_withdraws_it(world, line):
    await answered(world, line)
    await world.deliver()
    sent = await entry(world, "answer")
    await receive(world, State.FAILED, provider_id=sent.provider_id, code="63016")
    found = await entry(world, "answer")
    assert (found.state, found.error_code) == (State.FAILED, "63016")
    assert (await complaint(world)).state is model.ComplaintState.IN_PROGRESS
    world.clock.forward(minutes=5)
    await receive(world, State.DELIVERED, provider_id=sent.provider_id)
    assert (await entry(world, "answer")).state is State.DELIVERED
    assert await alarm_kinds(world) == []
    assert (await complaint(world)).state is model.ComplaintState.WAITING_CITIZEN


async def test_late_proof_of_an_old_answer_does_not_answer_what_the_citizen_wrote_since(world, line):
    await answered(world, line)
    await world.deliver()
    sent = await entry(world, "answer")
    await receive(world, State.FAILED, provider_id=sent.provider_id)
    world.clock.forward(minutes=5)
    await world.arrives("dan kapan selesai?")
    await receive(world, State.DELIVERED, provider_id=sent.provider_id)
    found = await complaint(world)
    assert found.state is model.ComplaintState.IN_PROGRESS
    assert found.due_at is not None


@pytest.mark.parametrize("has_reference", [True, False])
async def test_receipts_may_come_before_our_own_send_returned(world, line, has_reference):
    async def overtaken(message):
        for state in (State.READ, State.DELIVERED, State.ACCEPTED):
            await receive(world, state, message.reference if has_reference else None)
        return "PV1"

    line.outcomes.append(overtaken)
    await world.arrives()
    await world.deliver()
    found = await entry(world)
    assert (found.state, found.provider_id) == (State.READ, "PV1")
    assert await world.rows("receipt") == []


async def test_a_failure_told_before_our_own_send_returned_keeps_its_reason(world, line):
    async def failed(message):
        await receive(world, State.FAILED, message.reference, code="63024")
        return "PV1"

    line.outcomes.append(failed)
    await world.arrives()
    await world.deliver()
    found = await entry(world)
    assert (found.state, found.error_code) == (State.FAILED, "63024")
    assert await alarm_kinds(world) == [model.AlarmKind.ACKNOWLEDGEMENT_FAILED]


async def test_a_receipt_put_by_while_our_send_was_being_recorded_is_found_by_the_sweep(world, line):
    await world.arrives()
    await world.deliver()
    early = model.DeliveryReceipt("PV1", State.DELIVERED)
    await world.desk.store.write(outbox.keep_early, "wa", early, world.clock.at)
    await delivery.sweep(world.desk)
    assert (await entry(world)).state is State.DELIVERED
    assert await world.rows("receipt") == []


@pytest.mark.postgres
async def test_a_receipt_that_waits_for_the_row_that_our_send_is_writing_is_not_lost(world, line, database_url):
    if not database_url.startswith("postgresql"):
        return  # there, writers do not run side by side
    await world.arrives()
    [sending] = await claim(world)
    recorded = asyncio.Event()
    loop = asyncio.get_running_loop()

    def record_slowly(tx):
        delivery._record(tx, world.desk, sending, model.Sent("PV1"), world.clock.at)
        loop.call_soon_threadsafe(recorded.set)
        tx.run(_pause)

    import sqlalchemy as sa

    _pause = sa.select(sa.func.pg_sleep(sa.literal_column("0.3")))
    recording = asyncio.create_task(world.desk.store.write(record_slowly))
    await recorded.wait()
    await receive(world, State.DELIVERED, sending.reference)
    await recording
    assert (await entry(world)).state is State.DELIVERED
    assert await world.rows("receipt") == []


async def test_words_about_an_earlier_attempt_do_not_settle_the_next(world, line):
    line.outcomes.append(errors.UncertainSendError("no answer"))
    await world.arrives()
    await world.deliver()
    first = await entry(world)
    await resending.send_again(world.desk, world.admin, first.id)
    await receive(world, State.FAILED, f"{first.id}.1", "PV-OLD")
    assert (await entry(world)).state is State.QUEUED  # still going to be sent
    await world.deliver()
    for state in (State.FAILED, State.READ):
        await receive(world, state, f"{first.id}.1", "PV-OLD")
    assert (await entry(world)).state is State.ACCEPTED
    for odd in ("x", "1", ".", f"{first.id}.", f"{2**63}.1", "9" * 30 + ".1", f"{first.id}.{'9' * 30}", "١.١"):
        await receive(world, State.READ, odd, "PV-ODD")
    assert (await entry(world)).state is State.ACCEPTED


async def test_an_earlier_attempt_that_ends_late_does_not_touch_the_one_under_way(world, line):
    await world.arrives()
    [first] = await claim(world)
    world.clock.at += delivery.LEASE
    await delivery.sweep(world.desk)
    await resending.send_again(world.desk, world.admin, first.id)

    async def meanwhile(message):
        assert message.reference == f"{first.id}.2"
        for outcome in (errors.TransientSendError("x"), errors.PermanentSendError("x"), model.Sent("PV-OLD")):
            await world.desk.store.write(delivery._record, world.desk, first, outcome, world.clock.at)
        await receive(world, State.FAILED, f"{first.id}.1", "PV-OLD")
        assert (await entry(world)).state is State.SENDING
        return "PV-NEW"

    line.outcomes.append(meanwhile)
    await world.deliver()
    found = await entry(world)
    assert (found.state, found.provider_id) == (State.ACCEPTED, "PV-NEW")


async def test_proof_that_an_uncertain_message_arrived_spares_the_second_sending(world, line):
    line.outcomes.append(errors.UncertainSendError("no answer"))
    await world.arrives()
    await world.deliver()
    found = await entry(world)
    await resending.send_again(world.desk, world.admin, found.id)
    await receive(world, State.DELIVERED, f"{found.id}.1")
    await world.deliver()
    assert len(line.sent) == 1
    assert (await entry(world)).state is State.DELIVERED
