"""Posts signed forms to webhooks as Twilio does: one attempt, 15 seconds, never repeated.

Source: Twilio, "Webhook security", "Webhook connection overrides", error 11205.
"""

from collections.abc import Mapping

import aiohttp
from twilio.request_validator import RequestValidator
from yarl import URL

from core.clock import Clock
from simulator.twilio_records import Delivery

TIMEOUT_SECONDS = 15
_KEPT_ANSWER_BYTES = 64 * 1024


class Webhooks:
    """The connections to whoever listens; opened with the first post."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, message_sid: str, url: str, params: Mapping[str, str], auth_token: str, idempotency_token: str
    ) -> Delivery:
        """Make one attempt, signed with the vendor's own validator on the exact URL; return what came of it."""
        target = url.partition("#")[0]  # the fragment holds connection settings; it is neither sent nor signed
        headers = {
            "X-Twilio-Signature": _signature(auth_token, target, params),
            "I-Twilio-Idempotency-Token": idempotency_token,
            "User-Agent": "TwilioProxy/1.1",
        }
        status, content_type, body, error = None, "", "", None
        try:
            async with self._opened().post(
                URL(target, encoded=True), data=dict(params), headers=headers, allow_redirects=False
            ) as response:
                body = (await response.content.read(_KEPT_ANSWER_BYTES)).decode(errors="replace")
                status, content_type = response.status, response.content_type
        except (aiohttp.ClientError, TimeoutError) as failure:
            error = type(failure).__name__
        return Delivery(self._clock.now(), message_sid, url, dict(params), status, content_type, body, error)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A connection per request: a kept one that the restarted receiver has forgotten would look like an outage.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _signature(auth_token: str, url: str, params: Mapping[str, str]) -> str:
    validator = RequestValidator(auth_token)  # type: ignore[no-untyped-call]  # the vendor's module has no types
    return str(validator.compute_signature(url, params))  # type: ignore[no-untyped-call]
