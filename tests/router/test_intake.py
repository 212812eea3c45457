"""Intake: one message becomes one complaint, whoever sends it how often."""

import asyncio

import pytest

from core import ids, model
from router import complaints
from storage import listing, messages


async def test_a_first_message_becomes_a_numbered_complaint_with_a_deadline(world):
    await world.arrives("KTP saya belum jadi")
    found = await complaints.page(world.desk, world.admin, listing.View.NEW)
    [item] = found.items
    assert str(item.complaint.number) == "ADU-2026-000001"
    assert item.complaint.due_at == world.clock.at.replace(day=20)
    assert item.complaint.preview == "KTP saya belum jadi"


async def test_the_citizen_is_acknowledged_with_number_pin_link_deadline_and_safety_line(world):
    await world.arrives("KTP saya belum jadi")
    await world.deliver()
    [sent] = world.provider.messages(to="whatsapp:+6281200000001")
    progress = await complaints.track(world.desk, "contoh", "ADU-2026-000001", sent.body.split("PIN ")[1][:6])
    assert progress is not None
    for part in (
        "ADU-2026-000001",
        "Jumat, 20 November 2026 pukul 10.00 WIB",
        "https://aduan.contoh.go.id/lacak",
        "OTP",
    ):
        assert part in sent.body
    details = await complaints.details(world.desk, world.admin, ids.Number.parse("ADU-2026-000001"))
    assert sent.body.split("PIN ")[1][:6] not in details.timeline[1].text
    assert details.timeline[1].delivery is not model.DeliveryState.QUEUED


async def test_the_same_message_ten_times_at_once_is_one_complaint_and_one_acknowledgement(world):
    results = await asyncio.gather(
        *(world.arrives("sama", provider_id="SM1") for _ in range(10)), return_exceptions=True
    )
    assert results == ["SM1"] * 10
    await world.deliver()
    assert len(await world.rows("complaint")) == 1
    assert len(await world.rows("message", "kind='complaint'")) == 1
    assert world.provider.creates() == 1


async def test_a_later_message_joins_the_open_complaint_and_a_burst_shares_one_brief_acknowledgement(world):
    await world.arrives("satu")
    world.clock.forward(minutes=5)
    for text in ("dua", "tiga", "empat"):
        await world.arrives(text)
        world.clock.forward(seconds=5)
    await world.deliver()
    assert world.provider.creates() == 1  # the burst's own is still collecting
    world.clock.forward(minutes=1)
    await world.deliver()
    assert len(await world.rows("complaint")) == 1
    brief = world.provider.messages(to="whatsapp:+6281200000001")
    assert len(brief) == 2
    assert any("pesan tambahan" in message.body for message in brief)


async def test_a_machine_is_never_acknowledged(world):
    await world.arrives("saya sedang cuti", is_automatic=True)
    await world.deliver()
    assert world.provider.creates() == 0
    assert len(await world.rows("complaint")) == 1


async def test_outside_service_hours_the_acknowledgement_names_when_the_office_opens(world):
    world.clock.at = world.clock.at.replace(day=21)  # a Saturday
    await world.arrives("halo")
    await world.deliver()
    [sent] = world.provider.messages(to="whatsapp:+6281200000001")
    assert "mulai Senin, 23 November 2026 pukul 07.30 WIB" in sent.body


async def test_numbers_have_no_gap_when_an_intake_fails_midway(world, monkeypatch):
    await world.arrives("satu", sender="+6281200000001")

    def broken(*args, **kwargs):
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(messages, "add", broken)
        with pytest.raises(RuntimeError):
            await world.arrives("dua", sender="+6281200000002")
    await world.arrives("tiga", sender="+6281200000003")
    assert sorted(row.sequence for row in await world.rows("complaint")) == [1, 2]


async def test_a_personal_number_is_stored_sealed_and_shown_masked(world):
    await world.arrives("NIK saya 3575990101900001 mohon dicek")
    details = await complaints.details(world.desk, world.admin, ids.Number.parse("ADU-2026-000001"))
    assert details.timeline[0].text == "NIK saya ************0001 mohon dicek"
    assert "3575990101900001" not in details.complaint.preview
    shown = await complaints.reveal(
        world.desk, world.admin, details.complaint.number, details.timeline[0].id, "verifikasi"
    )
    assert shown == "NIK saya 3575990101900001 mohon dicek"
    assert await world.look(messages.holding_number, "contoh", "3575990101900001") == [details.complaint.id]
