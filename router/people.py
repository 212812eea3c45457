"""People: signing in with lock-out and one-time codes, sessions, absence."""

import asyncio
import secrets
from datetime import datetime, timedelta

import argon2
import pyotp

from core import errors, ids, model
from core import text as plain
from router.desk import SYSTEM, Desk, actor, require
from storage import audit, people
from storage.transaction import Tx

SESSION = timedelta(hours=12)
MIN_PASSWORD = 10  # characters
_TOUCH_EVERY = timedelta(minutes=5)
_TRIES, _LOCK = 5, timedelta(minutes=5)
_TOTP_STEP = 30
_hasher = argon2.PasswordHasher()
# One answer for all that is wrong, a lock included: it tells nobody who exists.
_WRONG = (
    "Nama pengguna, kata sandi, atau kode tidak cocok. Setelah beberapa kali salah, masuk ditahan beberapa menit; "
    "silakan coba lagi nanti."
)
_LONGEST_DOUBLING = 4  # a lock is a weapon too: nobody shall keep a colleague out for a day
# Verified for unknown user names, so that the time an answer takes does not tell who exists.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$G1tTzTzyGO1sTh6TQ2M2Xo0lRuvKn1eqGlF1JDzMO0Y"


async def sign_in(desk: Desk, office_id: str, username: str, password: str, code: str = "") -> str:
    """Return the token of a new session; NotAllowed, without saying which part was wrong.

    Five failures lock the name for 5 minutes, doubled each time up to 80; a lock holds against the right password.
    """
    username = username.strip().lower()
    now = desk.clock.now()
    known = await desk.store.write(lambda tx: people.credentials(tx, office_id, username))
    is_locked = known is not None and _is_locked(known, now)
    is_right = await asyncio.to_thread(_matches, _NOBODY if known is None else known.password_hash, password)
    counter = None if known is None or known.totp_secret is None else _totp_counter(known, code, now)
    if (
        known is None
        or is_locked
        or not is_right
        or not known.person.is_active
        or (known.totp_secret is not None and counter is None)
    ):
        if known is not None:
            await desk.store.write(lambda tx: _failed(tx, office_id, username, now))
        raise errors.NotAllowed(_WRONG)
    token = secrets.token_urlsafe(32)

    def act(tx: Tx) -> None:
        # While the password was verified, others may have tried as well: the lock and the code hold for them too.
        current = people.credentials(tx, office_id, username)
        if (
            current is None
            or current.password_hash != known.password_hash
            or not current.person.is_active
            or _is_locked(current, now)
            or (counter is not None and current.totp_used is not None and counter <= current.totp_used)
        ):
            raise errors.NotAllowed(_WRONG)
        people.set_trials(tx, known.person.id, 0, None)
        if counter is not None:
            people.set_totp_used(tx, known.person.id, counter)
        people.open_session(tx, token, known.person.id, now, now + SESSION)
        audit.append_office(tx, office_id, now, actor(known.person), "signed_in")

    await desk.store.write(act)
    return token


async def enter(desk: Desk, office_id: str, username: str) -> str:
    """Return the token of a new session without any proof: for training, where nothing is real."""
    now = desk.clock.now()
    token = secrets.token_urlsafe(32)

    def act(tx: Tx) -> None:
        known = people.credentials(tx, office_id, username)
        if known is None:
            raise errors.NotFound("no such person")
        people.open_session(tx, token, known.person.id, now, now + SESSION)
        audit.append_office(tx, office_id, now, actor(known.person), "signed_in", training=True)

    await desk.store.write(act)
    return token


async def session(desk: Desk, token: str) -> model.Person | None:
    """Return the person of a live session, None when it has ended."""
    now = desk.clock.now()
    found = await desk.store.read(lambda tx: people.session(tx, token, now))
    if found is None:
        return None
    person, seen_at = found
    if now - seen_at > _TOUCH_EVERY:
        await desk.store.write(lambda tx: people.touch_session(tx, token, now, now + SESSION))
    return person


async def sign_out(desk: Desk, token: str, person: model.Person) -> None:
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        people.end_session(tx, token)
        audit.append_office(tx, person.office_id, now, actor(person), "signed_out")

    await desk.store.write(act)


async def add(
    desk: Desk,
    office_id: str,
    username: str,
    name: str,
    role: model.Role,
    password: str,
    totp_secret: str | None = None,
) -> model.Person:
    """Add a person, by the operator; NotAllowed for a short password or a taken name."""
    desk.offices.get(office_id)
    username, name = username.strip().lower(), plain.one_line(name, 100)
    if not username or not username.replace(".", "").replace("-", "").replace("_", "").isalnum():
        raise errors.NotAllowed("a user name consists of letters, digits, dot, hyphen and underscore")
    if len(password) < MIN_PASSWORD:
        raise errors.NotAllowed(f"a password has at least {MIN_PASSWORD} characters")
    password_hash = await asyncio.to_thread(_hasher.hash, password)
    now = desk.clock.now()

    def act(tx: Tx) -> model.Person:
        person = people.add(tx, office_id, username, name, role, password_hash, totp_secret, now)
        audit.append_office(tx, office_id, now, SYSTEM, "person_added", person=person.id, role=role)
        return person

    return await desk.store.write(act)


