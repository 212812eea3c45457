"""The work on complaints: who may do what, once; what cannot be read is kept; nothing a citizen sent is lost."""

import asyncio
import itertools
import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from core import errors, ids, model, ports
from router import (
    answers,
    assignment,
    catchup,
    complaints,
    counter,
    files,
    housekeeping,
    intake,
    media,
    people,
    quarantine,
    resending,
)
from storage import alarms, audit, listing, raw
from storage import people as stored_people

CITIZEN, OFFICE = "whatsapp:+6281200000001", "whatsapp:+6281200009000"
_numbers = itertools.count(1)


async def complaint(world):
    return (await world.rows("complaint"))[-1]


async def alarm_kinds(world):
    return {alarm.kind for alarm in await world.look(alarms.open_, "contoh")}


async def audited(world, chain=audit.OFFICE_CHAIN):
    return [entry.action for entry in await world.look(audit.of_chain, "contoh", chain)]


def account_sid(world):
    return next(iter(world.provider.accounts))


def webhook(world, token="token-of-wa", account="wa", **fields):
    """A form as the provider posts it, signed."""
    form = {"MessageSid": f"SM{next(_numbers):032x}", "AccountSid": account_sid(world), "From": CITIZEN, "To": OFFICE}
    form |= {"Body": "halo"} | fields
    target = f"/hooks/{account}"
    signature = RequestValidator(token).compute_signature(f"https://aduan.contoh.go.id{target}", form)
    headers = {"x-twilio-signature": signature, "content-type": "application/x-www-form-urlencoded"}
    return ports.RawRequest(account, target, headers, urlencode(form).encode(), world.clock.at)


# --- Holding ------------------------------------------------------------------------------------------------------


async def test_of_two_who_claim_at_once_one_gets_it_and_the_other_is_told(world):
    await world.arrives()
    number = (await complaint(world)).id
    both = (world.admin, world.people["kedua"])
    results = await asyncio.gather(
        *(assignment.claim(world.desk, person, number) for person in both), return_exceptions=True
    )
    assert {type(result) for result in results} == {type(None), errors.StaleDecision}
    assert (await audited(world, number)).count("claimed") == 1
    found = await complaint(world)
    assert found.assignee_id == both[results.index(None)].id
    assert found.state is model.ComplaintState.IN_PROGRESS
    await assignment.claim(world.desk, both[results.index(None)], number)  # one's own: nothing happens
    assert (await complaint(world)).version == found.version


async def test_a_complaint_is_passed_on_given_back_and_returned_when_its_holder_is_away(world):
    await world.arrives()
    number, admin, other = (await complaint(world)).id, world.admin, world.people["kedua"]
    await assignment.claim(world.desk, admin, number)
    with pytest.raises(errors.NotAllowed):
        await assignment.reassign(world.desk, other, number, other.id)
    with pytest.raises(errors.NotAllowed):
        await assignment.give_back(world.desk, other, number)
    with pytest.raises(errors.NotAllowed):
        await assignment.reassign(world.desk, admin, number, world.people["auditor"].id)
    with pytest.raises(errors.StaleDecision):
        await answers.answer(world.desk, other, number, answers.Reply("Jawaban"), "k")
    await assignment.reassign(world.desk, admin, number, other.id)
    await people.set_absence(world.desk, other, other.id, world.clock.at + timedelta(hours=1), None)
    assert await assignment.release_absent(world.desk) == 0
    world.clock.forward(hours=1)
    assert await assignment.release_absent(world.desk) == 1
    found = await complaint(world)
    assert (found.assignee_id, found.state) == (None, model.ComplaintState.NEW)
    with pytest.raises(errors.NotAllowed):
        await assignment.reassign(world.desk, world.supervisor, number, other.id)
    await assignment.reassign(world.desk, world.supervisor, number, admin.id)
    await assignment.give_back(world.desk, admin, number)
    assert (await complaint(world)).state is model.ComplaintState.NEW
    assert (await audited(world, number))[1:] == [
        "claimed",
        "reassigned",
        "returned_holder_absent",
        "reassigned",
        "given_back",
    ]


