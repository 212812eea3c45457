"""Attachments on their way in and out: examined before they are opened, opened on record, forgotten when unneeded."""

import asyncio
import os
from dataclasses import replace
from datetime import timedelta

import pytest

from core import errors, model, ports
from router import arrivals, files, housekeeping, intake, media
from storage import alarms, attachments, audit, raw
from storage.files import DIRECTORIES, FileStore
from storage.scanner import Scanner

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture
async def guarded(world, tmp_path):
    """The same office with a virus scanner, which is switched on and off at a socket."""
    address = tmp_path / "clamd.ctl"

    async def serve(reader, writer):
        await reader.readuntil(b"\0")
        content = b""
        while length := int.from_bytes(await reader.readexactly(4), "big"):
            content += await reader.readexactly(length)
        writer.write(b"stream: Eicar-Signature FOUND\0" if EICAR in content else b"stream: OK\0")
        await writer.drain()
        writer.close()

    world.desk = replace(world.desk, files=FileStore(tmp_path / "files", Scanner(f"unix://{address}")))
    servers = []

    async def switch_on():
        servers.append(await asyncio.start_unix_server(serve, address))

    yield switch_on
    for server in servers:
        server.close()
        await server.wait_closed()


async def write(world, text, *contents):
    kept = [world.desk.files.put(content, f"berkas-{i}") for i, content in enumerate(contents)]
    inbound = model.InboundMessage(f"F-{text}", "form:satu", text, files=tuple(kept))
    request = ports.RawRequest("formulir", "/lapor", {}, text.encode(), world.clock.at)
    registered = await intake.receive_message(world.desk, request, inbound, "form")
    return registered, kept


async def open_alarms(world):
    return {alarm.kind: alarm for alarm in await world.look(alarms.open_, "contoh")}


# --- Examined ---------------------------------------------------------------------------------------------------------


async def test_a_virus_is_refused_with_an_alarm_and_what_is_clean_may_be_opened(world, guarded):
    await guarded()
    registered, (clean, infected) = await write(world, "lihat", PNG, EICAR)
    one, two = await world.rows("attachment")
    assert (one.state, two.state) == ("pending", "pending")  # here, and not opened before it was examined
    assert (one.sha256, two.sha256) == (clean.sha256, infected.sha256)
    with pytest.raises(errors.NotFound):
        await files.look(world.desk, world.admin, one.id)
    await media.tick(world.desk)
    one, two = await world.rows("attachment")
    assert (one.state, one.sha256, one.media_type, one.size) == ("stored", clean.sha256, "image/png", len(PNG))
    assert (two.state, two.reason, two.sha256) == ("refused", "virus", None)
    assert (await files.look(world.desk, world.admin, one.id)).sha256 == clean.sha256
    with pytest.raises(errors.NotFound):
        await files.open_(world.desk, world.admin, registered.number, two.id, "original")
    alarm = (await open_alarms(world))[model.AlarmKind.VIRUS]
    assert (alarm.complaint_id, alarm.note) == (two.complaint_id, "Eicar-Signature")
    [line] = [e for e in await world.look(audit.of_chain, "contoh", audit.OFFICE_CHAIN) if e.action == "virus_found"]
    assert line.facts["sha256"] == infected.sha256


async def test_while_the_scanner_is_away_a_file_waits_with_one_alarm_which_goes_when_it_is_back(world, guarded):
    await write(world, "lihat", PNG, b"surat")
    for _ in range(3):
        assert await media.tick(world.desk) == 2
        assert await media.tick(world.desk) == 0  # not hammered
        world.clock.forward(minutes=1)
    assert {row.state for row in await world.rows("attachment")} == {"pending"}
    assert all(row.sha256 for row in await world.rows("attachment"))
    assert (await open_alarms(world))[model.AlarmKind.SCANNER_UNAVAILABLE].count == 6
    await guarded()
    assert await media.tick(world.desk) == 2
    assert {row.state for row in await world.rows("attachment")} == {"stored"}
    assert model.AlarmKind.SCANNER_UNAVAILABLE not in await open_alarms(world)


async def test_what_waited_is_let_through_when_the_office_gives_its_scanner_up(world, guarded, tmp_path):
    await write(world, "lihat", PNG)
    await media.tick(world.desk)
    world.desk = replace(world.desk, files=FileStore(tmp_path / "files"))
    world.clock.forward(minutes=1)
    await media.tick(world.desk)
    assert [row.state for row in await world.rows("attachment")] == ["stored"]


async def test_a_file_of_a_provider_is_fetched_once_however_long_it_waits_for_the_scanner(world, guarded):
    fetched = []

    class Archive:
        capabilities = world.desk.connectors["wa"].capabilities

        async def fetch(self, _, max_bytes):
            fetched.append(max_bytes)
            yield PNG[:50]
            yield PNG[50:]

    desk = replace(world.desk, connectors={"wa": Archive()})
    await world.arrives("foto", files=(model.RemoteFile("https://media.contoh/1", "image/jpeg", "KTP.jpg"),))
    await media.tick(desk)
    world.clock.forward(minutes=1)
    await guarded()
    await media.tick(desk)
    [row] = await world.rows("attachment")
    assert (row.state, row.media_type, row.size) == ("stored", "image/png", len(PNG))
    assert fetched == [Archive.capabilities.max_attachment_bytes]


