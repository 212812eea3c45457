"""The contract of text messages through Twilio; what it shares with WhatsApp is tested there."""

import pytest
from pydantic import ValidationError

from connectors import registry
from core import model


def sid(number):
    return f"SM{number:032x}"


def read(connector, sign, body, target="/hooks/sms"):
    request = sign(body, target)
    sms = connector("sms")
    sms.verify(request)
    (event,) = sms.parse(request)
    return event


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text", {"provider_id": sid(1001), "text": "CEK#KTP#1872994507950003"}),
        ("stop", {"provider_id": sid(1003), "text": "STOP", "consent": model.Consent.OUT}),
        ("berhenti", {"provider_id": sid(1004), "text": "berhenti", "consent": model.Consent.OUT}),
        ("start", {"provider_id": sid(1005), "text": "MULAI", "consent": model.Consent.IN}),
        ("help", {"provider_id": sid(1006), "text": "HELP"}),
        ("empty", {"provider_id": sid(1007), "content": model.Content.EMPTY}),
        ("emoji", {"provider_id": sid(1008), "text": "😢😢"}),
        ("alphanumeric_sender", {"provider_id": sid(1009), "text": "Promo", "address": "TOKOCONTOH"}),
        ("short_code", {"provider_id": sid(1010), "text": "Kode", "address": "62999"}),
        ("old_sid_only", {"provider_id": sid(1011), "text": "halo"}),
    ],
)
def test_a_message_is_read_as_the_citizen_wrote_it(connector, sign, form, name, expected):
    message = read(connector, sign, form("sms", name))
    whole = {"address": "+6281200001234", **expected}
    is_number = whole["address"].startswith("+")  # a name or a short code is nobody's proven number
    assert message == model.InboundMessage(identity=whole["address"] if is_number else None, **whole)


def test_a_concatenated_message_is_whole(connector, sign, form):
    message = read(connector, sign, form("sms", "long"))
    assert message.text.startswith("Yth. Kepala Dinas, ")
    assert message.text.endswith("dilayani. ")
    assert len(message.text) > 480


def test_a_picture_message_has_its_file(connector, sign, form):
    message = read(connector, sign, form("sms", "picture"))
    assert [file.media_type for file in message.files] == ["image/jpeg"]
    assert message.content is model.Content.TEXT


@pytest.mark.parametrize(
    ("body", "opt_out_type", "expected"),
    [
        ("stop!", "", model.Consent.OUT),
        ('"Berhenti"', "", model.Consent.OUT),
        ("mulai", "", model.Consent.IN),
        ("UNSUBSCRIBE", "STOP", model.Consent.OUT),
        ("YES", "START", model.Consent.IN),
        ("berhenti dong kirim iklan", "", None),
        ("Kapan pungli berhenti", "", None),
        ("", "", None),
    ],
)
def test_only_a_message_that_is_nothing_but_the_word_withdraws_consent(connector, sign, body, opt_out_type, expected):
    raw = f"MessageSid=SM1&From=%2B6281200001234&Body={body}&OptOutType={opt_out_type}".encode()
    (message,) = connector("sms").parse(sign(raw))
    assert message.consent is expected


def test_an_office_may_choose_its_own_words(connector, sign):
    sms = connector("sms", stop_words=["CUKUP"], start_words=["LANJUT"])
    consents = [
        sms.parse(sign(f"MessageSid=SM1&From=x&Body={word}".encode()))[0].consent
        for word in ("cukup", "lanjut", "stop")
    ]
    assert consents == [model.Consent.OUT, model.Consent.IN, None]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("status_delivered", (model.DeliveryState.DELIVERED, None)),
        ("status_undelivered", (model.DeliveryState.FAILED, "30003")),
        ("status_canceled", (model.DeliveryState.FAILED, None)),
    ],
)
def test_a_status_callback_is_a_receipt(connector, sign, form, name, expected):
    receipt = read(connector, sign, form("sms", name), "/hooks/sms/status?ob=9.2")
    assert (receipt.state, receipt.error_code, receipt.reference) == (*expected, "9.2")


@pytest.mark.parametrize("sender", ["+6281200000001", "62999", "DISDUKCAPIL"])
async def test_a_text_message_is_sent_from_its_sender(connector, provider, outbound, sender):
    provider.answer(201, {"sid": "SM9"})
    sms = connector("sms", base_url=provider.url, sender=sender, validity_period_seconds=600)
    assert (await sms.send(outbound(address="+6281200001234", text="a" * 1600, window_open=False))).provider_id == "SM9"
    form = provider.seen[0].form
    assert (form["From"], form["To"], form["Body"]) == (sender, "+6281200001234", "a" * 1600)
    assert form["ValidityPeriod"] == "600"


def test_what_the_channel_promises():
    capabilities = registry.CHANNELS["sms"].capabilities
    assert (capabilities.label, capabilities.mark) == ("SMS", "SMS")
    assert capabilities.max_text == model.Limit(1600, "characters")
    assert capabilities.text_form is model.TextForm.SHORT
    assert capabilities.reply_window is None
    assert capabilities.receipts
    assert not capabilities.read_receipts
    assert not capabilities.templates
    assert not capabilities.idempotent_send
    assert capabilities.automatic_per_day == 15


@pytest.mark.parametrize(
    "wrong",
    [
        {"account_sid": "AC1"},
        {"auth_tokens": []},
        {"auth_tokens": ["a", "b", "c"]},
        {"auth_tokens": [""]},
        {"sender": None},
        {"sender": "whatsapp:+6281200000001"},
        {"api_key_sid": "SK" + "1" * 32},
        {"base_url": "ftp://contoh.id"},
        {"base_url": "https://contoh.id?x=1"},
        {"messaging_service_sid": "MG1"},
        {"validity_period_seconds": 0},
        {"timeout_seconds": 0},
        {"tidak_dikenal": 1},
    ],
)
def test_wrong_settings_are_refused(connector, wrong):
    with pytest.raises(ValidationError):
        connector("sms", **wrong)


def test_secrets_do_not_show(connector):
    entry = registry.CHANNELS["sms"]
    values = {"account_sid": "AC" + "0" * 32, "auth_tokens": ["rahasia-1"], "sender": "62999"}
    values |= {"api_key_sid": "SK" + "0" * 32, "api_key_secret": "rahasia-2"}
    assert "rahasia" not in repr(entry.settings.model_validate(values))
