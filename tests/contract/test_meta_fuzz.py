"""Whatever Meta's webhooks may hold: one error leaves the reader, nothing is dropped, all that comes out can be stored.

ADUAN_FUZZ is how many mutated webhooks are read; each is made by its number alone, so that the number in a failure
makes it again.
"""

import copy
import json
import os
import random
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.meta import batches, payload
from core import errors, model, text

COUNT = int(os.environ.get("ADUAN_FUZZ", "3000"))
APP = "200000000000001"
FOLDERS = ("messenger", "facebook_comments", "instagram")
FIXTURES = Path(__file__).parents[1] / "fixtures"
RECORDED = [json.loads(path.read_bytes()) for folder in FOLDERS for path in sorted((FIXTURES / folder).glob("*.json"))]
LISTS = ("messaging", "standby", "changes")

HOSTILE = [
    *(None, True, False, 0, -1, 1.5, 10**18, 10**400, float("nan"), float("inf"), -180.1, 1795316400, 1795316400000),
    *("", " ", "x", "0", "7.1", "\x00", "\ud800", "\udfff\ud83d", "a\u202eb", "\u2028", "9" * 30, "é" * 5000),
    *("http://", "https://[", "https://contoh.example/a b", "https://scontent.xx.fbcdn.net/x?\x00", "javascript:1"),
    *("add", "remove", "edited", "hide", "comment", "post", "image", "location", "fallback", "react", "mentions"),
    *([], {}, [[]], [None], {"": None}, {"id": {}}, {"url": []}, {"mid": 5}, [{"type": {}}], {"mids": "x"}),
    *("100000000000001", 100000000000001, "17800000000000001", "2026-11-22", "2026-11-22T03:00:00+9999"),
]  # fmt: skip


def places(value, path=()):
    """Yield the path of everything in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield (*path, key)
        yield from places(each, (*path, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def mutated(number: int) -> object:
    chance = random.Random(number)
    batch = copy.deepcopy(chance.choice(RECORDED))
    for _ in range(chance.randint(1, 6)):
        found = list(places(batch))
        if chance.random() < 0.9:  # what is around the events is soon known
            found = [place for place in found if len(place) > 3] or found
        if not found:
            break
        *around, key = chance.choice(found)
        inside = at(batch, around)
        act = chance.randrange(6)
        if act == 0:
            del inside[key]
        elif act == 1 and isinstance(inside, dict):
            inside[chance.choice(["message", "id", "field", "item", "hologram", "\ud800"])] = inside.pop(key)
        elif act == 2 and isinstance(inside, list):
            inside.insert(0, copy.deepcopy(inside[key]))
        elif act == 3:
            other = chance.choice(RECORDED)
            inside[key] = copy.deepcopy(at(other, chance.choice(list(places(other)))))
        else:
            inside[key] = copy.deepcopy(chance.choice(HOSTILE))
    return batch


def body_of(number: int) -> bytes:
    chance = random.Random(-number - 1)
    body = bytearray(json.dumps(mutated(number)).encode())
    if chance.random() < 0.1:  # broken on the way rather than odd from the start
        for _ in range(chance.randint(1, 3)):
            if body:
                body[chance.randrange(len(body))] = chance.randrange(256)
    return bytes(body)


def count_of_events(batch) -> int:
    """Count the events of a batch, told apart from how it is read: an entry that holds none that can be read is one."""
    count = 0
    for entry in batch["entry"]:
        known = isinstance(entry, dict) and payload.identifier(entry.get("id")) is not None
        lists = [entry[key] for key in LISTS if key in entry] if known else []
        if known and "field" in entry:
            lists = [entry[key] for key in LISTS[:2] if key in entry] + [[entry["field"]]]
        count += sum(map(len, lists)) if lists and all(isinstance(each, list) for each in lists) else 1
    return count


def check_fit(event: model.InboundEvent) -> None:
    """Assert what storage and pages rely on."""
    written = event.message if isinstance(event, model.Revision) else event
    assert isinstance(written, get_args(model.InboundEvent))
    for name in ("provider_id", "address"):
        value = getattr(written, name, "x")
        assert value
        assert value.isascii()
        assert value.isprintable()
    at_ = getattr(written, "sent_at", None) or getattr(written, "until", None) or getattr(written, "at", None)
    assert at_ is None or at_.utcoffset() == timedelta(0)
    words = [getattr(written, name, None) for name in ("text", "name", "sign", "reason", "thread", "reference")]
    words += [*getattr(written, "details", {}).values(), *getattr(written, "replies_to", ())]
    words += [part for file in getattr(written, "files", ()) for part in (file.url, file.name, file.media_type)]
    for each in words:
        assert each is None or text.clean(each) == each


def check(body: bytes) -> bool:
    """Read a body and assert all that holds for every one; return whether it was a batch."""
    try:
        batch = batches.load(body)
        outcomes = batches.outcomes(batch, APP)
    except errors.PayloadError:
        return False
    assert len(outcomes) == count_of_events(batch)
    for outcome in outcomes:
        assert outcome
        for event in () if isinstance(outcome, payload.Ignored) else outcome:
            check_fit(event)
            if isinstance(event, model.Unreadable):
                again = batches.read(batches.load(event.body), APP)
                assert again == [event]
    return True


@pytest.mark.parametrize("batch", RECORDED)
def test_what_was_recorded_passes(batch):
    assert check(json.dumps(batch).encode())


def test_mutated_webhooks_raise_one_error_and_drop_nothing(capsys):
    batches_read = 0
    for number in range(COUNT):
        try:
            batches_read += check(body_of(number))
        except Exception as error:
            raise AssertionError(f"webhook number {number}: {error!r}") from error
    assert batches_read > COUNT * 2 / 3  # else the mutations only test the first look
    with capsys.disabled():
        print(f"\n{COUNT} mutated webhooks of Meta read, {batches_read} of them as batches")  # noqa: T201 - the figure is asked for


NAMES = sorted({place[-1] for batch in RECORDED for place in places(batch) if isinstance(place[-1], str)})
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)
ENTRIES = st.lists(
    st.fixed_dictionaries({"id": st.just("100000000000001"), "time": JSON})
    | st.fixed_dictionaries(
        {"id": st.just("100000000000001")},
        optional={name: st.lists(JSON, max_size=3) for name in LISTS} | {"field": JSON, "value": JSON},
    )
    | JSON,
    max_size=3,
)


@given(st.sampled_from(["page", "instagram"]), ENTRIES)
def test_arbitrary_events_raise_one_error_and_drop_nothing(platform, entries):
    assert check(json.dumps({"object": platform, "entry": entries}).encode())


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bodies_raise_one_error(body):
    check(body)
