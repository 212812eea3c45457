"""Sealing: opens to what was sealed, notices any change, and outlives the replacement of a secret."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import ids
from storage.vault import Vault

OLD, NEW = b"o" * 32, b"n" * 40
VAULT = Vault((OLD,))


@given(st.binary())
def test_what_was_sealed_opens_and_never_looks_the_same_twice(plain):
    assert VAULT.open(VAULT.seal(plain, "row/1"), "row/1") == plain
    assert VAULT.seal(plain, "row/1") != VAULT.seal(plain, "row/1")


@given(st.binary(min_size=1, max_size=50), st.data())
def test_one_changed_bit_or_a_lost_end_is_noticed(plain, data):
    sealed = bytearray(VAULT.seal(plain, "row/1"))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError):
        VAULT.open(bytes(sealed), "row/1")
    with pytest.raises(ValueError):
        VAULT.open(VAULT.seal(plain, "row/1")[: data.draw(st.integers(0, len(sealed) - 1))], "row/1")


def test_what_was_sealed_for_one_row_opens_in_no_other():
    sealed = VAULT.seal(b"whatsapp:+6281200000001", "contact/1/address")
    with pytest.raises(ValueError, match="moved"):
        VAULT.open(sealed, "contact/2/address")


def test_a_new_secret_seals_and_the_old_ones_still_open_and_find():
    both = Vault((NEW, OLD))
    assert both.open(VAULT.seal(b"3599", "row/1"), "row/1") == b"3599"
    assert both.find_key("number", "3599") == VAULT.find_key("number", "3599")
    assert both.pin("contoh/ADU-2026-000001") == VAULT.pin("contoh/ADU-2026-000001")
    assert both.chain_hash(b"x") == VAULT.chain_hash(b"x")
    with pytest.raises(ValueError, match="unknown secret"):
        VAULT.open(both.seal(b"3599", "row/1"), "row/1")


def test_keys_of_different_purposes_and_secrets_have_nothing_in_common():
    keys = [VAULT.find_key("number", "x"), VAULT.find_key("address", "x"), Vault((NEW,)).find_key("number", "x")]
    assert len(set(keys)) == 3
    assert VAULT.find_key("a", "b\0c") != VAULT.find_key("a\0b", "c") or VAULT.find_key("a", "bc") != keys[0]
    assert VAULT.derived_key("cookies") != VAULT.derived_key("hooks")
    assert len(VAULT.derived_key("cookies")) == 32


@pytest.mark.parametrize("secrets", [(), (b"short",), (OLD, b"short")])
def test_a_weak_secret_is_refused(secrets):
    with pytest.raises(ValueError, match="32 bytes"):
        Vault(secrets)


@given(st.text())
def test_a_pin_has_always_the_same_six_digits(of):
    pin = VAULT.pin(of.encode(errors="replace").decode())
    assert len(pin) == ids.PIN_DIGITS
    assert pin.isascii()
    assert pin.isdigit()
