"""Signing in: right once, wrong without a hint, locked for longer each time; sessions that end."""

import asyncio
from datetime import timedelta

import argon2
import pyotp
import pytest

from core import errors, model
from router import assignment, people
from storage import audit
from storage import people as stored

PASSWORD = "kata sandi yang panjang"
# The rules are the subject here, not the cost: the right parameters are asked for in a test of their own.
_CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
async def office(world, monkeypatch):
    """An office whose admin `siti` signs in with PASSWORD; its hashes are cheap."""
    monkeypatch.setattr(people, "_hasher", _CHEAP)
    monkeypatch.setattr(people, "_NOBODY", _CHEAP.hash("nobody's"))
    await people.add(world.desk, "contoh", " Siti ", "Siti Rahma", model.Role.ADMIN, PASSWORD)
    return world


async def sign_in(office, username="siti", password=PASSWORD, code=""):
    return await people.sign_in(office.desk, "contoh", username, password, code)


async def person(office, username="siti"):
    return next(row for row in await office.rows("person") if row.username == username)


async def audited(office):
    return [entry.action for entry in await office.look(audit.of_chain, "contoh", audit.OFFICE_CHAIN)]


def test_passwords_are_hashed_as_rfc_9106_asks_and_an_unknown_name_costs_the_same():
    asked = argon2.extract_parameters(people._NOBODY)
    assert asked.memory_cost * asked.time_cost >= 3 * 65536
    assert argon2.extract_parameters(people._hasher.hash("x")) == asked


async def test_the_right_password_opens_a_session_that_slides_ends_and_can_be_ended(office):
    token = await sign_in(office, " SITI ")
    siti = await people.session(office.desk, token)
    assert siti.name == "Siti Rahma"
    [row] = await office.rows("session")
    assert token.encode() not in row.token_hash
    office.clock.at += people.SESSION - timedelta(minutes=1)
    assert await people.session(office.desk, token) is not None
    office.clock.at += people.SESSION - timedelta(seconds=1)
    assert await people.session(office.desk, token) is not None  # it was used meanwhile
    office.clock.at += people.SESSION
    assert await people.session(office.desk, token) is None
    assert await people.session(office.desk, "x" * 43) is None
    token = await sign_in(office)
    await people.sign_out(office.desk, token, siti)
    assert await people.session(office.desk, token) is None
    assert (await audited(office))[-3:] == ["signed_in", "signed_in", "signed_out"]


async def test_wrong_name_password_and_inactive_person_are_told_alike(office):
    await office.desk.store.write(stored.set_active, (await person(office, "kedua")).id, False)
    told = set()
    for username, password in [("siti", "salah"), ("tidak-ada", PASSWORD), ("kedua", PASSWORD), ("siti", "")]:
        with pytest.raises(errors.NotAllowed) as refused:
            await sign_in(office, username, password)
        told.add(str(refused.value))
    assert len(told) == 1
    assert await office.rows("session") == []
    for username, password in [("baru", "pendek"), ("a b", PASSWORD), ("siti", PASSWORD), ("", PASSWORD)]:
        with pytest.raises(errors.NotAllowed):
            await people.add(office.desk, "contoh", username, "X", model.Role.ADMIN, password)


async def test_five_failures_lock_the_name_for_twice_as_long_each_time_against_the_right_password_too(office):
    for minutes in (5, 10, 20):
        for _ in range(5):
            with pytest.raises(errors.NotAllowed):
                await sign_in(office, password="salah")
        assert (await person(office)).locked_until == office.clock.at + timedelta(minutes=minutes)
        office.clock.forward(minutes=minutes, seconds=-1)
        with pytest.raises(errors.NotAllowed, match="ditahan"):
            await sign_in(office)
        office.clock.forward(seconds=1)
    assert (await audited(office)).count("sign_in_locked") == 3
    await sign_in(office)
    assert (await person(office)).failures == 0


async def test_guesses_made_at_once_get_no_further_than_guesses_made_one_by_one(office, monkeypatch):
    gate = asyncio.Event()
    waiting = asyncio.Semaphore(0)
    to_thread = asyncio.to_thread

    async def together(work, *args):
        if work is people._matches and args[1] == PASSWORD:  # the right one is verified last
            waiting.release()
            await gate.wait()
        return await to_thread(work, *args)

    monkeypatch.setattr(asyncio, "to_thread", together)
    right = asyncio.create_task(sign_in(office))
    await waiting.acquire()
    await asyncio.gather(*(sign_in(office, password=f"tebakan {n}") for n in range(8)), return_exceptions=True)
    gate.set()
    with pytest.raises(errors.NotAllowed):
        await right
    assert await office.rows("session") == []


async def test_a_one_time_code_is_good_once_and_near_its_time(office):
    secret = people.new_totp_secret()
    await people.set_password(office.desk, "contoh", "siti", PASSWORD, secret)
    totp = pyotp.TOTP(secret)

    def code(steps):
        return totp.at(office.clock.at + timedelta(seconds=30 * steps))

    for wrong in ("", "000000", code(-3), code(3)):
        with pytest.raises(errors.NotAllowed):
            await sign_in(office, code=wrong)
    results = await asyncio.gather(*(sign_in(office, code=code(0)) for _ in range(3)), return_exceptions=True)
    assert sorted(isinstance(result, str) for result in results) == [False, False, True]
    for used in (code(0), code(-1)):
        with pytest.raises(errors.NotAllowed):
            await sign_in(office, code=used)
    await sign_in(office, code=f" {code(1)} ")


async def test_a_new_password_ends_every_session_and_every_lock(office):
    token = await sign_in(office)
    for _ in range(5):
        with pytest.raises(errors.NotAllowed):
            await sign_in(office, password="salah")
    await people.set_password(office.desk, "contoh", "siti", "sandi baru yang lain", None)
    assert await people.session(office.desk, token) is None
    with pytest.raises(errors.NotAllowed):
        await sign_in(office)
    assert await sign_in(office, password="sandi baru yang lain")
    with pytest.raises(errors.NotFound):
        await people.set_password(office.desk, "contoh", "tidak-ada", PASSWORD, None)


async def test_a_password_replaced_while_the_old_one_is_verified_opens_no_session(office, monkeypatch):
    to_thread = asyncio.to_thread

    async def overtaken(work, *args):
        if work is people._matches:
            monkeypatch.setattr(asyncio, "to_thread", to_thread)
            await people.set_password(office.desk, "contoh", "siti", "sandi baru yang lain", None)
        return await to_thread(work, *args)

    monkeypatch.setattr(asyncio, "to_thread", overtaken)
    with pytest.raises(errors.NotAllowed):
        await sign_in(office)
    assert await office.rows("session") == []


async def test_whoever_left_is_let_in_no_longer_and_what_he_held_goes_back(office):
    token = await sign_in(office)
    await office.arrives()
    [item] = await office.rows("complaint")
    siti = await people.session(office.desk, token)
    await assignment.claim(office.desk, siti, item.id)
    await people.set_active(office.desk, "contoh", "siti", is_active=False)
    assert await people.session(office.desk, token) is None
    with pytest.raises(errors.NotAllowed):
        await sign_in(office)
    await assignment.release_absent(office.desk)
    [item] = await office.rows("complaint")
    assert (item.assignee_id, item.state) == (None, model.ComplaintState.NEW)
    await people.set_active(office.desk, "contoh", "siti", is_active=True)
    assert await sign_in(office)
    with pytest.raises(errors.NotFound):
        await people.set_active(office.desk, "contoh", "nobody", is_active=False)
