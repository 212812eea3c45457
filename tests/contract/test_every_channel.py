"""What every registered channel keeps, whichever is added: driven by what its connector offers, never by its name.

Only where its raw items lie and how its provider proves them is said for each, in harnesses.py.
"""

import contextlib
import dataclasses
import json
import random
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pydantic
import pytest

from connectors import registry
from core import errors, model, ports, text
from tests.contract.conftest import FIXTURES, PUBLIC_URL
from tests.contract.harnesses import HARNESSES, SECRET, connect, own_events, read, settings

RECORDED = [(channel, name) for channel, harness in HARNESSES.items() for name in harness.fixtures()]


def recorded(channel: str, name: str) -> ports.RawRequest:
    harness = HARNESSES[channel]
    return harness.request(harness.fixtures()[name])


def texts_of(value: Any) -> Iterator[str]:
    """Yield every text within an event."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from (*texts_of(name), *texts_of(each))
    elif isinstance(value, tuple | list):
        for each in value:
            yield from texts_of(each)
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from texts_of(getattr(value, field.name))


# --- What arrives -----------------------------------------------------------------------------------------------------


def test_every_channel_is_driven():
    assert set(HARNESSES) == set(registry.CHANNELS)


def test_every_fixture_is_driven():
    driven = {path.relative_to(FIXTURES).with_suffix("") for path in FIXTURES.glob("*/*")}
    assert {Path(HARNESSES[channel].folder, name) for channel, name in RECORDED} == driven


@pytest.mark.parametrize("channel", registry.CHANNELS)
def test_there_are_recorded_items_with_a_message_in_them(channel):
    messages = [event for events in own_events(channel).values() for event in events]
    assert any(isinstance(event, model.InboundMessage) and event.text for event in messages)


@pytest.mark.parametrize(("channel", "name"), RECORDED)
def test_a_recorded_item_is_something_and_clean(channel, name):
    connector, request = connect(channel), recorded(channel, name)
    events = read(connector, request)
    assert events or HARNESSES[channel].ignores(request.body)
    for event in events:
        assert all(text.clean(each) == each for each in texts_of(event))
        for each in (event, *([event.message] if isinstance(event, model.Revision) else [])):
            assert getattr(each, "provider_id", "-").strip()
            assert getattr(each, "address", "-").strip()
        sent_at = getattr(event, "sent_at", None)
        assert sent_at is None or sent_at.tzinfo is not None


@pytest.mark.parametrize("channel", registry.CHANNELS)
def test_reading_is_pure(channel):
    connector, harness = connect(channel), HARNESSES[channel]
    requests = [harness.request(body) for body in harness.fixtures().values()]
    first = [read(connector, request) for request in requests]
    assert [read(connector, request) for request in reversed(requests)] == first[::-1]
    assert [read(connect(channel), request) for request in requests] == first


@pytest.mark.parametrize(("channel", "name"), RECORDED)
def test_what_nobody_knows_yet_changes_nothing(channel, name):
    connector, harness = connect(channel), HARNESSES[channel]
    body = harness.fixtures()[name]
    again = read(connector, harness.request(harness.with_unknown(body)))
    expected = read(connector, harness.request(body))
    if expected and isinstance(expected[0], model.Unreadable):  # quarantined as it came
        assert [event.reason for event in again] == [event.reason for event in expected]
    else:
        assert [replace_bodies(event) for event in again] == [replace_bodies(event) for event in expected]


def replace_bodies(event: Any) -> Any:
    return dataclasses.replace(event, body=b"") if isinstance(event, model.Unreadable) else event


@pytest.mark.parametrize(("channel", "name"), RECORDED)
def test_whatever_comes_is_read_or_refused_with_one_error(channel, name):
    connector, harness = connect(channel), HARNESSES[channel]
    body = harness.fixtures()[name]
    for damaged in (damaged_bodies if hasattr(connector, "parse") else damaged_forms)(body, random.Random(name)):
        with contextlib.suppress(errors.PayloadError):
            read(connector, dataclasses.replace(harness.request(body), body=damaged))


def damaged_bodies(body: bytes, chance: random.Random) -> Iterator[bytes]:
    yield body[: chance.randrange(len(body))]
    yield bytes(chance.randrange(256) if chance.random() < 0.02 else byte for byte in body)
    yield from (b"", b"\x00\xff" * 50, body + body)


def damaged_forms(body: bytes, _: random.Random) -> Iterator[bytes]:
    """What a page's form may hold once somebody else has filled it in."""
    fields = json.loads(body)
    for name in fields:
        yield json.dumps({other: value for other, value in fields.items() if other != name}).encode()
        for odd in ("", "\x00\u202e\ud800", "x" * 20_000, "2026-13-99T99:99"):
            yield json.dumps(fields | {name: odd}).encode()


