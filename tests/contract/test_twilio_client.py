"""How Twilio's API is used, seen from the other end of a real connection: one attempt, in time, and what it meant."""

import asyncio
import logging
import socket
from datetime import UTC, datetime, timedelta

import pytest

from connectors import twilio_errors
from core import errors, model

SINCE = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
OURS = "+6281200000001"


def refusal(code, status=400):
    return {"code": code, "message": "no", "more_info": "", "status": status}


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, 63016, errors.ReplyWindowClosed),
        (400, 21610, errors.RecipientOptedOut),
        *((401, code, errors.AccountSuspended) for code in (20003, 20005, 20006, 20008)),
        *((403, code, errors.AccountSuspended) for code in (10001, 90010, 30002, 63001, 63002, 63051, 63112)),
        *((400, code, errors.AccountSuspended) for code in (21212, 21603, 21606, 21659, 21660, 21910, 63007, 63020)),
        *((404, code, errors.AccountSuspended) for code in (20404, 21701, 21703, 21704, 21705)),
        (429, 63038, errors.AccountSuspended),
        (401, None, errors.AccountSuspended),
        *((429, code, errors.TransientSendError) for code in (20429, 21611, 14107, 63017, 63018, 30001, 30022, None)),
        *((503, code, errors.TransientSendError) for code in (20503, 21730, None)),
        *((400, code, errors.PermanentSendError) for code in (20001, 21211, 21217, 21219, 21408, 21601, 21602, 21604)),
        *((400, code, errors.PermanentSendError) for code in (21605, 21609, 21612, 21614, 21617, 21619, 21635, 21654)),
        *((400, code, errors.PermanentSendError) for code in (21655, 21656, 63003, 63005, 63013, 63019, 63021, 63024)),
        *((400, code, errors.PermanentSendError) for code in (63027, 63028, 63030, 63032, 63049, 30003, 30004, 30005)),
        *((400, code, errors.PermanentSendError) for code in (30006, 30007, 30036, 29999)),
        (400, None, errors.UncertainSendError),  # not Twilio's answer: some proxy's
        (403, 29999, errors.UncertainSendError),
        *((status, None, errors.UncertainSendError) for status in (307, 403, 404, 408, 409, 500, 502, 504)),
        (500, 20500, errors.UncertainSendError),
    ],
)
def test_every_refusal_has_one_meaning(status, code, expected):
    meaning = twilio_errors.of_sending(twilio_errors.RefusedError(status, code))
    assert type(meaning) is expected
    assert meaning.code == str(code or status)


def test_the_table_above_names_every_code_that_is_mapped():
    (marker,) = (mark for mark in test_every_refusal_has_one_meaning.pytestmark if mark.name == "parametrize")
    assert set(twilio_errors._MEANINGS) <= {code for _, code, _ in marker.args[1]}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", timedelta(seconds=7)),
        (" 0 ", timedelta(0)),
        ("99999999999999", timedelta(days=1)),
        ("Sun, 22 Nov 2026 03:00:00 GMT", None),
        ("-1", None),
        ("\u0661", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_seconds(header, expected):
    assert twilio_errors.retry_after(header) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((400, refusal(21211)), (errors.PermanentSendError, "21211")),
        ((401, refusal(20003)), (errors.AccountSuspended, "20003")),
        ((429, refusal(20429)), (errors.TransientSendError, "20429")),
        # The newer kind of error the API answers with (RFC 9457).
        (
            (400, {"type": "https://x", "title": "no", "status": 400, "code": 63016}),
            (errors.ReplyWindowClosed, "63016"),
        ),
        ((502, b"<html>Bad gateway</html>"), (errors.UncertainSendError, "502")),
        ((503, b"<html>Unavailable</html>"), (errors.TransientSendError, "503")),
        ((400, {"code": "abc"}), (errors.UncertainSendError, "400")),
        ((500, b"[" * 100_000), (errors.UncertainSendError, "500")),
        ((201, b"not json"), (errors.UncertainSendError, None)),
        ((201, b"[]"), (errors.UncertainSendError, None)),
        ((201, {"status": "queued"}), (errors.UncertainSendError, None)),
        ((201, {"sid": 5}), (errors.UncertainSendError, None)),
        ((201, {"sid": "SM9", "date_sent": 5}), (errors.UncertainSendError, None)),
        ((307, b""), (errors.UncertainSendError, "307")),
    ],
)
async def test_an_answer_without_success_is_one_error_and_one_attempt(connector, provider, outbound, answer, expected):
    provider.answer(*answer, headers={"Location": "/lain"} if answer[0] == 307 else None)
    with pytest.raises(errors.SendError) as caught:
        await connector("sms", base_url=provider.url).send(outbound())
    assert (type(caught.value), caught.value.code) == expected
    assert len(provider.seen) == 1


