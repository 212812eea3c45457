"""The session of a chat page: a signed token, which the page keeps and sends in a header or a body, never in a URL.

Whoever holds it is the contact. No cookie: a page framed by another site has none of its own in most browsers.
"""

import hashlib
import hmac
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

VALID = timedelta(days=180)  # a complaint may take months
LEAST_AGE = timedelta(seconds=3)  # nobody reads the page and writes faster; programs do


@dataclass(frozen=True, slots=True)
class Session:
    """`id` is a UUID."""

    id: str
    issued_at: datetime


def issue(secret: bytes, account: str, now: datetime) -> str:
    """Return the token of a new session of an account's chat."""
    session, seconds = str(uuid.uuid4()), str(int(now.timestamp()))
    return f"{session}.{seconds}.{_signature(secret, account, session, seconds)}"


def read(secret: bytes, account: str, token: str, now: datetime) -> Session | None:
    """Return the session of a token; None for one that is not ours, of another account, or too old."""
    session, _, rest = token.partition(".")
    seconds, _, signature = rest.partition(".")
    expected = _signature(secret, account, session, seconds).encode()
    if not hmac.compare_digest(expected, signature.encode(errors="replace")):
        return None
    issued_at = datetime.fromtimestamp(int(seconds), UTC)
    return None if now - issued_at > VALID else Session(session, issued_at)


def _signature(secret: bytes, account: str, session: str, seconds: str) -> str:
    content = f"chat\0{account}\0{session}\0{seconds}".encode(errors="replace")
    return hmac.digest(secret, content, hashlib.sha256).hex()
