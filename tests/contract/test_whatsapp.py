"""The contract of WhatsApp through Twilio."""

import json
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import registry, twilio_forms
from core import errors, model, ports

MEDIA = (
    "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages/MM{:032x}/Media/ME{:032x}"
)
WORDS = twilio_forms.Words(["BERHENTI", "STOP"], ["MULAI", "START"])
TEMPLATES = {
    "acknowledgement": {"content_sid": "HX" + "1" * 32, "variables": ["nomor", "batas"]},
    "delay_notice": {"content_sid": "HX" + "2" * 32},
}

NAMES = (
    "MessageSid SmsSid SmsStatus MessageStatus AccountSid From Body NumMedia MediaUrl0 MediaUrl1 MediaContentType0 "
    "MessageType Latitude Longitude Label ButtonText ListId ProfileName OptOutType ErrorCode Forwarded "
    "OriginalRepliedMessageSid MediaUrl999 Lain"
)
FIELDS = st.sampled_from(NAMES.split())
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["SM1", "whatsapp:+6281200001234", "failed", "read", "400", "-7.1", "true", "order", "STOP"]),
)


def read(connector, sign, body, target="/hooks/wa"):
    request = sign(body, target)
    whatsapp = connector("whatsapp")
    whatsapp.verify(request)
    (event,) = whatsapp.parse(request)
    return event


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "text",
            {"text": "Assalamualaikum, KTP-el saya sudah 3 bulan belum dicetak. Mohon informasinya 🙏\nTerima kasih."},
        ),
        (
            "media",
            {
                "text": "ini min buktinya ya",
                "files": (
                    model.RemoteFile(MEDIA.format(2, 32), "image/jpeg"),
                    model.RemoteFile(MEDIA.format(2, 33), "image/jpeg"),
                    model.RemoteFile(MEDIA.format(2, 34), "application/pdf"),
                ),
            },
        ),
        ("voice_note", {"files": (model.RemoteFile(MEDIA.format(3, 48), "audio/ogg"),)}),
        ("sticker", {"files": (model.RemoteFile(MEDIA.format(4, 64), "image/webp"),)}),
        (
            "location",
            {
                "content": model.Content.LOCATION,
                "details": {
                    "latitude": "-7.6453",
                    "longitude": "112.9075",
                    "address": "Jalan Contoh 1, Kota Contoh",
                    "label": "Kantor Kecamatan",
                },
            },
        ),
        (
            "contact_card",
            {"content": model.Content.CONTACT_CARD, "files": (model.RemoteFile(MEDIA.format(6, 96), "text/vcard"),)},
        ),
        (
            "button",
            {
                "text": "Ya, sudah selesai",
                "content": model.Content.BUTTON,
                "details": {"button_text": "Ya, sudah selesai", "button_payload": "selesai"},
                "replies_to": ("MM" + f"{99:032x}",),
            },
        ),
        (
            "list_reply",
            {
                "text": "KTP-el",
                "content": model.Content.BUTTON,
                "details": {"button_text": "KTP-el", "button_payload": "ktp"},
            },
        ),
        ("reply", {"text": "ini maksudnya gimana pak", "replies_to": ("SM" + f"{99:032x}",)}),
        ("forwarded", {"text": "Info penting dari grup RT", "details": {"forwarded": "often"}}),
        ("empty", {"content": model.Content.EMPTY}),
        ("unknown_type", {"content": model.Content.UNSUPPORTED, "details": {"type": "order"}}),
        ("unknown_fields", {"text": "halo"}),
        ("bsuid", {"text": "min ktp sy kpn jadi?", "address": "whatsapp:US.ABC123XYZ", "identity": None}),
        ("stop", {"text": " Berhenti. ", "consent": model.Consent.OUT}),
        ("messaging_service", {"text": "halo"}),
    ],
)
def test_a_message_is_read_as_the_citizen_wrote_it(connector, sign, form, name, expected):
    body = form("whatsapp", name)
    sid = next(part.partition("=")[2] for part in body.decode().split("&") if part.startswith("MessageSid="))
    sender = {"address": "whatsapp:+6281200001234", "identity": "+6281200001234", "name": "Siti Rahma"}
    common = {"provider_id": sid, **sender}
    assert read(connector, sign, body) == model.InboundMessage(**{**common, **expected})


def test_a_message_forwarded_once_says_so(connector, sign):
    (message,) = connector("whatsapp").parse(sign(b"MessageSid=SM1&From=whatsapp:x&Body=a&Forwarded=true"))
    assert message.details == {"forwarded": "once"}


