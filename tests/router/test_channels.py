"""What every channel brings besides messages: taken back, changed, answered past us, public, raided."""

import asyncio
import itertools
import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from core import errors, ids, model, ports
from router import (
    answers,
    arrivals,
    catchup,
    complaints,
    delivery,
    elsewhere,
    escalation,
    housekeeping,
    intake,
    quarantine,
    registration,
)  # fmt: skip
from storage import alarms, contacts, outbox, raw

NIK = "3575990101900001"
PRIVATE = model.Capabilities(
    label="Percakapan", mark="PC", max_text=model.Limit(2000), receipts=True, read_receipts=True, withdrawals=True,
    sent_files=model.SentFiles(("image/*", "application/pdf"), 2, 1000),
)  # fmt: skip
PUBLIC = model.Capabilities(
    label="Komentar", mark="KO", max_text=model.Limit(8000), text_form=model.TextForm.PUBLIC, is_public=True,
    private_replies=True, hiding=True, withdrawals=True,
)  # fmt: skip
MAIL = model.Capabilities(
    label="Surat", mark="SU", max_text=model.Limit(100_000), text_form=model.TextForm.LETTER, shared_ids=True,
    automatic_per_day=3,
)  # fmt: skip


class Channel:
    """A channel whose requests are what the test says they hold, and which sends whatever it is given."""

    def __init__(self, channel, capabilities, identity=None):
        self.channel = channel
        self.capabilities = capabilities
        self.identity = identity
        self.holds = []
        self.sent = []
        self.opens = None
        self._numbers = itertools.count(1)

    def verify(self, request):
        pass

    def parse(self, request):
        assert request.body
        return self.holds

    def reply(self):
        return "text/plain", ""

    async def send(self, message):
        self.sent.append(message)
        return model.Sent(f"{self.channel}-{next(self._numbers)}", self.opens if message.private else None)


@pytest.fixture
def office(world):
    """The world with a page (private and public side), and two mailboxes."""
    made = {
        "pesan": Channel("percakapan", PRIVATE, "hal-1"),
        "komentar": Channel("komentar", PUBLIC, "hal-1"),
        "surat": Channel("surat", MAIL),
        "surat-2": Channel("surat", MAIL),
    }
    accounts = {
        name: model.Account(name, connector.channel, "contoh", connector.capabilities)
        for name, connector in made.items()
    }
    world.desk = replace(
        world.desk, accounts={**world.desk.accounts, **accounts}, connectors={**world.desk.connectors, **made}
    )
    world.channels = made
    return world


TO_PAGE = model.Destination("percakapan", "hal-1")
TO_COMMENTS = model.Destination("komentar", "hal-1")


async def brings(world, *events, account="pesan"):
    """One webhook with these items."""
    world.clock.forward(seconds=1)
    world.channels[account].holds = list(events)
    await intake.receive(world.desk, ports.RawRequest(account, f"/hooks/{account}", {}, b"{}", world.clock.at))


def said(provider_id, text="KTP saya belum jadi", address="siti", **more):
    return model.InboundMessage(provider_id, address, text, **more)


async def timeline(world, sequence=1):
    return (await complaints.details(world.desk, world.admin, ids.Number("ADU", 2026, sequence))).timeline


async def details(world, sequence=1):
    return await complaints.details(world.desk, world.admin, ids.Number("ADU", 2026, sequence))


async def incoming(world, sequence=1):
    return [m for m in await timeline(world, sequence) if m.kind is model.MessageKind.COMPLAINT]


async def open_alarms(world):
    return {a.kind for a in await world.look(alarms.open_, "contoh")}


async def test_each_item_of_a_batch_goes_to_the_account_it_was_written_to(office):
    await brings(
        office, said("m1", destination=TO_PAGE), said("k1", address="budi", destination=TO_COMMENTS, thread="kiriman-1")
    )
    accounts = [(await details(office, n)).complaint.account for n in (1, 2)]
    assert accounts == ["pesan", "komentar"]


async def test_what_is_for_an_account_that_is_not_configured_waits_in_quarantine(office):
    await brings(office, said("m1", destination=model.Destination("percakapan", "hal-9")), said("m2"))
    assert len(await incoming(office)) == 1
    [item] = await quarantine.waiting(office.desk, "contoh")
    assert not await quarantine.replay(office.desk, item.id)
    office.channels["pesan"].identity = "hal-9"
    office.clock.forward(seconds=1)
    assert await quarantine.replay(office.desk, item.id)
    assert [m.provider_id for m in await incoming(office)] == ["m2", "m1"]