async def test_auditors_change_nothing_and_other_offices_learn_nothing(world):
    await world.arrives()
    await world.deliver()
    found = await complaint(world)
    sent = (await world.rows("outbox"))[0].id
    with pytest.raises(errors.SignatureError):
        await intake.receive(world.desk, webhook(world, "wrong"))
    quarantined = (await world.look(raw.quarantined, "contoh"))[0].id
    number = ids.Number("ADU", found.year, found.sequence)
    shown = (await complaints.details(world.desk, world.people["auditor"], number)).timeline[0]
    acts = {
        "claim": lambda who: assignment.claim(world.desk, who, found.id),
        "reassign": lambda who: assignment.reassign(world.desk, who, found.id, world.admin.id),
        "give_back": lambda who: assignment.give_back(world.desk, who, found.id),
        "answer": lambda who: answers.answer(world.desk, who, found.id, answers.Reply("x"), "k"),
        "elsewhere": lambda who: counter.record_answer(
            world.desk, who, found.id, "x", counter.Handover("telepon"), "k"
        ),
        "note": lambda who: answers.note(world.desk, who, found.id, "x", "k"),
        "send_again": lambda who: resending.send_again(world.desk, who, sent),
        "mark_arrived": lambda who: resending.mark_arrived(world.desk, who, sent),
        "give_up": lambda who: resending.give_up(world.desk, who, sent),
        "close": lambda who: complaints.close(world.desk, who, found.id, model.CloseReason.NOT_OURS, tell=True),
        "reopen": lambda who: complaints.reopen(world.desk, who, found.id, "keliru"),
        "reveal": lambda who: complaints.reveal(world.desk, who, number, shown.id, "verifikasi"),
        "original": lambda who: complaints.original(world.desk, who, shown.raw_id),
        "replay": lambda who: quarantine.replay(world.desk, quarantined, who),
        "dismiss": lambda who: quarantine.dismiss(world.desk, quarantined, who, "spam"),
    }
    before = await world.rows("audit")
    stranger = await world.desk.store.write(
        stored_people.add, "lain", "admin", "Admin", model.Role.SUPERVISOR, "no password", None, world.clock.at
    )
    for act in acts.values():
        with pytest.raises(errors.NotAllowed):
            await act(world.people["auditor"])
        with pytest.raises(errors.NotFound):
            await act(stranger)
        with pytest.raises(errors.NotAllowed):
            await act(replace(world.admin, is_active=False))
    with pytest.raises(errors.NotAllowed):
        await people.set_absence(world.desk, world.people["auditor"], world.admin.id, world.clock.at, None)
    assert await world.rows("audit") == before
    assert (await complaint(world)).version == found.version


# --- Answering and closing ----------------------------------------------------------------------------------------


async def test_what_is_submitted_twice_counts_once(world):
    await world.arrives()
    number = (await complaint(world)).id

    async def twice(act):
        await asyncio.gather(*(act() for _ in range(3)))

    await twice(lambda: answers.note(world.desk, world.admin, number, "catatan", "k"))
    await twice(lambda: answers.answer(world.desk, world.admin, number, answers.Reply("Sudah jadi."), "k"))
    await twice(
        lambda: counter.record_answer(world.desk, world.admin, number, "Dijelaskan.", counter.Handover("telepon"), "k")
    )
    kinds = [row.kind for row in await world.rows("message")]
    assert kinds.count(model.MessageKind.NOTE) == 1
    assert kinds.count(model.MessageKind.ANSWER) == 2
    history = await audited(world, number)
    assert (history.count("noted"), history.count("answered")) == (1, 2)
    for empty in ("", "  \n", "\x00", "x" * (answers.MAX_ANSWER + 1)):
        with pytest.raises(errors.NotAllowed):
            await answers.answer(world.desk, world.admin, number, answers.Reply(empty), "k3")