async def test_retry_after_reaches_the_caller(connector, provider, outbound):
    provider.answer(429, refusal(20429, 429), {"Retry-After": "7"})
    with pytest.raises(errors.TransientSendError) as caught:
        await connector("sms", base_url=provider.url).send(outbound())
    assert caught.value.retry_after == timedelta(seconds=7)


async def test_a_time_out_after_the_request_was_read_is_uncertain_and_not_repeated(connector, provider, outbound):
    provider.hang()
    sms = connector("sms", base_url=provider.url, timeout_seconds=0.2)
    with pytest.raises(errors.UncertainSendError):
        await asyncio.wait_for(sms.send(outbound()), timeout=5)
    assert len(provider.seen) == 1


async def test_a_connection_lost_after_the_request_is_uncertain_and_not_repeated(connector, provider, outbound):
    provider.answer(201, {"sid": "SM1"})
    provider.drop()
    sms = connector("sms", base_url=provider.url)
    await sms.send(outbound())
    with pytest.raises(errors.UncertainSendError):
        await sms.send(outbound())  # on the connection that was kept
    assert len(provider.seen) == 2


async def test_a_refused_connection_certainly_sent_nothing(connector, outbound):
    with socket.socket() as taken:  # bound, never listening
        taken.bind(("127.0.0.1", 0))
        sms = connector("sms", base_url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(errors.TransientSendError):
            await sms.send(outbound())


async def test_a_name_that_cannot_be_found_certainly_sent_nothing(connector, outbound):
    with pytest.raises(errors.TransientSendError):
        await connector("sms", base_url="http://tidak-ada.invalid").send(outbound())


async def test_a_connection_that_never_opens_certainly_sent_nothing(connector, outbound):
    with socket.socket() as full:  # its queue is full, so that further connections wait
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(full.getsockname())
        sms = connector("sms", base_url=f"http://127.0.0.1:{full.getsockname()[1]}", timeout_seconds=0.2)
        with pytest.raises(errors.TransientSendError):
            await asyncio.wait_for(sms.send(outbound()), timeout=5)
        for each in waiting:
            each.close()


async def test_an_untrusted_certificate_certainly_sent_nothing(connector, provider, outbound):
    provider.answer(201, {"sid": "SM1"})
    with pytest.raises(errors.TransientSendError):  # plain http is no TLS at all
        await connector("sms", base_url=provider.url.replace("http:", "https:")).send(outbound())
    assert not provider.seen


@pytest.mark.parametrize(
    ("settings", "credentials"),
    [
        ({}, "Basic QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTp0b2tlbi1sYW1hLTAwMDA="),
        (
            {"api_key_sid": "SK" + "0" * 32, "api_key_secret": "rahasia"},
            "Basic U0swMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDpyYWhhc2lh",
        ),
    ],
)
async def test_the_configured_credentials_are_used(connector, provider, outbound, settings, credentials):
    provider.answer(201, {"sid": "SM9"})
    await connector("sms", base_url=provider.url + "/proxy/", auth_tokens=["token-lama-0000", "b"], **settings).send(
        outbound()
    )
    (seen,) = provider.seen
    assert seen.headers["Authorization"] == credentials
    assert seen.path == "/proxy/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json"


async def test_the_environment_does_not_move_requests_to_another_host(connector, provider, outbound, monkeypatch):
    monkeypatch.setenv("TWILIO_REGION", "au1")
    monkeypatch.setenv("TWILIO_EDGE", "sydney")
    provider.answer(201, {"sid": "SM9"})
    assert await connector("sms", base_url=provider.url).send(outbound()) == model.Sent("SM9")


async def test_nothing_of_a_request_is_logged(connector, provider, outbound, caplog):
    caplog.set_level(logging.INFO)
    provider.answer(201, {"sid": "SM9"})
    await connector("sms", base_url=provider.url).send(outbound())
    assert not [record for record in caplog.records if record.name.startswith("twilio")]


def listed(number, **changes):
    return {
        "sid": f"SM{number:032x}",
        "from": "+6281200001234",
        "to": OURS,
        "body": f"pesan {number}",
        "direction": "inbound",
        "num_media": "0",
        "messaging_service_sid": None,
        "date_sent": "Sat, 21 Nov 2026 04:00:00 +0000",
        "date_created": "Sat, 21 Nov 2026 03:59:00 +0000",
        **changes,
    }


def page(*messages, following=None):
    path = f"/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json?Page={following}"
    return {"messages": list(messages), "next_page_uri": following and path, "page": 0}


async def caught_up(connector):
    return [message async for message in connector.catch_up(SINCE)]


async def test_catching_up_reads_every_page_of_the_senders_messages(connector, provider):
    provider.answer(200, page(listed(1), listed(2, direction="outbound-api"), following=1))
    provider.answer(200, page(listed(3, date_sent=None, body=None), following=2))
    provider.answer(200, page(listed(4, body="STOP", date_sent="kapan", date_created=None)))
    messages = await caught_up(connector("sms", base_url=provider.url))
    at = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)
    address = "+6281200001234"
    assert messages == [
        model.InboundMessage(f"SM{1:032x}", address, "pesan 1", sent_at=at, identity=address),
        model.InboundMessage(
            f"SM{3:032x}", address, "", sent_at=at - timedelta(minutes=1), identity=address, content=model.Content.EMPTY
        ),
        model.InboundMessage(f"SM{4:032x}", address, "STOP", identity=address, consent=model.Consent.OUT),
    ]
    assert provider.seen[0].query["To"] == OURS
    assert provider.seen[0].query["DateSent>"] == "2026-11-21T03:00:00Z"
    assert [seen.query.get("Page") for seen in provider.seen] == [None, "1", "2"]