async def test_an_item_that_cannot_be_read_does_not_cost_the_others(office):
    await brings(office, said("m1"), model.Unreadable(b'{"one": "item"}', "no sender"))
    assert len(await incoming(office)) == 1
    [item] = await quarantine.waiting(office.desk, "contoh")
    assert (item.request.body, item.reason) == (b'{"one": "item"}', "payload: no sender")


async def test_files_within_a_message_are_stored_before_it(office):
    await brings(office, said("m1", files=(model.InlineFile(b"%PDF-1.4 surat", "application/pdf", "surat.pdf"),)))
    [message] = await incoming(office)
    [file] = message.attachments
    assert (file.name, file.state, file.size) == ("surat.pdf", "stored", 14)
    assert office.desk.files.get(file.sha256) == b"%PDF-1.4 surat"


async def test_what_was_quoted_is_kept_apart_from_what_was_written_now(office):
    await brings(office, said("m1", f"NIK saya {NIK}", quoted=f"> Mohon NIK Bapak {NIK}"))
    [message] = await incoming(office)
    assert NIK not in message.text
    assert message.text[message.quoted_from :].startswith("> Mohon NIK Bapak ****")
    assert message.text[: message.quoted_from].startswith("NIK saya ****")


async def test_a_message_taken_back_is_marked_and_kept_whichever_comes_first(office):
    await brings(office, said("m1"))
    await brings(office, model.Withdrawal("m1"), model.Withdrawal("m2"), model.Withdrawal("m1"))
    await brings(office, said("m2", "Lupakan saja"))
    first, second = await incoming(office)
    assert first.withdrawn_at is not None
    assert second.withdrawn_at is not None
    assert (first.text, second.text) == ("KTP saya belum jadi", "Lupakan saja")


async def test_a_changed_message_stands_beside_the_first_and_is_not_acknowledged(office):
    await brings(office, said("m1"))
    for _ in range(2):  # the provider repeats itself
        await brings(office, model.Revision(said("m1", "KK saya belum jadi")))
    await brings(office, model.Revision(said("m1", "KK saya belum jadi")), model.Revision(said("m1")))
    first, second = await incoming(office)
    assert (first.text, second.text) == ("KTP saya belum jadi", "KK saya belum jadi")
    assert second.details["revises"] == str(first.id)
    assert len(await office.rows("outbox")) == 1


async def test_a_change_of_a_message_that_never_came_is_the_message(office):
    await brings(office, model.Revision(said("m1", "KK saya belum jadi")))
    await brings(office, said("m1"))
    assert [m.text for m in await incoming(office)] == ["KK saya belum jadi"]


async def test_a_sign_is_noted_beside_ours_and_his_and_taken_away(office):
    await brings(office, said("m1"))
    await office.deliver()
    ours = (await office.rows("outbox"))[0].provider_id
    await brings(office, model.Reaction(ours, "siti", "👍"), model.Reaction("m1", "siti", "❤"))
    assert [m.details.get("reaction") for m in await timeline(office)] == ["❤", "👍"]
    await brings(office, model.Reaction(ours, "siti", None), model.Reaction("unknown", "siti", "👍"))
    assert [m.details.get("reaction") for m in await timeline(office)] == ["❤", None]
    assert (await details(office)).complaint.state is model.ComplaintState.NEW


async def test_a_colleagues_answer_past_us_is_a_persons_answer(office):
    await brings(office, said("m1"))
    await brings(office, model.ColleagueAnswer("m2", "siti", "KTP Ibu sudah jadi, silakan diambil."))
    await brings(office, model.ColleagueAnswer("m2", "siti", "KTP Ibu sudah jadi, silakan diambil."))
    found = await details(office)
    assert (found.complaint.state, found.complaint.due_at) == (model.ComplaintState.WAITING_CITIZEN, None)
    [answer] = [m for m in found.timeline if m.kind is model.MessageKind.ANSWER]
    assert (answer.author, answer.details) == (None, {"how": "elsewhere"})
    await brings(office, said("m3", "Terima kasih, tapi kartunya salah"))
    assert (await details(office)).complaint.state is model.ComplaintState.NEW


