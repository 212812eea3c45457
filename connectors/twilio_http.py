"""Twilio's Python client on an HTTP transport of our own.

The transport that ships with the package ignores its time limit, may repeat a POST (so that a citizen gets the message
again), cannot be made outside a running loop and uses what aiohttp 3.14 deprecates. Its client takes any
`AsyncHttpClient`; this one makes exactly one attempt within a time limit, and tells what certainly was not sent.

Import this module only where a request is about to be made: it loads the package's whole API tree, 14 MB and 0.1 s.

Source: twilio 9.13, `twilio.http.AsyncHttpClient`.
"""

import json
import logging
from collections.abc import Mapping
from urllib.parse import urlencode

import aiohttp
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from connectors import twilio_errors

API = "https://api.twilio.com"
# An empty mapping would mean os.environ, whose TWILIO_EDGE and TWILIO_REGION would move the requests elsewhere.
_NO_ENVIRONMENT = {"TWILIO_REGION": ""}
_KEEP_ALIVE_SECONDS = 5  # shorter than Twilio's: a POST on a connection the server just closed is lost in doubt


def connect(account_sid: str, credentials: tuple[str, str], transport: "HttpClient") -> Client:
    """Return the vendor's client of one account."""
    username, password = credentials
    return Client(  # type: ignore[no-untyped-call]
        username, password, account_sid, http_client=transport, environment=_NO_ENVIRONMENT
    )


class HttpClient(AsyncHttpClient):
    """Makes one attempt per request, in `timeout_seconds` in all; answers only with 2xx.

    Everything else is raised: RefusedError, NotSentError, NoAnswerError. Make it inside the running loop.
    """

    def __init__(self, base_url: str, timeout_seconds: float) -> None:
        # Unlike the package's own, this transport logs nothing: every address carries the account's SID.
        super().__init__(logging.getLogger("twilio.http_client"), is_async=True, timeout=timeout_seconds)
        self._base_url = base_url.rstrip("/")
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            # The total alone would not tell whether it ran out while connecting, when nothing was written yet.
            timeout=aiohttp.ClientTimeout(total=timeout_seconds, connect=timeout_seconds / 2),
        )

    async def request(  # type: ignore[override]  # as the asynchronous base does
        self,
        method: str,
        url: str,
        params: Mapping[str, object] | None = None,
        data: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - the vendor's signature; ours is fixed
        allow_redirects: bool = False,  # noqa: ARG002
    ) -> Response:
        if not url.startswith(f"{API}/"):
            raise twilio_errors.NotSentError("not a request to the API")
        try:
            async with self._session.request(
                method,
                self._base_url + url.removeprefix(API),
                params={name: str(value) for name, value in (params or {}).items()},
                data=urlencode(data, doseq=True).encode() if data else None,
                headers={**(headers or {}), **({"Authorization": aiohttp.encode_basic_auth(*auth)} if auth else {})},
                allow_redirects=False,
            ) as response:
                body = await response.read()
        # What fails before there is a connection: refused, no such name, no trust, time-out while connecting.
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise twilio_errors.NotSentError(type(error).__name__) from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise twilio_errors.NoAnswerError(type(error).__name__) from error
        if not 200 <= response.status < 300:
            raise twilio_errors.RefusedError(
                response.status, _code(body), twilio_errors.retry_after(response.headers.get("Retry-After"))
            )
        return Response(response.status, body.decode(errors="replace"), response.headers)

    async def close(self) -> None:
        await self._session.close()


def _code(body: bytes) -> int | None:
    """Return Twilio's error code; None when the answer is not Twilio's."""
    try:
        code = json.loads(body)["code"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    return code if isinstance(code, int) else None
