"""Only what Twilio signed for our address and our account comes in; nothing else, and no other error, comes out."""

from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors import twilio_forms
from core import errors, ports

ACCOUNT_SID = "AC00000000000000000000000000000001"
OLD, NEW = "token-lama-0000", "token-baru-0000"
PUBLIC_URL = "https://aduan.contoh.id"
SIGNATURES = twilio_forms.Signatures([OLD, NEW], ACCOUNT_SID, PUBLIC_URL)


@pytest.fixture
def text(form):
    return form("whatsapp", "text")


@pytest.mark.parametrize("token", [OLD, NEW])
def test_either_token_proves_a_request_during_rotation(sign, text, token):
    SIGNATURES.verify(sign(text, token=token))


def test_a_third_token_proves_nothing(sign, text):
    with pytest.raises(errors.SignatureError, match="does not fit"):
        SIGNATURES.verify(sign(text, token="lain"))


@pytest.mark.parametrize(
    "target",
    [
        "/hooks/wa",
        "/hooks/wa/",
        "/hooks/wa/status?ob=7.1",
        "/hooks/wa?x=%2F%20+a&kosong=&x=2",
        "/hooks/akun%20baru",
        "/hooks/wa?bodySHA256=00",
    ],
)
def test_the_address_counts_as_it_was_called(sign, text, target):
    SIGNATURES.verify(sign(text, target))


@pytest.mark.parametrize("called", ["/hooks/wa/", "/hooks/wb", "/hooks/wa?ob=1", "hooks/wa", "", "/hooks/\udce9"])
def test_another_address_is_refused(sign, text, called):
    with pytest.raises(errors.SignatureError):
        SIGNATURES.verify(replace(sign(text), target=called))


@pytest.mark.parametrize(
    ("public_url", "signed_for"),
    [
        ("https://aduan.contoh.id", "https://aduan.contoh.id/hooks/wa"),
        ("https://aduan.contoh.id/", "https://aduan.contoh.id/hooks/wa"),
        ("https://aduan.contoh.id", "https://aduan.contoh.id:443/hooks/wa"),
        ("https://aduan.contoh.id:8443", "https://aduan.contoh.id:8443/hooks/wa"),
        ("https://aduan.contoh.id:8443", "https://aduan.contoh.id/hooks/wa"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/hooks/wa"),
        ("https://contoh.id/aduan", "https://contoh.id/aduan/hooks/wa"),
    ],
)
def test_the_configured_public_url_is_what_the_provider_signed(sign, text, public_url, signed_for):
    # Behind a proxy the request itself names another host, scheme and port: see the `host` header of the fixture.
    twilio_forms.Signatures([OLD], ACCOUNT_SID, public_url).verify(sign(text, signed_url=signed_for))


@pytest.mark.parametrize("signed_for", ["http://aduan.contoh.id/hooks/wa", "https://10.0.0.5:8080/hooks/wa"])
def test_a_signature_for_another_host_or_scheme_is_refused(sign, text, signed_for):
    with pytest.raises(errors.SignatureError):
        SIGNATURES.verify(sign(text, signed_url=signed_for))


def test_every_changed_byte_is_refused(sign, text):
    request = sign(text)
    for index in range(0, len(text), 7):
        changed = bytearray(text)
        changed[index] = ord("z") if changed[index] != ord("z") else ord("y")
        with pytest.raises(errors.SignatureError):
            SIGNATURES.verify(replace(request, body=bytes(changed)))


@pytest.mark.parametrize(
    "body",
    [
        f"AccountSid={ACCOUNT_SID}&Body=&Leer=&MessageSid=SM1",
        f"AccountSid={ACCOUNT_SID}&MediaUrl=b&MediaUrl=a&MediaUrl=a&MessageSid=SM1",
        f"AccountSid={ACCOUNT_SID}&Body={quote('é 🙏 %25')}&MessageSid=SM1",
        f"AccountSid={ACCOUNT_SID}&Body=++spasi+di+tepi+&MessageSid=SM1",
        f"AccountSid={ACCOUNT_SID}&Body={'a' * 2**20}",
    ],
)
def test_empty_repeated_untrimmed_and_large_fields_are_proven(sign, body):
    SIGNATURES.verify(sign(body.encode()))


@pytest.mark.parametrize("header", ["", "x", "é", "\udce9", "=" * 10_000, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="])
def test_a_forged_header_is_refused(sign, text, header):
    with pytest.raises(errors.SignatureError):
        SIGNATURES.verify(replace(sign(text), headers={"x-twilio-signature": header}))


def test_a_missing_header_is_refused(sign, text):
    with pytest.raises(errors.SignatureError, match="no signature"):
        SIGNATURES.verify(replace(sign(text), headers={}))


def test_a_sha256_signature_is_refused_for_we_hold_no_shared_key(sign, text):
    request = sign(text)
    headers = {**request.headers, "x-twilio-webhooks-signature-settings": "key=x,algorithm=HMAC_SHA256"}
    longer = {**headers, "x-twilio-signature": request.headers["x-twilio-signature"] * 2}
    with pytest.raises(errors.SignatureError):
        SIGNATURES.verify(replace(request, headers=longer))


@pytest.mark.parametrize(
    "body",
    [
        "AccountSid=AC00000000000000000000000000000002&MessageSid=SM1",
        "MessageSid=SM1",
        f"AccountSid={ACCOUNT_SID}&AccountSid=AC00000000000000000000000000000002",
        '{"AccountSid": "' + ACCOUNT_SID + '"}',
        "",
    ],
)
def test_a_proven_request_about_another_account_is_refused(sign, body):
    with pytest.raises(errors.SignatureError, match="another account"):
        SIGNATURES.verify(sign(body.encode()))


def test_too_many_fields_are_refused_before_they_are_read(sign):
    body = "&".join(f"a{number}=1" for number in range(1_001)).encode()
    request = ports.RawRequest("wa", "/hooks/wa", {"x-twilio-signature": "x"}, body, sign(b"").received_at)
    with pytest.raises(errors.SignatureError, match="too many fields"):
        SIGNATURES.verify(request)


@given(st.text(max_size=40), st.text(st.characters(), max_size=60), st.binary(max_size=300))
def test_nothing_but_a_signature_error_is_raised(header, target, body):
    request = ports.RawRequest("wa", f"/{target}", {"x-twilio-signature": header}, body, None)
    with pytest.raises(errors.SignatureError):
        SIGNATURES.verify(request)
