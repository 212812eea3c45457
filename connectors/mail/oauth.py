"""Access tokens for signing in to a mailbox without a password (XOAUTH2), fetched by a refresh token.

Blocking on purpose: IMAP lives in a thread of its own, and SMTP fetches in one. Source: RFC 6749 section 6; Google,
"OAuth 2.0 mechanism"; Microsoft, "Authenticate an IMAP, POP or SMTP connection using OAuth".
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from core import errors

_SECRET = Annotated[SecretStr, Field(min_length=1)]
_TIMEOUT_SECONDS = 15
_MARGIN_SECONDS = 60  # before its end a token is no longer used
_DEFAULT_LIFE_SECONDS = 600  # where the provider does not say
_MAX_BYTES = 64 * 1024
_REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class Settings(BaseModel):
    """A registered application at the mailbox's provider, and the mailbox owner's leave to it (`refresh_token`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token_url: str
    client_id: Annotated[str, Field(min_length=1)]
    client_secret: _SECRET | None = None
    refresh_token: _SECRET
    scope: str | None = None

    @field_validator("token_url")
    @classmethod
    def _is_safe(cls, value: str) -> str:
        parts = urlsplit(value)
        is_local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
        if not parts.hostname or not (parts.scheme == "https" or is_local):
            raise ValueError("must be an https address")
        return value


class Tokens:
    """Keeps one access token and renews it before it ends. For any number of threads; `seconds` never steps."""

    def __init__(self, settings: Settings, seconds: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._seconds = seconds
        self._lock = threading.Lock()
        self._refresh_token = settings.refresh_token.get_secret_value()
        self._token = ""
        self._until = 0.0

    def fetch(self) -> str:
        """Return a valid access token, asking the provider when there is none; blocks for up to 15 s.

        AccountSuspended when the provider refuses the credentials, TransientSendError when it cannot be reached.
        """
        with self._lock:
            if not self._token or self._seconds() >= self._until:
                self._renew()
            return self._token

    async def get(self) -> str:
        """Return a valid access token, as `fetch` does, without blocking the loop."""
        return await asyncio.to_thread(self.fetch)

    def forget(self) -> None:
        """Drop the access token: the mailbox refused it before its time."""
        with self._lock:
            self._token = ""

    def _renew(self) -> None:
        answer = _ask(self._settings, self._refresh_token)
        token, life = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not token:
            raise errors.TransientSendError("the token provider's answer holds no token")
        seconds = float(life) if isinstance(life, int | str) and str(life).isdigit() else _DEFAULT_LIFE_SECONDS
        self._token = token
        self._until = self._seconds() + max(0.0, seconds - _MARGIN_SECONDS)
        renewed = answer.get("refresh_token")
        if isinstance(renewed, str) and renewed:  # kept in memory: the configured one stays valid beside it
            self._refresh_token = renewed


def _ask(settings: Settings, refresh_token: str) -> dict[str, Any]:
    fields = {"grant_type": "refresh_token", "client_id": settings.client_id, "refresh_token": refresh_token}
    if settings.client_secret is not None:
        fields["client_secret"] = settings.client_secret.get_secret_value()
    if settings.scope is not None:
        fields["scope"] = settings.scope
    try:
        status, body = _post(settings.token_url, urlencode(fields))
        answer = json.loads(body) if status == HTTPStatus.OK else {}
    except (OSError, HTTPException, ValueError, RecursionError) as error:
        raise errors.TransientSendError(f"the token provider cannot be reached: {type(error).__name__}") from None
    if status != HTTPStatus.OK:
        code = _code(body)
        if status in _REFUSED and code != "temporarily_unavailable":
            raise errors.AccountSuspended("the token provider refuses the credentials", code)
        raise errors.TransientSendError(f"the token provider answers {status}", code)
    return answer if isinstance(answer, dict) else {}


def _post(url: str, form: str) -> tuple[int, bytes]:
    """Return status and body of one request; redirects, which would carry the secrets elsewhere, are not followed."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    with closing(kind(parts.hostname or "", parts.port, timeout=_TIMEOUT_SECONDS)) as connection:
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        connection.request("POST", target, form, headers)
        response = connection.getresponse()
        return response.status, response.read(_MAX_BYTES)


def _code(body: bytes) -> str | None:
    """Return the error's name (`invalid_grant`); its description may hold an address and is left out."""
    try:
        code = json.loads(body)["error"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return code if isinstance(code, str) and code.isascii() and len(code) <= 40 else None
