"""Reports of mail systems: what they say of our mails, and that nobody else can say it; our tokens, which prove it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mail import reading, tokens
from core import ids, model

FIXTURES = Path(__file__).parents[1] / "fixtures" / "mail"
NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
KEY = b"kunci-uji-0000000000000000000000"
OTHER_KEY = b"kunci-lain-000000000000000000000"
BASE = "pengaduan@kota-contoh.example"
KNOWN = reading.Known(frozenset({BASE}), KEY, "kota-contoh")
NUMBER = ids.Number("ADU", 2026, 123)
OWN_ID = tokens.message_id(7, NUMBER, KEY, "kota-contoh.example")


def read(raw):
    (event,) = reading.read(raw, KNOWN, NOW)
    return event


def report(name="bounce_failed", **values):
    told = {
        "recipient": BASE,
        "action": "failed",
        "status": "5.1.1",
        "diagnostic": "smtp; 550 5.1.1 <tidak.ada@example.net>: Recipient address rejected: User unknown",
        "message_id": OWN_ID,
        "disposition": "displayed",
        **values,
    }
    raw = (FIXTURES / f"{name}.eml").read_text()
    for key, value in told.items():
        raw = raw.replace("{" + key + "}", value)
    return raw.encode()


@pytest.mark.parametrize(
    ("status", "diagnostic", "refusal"),
    [
        ("5.1.1", "smtp; 550 5.1.1 User unknown", model.Refusal.NO_SUCH_ADDRESS),
        ("5.2.2", "smtp; 552 5.2.2 Over quota", model.Refusal.MAILBOX_FULL),
        ("4.2.2", "smtp; 452 4.2.2 Over quota", model.Refusal.MAILBOX_FULL),
        ("5.3.4", "smtp; 552 5.3.4 Message too big", model.Refusal.TOO_LARGE),
        ("4.4.1", "x", model.Refusal.UNREACHABLE),
        ("5.0.0", "smtp; 550 5.1.1 User unknown", model.Refusal.NO_SUCH_ADDRESS),
        ("5.7.1", "smtp; 554 5.7.1 blocked using Spamhaus", model.Refusal.SPAM),
    ],
)
def test_a_failure_says_what_it_means(status, diagnostic, refusal):
    assert read(report(status=status, diagnostic=diagnostic)) == model.DeliveryReceipt(
        OWN_ID, model.DeliveryState.FAILED, error_code=status, refusal=refusal
    )


@pytest.mark.parametrize(
    ("action", "state"),
    [
        ("delayed", model.DeliveryState.ACCEPTED),
        ("Delivered", model.DeliveryState.DELIVERED),
        ("relayed (to x)", model.DeliveryState.ACCEPTED),
    ],
)
def test_what_is_no_failure_does_not_fail_it(action, state):
    assert read(report(action=action, status="4.4.1")) == model.DeliveryReceipt(OWN_ID, state)


@pytest.mark.parametrize(
    "message_id",
    [
        "<awal@mail.example.org>",  # of another mail
        OWN_ID.replace("000123", "000124"),
        tokens.message_id(7, NUMBER, OTHER_KEY, "kota-contoh.example"),
        "",
    ],
)
def test_a_report_that_is_not_provably_about_our_mail_changes_nothing(message_id):
    """5.3.15: forged, or about somebody else's mail."""
    message = read(report(message_id=message_id))
    assert isinstance(message, model.InboundMessage)
    assert (message.is_automatic, message.details["automatic"]) == (True, "bounce")
    assert message.files


def test_the_bounce_address_names_the_mail_where_the_report_does_not():
    address = tokens.bounce_address(BASE, OWN_ID)
    receipt = read(report(message_id="<x@y.example>", recipient=address.upper()))
    assert (receipt.provider_id, receipt.state) == (OWN_ID, model.DeliveryState.FAILED)


@pytest.mark.parametrize(
    ("disposition", "state"),
    [
        ("displayed", model.DeliveryState.READ),
        ("deleted", model.DeliveryState.DELIVERED),
        ("displayed/error", model.DeliveryState.READ),
    ],
)
def test_a_read_receipt_says_so(disposition, state):
    assert read(report("read_receipt", disposition=disposition)) == model.DeliveryReceipt(OWN_ID, state)