def test_a_hostile_profile_name_is_cleaned_and_cut(connector, sign, form):
    message = read(connector, sign, form("whatsapp", "hostile_name"))
    assert message.name == "gnp.<b>Siti</b>" + "a" * 104 + "…"
    assert len(message.name) == 120


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("status_queued", (model.DeliveryState.ACCEPTED, None)),
        ("status_sending", (model.DeliveryState.ACCEPTED, None)),
        ("status_sent", (model.DeliveryState.ACCEPTED, None)),
        ("status_delivered", (model.DeliveryState.DELIVERED, None)),
        ("status_read", (model.DeliveryState.READ, None)),
        ("status_failed", (model.DeliveryState.FAILED, "63016")),
        ("status_undelivered", (model.DeliveryState.FAILED, "63024")),
    ],
)
def test_a_status_callback_is_a_receipt_with_our_reference(connector, sign, form, name, expected):
    receipt = read(connector, sign, form("whatsapp", name), "/hooks/wa/status?ob=7.1")
    assert isinstance(receipt, model.DeliveryReceipt)
    assert (receipt.state, receipt.error_code, receipt.reference) == (*expected, "7.1")
    assert receipt.provider_id.startswith("SM0000")


@pytest.mark.parametrize("target", ["/hooks/wa/status", "/hooks/wa/status?ob=", "/hooks/wa/status?ob=a%00b&ob=7.1"])
def test_a_status_callback_without_a_usable_reference_has_none(connector, sign, form, target):
    assert read(connector, sign, form("whatsapp", "status_read"), target).reference is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"NumMedia": "abc", "Body": "x"}, (model.Content.TEXT, 0)),
        ({"NumMedia": "400"}, (model.Content.UNSUPPORTED, 0)),  # a file was sent, but its address is missing
        ({"NumMedia": "abc", "MediaUrl0": "https://a.contoh/1"}, (model.Content.TEXT, 1)),
        ({"NumMedia": "0", "MediaUrl3": "https://a.contoh/1", "MediaUrlx": "y"}, (model.Content.TEXT, 1)),
        ({f"MediaUrl{number}": "https://a.contoh/1" for number in range(400)}, (model.Content.TEXT, 20)),
        ({"MessageType": "location", "Latitude": "abc", "Longitude": "1"}, (model.Content.UNSUPPORTED, 0)),
        ({"MessageType": "reaction", "Body": "👍"}, (model.Content.UNSUPPORTED, 0)),
        ({"Body": " \n\t"}, (model.Content.EMPTY, 0)),
        ({"Body": "a" * 2**20}, (model.Content.TEXT, 0)),
    ],
)
def test_an_odd_form_becomes_a_visible_message(connector, sign, fields, expected):
    body = urlencode({"MessageSid": "SM1", "From": "whatsapp:+6281200001234", **fields}).encode()
    (message,) = connector("whatsapp").parse(sign(body))
    assert (message.content, len(message.files)) == expected
    assert len(message.text) == len(fields.get("Body", ""))


def test_text_that_would_break_the_database_is_cleaned(connector, sign):
    body = b"MessageSid=SM1&From=whatsapp:x&Body=a%00b%ED%A0%80%E2%80%AEc&Label=x"
    (message,) = connector("whatsapp").parse(sign(body))
    assert message.text == "ab\ufffd\ufffd\ufffdc"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("From=whatsapp:x&Body=a", "no message SID"),
        ("MessageSid=&From=whatsapp:x", "no message SID"),
        ("MessageSid=a%00b&From=whatsapp:x", "no message SID"),
        (f"MessageSid={'a' * 65}&From=whatsapp:x", "no message SID"),
        ("MessageSid=SM1&Body=a", "no sender"),
        ("MessageSid=SM1&From=", "no sender"),
        ("MessageSid=SM1&From=a%00b", "no sender"),
        ("MessageSid=SM1&From=x&MessageStatus=teleported", "unknown message status teleported"),
        ("MessageStatus=read", "no message SID"),
        ("", "no message SID"),
        ("&".join(f"a{number}=1" for number in range(1_001)), "too many fields"),
    ],
)
def test_what_cannot_be_read_is_a_payload_error(connector, sign, body, reason):
    with pytest.raises(errors.PayloadError, match=reason):
        connector("whatsapp").parse(sign(body.encode()))


@given(st.lists(st.tuples(FIELDS, VALUES), max_size=12), st.text(max_size=20))
def test_parsing_raises_nothing_but_a_payload_error(pairs, target):
    body = urlencode(pairs).encode()
    try:
        event = twilio_forms.read_event(target, twilio_forms.read_form(body), WORDS)
    except errors.PayloadError:
        return
    for value in (event.provider_id, *([event.text, event.name or ""] if hasattr(event, "text") else [])):
        assert "\x00" not in value
        value.encode("utf-8")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_form_or_a_payload_error(body):
    form = twilio_forms.read_form(body)
    assert all(isinstance(value, str) for values in form.values() for value in values)


