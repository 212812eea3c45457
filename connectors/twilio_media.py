"""Fetching the files of messages from Twilio, and from nowhere else.

A media address answers with a redirect to short-lived storage. The account's credentials go to the API alone; what
follows must be a host of Twilio's by https, and no name may lead into our own network.

Source: Twilio, "Media subresource" and "Protect media access with HTTP basic authentication".
"""

import asyncio
import ipaddress
import socket
from collections.abc import Collection, Mapping, Sequence

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from core import errors, model

_API = URL("https://api.twilio.com")
_HOSTS = (
    "*.twilio.com",
    "*.twiliocdn.com",
    "s3-external-1.amazonaws.com",
    "media.twiliocdn.com.s3-external-1.amazonaws.com",
)
_MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOT_READY = frozenset({404, 408, 425, 429})
_CHUNK_BYTES = 64 * 1024


class Media:
    """Fetches files of one account. `credentials` open `base_url` alone; `hosts` are allowed besides Twilio's.

    Where `base_url` is plain http (a stand-in or proxy in the own network), `hosts` may be in that network too, and
    plain http; else no address of it is asked but `base_url` itself.
    """

    def __init__(
        self,
        account_sid: str,
        credentials: tuple[str, str],
        base_url: str,
        hosts: Sequence[str],
        timeout_seconds: float,
    ) -> None:
        self._base = URL(base_url)
        self._path = f"{self._base.path.rstrip('/')}/2010-04-01/Accounts/{account_sid}/"
        self._authorization = aiohttp.encode_basic_auth(*credentials)
        self._hosts = (*_HOSTS, *hosts)
        self._private_hosts = {self._base.host or "", *(hosts if self._base.scheme == "http" else ())}
        self._timeout_seconds = timeout_seconds
        self._session: aiohttp.ClientSession | None = None

    async def fetch(self, file: model.RemoteFile, max_bytes: int) -> bytes:
        """Return the file, at most `max_bytes`; MediaNotReady when it may come later, MediaRefused when it never will.

        401 from the API counts as not ready: our credentials are wrong, and the file is still there when they are
        mended.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._follow(self._first(file.url), max_bytes)
        except aiohttp.ClientConnectorDNSError as error:
            if isinstance(error.os_error, _PrivateAddressError):
                raise errors.MediaRefused("the host leads into a private network") from None
            raise errors.MediaNotReady("the host cannot be found") from None
        except aiohttp.InvalidURL:
            raise errors.MediaRefused("not an address") from None
        # Their texts would carry the address, which is a secret while it lives.
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise errors.MediaNotReady(f"the provider cannot be reached ({type(error).__name__})") from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _follow(self, url: URL, max_bytes: int) -> bytes:
        for _ in range(_MAX_REDIRECTS + 1):
            headers = self._headers(url)
            async with self._open().get(url, headers=headers, allow_redirects=False) as response:
                if response.status not in _REDIRECTS:
                    _check_status(response.status, is_api="Authorization" in headers)
                    return await _read(response, max_bytes)
                url = _joined(url, response.headers.get("Location", ""))
        raise errors.MediaRefused("too many redirects")

    def _first(self, address: str) -> URL:
        """Return where to ask: addresses of the API are asked at `base_url`, like every other request to it."""
        url = _parsed(address)
        if _origin(url) == _API:
            return URL(str(self._base).rstrip("/") + url.raw_path_qs, encoded=True)
        return url

    def _headers(self, url: URL) -> Mapping[str, str]:
        """Return the headers a request to `url` may carry; MediaRefused when it may not be made."""
        plain = {"Accept-Encoding": "identity"}  # so that the cap on bytes is one on what we store
        if url.user is not None or url.password is not None:
            raise errors.MediaRefused("the address carries credentials")
        if _origin(url) == _origin(self._base):
            if not url.path.startswith(self._path):
                # Another path of the API host, such as its storage: no business of our credentials.
                return plain
            return {**plain, "Authorization": self._authorization}
        local = self._base.scheme == "http"
        if url.scheme != "https" and not (local and url.scheme == "http"):
            raise errors.MediaRefused("the address is not https")
        if not url.is_default_port() and not local:
            raise errors.MediaRefused("the address has an unusual port")
        host = (url.host or "").casefold()
        if not any(_matches(host, allowed) for allowed in self._hosts):
            raise errors.MediaRefused("the host is not allowed")
        if _is_private(host) and host not in self._private_hosts:
            raise errors.MediaRefused("the host leads into a private network")
        return plain

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=_PublicResolver(self._private_hosts)),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # an answer that unfolds would do so before its size could be checked
                timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
            )
        return self._session


class _PrivateAddressError(OSError):
    pass


class _PublicResolver(AbstractResolver):
    """Finds addresses of names, and refuses those of our own network but for the hosts that may be there."""

    def __init__(self, private_hosts: Collection[str]) -> None:
        self._private_hosts = private_hosts
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if host not in self._private_hosts and any(_is_private(result["host"]) for result in found):
            raise _PrivateAddressError("private address")
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _is_private(host: str) -> bool:
    """Whether `host` is an IP address that is not a public one; False for a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return not address.is_global or address.is_multicast


def _matches(host: str, allowed: str) -> bool:
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed


def _parsed(address: str) -> URL:
    try:
        # Signed addresses break when they are encoded anew.
        url = URL(address, encoded=True)
        _origin(url)
    except ValueError:
        raise errors.MediaRefused("not an address") from None
    return url


def _joined(url: URL, location: str) -> URL:
    try:
        return _parsed(str(url.join(URL(location, encoded=True))))
    except ValueError:
        raise errors.MediaRefused("not an address") from None


def _origin(url: URL) -> URL:
    """Return scheme, host and port; ValueError when one is missing."""
    return url.with_user(None).origin() if url.user else url.origin()


def _check_status(status: int, *, is_api: bool) -> None:
    if status == 200:
        return
    if status in _NOT_READY or status >= 500 or (status == 401 and is_api):
        raise errors.MediaNotReady(f"HTTP {status}")
    raise errors.MediaRefused(f"HTTP {status}")


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise errors.MediaRefused("the file is encoded")
    if (response.content_length or 0) > max_bytes:
        raise errors.MediaRefused("the file is too large")
    content = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        content += chunk
        if len(content) > max_bytes:
            raise errors.MediaRefused("the file is too large")
    return bytes(content)