async def test_a_complaint_is_closed_as_solved_only_after_an_answer_and_then_takes_no_work(world):
    await world.arrives()
    number, admin = (await complaint(world)).id, world.admin
    for reason in (model.CloseReason.RESOLVED, model.CloseReason.NO_REPLY):
        with pytest.raises(errors.NotAllowed):
            await complaints.close(world.desk, admin, number, reason, tell=True)
    await counter.record_answer(world.desk, admin, number, "Sudah dijelaskan di loket.", counter.Handover("loket"), "k")
    with pytest.raises(errors.StaleDecision):
        await complaints.close(world.desk, world.people["kedua"], number, model.CloseReason.RESOLVED, tell=True)
    await asyncio.gather(
        *(complaints.close(world.desk, admin, number, model.CloseReason.RESOLVED, tell=True) for _ in range(2))
    )
    await world.deliver()
    assert world.provider.creates() == 2  # acknowledgement and one closing notice
    for act in (
        lambda: answers.answer(world.desk, admin, number, answers.Reply("x"), "k2"),
        lambda: assignment.claim(world.desk, admin, number),
        lambda: assignment.reassign(world.desk, admin, number, world.people["kedua"].id),
    ):
        with pytest.raises(errors.NotAllowed):
            await act()
    with pytest.raises(errors.NotAllowed):
        await complaints.reopen(world.desk, admin, number, "  ")
    world.clock.forward(days=3)
    await complaints.reopen(world.desk, admin, number, "salah tutup")
    found = await complaint(world)
    assert (found.state, found.assignee_id) == (model.ComplaintState.IN_PROGRESS, admin.id)
    assert found.due_at == world.clock.at + timedelta(days=2)


async def test_a_list_of_ones_own_work_holds_answered_complaints_too_page_by_page(world):
    for n in range(7):
        await world.arrives("halo", sender=f"+6281200000{n:03}")
        world.clock.forward(seconds=1)
    for row in await world.rows("complaint"):
        if row.sequence % 2:
            await answers.answer(world.desk, world.admin, row.id, answers.Reply("Baik."), f"k{row.sequence}")
        else:
            await assignment.claim(world.desk, world.admin, row.id)
    seen, after = [], None
    while True:
        page = await complaints.page(world.desk, world.admin, listing.View.MINE, after, 2)
        seen += [item.complaint.number.sequence for item in page.items]
        if page.next_key is None:
            break
        after = page.next_key
    assert seen == [2, 4, 6, 1, 3, 5, 7]


# --- Personal data ------------------------------------------------------------------------------------------------


async def test_revealing_is_a_logged_act_and_no_personal_data_reaches_audit_alarms_or_lists(world):
    nik, phone = "3575990101900001", "081200001234"
    await world.arrives(f"NIK {nik}, hubungi {phone}", name="Siti Rahma")
    found, admin = await complaint(world), world.admin
    number = ids.Number("ADU", found.year, found.sequence)
    shown = (await complaints.details(world.desk, admin, number)).timeline[0]
    await complaints.reveal(world.desk, admin, number, shown.id, f"cek NIK {nik}")
    await complaints.original(world.desk, admin, shown.raw_id)
    await counter.record_answer(world.desk, admin, found.id, f"Untuk {nik}", counter.Handover(f"telepon {phone}"), "k")
    await complaints.close(world.desk, admin, found.id, model.CloseReason.RESOLVED, tell=True)
    await complaints.reopen(world.desk, admin, found.id, f"warga {phone} menelepon")
    with pytest.raises(errors.SignatureError):
        await intake.receive(world.desk, webhook(world, "wrong", Body=nik))
    await quarantine.dismiss(world.desk, (await world.look(raw.quarantined, "contoh"))[0].id, admin, f"milik {nik}")
    await world.deliver()
    assert "revealed" in await audited(world, found.id)
    assert "original_seen" in await audited(world)
    for table in ("audit", "alarm", "complaint", "message", "outbox", "contact", "raw_item"):
        text = repr(await world.rows(table))
        assert nik not in text, table
        assert phone not in text or table == "message", table
        assert "Siti" not in text or table in ("contact", "message"), table


# --- Tracking -----------------------------------------------------------------------------------------------------