async def is_anybody(desk: Desk, office_id: str) -> bool:
    return bool(await desk.store.read(people.all_, office_id))


async def set_password(desk: Desk, office_id: str, username: str, password: str, totp_secret: str | None) -> None:
    """Give somebody a new password, by the operator; ends every session and lock. NotFound, NotAllowed.

    Without a new `totp_secret` the old one stays: a forgotten password must not cost the second proof.
    """
    if len(password) < MIN_PASSWORD:
        raise errors.NotAllowed(f"a password has at least {MIN_PASSWORD} characters")
    password_hash = await asyncio.to_thread(_hasher.hash, password)
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        known = people.credentials(tx, office_id, username.strip().lower())
        if known is None:
            raise errors.NotFound("no such person")
        people.set_secrets(tx, known.person.id, password_hash, totp_secret or known.totp_secret)
        audit.append_office(tx, office_id, now, SYSTEM, "password_set", person=known.person.id)

    await desk.store.write(act)


async def set_active(desk: Desk, office_id: str, username: str, *, is_active: bool) -> None:
    """Let somebody in no longer, or again, by the operator. What he holds goes back to its queue. NotFound."""
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        known = people.credentials(tx, office_id, username.strip().lower())
        if known is None:
            raise errors.NotFound("no such person")
        people.set_active(tx, known.person.id, is_active)
        audit.append_office(
            tx, office_id, now, SYSTEM, "person_activated" if is_active else "person_removed", person=known.person.id
        )

    await desk.store.write(act)


async def of_office(desk: Desk, office_id: str) -> list[model.Person]:
    """Return everybody of an office, for the operator."""
    return await desk.store.read(people.all_, office_id)


async def colleagues(desk: Desk, person: model.Person) -> list[model.Person]:
    return await desk.store.read(lambda tx: people.all_(tx, person.office_id))


async def set_absence(
    desk: Desk, person: model.Person, of: ids.PersonId, absent_from: datetime | None, absent_until: datetime | None
) -> None:
    """Note that somebody is away; a supervisor may for anybody, everybody for himself. None, None: present again."""
    if of != person.id:
        require(person, model.Role.SUPERVISOR)
    if absent_from is not None and absent_until is not None and absent_until <= absent_from:
        raise errors.NotAllowed("Akhir ketidakhadiran harus sesudah mulainya.")
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        if people.get(tx, of).office_id != person.office_id:
            raise errors.NotFound("no such person")
        people.set_absence(tx, of, absent_from, absent_until)
        audit.append_office(
            tx,
            person.office_id,
            now,
            actor(person),
            "absence_set",
            person=of,
            absent_from=absent_from,
            absent_until=absent_until,
        )

    await desk.store.write(act)


def new_totp_secret() -> str:
    return pyotp.random_base32()


def totp_uri(secret: str, username: str, issuer: str) -> str:
    """Return the `otpauth:` address that an authenticator app reads."""
    return pyotp.TOTP(secret).provisioning_uri(name=username, issuer_name=issuer)


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def _totp_counter(known: people.Credentials, code: str, now: datetime) -> int | None:
    """Return the time step whose code was given, once: None for a wrong code and for one already used."""
    totp = pyotp.TOTP(known.totp_secret or "")
    present = int(now.timestamp()) // _TOTP_STEP
    for counter in (present - 1, present, present + 1):
        if secrets.compare_digest(totp.generate_otp(counter).encode(), code.strip().encode()):
            return None if known.totp_used is not None and counter <= known.totp_used else counter
    return None


def _is_locked(known: people.Credentials, now: datetime) -> bool:
    return known.locked_until is not None and known.locked_until > now


def _failed(tx: Tx, office_id: str, username: str, now: datetime) -> None:
    known = people.credentials(tx, office_id, username)
    if known is None or _is_locked(known, now):
        return  # one more failure must not end the lock that another has set meanwhile
    failures = known.failures + 1
    locked_until = now + _LOCK * 2 ** min(failures // _TRIES - 1, _LONGEST_DOUBLING) if failures % _TRIES == 0 else None
    people.set_trials(tx, known.person.id, failures, locked_until)
    if locked_until is not None:
        audit.append_office(tx, office_id, now, SYSTEM, "sign_in_locked", person=known.person.id, failures=failures)
