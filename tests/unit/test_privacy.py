import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import privacy

MESSAGES = json.loads((Path(__file__).parents[1] / "fixtures" / "messages_id.json").read_text())["messages"]
NIK = "3575990101910001"  # kecamatan 99 does not exist
WOMAN = "3575994101910002"
KK = "3575992302150007"

texts = st.text(alphabet=st.sampled_from("0123456789 .-*+@aZ:\n()\u00a0\u0661"), max_size=200)


def kinds(text):
    return [(found.kind.value, found.digits) for found in privacy.find_numbers(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"NIK {NIK}", [("nik", NIK)]),
        (f"no KK {KK}", [("kk", KK)]),
        (f"nik {NIK} dan kartu keluarga {KK}", [("nik", NIK), ("kk", KK)]),
        ("NIK 3575 9901 0191 0001", [("nik", NIK)]),
        ("NIK 35.75.99.010191.0001", [("nik", NIK)]),
        ("NIK 357599-010191-0001.", [("nik", NIK)]),
        (f"[{WOMAN}]", [("nik", WOMAN)]),  # day 41 is surely a woman's birth date
        (f"KK {WOMAN}", [("nik", WOMAN)]),  # whatever the word before says
        (KK, [("number", KK)]),  # 2015 may be a birth or a record, and no word tells
        (NIK, [("nik", NIK)]),  # 1991 was before there were KK numbers
        ("KK 3575992902000001", [("nik", "3575992902000001")]),  # 2000 was a leap year
        ("NIK 3575992902230001", [("number", "3575992902230001")]),  # 2023 was not
        ("NIK 3575998101910001", [("number", "3575998101910001")]),  # day 81 is none
        ("NIK 9975990101910001", [("number", "9975990101910001")]),  # no such province
        ("NIK 3575000101910001", [("number", "3575000101910001")]),
        ("NIK 3575990101910000", [("number", "3575990101910000")]),
        ("NIK \uff13\uff15759901019100\u0660\u0661", [("nik", NIK)]),  # full-width and Arabic digits
        ("357599010191000", []),
        ("35759901019100011", []),
        ("WA saya 0812 0000 1234 2026", []),  # a phone number and a year
        ("tiket ADU-2026-000123", []),
    ],
)
def test_a_number_of_16_digits_is_found_and_told_apart(text, expected):
    assert kinds(text) == expected


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message["id"])
def test_every_number_of_the_sample_messages_is_found_and_masked(message):
    labelled = [kind for kind in message["pii"] if kind in ("nik", "kk", "nik_pihak_ketiga")]
    found = privacy.find_numbers(message["text"])
    assert len(found) >= len(labelled)
    for number in found:
        assert number.digits not in privacy.mask(message["text"])
    assert not re.search(r"\d{13}", privacy.mask(message["text"]))
    assert not re.search(r"\d{13}", privacy.mask_public(message["text"]))


def test_the_sample_messages_hold_numbers_at_all():
    assert sum(len(privacy.find_numbers(message["text"])) for message in MESSAGES) >= 6


def test_sealing_masks_all_but_the_last_four_and_gives_the_numbers_in_order():
    masked, points = privacy.seal_points(f"NIK {NIK}, KK 3575 9923 0215 0007 ya")
    assert masked == "NIK ************0001, KK ************0007 ya"
    assert [(point.kind, point.digits) for point in points] == [("nik", NIK), ("kk", KK)]
    assert [masked[point.start : point.end] for point in points] == ["************0001", "************0007"]
    assert privacy.unseal(masked, points) == f"NIK {NIK}, KK {KK} ya"


def test_a_mask_that_the_citizen_typed_is_not_taken_for_a_number():
    text = f"************0001 *{NIK}*"
    masked, points = privacy.seal_points(text)
    assert privacy.unseal(masked, points) == text


@given(texts)
def test_unsealing_gives_the_text_back_without_separators_in_its_numbers(text):
    masked, points = privacy.seal_points(text)
    plain = text
    for found in reversed(privacy.find_numbers(text)):
        plain = plain[: found.start] + found.digits + plain[found.end :]
    assert privacy.unseal(masked, points) == plain
    assert all(point.digits not in masked for point in points)


@given(texts)
def test_nothing_of_13_digits_survives_masking(text):
    assert not re.search(r"\d{13}", privacy.mask(text))
    assert not re.search(r"\d(?:[ .\-]?\d){12}", privacy.mask_public(text))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("WA 081200001234 ya", "WA 0812****1234 ya"),
        ("0812-0000-1234", "0812****1234"),
        ("+62 812 0000 1234", "+62812****1234"),
        ("6281200001234", "6281****1234"),
        ("(0343) 4200001", "0343****0001"),
        ("0812-0000-1234 2026", "0812****1234 2026"),
        ("siti.rahma@contoh.id.", "s****@contoh.id."),
        (f"NIK {NIK}", "NIK ************0001"),
        ("NIK 35759901019100011", "NIK ************0011"),  # a digit too many
        ("Nama ibu kandung: Sri Hartini, alamat", "Nama ibu kandung: Sri H****, alamat"),
        ("nomor registrasi 470/1182/2026", "nomor registrasi 470/1182/2026"),
        ("Rp150.000 tanggal 22-11-2026", "Rp150.000 tanggal 22-11-2026"),
    ],
)
def test_masking_for_lists_and_logs(text, masked):
    assert privacy.mask(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (f"NIK {NIK}!", "NIK [nomor disembunyikan]!"),
        ("NIK 357599010191000", "NIK [nomor disembunyikan]"),  # 15 digits: a typing mistake
        ("3575 9901 0191 0", "[nomor disembunyikan]"),
        ("WA 081200001234", "WA [nomor disembunyikan]"),
        ("siti@contoh.id", "[alamat disembunyikan]"),
        ("nama ibu kandung = Sri Hartini", "nama ibu kandung = [nama disembunyikan]"),
        ("sudah 3 bulan, tiket 0042", "sudah 3 bulan, tiket 0042"),
    ],
)
def test_masking_for_everybody(text, masked):
    assert privacy.mask_public(text) == masked


@pytest.mark.parametrize(
    ("name", "masked"),
    [("Siti Rahma", "Siti R****"), ("Siti Nur Rahma", "Siti N**** R****"), ("Siti", "S****"), ("  ", "")],
)
def test_masking_a_name(name, masked):
    assert privacy.mask_name(name) == masked


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("+6281200001234", "+62812****1234"),
        ("whatsapp:+6281200001234", "whatsapp:+62812****1234"),
        ("whatsapp:US.ABC123XYZ", "whatsapp:US****YZ"),
        ("siti.rahma@contoh.id", "s****@contoh.id"),
        ("form:0190c0de-0000-4000-8000-000000000001", "form:01****01"),
        ("12345", "1****"),
        ("+123", "+****"),
        ("", "****"),
    ],
)
def test_masking_an_address(address, masked):
    assert privacy.mask_address(address) == masked


@pytest.mark.parametrize("piece", ["1", "1 ", "a", "a.", "a@", "0812-", "ibu kandung :", "1@1.", "-", "62", "(0", "*"])
@pytest.mark.parametrize("function", [privacy.seal_points, privacy.mask, privacy.mask_public, privacy.mask_address])
def test_hostile_text_of_any_length_is_masked(piece, function):
    # A pattern that needs quadratic time needs minutes here and is seen at once.
    assert function(piece * (200_000 // len(piece)))