async def test_wrong_pins_lock_the_tracking_of_one_complaint_for_longer_each_time(world):
    await world.arrives("satu", sender="+6281200000001")
    await world.arrives("dua", sender="+6281200000002")
    desk = world.desk
    pins = {
        row.sequence: desk.store._vault.pin(f"contoh/ADU-2026-{row.sequence:06}")
        for row in await world.rows("complaint")
    }
    wrong = "000000" if pins[1] != "000000" else "111111"
    for locked_minutes in (15, 30):
        results = await asyncio.gather(
            *(complaints.track(desk, "contoh", "adu 2026 1", wrong) for _ in range(5)), return_exceptions=True
        )
        assert results == [None] * 5
        world.clock.forward(minutes=locked_minutes, seconds=-1)
        with pytest.raises(errors.NotAllowed):
            await complaints.track(desk, "contoh", "ADU-2026-000001", pins[1])
        world.clock.forward(seconds=1)
    assert (await complaints.track(desk, "contoh", "ADU-2026-000002", pins[2])).state is model.ComplaintState.NEW
    assert (await complaints.track(desk, "contoh", "ADU-2026-1", f" {pins[1]} ")).number.sequence == 1
    assert await complaints.track(desk, "contoh", "ADU-2026-000001", wrong) is None  # counted from nought again
    for number, pin in [("ADU-2026-000003", wrong), ("X-2026-1", pins[1]), ("ADU-2025-1", pins[1]), ("'; --", "1")]:
        assert await complaints.track(desk, "contoh", number, pin) is None
    assert await complaints.track(desk, "lain", "ADU-2026-000001", pins[1]) is None


# --- Consent ------------------------------------------------------------------------------------------------------


async def test_stop_closes_the_line_and_start_or_any_message_opens_it(world):
    async def opted_out():
        return (await world.rows("contact"))[0].opted_out_at

    await world.arrives()
    for text, is_out in [("BERHENTI", True), ("START", False), ("Stop", True), ("masih ada masalah", False)]:
        world.clock.forward(minutes=5)
        await intake.receive(world.desk, webhook(world, Body=text))
        assert (await opted_out() is not None) is is_out, text
    assert len(await world.rows("complaint")) == 1
    assert len(await world.rows("message", "kind='complaint'")) == 5
    assert len(await world.rows("outbox", "kind='further_acknowledgement'")) == 1  # none for STOP and START


async def test_a_stop_of_somebody_without_a_complaint_is_heeded_once_also_when_only_listed(world):
    sid = account_sid(world)
    world.provider.faults(sid).webhooks_suspended = True
    world.provider.write(sid, CITIZEN, OFFICE, "BERHENTI")
    assert await catchup.account(world.desk, "wa") == 0
    [contact] = await world.rows("contact")
    assert contact.opted_out_at is not None
    assert await world.rows("complaint") == []
    assert (await audited(world)).count("consent_out") == 1
    world.clock.forward(minutes=5)
    await world.arrives("saya mengadu")  # wants an answer
    world.clock.forward(minutes=5)
    await catchup.account(world.desk, "wa")  # the STOP is still listed
    [contact] = await world.rows("contact")
    assert contact.opted_out_at is None


# --- What arrives -------------------------------------------------------------------------------------------------


class Batch:
    """A connector that reads several events from one request, as some providers send them."""

    def __init__(self, connector, events):
        self.capabilities, self._events = connector.capabilities, events

    def verify(self, _):
        pass

    def parse(self, _):
        return self._events


async def test_every_message_of_a_webhook_is_taken_in_and_one_that_cannot_be_stored_costs_no_other(world):
    events = [model.InboundMessage(f"SM{n}", f"whatsapp:+62812000000{n:02}", f"pesan {n}") for n in range(5)]
    events += [model.DeliveryReceipt("PV9", model.DeliveryState.READ), events[0]]
    desk = replace(world.desk, connectors={**world.desk.connectors, "wa": Batch(world.desk.connectors["wa"], events)})
    await intake.receive(desk, ports.RawRequest("wa", "/hooks/wa", {}, b"batch", world.clock.at))
    assert len(await world.rows("complaint")) == 5
    assert Counter(row.state for row in await world.rows("raw_item")) == {"processed": 1}
    poisoned = [model.InboundMessage("SM10", "whatsapp:+6281200000077", "a"), model.InboundMessage("SM11", "x", None)]
    desk = replace(desk, connectors={**desk.connectors, "wa": Batch(world.desk.connectors["wa"], poisoned)})
    await intake.receive(desk, ports.RawRequest("wa", "/hooks/wa", {}, b"odd", world.clock.at))
    assert len(await world.rows("complaint")) == 6
    [kept] = await world.look(raw.quarantined, "contoh")
    assert (kept.request.body, kept.reason) == (b"odd", "intake: TypeError")
    assert await alarm_kinds(world) == {model.AlarmKind.QUARANTINE}


