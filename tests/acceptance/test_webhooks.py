"""Webhooks of the vendor's own client and validator against a running `aduan`."""

import asyncio

from tests.acceptance.harness import CITIZEN, OLD_TOKEN, SENDER, SID, message, text_message


async def test_a_forged_webhook_is_refused_kept_and_raises_an_alarm(running):
    assert await running.post(message(), headers={"X-Twilio-Signature": "forged"}) == 403
    assert await running.post(message(), headers={}) == 403
    assert await running.post(message(), headers={"X-Twilio-Signature": "f\u00e4lsch"}) == 403
    items = running.rows("raw_item")
    assert [item.state for item in items] == ["quarantined"] * 3
    [alarm] = running.rows("alarm")
    assert (alarm.kind, alarm.count) == ("quarantine", 3)
    assert running.rows("complaint") == []


async def test_a_token_under_rotation_is_accepted_and_quarantine_is_replayed_after_mending(running):
    form = message()
    signed = running.sign("wa", form, token=OLD_TOKEN)
    assert await running.post(form, headers=signed) == 200
    assert len(running.rows("complaint")) == 1


async def test_the_same_message_ten_times_at_once_is_one_complaint_and_one_acknowledgement(running):
    form = message()
    assert await asyncio.gather(*(running.post(form) for _ in range(10))) == [200] * 10
    await running.until(lambda: running.provider.creates(to=CITIZEN))
    await running.until(lambda: running.rows("outbox", "state IN ('delivered', 'accepted')"))
    assert len(running.rows("complaint")) == len(running.rows("message", "kind = 'complaint'")) == 1
    assert running.provider.creates() == 1


async def test_a_whole_conversation_reaches_read(running):
    await running.provider.receive(SID["wa"], CITIZEN, SENDER["wa"], "min ktp sy kpn jadi?", profile_name="Siti")
    await running.until(lambda: running.rows("outbox", "state = 'delivered'"))
    running.provider.open_phone(SID["wa"], SENDER["wa"], CITIZEN)
    await running.until(lambda: running.rows("outbox", "state = 'read'"))


async def test_a_messaging_service_receives_and_sends(running):
    assert await running.post(text_message(2, "CEK KTP"), "sms") == 200
    await running.until(lambda: running.provider.creates(to="+6281200000002"))
    [sent] = running.provider.messages(to="+6281200000002")
    assert "ADU-" in sent.body


async def test_odd_forms_each_become_a_visible_message_and_never_an_error(running):
    media = {
        f"MediaUrl{i}": f"{running.provider.base_url}/2010-04-01/Accounts/{SID['wa']}/Messages/MMx/Media/ME{i}"
        for i in range(3)
    }
    odd = [
        message(1, ""),
        message(2, "", Latitude="-7.64", Longitude="112.9", Label="Kantor", MessageType="location"),
        message(3, "", NumMedia="1", MediaUrl0=media["MediaUrl0"], MediaContentType0="audio/ogg", MessageType="audio"),
        message(4, "tiga foto", NumMedia="3", **media, **{f"MediaContentType{i}": "image/jpeg" for i in range(3)}),
        message(5, "baru", SomethingNew="1", AnotherThing="{}"),
        message(6, "x" * 1024 * 1024),
        message(7, "", MessageType="reaction"),
        message("whatsapp:ID.ABC123XYZ", "tanpa nomor"),
        message(8, "\x00\x07 kendali \u202e"),
        message(9, "halo", NumMedia="banyak"),
    ]
    assert [await running.post(form) for form in odd] == [200] * len(odd)
    complaints = running.rows("complaint")
    assert len(complaints) == len(odd)
    assert all(complaint.preview for complaint in complaints)
    assert running.rows("raw_item", "state = 'quarantined'") == []


async def test_what_cannot_be_read_is_kept_and_answered_with_200(running):
    form = {"AccountSid": SID["wa"], "Body": "tanpa pengirim"}
    assert await running.post(form) == 200
    [item] = running.rows("raw_item")
    assert item.state == "quarantined"
    assert "Body" not in item.reason


async def test_an_unknown_account_is_not_found(running):
    assert await running.post(message(), "tidak-ada", headers={}) == 404
    assert await running.post(message(), "formulir", headers={}) == 404


async def test_a_message_of_an_outage_is_caught_up(service):
    service.provider.write(SID["wa"], CITIZEN, SENDER["wa"], "saat mati")
    service.start("run")
    await service.ready()
    await service.until(lambda: service.rows("complaint"))
    await service.until(lambda: service.provider.creates(to=CITIZEN))


async def test_whoever_forges_webhooks_cannot_fill_the_disk_nor_shut_out_the_provider(running):
    forged = {"X-Twilio-Signature": "forged"}
    statuses = await asyncio.gather(*(running.post(message(n), headers=forged) for n in range(400)))
    assert set(statuses) == {403}
    assert 300 <= len(running.rows("raw_item", "state = 'quarantined'")) < 400
    assert await running.post(message()) == 200