async def test_the_echo_of_our_own_message_is_no_answer_of_a_colleague(office):
    await brings(office, said("m1"))
    await office.deliver()
    [sent] = await office.rows("outbox")
    await brings(office, model.ColleagueAnswer(sent.provider_id, "siti", "gema"))
    assert (await details(office)).complaint.state is model.ComplaintState.NEW


async def test_the_echo_of_a_private_reply_at_the_other_account_is_no_answer_of_a_colleague(office):
    office.channels["komentar"].opens = (TO_PAGE, "psid-7")
    await brings(office, said("k1", address="siti-umum", thread="kiriman-1"), account="komentar")
    await office.deliver()
    [sent] = await office.rows("outbox")
    await brings(office, model.ColleagueAnswer(sent.provider_id, "psid-7", "gema", destination=TO_PAGE))
    by_reference = model.DeliveryReceipt(
        sent.provider_id, model.DeliveryState.DELIVERED, reference=f"{sent.id}.1", destination=TO_PAGE
    )
    await brings(office, by_reference)
    assert (await details(office)).complaint.state is model.ComplaintState.NEW
    assert (await office.rows("outbox"))[0].state == "delivered"


async def test_an_echo_without_a_name_that_comes_before_our_send_returns_is_ours(office):
    await brings(office, said("m1"))
    await office.desk.store.write(outbox.claim, office.clock.at, office.clock.at + delivery.LEASE, 10)
    [under_way] = await office.rows("outbox")
    text = (await timeline(office))[1].text
    shown = await office.desk.store.write(outbox.under_way, under_way.contact_id)
    await brings(office, model.ColleagueAnswer("gema-1", "siti", shown[0][1]))
    [found] = await office.rows("outbox")
    assert (found.state, found.provider_id) == ("accepted", "gema-1")
    assert (await details(office)).complaint.state is model.ComplaintState.NEW
    assert text.startswith("Yth.")


async def test_a_watermark_tells_of_everything_before_it_and_nothing_after(office):
    await brings(office, said("m1"))
    await office.deliver()
    read_until = office.clock.at
    office.clock.forward(minutes=2)
    await answers.answer(office.desk, office.admin, (await details(office)).complaint.id, answers.Reply("Baik."), "k")
    await office.deliver()
    await brings(office, model.Watermark("siti", model.DeliveryState.READ, read_until))
    await brings(office, model.Watermark("siti", model.DeliveryState.DELIVERED, read_until))
    await brings(office, model.Watermark("orang lain", model.DeliveryState.READ, office.clock.at))
    states = {row.kind: row.state for row in await office.rows("outbox")}
    assert states == {"acknowledgement": "read", "answer": "accepted"}


async def test_in_public_the_number_goes_to_the_author_alone(office):
    await brings(office, said("k1", thread="kiriman-1"), account="komentar")
    await office.deliver()
    [sent] = office.channels["komentar"].sent
    assert sent.private
    assert "ADU-2026-000001" in sent.text
    assert sent.answers.provider_id == "k1"
    await brings(office, said("k2", "Tolong", thread="kiriman-1"), account="komentar")
    office.clock.forward(hours=1)
    await office.deliver()
    assert len(office.channels["komentar"].sent) == 1  # nothing more where everybody reads


async def test_without_private_replies_nothing_of_the_complaint_stands_in_public(office):
    able = replace(PUBLIC, private_replies=False)
    office.channels["komentar"].capabilities = able
    accounts = {**office.desk.accounts, "komentar": replace(office.desk.accounts["komentar"], capabilities=able)}
    office.desk = replace(office.desk, accounts=accounts)
    await brings(office, said("k1", name="Siti", thread="kiriman-1"), account="komentar")
    await answers.answer(office.desk, office.admin, (await details(office)).complaint.id, answers.Reply("Baik."), "k")
    await office.deliver()
    for message in office.channels["komentar"].sent:
        assert not message.private
        assert "ADU" not in message.text
        assert "Siti" not in message.text