async def test_a_forged_webhook_waits_in_quarantine_until_somebody_vouches_for_it_or_dismisses_it(world):
    forged = webhook(world, "wrong", Body="KTP hilang")
    headers = {**forged.headers, "authorization": "Basic c2VjcmV0", "cookie": "s=1", "x-forwarded-for": "192.0.2.1"}
    for request in (replace(forged, headers=headers), webhook(world, "wrong"), webhook(world, "wrong", "sms")):
        with pytest.raises(errors.SignatureError):
            await intake.receive(world.desk, request)
    await intake.receive(world.desk, webhook(world, MessageSid=""))  # genuine, and unreadable: answered 200
    kept = await world.look(raw.quarantined, "contoh")
    assert len(kept) == 4
    [first] = [item for item in kept if item.request.body == forged.body]
    assert set(first.request.headers) == {"x-twilio-signature", "content-type"}
    assert await world.rows("complaint") == []
    assert not await quarantine.replay(world.desk, first.id)  # the signature is still wrong
    world.clock.forward(hours=20)
    assert await quarantine.replay(world.desk, first.id, world.admin)
    found = await complaint(world)
    assert (found.preview, found.received_at) == ("KTP hilang", forged.received_at)
    assert found.last_message_at == world.clock.at
    await world.deliver()
    assert world.provider.creates() == 1
    for item in [item for item in kept if item.request.account == "wa" and item != first]:
        await quarantine.dismiss(world.desk, item.id, world.admin, "bukan untuk kami")
        with pytest.raises(errors.NotFound):
            await quarantine.dismiss(world.desk, item.id, world.admin, "lagi")
    left = [alarm.account for alarm in await world.look(alarms.open_, "contoh") if alarm.kind == "quarantine"]
    assert left == ["sms"]
    [last] = await world.look(raw.quarantined, "contoh")
    await quarantine.dismiss(world.desk, last.id, world.admin, "uji coba")
    assert model.AlarmKind.QUARANTINE not in await alarm_kinds(world)
    world.clock.forward(days=100)
    await housekeeping.tick(world.desk, timedelta(days=90))
    assert await world.rows("raw_item") == []


async def test_catching_up_finds_what_no_webhook_brought_once_and_in_the_order_it_was_written(world):
    sid, desk = account_sid(world), world.desk
    began = world.clock.at
    world.provider.faults(sid).webhooks_suspended = True
    for n in range(3):
        world.provider.write(sid, CITIZEN, OFFICE, f"pesan {n}")
        world.clock.forward(minutes=10)
    seen = world.provider.write(sid, CITIZEN, OFFICE, "pesan 3")
    stopped_at, ticks = world.clock.at, itertools.count()  # two messages of one millisecond have no order
    world.clock.now = lambda: stopped_at + timedelta(milliseconds=next(ticks))
    listed = await asyncio.gather(
        catchup.tick(desk), intake.receive(desk, webhook(world, MessageSid=seen.sid, Body="pesan 3"))
    )
    assert listed[0] in (3, 4)
    assert await catchup.tick(desk) == 0
    [found] = await world.rows("complaint")
    assert found.received_at in (began, seen.created_at)  # whichever was stored first opened the complaint
    texts = [row.text for row in await world.rows("message", "kind='complaint'")]
    assert sorted(texts) == [f"pesan {n}" for n in range(4)]
    assert [text for text in texts if text != "pesan 3"] == ["pesan 0", "pesan 1", "pesan 2"]
    [contact] = await world.rows("contact")
    assert contact.last_inbound_at == seen.created_at