# --- Proof ------------------------------------------------------------------------------------------------------------

PROVEN = [channel for channel in registry.CHANNELS if hasattr(connect(channel), "verify")]


def a_forged_signature(request: ports.RawRequest) -> ports.RawRequest:
    ((name, given),) = request.headers.items()
    last = "A" if given[-2] != "A" else "B"
    return dataclasses.replace(request, headers={name: given[:-2] + last + given[-1]})


def a_changed_body(request: ports.RawRequest) -> ports.RawRequest:
    middle = len(request.body) // 2
    changed = b"7" if request.body[middle : middle + 1] != b"7" else b"8"
    return dataclasses.replace(request, body=request.body[:middle] + changed + request.body[middle + 1 :])


def a_missing_signature(request: ports.RawRequest) -> ports.RawRequest:
    return dataclasses.replace(request, headers={})


def a_signature_beyond_ascii(request: ports.RawRequest) -> ports.RawRequest:
    return dataclasses.replace(request, headers=dict.fromkeys(request.headers, "f\u00e4lsch \udcff"))


@pytest.mark.parametrize("damage", [a_forged_signature, a_changed_body, a_missing_signature, a_signature_beyond_ascii])
@pytest.mark.parametrize("channel", PROVEN)
def test_what_its_provider_did_not_send_is_refused(channel, damage):
    connector, harness = connect(channel), HARNESSES[channel]
    for body in harness.fixtures().values():
        request = harness.request(body)
        connector.verify(request)
        with pytest.raises(errors.SignatureError):
            connector.verify(damage(request))


@pytest.mark.parametrize("channel", PROVEN)
def test_a_secret_of_another_account_proves_nothing(channel):
    harness, changes = HARNESSES[channel], {"auth_tokens": [SECRET], "app_secrets": [SECRET]}
    its = {name: value for name, value in changes.items() if name in registry.CHANNELS[channel].settings.model_fields}
    assert its
    other = registry.CHANNELS[channel].create("akun", settings(channel, **its), PUBLIC_URL)
    for body in harness.fixtures().values():
        with pytest.raises(errors.SignatureError):
            other.verify(harness.request(body))


@pytest.mark.parametrize("channel", PROVEN)
def test_its_provider_is_told_nothing_but_received(channel):
    content_type, body = connect(channel).reply()
    assert content_type in ("text/xml", "text/plain", "application/json")
    assert len(body) < 100


# --- What it can do ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channel", registry.CHANNELS)
def test_its_capabilities_make_sense(channel):
    able = registry.CHANNELS[channel].capabilities
    assert able.label.strip()
    assert able.mark.strip()
    limits = [able.max_text, *([able.max_private_text] if able.max_private_text else [])]
    assert all(limit.count > 0 for limit in limits)
    assert able.max_attachment_bytes > 0
    assert able.automatic_per_day is None or able.automatic_per_day > 0
    # A window that closes is opened again: by a template, or by what a person writes.
    if able.reply_window is not None:
        assert able.reply_window > timedelta()
        assert able.templates or able.human_reply_window is not None
    if able.human_reply_window is not None:
        assert able.reply_window is not None
        assert able.human_reply_window > able.reply_window
    # What everybody reads says nothing of the complaint.
    assert able.is_public is (able.text_form is model.TextForm.PUBLIC)
    assert able.is_public or not (able.private_replies or able.hiding or able.max_private_text)
    assert able.private_replies is (able.max_private_text is not None)
    assert not (able.is_recorded and able.answerable)
    if not able.answerable:
        assert not any((able.receipts, able.templates, able.reply_window, able.sent_files, able.idempotent_send))
    if able.sent_files is not None:
        assert able.sent_files.media_types
        assert able.sent_files.count > 0
        assert able.sent_files.bytes_each > 0