async def test_who_answers_a_private_reply_writes_to_the_same_complaint(office):
    office.channels["komentar"].opens = (TO_PAGE, "psid-7")
    await brings(office, said("k1", address="siti-umum", thread="kiriman-1"), account="komentar")
    await office.deliver()
    await brings(office, said("m1", "Ini NIK saya", address="psid-7"))
    assert [m.provider_id for m in await incoming(office)] == ["k1", "m1"]
    await answers.answer(office.desk, office.admin, (await details(office)).complaint.id, answers.Reply("Baik."), "k")
    await office.deliver()
    [answer] = [m for m in office.channels["pesan"].sent if m.kind is model.MessageKind.ANSWER]
    assert (answer.address, answer.answers.provider_id) == ("psid-7", "m1")  # where he wrote last


async def test_a_personal_number_in_public_raises_an_alarm_and_can_be_hidden_once(office):
    await brings(office, said("k1", f"NIK saya {NIK}", thread="kiriman-1"), account="komentar")
    assert model.AlarmKind.PUBLIC_NUMBER in await open_alarms(office)
    shown = await details(office)
    written = (await incoming(office))[0].id
    for _ in range(2):
        await answers.hide(office.desk, office.admin, shown.complaint.id, written)
    await office.deliver()
    sent = [m for m in office.channels["komentar"].sent if m.kind is not model.MessageKind.ACKNOWLEDGEMENT]
    assert [(m.kind, m.answers.provider_id) for m in sent] == [
        (model.MessageKind.PRIVACY_NOTICE, "k1"), (model.MessageKind.HIDING, "k1"),
    ]  # fmt: skip
    assert "ADU" not in sent[0].text
    assert model.AlarmKind.PUBLIC_NUMBER not in await open_alarms(office)
    await brings(office, said("m1", f"NIK {NIK}"))
    assert model.AlarmKind.PUBLIC_NUMBER not in await open_alarms(office)  # what he told us alone is no alarm
    private = await details(office, 2)
    with pytest.raises(errors.NotAllowed):
        await answers.hide(office.desk, office.admin, private.complaint.id, (await incoming(office, 2))[0].id)


async def test_a_raid_of_one_text_is_one_complaint_and_others_beside_it_are_not_lost(office):
    raid = [
        said(f"k{n}", "Hapus pejabat ini!!", address=f"akun-{n}", thread="kiriman-1", destination=TO_COMMENTS)
        for n in range(40)
    ]
    await brings(office, *raid[:20])
    await brings(office, *raid[20:], said("x", "KTP saya hilang", "siti", thread="kiriman-1", destination=TO_COMMENTS))
    assert len(await office.rows("complaint")) == 4  # three before it shows, and the citizen who really asks
    assert len(await incoming(office)) == 38
    assert model.AlarmKind.RAID in await open_alarms(office)
    office.clock.forward(hours=25)
    await brings(office, said("k99", "Hapus pejabat ini!!", "akun-99", thread="kiriman-1", destination=TO_COMMENTS))
    assert len(await office.rows("complaint")) == 5


async def test_one_mail_to_two_mailboxes_is_one_message(office):
    await brings(office, said("<surat-1@contoh.example>"), account="surat")
    await brings(office, said("<surat-1@contoh.example>"), account="surat-2")
    assert len(await office.rows("message", "kind='complaint'")) == 1


async def test_a_reply_joins_the_complaint_it_answers_and_not_the_latest(office):
    await brings(office, said("<1@x>"), account="surat")
    await complaints.close(
        office.desk, office.admin, (await details(office)).complaint.id, model.CloseReason.NOT_OURS, tell=False
    )
    office.clock.forward(days=20)
    await brings(office, said("<2@x>", "Perkara lain"), account="surat")
    await brings(office, said("<3@x>", "Lanjutan", replies_to=("<tidak-ada@x>", "<2@x>")), account="surat")
    await brings(office, said("<4@x>", "Lanjutan juga", number=ids.Number("ADU", 2026, 2)), account="surat")
    assert [m.provider_id for m in await incoming(office, 2)] == ["<2@x>", "<3@x>", "<4@x>"]


async def test_nobody_joins_a_complaint_in_which_he_takes_no_part(office):
    await brings(office, said("<1@x>", address="siti@contoh.example"), account="surat")
    number = ids.Number("ADU", 2026, 1)
    await brings(office, said("<2@x>", "Saya juga", "budi@contoh.example", number=number), account="surat")
    await brings(office, said("<3@x>", "Dan saya", "wati@contoh.example", replies_to=("<1@x>",)), account="surat")
    assert len(await incoming(office)) == 1
    assert (await incoming(office, 2))[0].details["names"] == str(number)


