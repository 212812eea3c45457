"""Meta's Graph API through facebook-sdk, on a transport of our own.

The SDK's last release is of 2018. Its methods still name the API's objects and edges rightly, but its transport puts
the token into addresses, loses nested values, has no time limit, follows redirects and takes some failures for results.
This subclass overrides `request` alone: the token goes into a header, bodies are JSON, there is exactly one attempt
within a time and up to a size, and whatever is not a JSON object with a 2xx status is an error.

Import this module only where a request is about to be made (client.py does): it loads requests and all it needs.

Source: facebook-sdk 3.1.0, `facebook.GraphAPI`; Meta, "Secure Graph API calls" (appsecret_proof).
"""

import hashlib
import hmac
import json
import logging
import ssl
import time
import warnings
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from connectors.meta import refusals

with warnings.catch_warnings():
    warnings.simplefilter(
        "ignore", DeprecationWarning
    )  # an escape in one of its patterns; an error where -W error is on
    import facebook

_MAX_ANSWER_BYTES = 8 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_CONNECTIONS = 16
_CONNECT_SECONDS = 5.0
_KEEP_ALIVE_SECONDS = 5.0  # shorter than Meta's: a POST on a connection the server just closed is lost in doubt
_MAX_RETRY_AFTER_SECONDS = 24 * 3600
# What fails before there is a connection.
_UNCONNECTED = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    ssl.SSLCertVerificationError,
)

Noted = Callable[[Mapping[str, str]], timedelta | None]


class Graph(facebook.GraphAPI):
    """One token's view of the API. Safe to be used from several threads.

    `noted` is shown the headers of every answer and says how long they ask to wait. Raises RefusedError, NotSentError
    and NoAnswerError of refusals.py, in texts that carry neither address nor token.
    """

    def __init__(
        self, token: str, *, app_secret: str, version: str, base_url: str, timeout_seconds: float, noted: Noted
    ) -> None:
        # The library's debug lines hold whole addresses, `appsecret_proof` and `input_token` with them.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
        session = requests.Session()
        session.trust_env = False  # neither proxies nor ~/.netrc
        adapter = HTTPAdapter(pool_maxsize=_CONNECTIONS, max_retries=0)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        super().__init__(token, timeout=timeout_seconds, session=session)  # type: ignore[no-untyped-call]
        self.version = version  # given to the SDK, it would have to be one of 2018
        self._base_url = base_url.rstrip("/")
        self._proof = hmac.new(app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
        self._noted = noted
        self._used_at = time.monotonic()

    def request(
        self,
        path: str,
        args: Mapping[str, Any] | None = None,
        post_args: Mapping[str, Any] | None = None,
        files: Mapping[str, Any] | None = None,
        method: str | None = None,
    ) -> dict[str, Any]:
        """Make one attempt; return the JSON object of a 2xx answer. `path` begins with the version, as in the SDK."""
        method = method or ("GET" if post_args is None else "POST")
        deadline = time.monotonic() + self.timeout
        try:
            with self._ask(method, path, args or {}, post_args, files) as response:
                content = _read(response, deadline)
                return self._result(response.status_code, response.headers, content)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise _failure(error) from None  # its text holds the address

    def close(self) -> None:
        self.session.close()

    def _ask(
        self,
        method: str,
        path: str,
        args: Mapping[str, Any],
        post_args: Mapping[str, Any] | None,
        files: Mapping[str, Any] | None,
    ) -> requests.Response:
        now, self._used_at, idle_since = time.monotonic(), time.monotonic(), self._used_at
        if now - idle_since > _KEEP_ALIVE_SECONDS:
            self.session.close()  # closes what is idle; new connections open as they are needed
        body: dict[str, Any] = {}
        if files is not None:
            body = {"data": {name: _field(value) for name, value in (post_args or {}).items()}, "files": files}
        elif post_args is not None:
            body = {"json": dict(post_args)}
        return self.session.request(
            method,
            f"{self._base_url}/{path}",
            params={name: _field(value) for name, value in args.items()} | {"appsecret_proof": self._proof},
            headers={
                "Authorization": f"Bearer {self.access_token}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # an answer that unfolds would do so before its size could be checked
            },
            timeout=(min(_CONNECT_SECONDS, self.timeout / 2), self.timeout),
            allow_redirects=False,
            stream=True,
            **body,
        )

    def _result(self, status: int, headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
        wait = self._noted(headers) or _retry_after(headers.get("Retry-After"))
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        error = answer.get("error") if isinstance(answer, dict) else None
        if isinstance(error, dict):
            raise refusals.RefusedError(
                status,
                _number(error.get("code")),
                _number(error.get("error_subcode")),
                is_transient=error.get("is_transient") is True,
                retry_after=wait,
            )
        if not 200 <= status < 300:
            raise refusals.RefusedError(status, retry_after=wait)
        if not isinstance(answer, dict) or error is not None:
            raise refusals.NoAnswerError("the answer is not one of the API")
        return answer


def _field(value: Any) -> str:
    """Return a value as it stands in an address or a form: nested ones as JSON, which the SDK would lose."""
    return value if isinstance(value, str) else json.dumps(value)


def _read(response: requests.Response, deadline: float) -> bytes:
    content = bytearray()
    # Not iter_content: that waits until a whole chunk is there, which a slow answer never fills.
    while chunk := response.raw.read1(_CHUNK_BYTES):
        content += chunk
        if len(content) > _MAX_ANSWER_BYTES:
            raise refusals.NoAnswerError("the answer is too large")
        if time.monotonic() > deadline:
            raise refusals.NoAnswerError("the answer is too slow")
    return bytes(content)


def _failure(error: BaseException) -> refusals.NotSentError | refusals.NoAnswerError:
    """Tell what certainly was not sent from what may have been, by the causes the libraries wrapped."""
    causes, waiting = [error], [error]
    while waiting:
        cause = waiting.pop()
        found = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        for each in found:
            if isinstance(each, BaseException) and each not in causes:
                causes.append(each)
                waiting.append(each)
    names = type(error).__name__
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
        return refusals.NotSentError(names)
    if any(isinstance(cause, _UNCONNECTED) for cause in causes):
        return refusals.NotSentError(names)
    return refusals.NoAnswerError(names)


def _retry_after(header: str | None) -> timedelta | None:
    """Read a Retry-After header in seconds, a day at most; None where there is none, or a date, which we leave out."""
    text = (header or "").strip()
    if not (text.isascii() and text.isdigit()):
        return None
    return timedelta(seconds=min(int(text[:9]), _MAX_RETRY_AFTER_SECONDS))


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