@pytest.mark.parametrize("values", [{"message_id": "<x@y.example>"}, {"disposition": "entah"}])
def test_a_read_receipt_of_nothing_of_ours_is_a_mail_of_a_machine(values):
    message = read(report("read_receipt", **values))
    assert message.details["automatic"] == "report"


def test_a_bounce_in_no_standard_form_goes_to_a_person():
    message = read(report("bounce_odd"))
    assert message.is_automatic
    assert "user unknown" in message.text


# --- Tokens -----------------------------------------------------------------------------------------------------------

NUMBERS = st.builds(
    ids.Number,
    st.from_regex("[A-Z]{1,10}", fullmatch=True),
    st.integers(2000, 2099),
    st.integers(1, 999_999_999),
)


@given(st.integers(0, 2**63 - 1), NUMBERS | st.none())
def test_our_message_id_names_its_outbox_row(outbox_id, number):
    made = tokens.message_id(outbox_id, number, KEY, "Kota-Contoh.example")
    assert tokens.outbox_of(made, KEY) == outbox_id
    assert tokens.outbox_of(made.upper(), KEY) == outbox_id
    assert tokens.outbox_of(made, OTHER_KEY) is None
    assert tokens.normal_id(made) == made == tokens.message_id(outbox_id, number, KEY, "kota-contoh.example")
    bounce = tokens.bounce_address("bounce@kota-contoh.example", made)
    assert tokens.bounced(bounce, KEY) == made
    assert tokens.bounced(bounce, OTHER_KEY) is None


@given(NUMBERS)
def test_the_address_for_answers_names_the_complaint(number):
    address = tokens.reply_address(BASE, number, KEY)
    assert tokens.number_in_address(address, KEY) == number
    assert tokens.number_in_address(address.upper(), KEY) == number
    assert tokens.number_in_address(address, OTHER_KEY) is None
    assert tokens.number_in_subject(f"Re: {tokens.subject_tag(number)} KTP") == number


@given(NUMBERS, st.data())
def test_a_token_with_one_character_changed_is_none(number, data):
    for made, read_it in (
        (tokens.reply_address(BASE, number, KEY), tokens.number_in_address),
        (tokens.message_id(7, number, KEY, "kota-contoh.example"), tokens.outbox_of),
    ):
        stop = made.rindex("@")
        at = data.draw(st.integers(made.find("+") + 1 if "+" in made else 1, stop - 1))
        letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz0123456789.-+"))
        forged = made[:at] + letter + made[at + 1 :]
        if forged != made:
            assert read_it(forged, KEY) is None


def test_a_token_of_one_kind_is_none_of_another():
    local = tokens.reply_token(NUMBER, KEY)
    assert tokens.bounced(f"a+{local}@kota-contoh.example", KEY) is None
    assert tokens.number_in_address(tokens.bounce_address(BASE, OWN_ID), KEY) is None


def test_addresses_fit_a_local_part():
    longest = tokens.message_id(2**63 - 1, ids.Number("ADU", 2026, 999_999), KEY, "x.example")
    assert len(tokens.bounce_address("pengaduan@x.example", longest).partition("@")[0]) <= 64


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Re: [ADU-2026-000123] KTP", NUMBER),
        ("re: [ adu-2026-123 ] KTP", NUMBER),
        ("tindak lanjut ADU-2026-000123", NUMBER),
        ("SK-2026-000999 dan [ADU-2026-000123]", NUMBER),
        ("nomor 2026-000123", None),
        ("3299-2026-000123", None),
        ("", None),
    ],
)
def test_the_subject_names_a_complaint(subject, expected):
    assert tokens.number_in_subject(subject) == expected


@pytest.mark.parametrize(
    ("in_reply_to", "references", "expected"),
    [
        ("<a@x.example>", "<c@x.example> <b@x.example>", ["a", "b", "c"]),
        ("<a@x.example>", "<b@x.example><a@x.example>", ["a", "b"]),
        ("a@x.example", "", ["a"]),
        ("Your message of Sunday", "", []),
        ("<>", "< >", []),
        ("<a@x.example> (Siti)", "", ["a"]),
    ],
)
def test_what_a_mail_answers(in_reply_to, references, expected):
    assert tokens.replies_to(in_reply_to, references) == tuple(f"<{each}@x.example>" for each in expected)
