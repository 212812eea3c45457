"""Only what Meta signed comes in, whichever app secret it was signed with; nothing but SignatureError comes out."""

import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.meta import signature
from core import errors, ports

OLD, NEW, INSTAGRAM = "rahasia-lama", "rahasia-baru", "rahasia-instagram"
SIGNATURES = signature.Signatures([OLD, NEW, INSTAGRAM], "kata-kunci-é")
HEADER = "x-hub-signature-256"
BODY = json.dumps({"object": "page", "entry": [{"text": "Mohon informasinya 🙏 <a/>"}]}).replace("/", "\\/").encode()
SUBSCRIPTION = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": "kata-kunci-é"}


def with_header(request: ports.RawRequest, **headers: str) -> ports.RawRequest:
    return replace(request, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize("secret", [OLD, NEW, INSTAGRAM])
def test_each_secret_proves_a_request(meta_request, secret):
    SIGNATURES.verify(meta_request(BODY, secret=secret))


def test_another_secret_proves_nothing(meta_request):
    with pytest.raises(errors.SignatureError, match="does not fit"):
        SIGNATURES.verify(meta_request(BODY, secret="rahasia-lain"))


@pytest.mark.parametrize(
    "changed",
    [
        BODY.replace(b"page", b"pagf"),
        BODY + b"\n",
        BODY[:-1],
        json.dumps(json.loads(BODY)).encode(),
        json.dumps(json.loads(BODY), ensure_ascii=False).encode(),
        b"",
    ],
)
def test_what_was_signed_are_the_bytes_and_not_their_meaning(meta_request, changed):
    with pytest.raises(errors.SignatureError):
        SIGNATURES.verify(replace(meta_request(BODY), body=changed))


def test_no_signature_is_called_so(meta_request):
    with pytest.raises(errors.SignatureError, match="carries no signature"):
        SIGNATURES.verify(replace(meta_request(BODY), headers={}))


def test_the_older_signature_alone_proves_nothing(meta_request):
    old = "sha1=" + hmac.new(OLD.encode(), BODY, hashlib.sha1).hexdigest()
    for headers in ({"x_hub_signature": old}, {"x_hub_signature_256": old}):
        with pytest.raises(errors.SignatureError):
            SIGNATURES.verify(with_header(meta_request(BODY), **headers))


@pytest.mark.parametrize("given_", ["", "sha256=", "sha256=é", "sha256=\udce9", "\x00", "sha256=" + "0" * 64, "0" * 64])
def test_an_odd_signature_is_refused_and_no_other_error(meta_request, given_):
    with pytest.raises(errors.SignatureError):
        SIGNATURES.verify(with_header(meta_request(BODY), x_hub_signature_256=given_))


@pytest.mark.parametrize(
    "change", [lambda it: it.removeprefix("sha256="), str.upper, lambda it: it[:-1], lambda it: it * 2]
)
def test_a_signature_that_is_nearly_right_is_refused(meta_request, change):
    proven = meta_request(BODY, secret=OLD)
    with pytest.raises(errors.SignatureError):
        SIGNATURES.verify(with_header(proven, x_hub_signature_256=change(proven.headers[HEADER])))


@given(st.dictionaries(st.sampled_from([HEADER, "x-hub-signature", "host"]), st.text()), st.binary())
def test_whatever_comes_is_refused_with_one_error(headers, body):
    request = ports.RawRequest("meta", "/hooks/meta", headers, body, None)
    with pytest.raises(errors.SignatureError):
        SIGNATURES.verify(request)


class TestHandshake:
    @pytest.mark.parametrize("channel", ["messenger", "facebook_comments", "instagram", "instagram_comments"])
    def test_the_challenge_goes_back_whichever_account_is_asked(self, meta_connector, channel):
        query = {**SUBSCRIPTION, "hub.verify_token": "kata-kunci"}
        assert meta_connector(channel).answer_handshake(query) == "1158201444"

    def test_a_token_beyond_ascii_is_one_too(self):
        assert SIGNATURES.answer_handshake(SUBSCRIPTION) == "1158201444"

    @pytest.mark.parametrize(
        "change",
        [
            {"hub.verify_token": "kata-kunci"},
            {"hub.verify_token": ""},
            {"hub.verify_token": "\udce9"},
            {"hub.mode": "unsubscribe"},
            {"hub.mode": ""},
            {"hub.challenge": ""},
            {"hub.challenge": "1" * 1001},
            {"hub.challenge": "1\r\nSet-Cookie: x=1"},
            {"hub.challenge": "\udce9"},
        ],
    )
    def test_anything_else_is_refused(self, change):
        with pytest.raises(errors.SignatureError):
            SIGNATURES.answer_handshake({**SUBSCRIPTION, **change})

    @pytest.mark.parametrize("missing", SUBSCRIPTION)
    def test_what_is_missing_is_refused(self, missing):
        with pytest.raises(errors.SignatureError):
            SIGNATURES.answer_handshake({name: value for name, value in SUBSCRIPTION.items() if name != missing})

    @given(st.dictionaries(st.sampled_from(sorted(SUBSCRIPTION)), st.text()))
    def test_whatever_is_asked_there_is_one_error(self, query):
        with pytest.raises(errors.SignatureError):
            SIGNATURES.answer_handshake(query)