async def test_a_failed_catch_up_raises_an_alarm_and_the_next_looks_back_over_it(world):
    from simulator import twilio_records

    sid, desk = account_sid(world), world.desk
    await catchup.account(desk, "wa")
    world.provider.faults(sid).webhooks_suspended = True
    world.provider.write(sid, CITIZEN, OFFICE, "saat terputus")
    world.provider.faults(sid).outage = twilio_records.Outage.UNAVAILABLE
    world.clock.forward(hours=20)
    await catchup.account(desk, "wa")
    assert await alarm_kinds(world) == {model.AlarmKind.ACCOUNT_UNREACHABLE}
    world.provider.faults(sid).outage = twilio_records.Outage.NONE
    await catchup.account(desk, "wa", world.clock.at - timedelta(hours=1))  # by hand, and not far enough
    assert await world.rows("complaint") == []
    assert await catchup.account(desk, "wa") == 1
    assert await alarm_kinds(world) == set()


# --- Files --------------------------------------------------------------------------------------------------------

_PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


async def test_a_file_is_asked_for_again_while_it_is_missing_and_kept_by_what_its_bytes_say(world):
    sid = account_sid(world)
    world.provider.faults(sid).webhooks_suspended = True
    world.provider.faults(sid).media_misses = 2
    world.provider.write(sid, CITIZEN, OFFICE, "foto", media=[("image/jpeg", _PNG), ("image/png", b"<html>")])
    await catchup.account(world.desk, "wa")
    assert all(row.url_sealed is not None and b"http" not in row.url_sealed for row in await world.rows("attachment"))
    tries = 0
    while any(row.state == "pending" for row in await world.rows("attachment")):
        assert (tries := tries + 1) < 10
        await media.tick(world.desk)
        world.clock.forward(minutes=1)
    one, two = await world.rows("attachment")
    assert (one.state, one.reason, one.media_type, one.size) == ("stored", None, "image/png", len(_PNG))
    assert (two.state, two.media_type) == ("stored", "application/octet-stream")
    shown = await files.look(world.desk, world.people["auditor"], one.id)
    assert world.desk.files.get(shown.sha256) == _PNG
    details = await complaints.details(world.desk, world.admin, ids.Number("ADU", 2026, 1))
    assert [file.id for file in details.timeline[0].attachments] == [one.id, two.id]
    with pytest.raises(errors.NotFound):
        await files.look(world.desk, replace(world.admin, office_id="lain"), one.id)


class Archive:
    """A provider of files that never gives one, for a reason the test decides."""

    def __init__(self, capabilities, reason):
        self.capabilities, self._reason, self.asked = capabilities, reason, 0

    async def fetch(self, *_):
        self.asked += 1
        raise self._reason
        yield b""


async def test_a_file_that_never_comes_is_given_up_with_an_alarm_and_one_refused_is_not_asked_for_again(world):
    capabilities = world.desk.connectors["wa"].capabilities
    await world.arrives("foto", files=(model.RemoteFile("https://media.contoh/1", "image/png"),))
    busy = Archive(capabilities, errors.MediaNotReady("later", world.clock.at + timedelta(minutes=10)))
    desk = replace(world.desk, connectors={"wa": busy})
    await media.tick(desk)
    world.clock.forward(minutes=9)
    await media.tick(desk)
    assert busy.asked == 1
    for _ in range(12):
        world.clock.forward(hours=13)
        await media.tick(desk)
    [file] = await world.rows("attachment")
    assert (file.state, file.reason) == ("refused", "later")
    assert busy.asked == 10
    assert await alarm_kinds(world) == {model.AlarmKind.MEDIA_FAILED}
    await world.arrives("lagi", files=(model.RemoteFile("https://media.contoh/2", "image/png"),))
    refusing = Archive(capabilities, errors.MediaRefused("too large"))
    for _ in range(3):
        await media.tick(replace(desk, connectors={"wa": refusing}))
        world.clock.forward(hours=1)
    assert refusing.asked == 1


async def test_the_overview_counts_every_queue_and_names_the_complaints_of_its_alarms(world):
    await world.arrives("satu", sender="+6281200000001")
    world.clock.forward(seconds=1)
    await world.arrives("dua", sender="+6281200000002")
    world.provider.refuse(account_sid(world), 63024, in_callback=False)
    await world.deliver()
    found = await complaints.overview(world.desk, world.people["auditor"])
    assert found.counts[listing.View.NEW] == 2
    [alarm] = found.alarms
    assert found.alarm_count == 1
    assert found.numbers[alarm.complaint_id].year == 2026
    assert json.dumps(found.counts)