@pytest.mark.parametrize("channel", registry.CHANNELS)
def test_its_connector_has_what_its_capabilities_promise(channel):
    connector = connect(channel)
    able = connector.capabilities
    entry = registry.CHANNELS[channel].capabilities
    # Settings may take a feature away that the provider has not granted, and never add one.
    assert connector.channel == channel
    assert dataclasses.replace(able, human_reply_window=entry.human_reply_window) == entry
    assert able.human_reply_window in (None, entry.human_reply_window)
    ways_in = [name for name in ("parse", "parse_form", "parse_chat", "parse_record") if hasattr(connector, name)]
    assert len(ways_in) == 1
    assert hasattr(connector, "send") is able.answerable
    assert able.is_recorded is hasattr(connector, "parse_record") is hasattr(connector, "fields")
    assert able.presence is hasattr(connector, "parse_chat")
    has_provider = hasattr(connector, "parse")
    for name in ("send", "check", "close"):
        assert hasattr(connector, name) or not has_provider
    # Nothing is lost while we are away: the provider tells what it holds, or the mailbox keeps it.
    assert hasattr(connector, "verify") is hasattr(connector, "reply") is hasattr(connector, "catch_up")
    assert has_provider is (hasattr(connector, "verify") or hasattr(connector, "listen"))


@pytest.mark.parametrize("channel", registry.CHANNELS)
def test_what_it_promises_to_tell_is_among_what_was_recorded(channel):
    connector = connect(channel)
    events = [event for found in own_events(channel).values() for event in found]
    able = connector.capabilities
    if hasattr(connector, "parse"):  # our own page tells by itself what it has shown
        states = {event.state for event in events if isinstance(event, model.DeliveryReceipt | model.Watermark)}
        told = states & {model.DeliveryState.DELIVERED, model.DeliveryState.READ, model.DeliveryState.FAILED}
        assert bool(told) is able.receipts
        assert model.DeliveryState.READ in states or not able.read_receipts
    assert any(isinstance(event, model.Withdrawal) for event in events) is able.withdrawals
    files = [file for event in events for file in getattr(event, "files", ())]
    assert hasattr(connector, "fetch") or not any(isinstance(file, model.RemoteFile) for file in files)
    assert all(event.consent is None or able.answerable for event in events if isinstance(event, model.InboundMessage))


# --- Settings ---------------------------------------------------------------------------------------------------------


def secrets_within(fields: type[pydantic.BaseModel]) -> Iterator[str]:
    """Yield the names of a model's secrets, those of the models within it too."""
    for name, field in fields.model_fields.items():
        if "SecretStr" in str(field.annotation):
            yield name
        for inner in _models(field.annotation):
            yield from (f"{name}.{each}" for each in secrets_within(inner))


def _models(annotation: Any) -> Iterator[type[pydantic.BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)


@pytest.mark.parametrize("channel", registry.CHANNELS)
def test_a_setting_that_does_not_exist_is_refused(channel):
    with pytest.raises(pydantic.ValidationError, match="something_new"):
        settings(channel, something_new=1)


def with_secrets(channel: str) -> pydantic.BaseModel:
    """Return settings with SECRET for every secret that the account has."""

    def fill(fields: type[pydantic.BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
        filled = dict(given)
        for name, field in fields.model_fields.items():
            if "SecretStr" in str(field.annotation) and name in given:
                filled[name] = [SECRET] if isinstance(given[name], list) else SECRET
            elif isinstance(given.get(name), Mapping):
                for inner in _models(field.annotation):
                    filled[name] = fill(inner, given[name])
        return filled

    entry = registry.CHANNELS[channel]
    return entry.settings.model_validate(fill(entry.settings, HARNESSES[channel].settings))


@pytest.mark.parametrize("channel", registry.CHANNELS)
def test_no_secret_shows(channel):
    filled = with_secrets(channel)
    connector = registry.CHANNELS[channel].create("akun", filled, PUBLIC_URL)
    assert SECRET not in f"{filled!r} {filled} {connector!r} {connector}"
    # Whatever is called a secret is one: a password in a plain field would stand in every traceback.
    named = [
        name
        for name in _names(registry.CHANNELS[channel].settings)
        if name.rpartition(".")[2].endswith(("secret", "secrets", "token", "tokens", "password"))
    ]
    assert set(named) <= set(secrets_within(registry.CHANNELS[channel].settings))


def _names(fields: type[pydantic.BaseModel]) -> Iterator[str]:
    for name, field in fields.model_fields.items():
        yield name
        for inner in _models(field.annotation):
            yield from (f"{name}.{each}" for each in _names(inner))
