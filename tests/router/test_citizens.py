"""One person on several channels: proposed, linked by an admin, one history, and taken apart again."""

import pytest

from core import errors, ids, model
from router import answers, citizens, complaints

NIK = "3575990101900001"
PHONE = "+6281200000001"


async def details(world, sequence=1):
    return await complaints.details(world.desk, world.admin, ids.Number("ADU", 2026, sequence))


async def both(world, **more):
    """The same number by two channels: two complaints, for nobody has said that it is one person."""
    await world.arrives("KTP saya belum jadi", identity=PHONE, **more)
    world.clock.forward(minutes=1)
    await world.arrives("Sudah saya tanyakan lewat sana", account="sms", identity=PHONE, **more)
    world.clock.forward(minutes=1)
    return await details(world), await details(world, 2)


async def link(world):
    first, second = await both(world)
    await citizens.link(world.desk, world.admin, first.complaint.id, second.complaint.contact_id)
    world.clock.forward(minutes=1)
    return first, second


async def test_equal_numbers_are_proposed_and_nothing_is_linked_by_itself(world):
    first, second = await both(world)
    assert [(p.contact_id, p.reason) for p in first.proposals] == [(second.complaint.contact_id, "identity")]
    assert [str(n) for n in first.proposals[0].numbers] == ["ADU-2026-000002"]
    assert [p.contact_id for p in second.proposals] == [first.complaint.contact_id]
    assert PHONE not in first.proposals[0].address
    assert first.others == []
    assert [way.is_current for way in first.ways] == [True]


async def test_the_same_nik_proposes_only_those_of_one_name(world):
    await world.arrives(f"NIK saya {NIK}", name="Siti Rahma")
    await world.arrives(f"NIK {NIK} kapan jadi", sender="+6281200000002", name="SITI RAHMA ")
    await world.arrives(f"Titip NIK {NIK}", sender="+6281200000003", name="Budi")
    first, second = await details(world), await details(world, 2)
    assert [(p.contact_id, p.reason) for p in first.proposals] == [(second.complaint.contact_id, "number")]


async def test_linked_contacts_show_one_history_and_write_to_one_complaint(world):
    first, second = await link(world)
    shown = await details(world)
    assert shown.proposals == []
    assert [c.id for c in shown.others] == [second.complaint.id]
    assert {way.account.name for way in shown.ways} == {"wa", "sms"}
    await complaints.close(world.desk, world.admin, second.complaint.id, model.CloseReason.NOT_OURS, tell=False)
    world.clock.forward(days=15)
    await complaints.close(world.desk, world.admin, first.complaint.id, model.CloseReason.NOT_OURS, tell=False)
    world.clock.forward(days=15)
    await world.arrives("Perkara baru")
    world.clock.forward(minutes=1)
    await world.arrives("Tambahan perkara baru", account="sms")
    third = await details(world, 3)
    assert [m.text for m in third.timeline if m.kind is model.MessageKind.COMPLAINT] == [
        "Perkara baru", "Tambahan perkara baru",
    ]  # fmt: skip
    assert third.account.name == "sms"  # he wrote there last


async def test_an_answer_may_go_by_any_of_his_ways(world):
    first, second = await link(world)
    reply = answers.Reply("Sudah jadi.", contact_id=second.complaint.contact_id)
    await answers.answer(world.desk, world.admin, first.complaint.id, reply, "k")
    [sent] = await world.rows("outbox", "kind='answer'")
    assert (sent.account, sent.contact_id, sent.complaint_id) == (
        "sms",
        second.complaint.contact_id,
        first.complaint.id,
    )


async def test_unlinking_restores_and_is_not_proposed_again(world):
    first, second = await link(world)
    await complaints.close(world.desk, world.admin, second.complaint.id, model.CloseReason.NOT_OURS, tell=False)
    await world.arrives("Lewat sini saja", account="sms", provider_id="SM" + "9" * 32)
    world.clock.forward(minutes=1)
    contact_id = second.complaint.contact_id
    await citizens.unlink(world.desk, world.admin, first.complaint.id, contact_id)
    world.clock.forward(minutes=1)
    shown = await details(world)
    assert (shown.proposals, shown.others, len(shown.ways)) == ([], [], 1)
    assert shown.account.name == "wa"
    await world.arrives("Sendiri lagi", account="sms", provider_id="SM" + "8" * 32)
    assert [m.text for m in (await details(world)).timeline if m.kind is model.MessageKind.COMPLAINT] == [
        "KTP saya belum jadi"
    ]
    with pytest.raises(errors.StaleDecision):
        await citizens.unlink(world.desk, world.admin, first.complaint.id, contact_id)


async def test_two_who_are_kept_apart_are_not_proposed(world):
    first, second = await both(world)
    for _ in range(2):
        await citizens.keep_apart(world.desk, world.admin, first.complaint.id, second.complaint.contact_id)
    assert ((await details(world)).proposals, (await details(world, 2)).proposals) == ([], [])
    with pytest.raises(errors.StaleDecision):
        await citizens.link(world.desk, world.admin, first.complaint.id, second.complaint.contact_id)


async def test_only_what_is_proposed_can_be_linked_and_only_by_who_works_here(world):
    await world.arrives()
    await world.arrives(sender="+6281200000002")
    first, second = await details(world), await details(world, 2)
    with pytest.raises(errors.StaleDecision):
        await citizens.link(world.desk, world.admin, first.complaint.id, second.complaint.contact_id)
    for act in (citizens.link, citizens.unlink, citizens.keep_apart):
        with pytest.raises(errors.NotAllowed):
            await act(world.desk, world.people["auditor"], first.complaint.id, second.complaint.contact_id)


async def test_every_decision_stands_in_the_audit(world):
    first, second = await link(world)
    await citizens.unlink(world.desk, world.admin, first.complaint.id, second.complaint.contact_id)
    actions = [entry.action for entry in (await details(world)).history]
    assert actions[-2:] == ["contacts_linked", "contacts_unlinked"]


async def test_who_was_unlinked_joins_no_more_what_he_once_wrote_to(world):
    first, second = await link(world)
    number, known, later = first.complaint.number, "SM" + "9" * 32, ("SM" + "8" * 32, "SM" + "7" * 32)
    await world.arrives("Lewat sini saja", account="sms", number=number, provider_id=known)
    world.clock.forward(minutes=1)
    assert (await details(world)).complaint.reply_account == "sms"
    await citizens.unlink(world.desk, world.admin, first.complaint.id, second.complaint.contact_id)
    world.clock.forward(minutes=1)
    await world.arrives("Saya orang lain", account="sms", number=number, provider_id=later[0])
    await world.arrives("Sungguh", account="sms", replies_to=(known,), provider_id=later[1])
    shown = await details(world)
    assert shown.complaint.reply_account == "wa"
    assert not set(later) & {m.provider_id for m in shown.timeline}


async def test_unlinking_leads_answers_back_also_of_the_one_who_is_taken_out(world):
    first, second = await both(world)
    await citizens.link(world.desk, world.admin, second.complaint.id, first.complaint.contact_id)
    world.clock.forward(minutes=1)
    await world.arrives("Lewat sini", provider_id="SM" + "9" * 32)  # by WhatsApp, into what began by SMS
    assert (await details(world, 2)).complaint.reply_account == "wa"
    await citizens.unlink(world.desk, world.admin, first.complaint.id, second.complaint.contact_id)
    assert (await details(world, 2)).complaint.reply_account == "sms"