async def test_a_file_that_was_lost_before_it_was_examined_is_refused(world, guarded):
    await guarded()
    _, [stored] = await write(world, "lihat", PNG)
    world.desk.files.checked(stored.sha256).unlink()
    await media.tick(world.desk)
    [row] = await world.rows("attachment")
    assert (row.state, row.reason) == ("refused", "the file was lost")
    assert model.AlarmKind.MEDIA_FAILED in await open_alarms(world)


async def test_nobody_of_the_office_sends_a_virus_or_what_nobody_examined(world, guarded):
    kept = world.desk.files
    with pytest.raises(errors.NotAllowed, match="Pemindai"):
        await files.released(kept, kept.put(PNG))
    await guarded()
    with pytest.raises(errors.NotAllowed, match="virus"):
        await files.released(kept, kept.put(EICAR, "surat.pdf"))
    released = await files.released(kept, kept.put(PNG, "surat.png"))
    assert (released.name, released.held) == ("surat.png", False)


# --- Opened -----------------------------------------------------------------------------------------------------------


async def test_opening_is_written_down_with_who_and_which(world):
    registered, [stored] = await write(world, "lihat", PNG)
    [row] = await world.rows("attachment")
    attachment = await files.open_(world.desk, world.admin, registered.number, row.id, "original")
    assert attachment.sha256 == stored.sha256
    line = (await world.look(audit.of_chain, "contoh", row.complaint_id))[-1]
    assert (line.action, line.actor) == ("attachment_opened", f"person:{world.admin.id}")
    assert line.facts == {
        "attachment": str(row.id),
        "message": str(row.message_id),
        "form": "original",
        "sha256": stored.sha256,
    }
    assert await housekeeping.verify_audit(world.desk, "contoh") == []
    for other, refusal in (
        (world.people["auditor"], errors.NotAllowed),
        (replace(world.admin, office_id="lain"), None),
    ):
        with pytest.raises(refusal or errors.NotFound):
            await files.open_(world.desk, other, registered.number, row.id, "original")
    assert len(await world.look(audit.of_chain, "contoh", row.complaint_id)) == line.sequence


# --- Forgotten --------------------------------------------------------------------------------------------------------


def age(world, stored, **by):
    at = (world.clock.at - timedelta(**by)).timestamp()
    os.utime(world.desk.files.checked(stored.sha256), (at, at))


def has(world, stored):
    try:
        return world.desk.files.get(stored.sha256) is not None
    except errors.NotFound:
        return False


async def test_a_file_that_no_message_has_is_gone_within_two_days_and_no_other(world):
    _, [needed] = await write(world, "lihat", b"diperlukan")
    orphans = [world.desk.files.put(f"yatim {i}".encode()) for i in range(20)]
    fresh = world.desk.files.put(b"baru saja")
    for stored in (needed, *orphans):
        age(world, stored, hours=25)
    age(world, fresh, hours=23)
    removed = 0
    for _ in range(24):
        removed += await files.sweep(world.desk)
        age(world, fresh, hours=23)
        world.clock.forward(hours=1)
    assert removed == len(orphans)
    assert not any(has(world, orphan) for orphan in orphans)
    assert has(world, needed)
    assert has(world, fresh)


async def test_a_day_comes_to_every_directory(world, monkeypatch):
    seen = set()
    monkeypatch.setattr(FileStore, "old", lambda _, directory, __: seen.add(directory) or [])
    for _ in range(24):
        await files.sweep(world.desk)
        world.clock.forward(hours=1)
    assert seen == set(range(DIRECTORIES))


async def test_contents_are_looked_for_in_pages(world):
    _, [needed] = await write(world, "lihat", b"diperlukan")
    strange = [f"{number:064x}" for number in range(250)]
    for asked in ([], [needed.sha256], [*strange, needed.sha256], strange):
        found = await world.look(attachments.referred_to, asked)
        assert found == {needed.sha256} & set(asked)


async def test_a_virus_is_forgotten_with_its_file(world, guarded):
    await guarded()
    _, [infected] = await write(world, "lihat", EICAR)
    await media.tick(world.desk)
    age(world, infected, hours=25)
    for _ in range(24):
        await files.sweep(world.desk)
        world.clock.forward(hours=1)
    assert not has(world, infected)


async def test_the_quarantine_is_kept_as_long_as_raw_items_are_and_leaves_a_line(world):
    account = world.desk.account("wa")

    def arrive(reason):
        request = ports.RawRequest("wa", "/hooks/wa", {}, b"rahasia", world.clock.at)
        return world.desk.store.write(arrivals.quarantine, account, request, reason)

    await arrive("signature")
    world.clock.forward(days=60)
    await arrive("payload: broken")
    world.clock.forward(days=31)
    await housekeeping.tick(world.desk, timedelta(days=90))
    [left] = await world.look(raw.quarantined, "contoh")
    assert left.reason == "payload: broken"
    assert model.AlarmKind.QUARANTINE in await open_alarms(world)
    world.clock.forward(days=60)
    await housekeeping.tick(world.desk, timedelta(days=90))
    assert await world.look(raw.quarantined, "contoh") == []
    assert model.AlarmKind.QUARANTINE not in await open_alarms(world)
    lines = [e for e in await world.look(audit.of_chain, "contoh", audit.OFFICE_CHAIN) if e.action == "raw_lapsed"]
    assert [line.facts["reason"] for line in lines] == ["signature", "payload: broken"]
    assert await housekeeping.verify_audit(world.desk, "contoh") == []