def test_the_200_says_nothing_to_the_citizen(connector):
    kind, body = connector("whatsapp").reply()
    assert kind == "text/xml"
    assert "<Response/>" in body


async def test_an_answer_is_sent_as_configured(connector, provider, outbound):
    provider.answer(201, {"sid": "SM9", "status": "queued"})
    sent = await connector("whatsapp", base_url=provider.url).send(outbound())
    assert sent == model.Sent("SM9")
    (seen,) = provider.seen
    assert seen.path == "/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json"
    assert seen.form == {
        "To": "whatsapp:+6281200001234",
        "From": "whatsapp:+6281200000001",
        "Body": "Yth. Ibu Siti, KTP-el Ibu sudah dapat diambil.",
        "StatusCallback": "https://aduan.contoh.id/hooks/wa/status?ob=7.1",
        "ValidityPeriod": "14400",
    }


async def test_a_messaging_service_chooses_the_sender(connector, provider, outbound):
    provider.answer(201, {"sid": "SM9"})
    service = "MG" + "0" * 31 + "1"
    await connector("whatsapp", base_url=provider.url, sender=None, messaging_service_sid=service).send(outbound())
    assert provider.seen[0].form["MessagingServiceSid"] == service
    assert "From" not in provider.seen[0].form


async def test_text_at_the_length_limit_is_sent_whole(connector, provider, outbound):
    provider.answer(201, {"sid": "SM9"})
    longest = "é" * (registry.CHANNELS["whatsapp"].capabilities.max_text.count - 2) + "🙏"
    await connector("whatsapp", base_url=provider.url).send(outbound(text=longest))
    assert provider.seen[0].form["Body"] == longest


async def test_after_the_window_closed_the_template_is_sent(connector, provider, outbound):
    provider.answer(201, {"sid": "SM9"})
    message = outbound(
        kind=model.MessageKind.ACKNOWLEDGEMENT,
        window_open=False,
        variables={"nomor": "ADU-2026-000123", "batas": "Selasa,\n 24 November", "lain": "x"},
    )
    await connector("whatsapp", base_url=provider.url, templates=TEMPLATES).send(message)
    form = provider.seen[0].form
    assert form["ContentSid"] == "HX" + "1" * 32
    assert json.loads(form["ContentVariables"]) == {"1": "ADU-2026-000123", "2": "Selasa, 24 November"}
    assert "Body" not in form


async def test_a_template_without_variables_and_one_with_an_empty_value(connector, provider, outbound):
    provider.answer(201, {"sid": "SM9"})
    whatsapp = connector("whatsapp", base_url=provider.url, templates=TEMPLATES)
    await whatsapp.send(outbound(kind=model.MessageKind.DELAY_NOTICE, window_open=False))
    assert "ContentVariables" not in provider.seen[0].form
    empty = {"nomor": "1", "batas": " "}
    await whatsapp.send(outbound(kind=model.MessageKind.ACKNOWLEDGEMENT, window_open=False, variables=empty))
    assert json.loads(provider.seen[1].form["ContentVariables"]) == {"1": "1", "2": "-"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"kind": model.MessageKind.ANSWER}, errors.ReplyWindowClosed),
        ({"kind": model.MessageKind.ACKNOWLEDGEMENT, "variables": {"nomor": "1"}}, errors.PermanentSendError),
    ],
)
async def test_without_a_fitting_template_nothing_is_sent(connector, provider, outbound, changes, expected):
    whatsapp = connector("whatsapp", base_url=provider.url, templates=TEMPLATES)
    with pytest.raises(expected):
        await whatsapp.send(outbound(window_open=False, **changes))
    assert not provider.seen


def test_what_the_channel_promises():
    capabilities = registry.CHANNELS["whatsapp"].capabilities
    assert (capabilities.label, capabilities.mark) == ("WhatsApp", "WA")
    assert capabilities.max_text == model.Limit(1600, "characters")
    assert capabilities.reply_window == timedelta(hours=24)
    assert capabilities.templates
    assert capabilities.receipts
    assert capabilities.read_receipts
    assert capabilities.answerable
    assert not capabilities.idempotent_send
    assert capabilities.automatic_per_day == 15
    assert not capabilities.is_public


def test_the_connector_is_what_the_program_expects(connector):
    whatsapp = connector("whatsapp")
    assert (whatsapp.channel, whatsapp.capabilities) == ("whatsapp", registry.CHANNELS["whatsapp"].capabilities)
    webhook: ports.WebhookConnector = whatsapp
    sender: ports.Sender = whatsapp
    assert webhook is sender