async def test_what_somebody_else_may_have_written_joins_nothing(office):
    await brings(office, said("<1@x>"), account="surat")
    number = ids.Number("ADU", 2026, 1)
    await brings(office, said("<2@x>", "Batalkan saja", number=number, is_doubtful=True), account="surat")
    await brings(office, said("<3@x>", "Batalkan saja ya", is_doubtful=True), account="surat")
    assert [m.provider_id for m in await incoming(office)] == ["<1@x>"]
    assert (await incoming(office, 2))[0].details["names"] == str(number)


async def test_two_machines_that_answer_each_other_stop(office):
    for n in range(12):
        await brings(office, said(f"<{n}@x>", f"Pesan {n}"), account="surat")
        office.clock.forward(minutes=5)
        await office.deliver()
    automatic = [m for m in office.channels["surat"].sent if not m.is_by_person]
    assert len(automatic) == MAIL.automatic_per_day
    assert len(await incoming(office)) == 12
    assert model.AlarmKind.FLOOD in await open_alarms(office)


async def test_an_answer_carries_the_files_that_the_channel_takes_and_no_others(office):
    await brings(office, said("m1"))
    complaint_id = (await details(office)).complaint.id
    pdf, exe = (
        office.desk.files.put(content, name) for content, name in ((b"%PDF-1.4", "a.pdf"), (b"MZ" * 9, "b.exe"))
    )
    for wrong in ([exe], [pdf] * 3, [replace(pdf, size=1001)]):
        with pytest.raises(errors.NotAllowed):
            await answers.answer(office.desk, office.admin, complaint_id, answers.Reply("Baik.", wrong), "k")
    await answers.answer(office.desk, office.admin, complaint_id, answers.Reply("Terlampir.", [pdf]), "k")
    await office.deliver()
    [answer] = [m for m in office.channels["pesan"].sent if m.is_by_person]
    assert answer.files == (model.Enclosure("a.pdf", "application/pdf", b"%PDF-1.4"),)
    assert [f.name for m in await timeline(office) for f in m.attachments] == ["a.pdf"]


async def test_an_answer_goes_to_a_contact_of_this_citizen_and_to_nobody_elses(office):
    await brings(office, said("m1"))
    await brings(office, said("m2", address="budi"))
    mine, other = await details(office), await details(office, 2)
    reply = answers.Reply("Baik.", contact_id=other.complaint.contact_id)
    with pytest.raises(errors.NotFound):
        await answers.answer(office.desk, office.admin, mine.complaint.id, reply, "k")


async def test_large_requests_are_read_in_a_thread_with_the_same_result(office, monkeypatch):
    monkeypatch.setattr(arrivals, "_LARGE", 1)
    await brings(office, said("m1"))
    assert len(await incoming(office)) == 1


async def test_what_is_committed_beside_a_request_is_committed_with_it_or_not_at_all(office):
    account = office.desk.accounts["pesan"]
    request = ports.RawRequest("pesan", "", {}, b"x", office.clock.at)

    def remember(tx):
        alarms.set_health(tx, "contoh", "pesan", error="ingat")

    office.channels["pesan"].holds = [said("m1")]
    await intake.take_in(office.desk, account, request, "poll", remember)
    assert (await office.look(alarms.health_of, "pesan")).error == "ingat"

    def fails(tx):
        raise ValueError("no")

    office.channels["pesan"].holds = [said("m2")]
    with pytest.raises(ValueError, match="no"):
        await intake.take_in(office.desk, account, request, "poll", fails)
    assert len(await incoming(office)) == 1
    assert await office.look(raw.count_quarantined, "contoh") == 0


async def test_a_contact_opened_twice_is_one(office):
    office.channels["komentar"].opens = (TO_PAGE, "psid-7")
    for n in (1, 2):
        await brings(office, said(f"k{n}", f"Keluhan {n}", "siti-umum", thread=f"kiriman-{n}"), account="komentar")
        await office.deliver()
        office.clock.forward(days=1)
    found = await office.look(contacts.find, "pesan", "psid-7")
    known = await office.look(contacts.get, (await details(office)).complaint.contact_id)
    assert found.citizen_id == known.contact.citizen_id is not None