async def test_catching_up_lists_the_files_of_a_message(connector, provider):
    path = f"/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages/SM{1:032x}/Media/ME{1:032x}"
    provider.answer(200, page(listed(1, num_media="1"), listed(2, num_media="2")))
    provider.answer(200, {"media_list": [{"uri": f"{path}.json", "content_type": "image/jpeg"}]})
    provider.answer(404, refusal(20404, 404))  # deleted since: the message is not lost for that
    first, second = await caught_up(connector("sms", base_url=provider.url))
    assert first.files == (model.RemoteFile(provider.url + path, "image/jpeg"),)
    assert second.text == "pesan 2"
    assert second.files == ()


async def test_a_service_catches_up_on_what_came_by_its_channel(connector, provider):
    service, other = "MG" + "0" * 31 + "1", "MG" + "0" * 31 + "2"
    messages = [
        listed(1, messaging_service_sid=service),
        listed(2, messaging_service_sid=other),
        listed(3, **{"from": "whatsapp:+6281200001234", "messaging_service_sid": service}),
        listed(4, to="+6281200000002"),
    ]
    provider.answer(200, page(*messages))
    settings = {"base_url": provider.url, "sender": None, "messaging_service_sid": service}
    assert [message.text for message in await caught_up(connector("sms", **settings))] == ["pesan 1", "pesan 4"]
    assert [message.text for message in await caught_up(connector("whatsapp", **settings))] == ["pesan 3"]
    assert "To" not in provider.seen[0].query


async def test_a_service_with_a_preferred_sender_catches_up_on_all_its_senders(connector, provider, outbound):
    service = "MG" + "0" * 31 + "1"
    other = listed(2, to="+6281200000002", messaging_service_sid=service)
    provider.answer(200, page(listed(1, messaging_service_sid="MG" + "0" * 31 + "2"), other))
    provider.answer(201, {"sid": "SM9"})
    sms = connector("sms", base_url=provider.url, messaging_service_sid=service)
    assert [message.text for message in await caught_up(sms)] == ["pesan 1", "pesan 2"]
    assert "To" not in provider.seen[0].query
    await sms.send(outbound())
    assert (provider.seen[1].form["From"], provider.seen[1].form["MessagingServiceSid"]) == (OURS, service)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, refusal(20003, 401)),
        (500, b""),
        (200, b"<html>"),
        (200, {"other": 1, "things": 2}),
        (200, page({"direction": "inbound", "from": "+62", "to": OURS})),
        (200, page(listed(1, **{"from": 5}))),
    ],
)
async def test_catching_up_fails_as_transient_whatever_happens(connector, provider, status, body):
    provider.answer(status, body)
    with pytest.raises(errors.TransientSendError):
        await caught_up(connector("sms", base_url=provider.url))


async def test_catching_up_out_of_reach_is_transient(connector, provider):
    provider.hang()
    with pytest.raises(errors.TransientSendError):
        await caught_up(connector("sms", base_url=provider.url, timeout_seconds=0.2))


async def test_a_working_account_passes_the_check(connector, provider):
    provider.answer(200, {"sid": "AC1", "status": "active"})
    await connector("sms", base_url=provider.url).check()
    assert provider.seen[0].path == "/2010-04-01/Accounts/AC00000000000000000000000000000001.json"


async def test_an_api_key_is_checked_by_what_it_may_read(connector, provider):
    provider.answer(200, page(listed(1)))
    keys = {"api_key_sid": "SK" + "0" * 32, "api_key_secret": "rahasia"}
    await connector("sms", base_url=provider.url, **keys).check()
    assert provider.seen[0].path.endswith("/Messages.json")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (401, refusal(20003, 401), errors.AccountSuspended),
        (404, refusal(20404, 404), errors.AccountSuspended),
        (200, {"status": "suspended"}, errors.AccountSuspended),
        (200, {"status": "closed"}, errors.AccountSuspended),
        (400, refusal(21211), errors.TransientSendError),
        (502, b"", errors.TransientSendError),
        (200, b"x", errors.TransientSendError),
    ],
)
async def test_the_check_tells_refused_from_unreachable(connector, provider, status, body, expected):
    provider.answer(status, body)
    with pytest.raises(expected):
        await connector("sms", base_url=provider.url).check()


async def test_closing_without_having_sent_is_fine(connector):
    await connector("sms").close()