async def test_one_mail_that_comes_to_two_mailboxes_at_once_is_one_message(office):
    first_took, second_took = threading.Event(), threading.Event()

    def take(tx, name, took, other):
        raw_id = raw.add(tx, "contoh", "poll", ports.RawRequest(name, "", {}, b"x", office.clock.at))
        registration.take(
            tx, office.desk, office.desk.accounts[name], said("<surat-1@contoh.example>"), raw_id, office.clock.at
        )
        tx.flush()
        took.set()
        if other is not None:
            other.wait(0.5)  # for one that does not wait for us

    first = asyncio.create_task(office.desk.store.write(take, "surat", first_took, second_took))
    await asyncio.to_thread(first_took.wait, 5)
    await asyncio.gather(first, office.desk.store.write(take, "surat-2", second_took, None))
    assert len(await office.rows("message", "kind='complaint'")) == 1


async def test_a_changed_comment_is_answered_and_hidden_as_the_comment_it_is(office):
    await brings(office, said("k1", thread="kiriman-1"), account="komentar")
    await brings(office, model.Revision(said("k1", f"NIK {NIK}", thread="kiriman-1")), account="komentar")
    shown = await details(office)
    changed = (await incoming(office))[1]
    await answers.hide(office.desk, office.admin, shown.complaint.id, changed.id)
    await answers.answer(office.desk, office.admin, shown.complaint.id, answers.Reply("Baik."), "k")
    await office.deliver()
    assert {m.answers.provider_id for m in office.channels["komentar"].sent} == {"k1"}


async def test_what_cannot_be_placed_is_kept_once_however_much_a_request_holds(office):
    stray = [said(f"m{n}", destination=model.Destination("percakapan", "hal-9")) for n in range(5)]
    await brings(office, *stray, said("x"))
    assert len(await quarantine.waiting(office.desk, "contoh")) == 1
    assert len(await incoming(office)) == 1


async def test_an_id_of_16_digits_is_no_personal_number(office):
    names = {"message_id": "<1234567890.123456@contoh.example>", "references": "<1234567890123456@contoh.example>"}
    await brings(
        office, said("<1234567890.123456@contoh.example>", details=names | {"subject": f"NIK {NIK}"}), account="surat"
    )
    shown = await details(office)
    await answers.answer(office.desk, office.admin, shown.complaint.id, answers.Reply("Baik."), "k")
    await office.deliver()
    [answer] = [m for m in office.channels["surat"].sent if m.is_by_person]
    assert {name: answer.answers.details[name] for name in names} == names
    assert NIK not in answer.answers.details["subject"]


async def test_a_machine_is_told_of_no_delay(office):
    await brings(office, said("<1@x>", is_automatic=True), account="surat")
    office.clock.forward(days=9)
    await escalation.tick(office.desk)
    await office.deliver()
    assert office.channels["surat"].sent == []


async def test_the_name_of_a_file_shows_no_personal_number(office):
    file = model.InlineFile(b"%PDF-1.4 surat", "application/pdf", f"KTP_{NIK}.pdf")
    await brings(office, said("m1", files=(file,), name=f"Siti {NIK}"))
    [message] = await incoming(office)
    assert NIK not in message.attachments[0].name
    assert NIK not in (await details(office)).contact_name


async def test_a_personal_number_in_a_raid_is_told_of_as_well(office):
    raid = [said(f"k{n}", f"NIK {NIK}", address=f"akun-{n}", thread="kiriman-1") for n in range(4)]
    await brings(office, *raid[:3], account="komentar")
    for n in (1, 2, 3):
        await answers.hide(
            office.desk, office.admin, (await details(office, n)).complaint.id, (await incoming(office, n))[0].id
        )
    assert model.AlarmKind.PUBLIC_NUMBER not in await open_alarms(office)
    await brings(office, raid[3], account="komentar")
    assert model.AlarmKind.PUBLIC_NUMBER in await open_alarms(office)


async def test_one_of_a_raid_does_not_turn_the_answers_to_himself(office):
    raid = [said(f"k{n}", "Hapus!!", address=f"akun-{n}", thread="kiriman-1") for n in range(4)]
    await brings(office, *raid, account="komentar")
    await brings(
        office, said("k9", "Dan lagi", address="akun-3", replies_to=("k3",), thread="kiriman-1"), account="komentar"
    )
    shown = await details(office)
    assert shown.complaint.reply_contact_id == shown.complaint.contact_id


async def test_the_second_message_of_an_answer_is_no_answer_of_a_colleague(office):
    await brings(office, said("m1"))
    await office.deliver()
    # The echo of a file that went along: of our own app, with an id of its own.
    await brings(office, model.DeliveryReceipt("berkas-2", model.DeliveryState.ACCEPTED))
    await brings(office, model.ColleagueAnswer("berkas-2", "siti", ""))
    assert (await details(office)).complaint.state is model.ComplaintState.NEW


async def test_one_item_that_cannot_be_stored_does_not_cost_the_others(office, monkeypatch):
    take = registration.take

    def fails(tx, desk, account, inbound, *args, **more):
        if inbound.provider_id == "m2":
            raise ValueError("no")
        take(tx, desk, account, inbound, *args, **more)

    monkeypatch.setattr(registration, "take", fails)
    await brings(office, said("m1"), said("m2", "Dua"), said("m3", "Tiga"))
    assert {m.provider_id for m in await incoming(office)} == {"m1", "m3"}
    [item] = await quarantine.waiting(office.desk, "contoh")
    monkeypatch.undo()
    office.clock.forward(seconds=1)
    assert await quarantine.replay(office.desk, item.id)
    assert sorted(m.provider_id for m in await incoming(office)) == ["m1", "m2", "m3"]


async def test_what_was_caught_up_and_could_not_be_stored_can_be_replayed(office, monkeypatch):
    class Lists(Channel):
        async def catch_up(self, _):
            yield said("m1", "Satu", sent_at=office.clock.at)

    made = Lists("percakapan", PRIVATE, "hal-1")
    office.desk = replace(office.desk, connectors={**office.desk.connectors, "pesan": made})

    def fails(*args, **more):
        raise ValueError("no")

    def parse(request):
        raise errors.PayloadError("not a batch")

    made.parse = parse
    with monkeypatch.context() as patched:
        patched.setattr(registration, "take", fails)
        await catchup.account(office.desk, "pesan")
    [item] = await quarantine.waiting(office.desk, "contoh")
    assert await quarantine.replay(office.desk, item.id)
    assert [m.text for m in await incoming(office)] == ["Satu"]


async def test_an_echo_that_comes_while_our_send_is_written_down_is_ours(office):
    await brings(office, said("m1"))
    [entry] = await office.desk.store.write(outbox.claim, office.clock.at, office.clock.at + delivery.LEASE, 10)
    recorded, is_looked_for = threading.Event(), threading.Event()

    def record(tx):
        outbox.settle(tx, outbox.get(tx, entry.id), model.DeliveryState.ACCEPTED, office.clock.at, provider_id="gema")
        recorded.set()
        is_looked_for.wait(0.5)

    def echoed(tx):
        echo = model.ColleagueAnswer("gema", "siti", entry.text)
        return elsewhere.by_colleague(tx, office.desk, office.desk.accounts["pesan"], echo, office.clock.at)

    writing = asyncio.create_task(office.desk.store.write(record))
    await asyncio.to_thread(recorded.wait, 5)
    assert not await office.desk.store.write(echoed)
    is_looked_for.set()
    await writing
    assert (await details(office)).complaint.state is model.ComplaintState.NEW


async def test_what_is_taken_back_and_what_was_a_raid_are_forgotten_in_time(office):
    await brings(office, model.Withdrawal("m1"), said("k1", thread="kiriman-1", destination=TO_COMMENTS))
    for days, left in ((1, 1), (40, 0)):
        office.clock.forward(days=days)
        await housekeeping.tick(office.desk, timedelta(days=30))
        assert len(await office.rows("withdrawal")) == left
    assert await office.rows("incident") == []


async def test_all_that_one_answer_takes_is_ours_when_the_provider_lists_it(office):
    await brings(office, said("m1"))
    sent = model.Sent("teks", further=("berkas",))
    [entry] = await office.desk.store.write(outbox.claim, office.clock.at, office.clock.at + delivery.LEASE, 10)
    await office.desk.store.write(delivery._record, office.desk, entry, sent, office.clock.at)
    await brings(office, *(model.ColleagueAnswer(each, "siti", "") for each in ("teks", "berkas")))
    assert [m.kind for m in await timeline(office)] == [model.MessageKind.COMPLAINT, model.MessageKind.ACKNOWLEDGEMENT]
