"""Downloading the files of messages from a provider, and from nowhere else.

An address in a webhook is a stranger's word: only allowed hosts are asked, only by https, never one in our own
network, redirects included; the provider's credentials go to its API alone. Nothing is trusted of what comes back:
bytes are counted as they arrive, and the whole has one deadline, so that a file that trickles is given up.
"""

import asyncio
import contextlib
import email.utils
import ipaddress
import socket
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from core import clock, errors

_MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NOT_READY = frozenset({404, 408, 425, 429})
_CHUNK_BYTES = 64 * 1024
_PRIVATE = "the host leads into a private network"
TOO_LARGE = "the file is too large"
_LONGEST_WAIT = timedelta(days=1)  # that a provider may ask of us
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in its last 32 bits
# Addresses that Python takes for public ones: IPv4-compatible (RFC 4291), a network's own NAT64 (RFC 8215).
_NOT_PUBLIC = (ipaddress.ip_network("::/96"), ipaddress.ip_network("64:ff9b:1::/48"))


class Download:
    """Streams the files of one account.

    `hosts` are allowed besides that of `base_url`; `*.example.org` stands for every name below example.org. The whole
    of a file comes within `timeout_seconds` or not at all.
    What stands at the origin `api` is asked at `base_url`, like every other request to that API.
    `authorization`, a header's value, opens addresses of `base_url` whose path begins with `below`, and no other.

    Where `base_url` is plain http (a stand-in or proxy in the own network), `hosts` may be in that network too, and
    plain http; else no address of it is asked but `base_url` itself.
    """

    def __init__(
        self,
        base_url: str,
        hosts: Sequence[str],
        timeout_seconds: float,
        *,
        api: str = "",
        authorization: str | None = None,
        below: str = "/",
        now: clock.Clock | None = None,
    ) -> None:
        self._base = URL(base_url)
        self._api = URL(api) if api else None
        self._is_local = self._base.scheme == "http"
        self._hosts = tuple(host.casefold() for host in hosts)
        self._private_hosts = {self._base.host or "", *(self._hosts if self._is_local else ())}
        self._timeout_seconds = timeout_seconds
        self._authorization = authorization
        self._below = below
        self._clock = now or clock.SystemClock()
        self._session: aiohttp.ClientSession | None = None

    async def stream(self, address: str, max_bytes: int) -> AsyncGenerator[bytes, None]:
        """Yield what stands at `address`, at most `max_bytes`.

        Raises MediaNotReady when it may come later (404, 408, 425, 429, 5xx, no connection, too slow; 401 where our
        credentials were shown: they are wrong, and the file is still there when they are mended), with the time that
        the provider named; MediaRefused for everything else.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        async with contextlib.AsyncExitStack() as opened:
            with _meaning():
                async with asyncio.timeout_at(deadline):
                    response = await self._follow(self._first(address), opened)
                _check_encoding(response, max_bytes)
            count = 0
            while True:
                with _meaning():
                    # Not around the loop: it must not cut off whoever works on what was yielded.
                    async with asyncio.timeout_at(deadline):
                        chunk = await response.content.read(_CHUNK_BYTES)
                if not chunk:
                    return
                count += len(chunk)
                if count > max_bytes:
                    raise errors.MediaRefused(TOO_LARGE)
                yield chunk

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _first(self, address: str) -> URL:
        url = _parsed(address)
        if self._api is not None and _origin(url) == self._api:
            return URL(str(self._base).rstrip("/") + url.raw_path_qs, encoded=True)
        return url

    async def _follow(self, url: URL, opened: contextlib.AsyncExitStack) -> aiohttp.ClientResponse:
        for _ in range(_MAX_REDIRECTS + 1):
            headers = self._headers(url)
            response = await opened.enter_async_context(self._open().get(url, headers=headers, allow_redirects=False))
            if response.status not in _REDIRECTS:
                self._check_status(response, is_ours="Authorization" in headers)
                return response
            response.close()
            url = _joined(url, response.headers.get("Location", ""))
        raise errors.MediaRefused("too many redirects")

    def _headers(self, url: URL) -> Mapping[str, str]:
        """Return the headers a request to `url` may carry; MediaRefused when it may not be made."""
        plain = {"Accept-Encoding": "identity"}  # so that the cap on bytes is one on what we store
        if url.user is not None or url.password is not None:
            raise errors.MediaRefused("the address carries credentials")
        if _origin(url) == _origin(self._base):
            if self._authorization is None or not url.path.startswith(self._below):
                return plain
            return {**plain, "Authorization": self._authorization}
        if url.scheme != "https" and not (self._is_local and url.scheme == "http"):
            raise errors.MediaRefused("the address is not https")
        if not url.is_default_port() and not self._is_local:
            raise errors.MediaRefused("the address has an unusual port")
        host = (url.host or "").casefold()
        if not any(_matches(host, allowed) for allowed in self._hosts):
            raise errors.MediaRefused("the host is not allowed")
        if is_private(host) and host not in self._private_hosts:
            raise errors.MediaRefused(_PRIVATE)
        return plain

    def _check_status(self, response: aiohttp.ClientResponse, *, is_ours: bool) -> None:
        status = response.status
        if status == 200:
            return
        if status in _NOT_READY or status >= 500 or (status == 401 and is_ours):
            retry_at = _retry_at(response.headers.get("Retry-After", ""), self._clock.now())
            raise errors.MediaNotReady(f"HTTP {status}", retry_at)
        raise errors.MediaRefused(f"HTTP {status}")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(resolver=_PublicResolver(self._private_hosts)),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # an answer that unfolds would do so before its size could be checked
                timeout=aiohttp.ClientTimeout(total=None),  # `stream` has its own
            )
        return self._session


class _PrivateAddressError(OSError):
    pass


class _PublicResolver(AbstractResolver):
    """Finds addresses of names, and refuses those of our own network but for the hosts that may be there.

    The connection goes to the address that was looked at: a name that leads elsewhere a moment later gains nothing.
    """

    def __init__(self, private_hosts: Collection[str]) -> None:
        self._private_hosts = private_hosts
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if host not in self._private_hosts and any(is_private(result["host"]) for result in found):
            raise _PrivateAddressError("private address")
        return found

    async def close(self) -> None:
        await self._resolver.close()


def is_private(host: str) -> bool:
    """Whether `host` is an IP address that is not a public one, or stands for one; False for a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        within = address.ipv4_mapped or address.sixtofour
        if within is None and address in _NAT64:
            within = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if any(address in network for network in _NOT_PUBLIC):
            return True
        address = within or address
    return not address.is_global or address.is_multicast


def _parsed(address: str) -> URL:
    """Return an address as it stands, for signed ones break when they are encoded anew; MediaRefused for none."""
    try:
        url = URL(address, encoded=True)
        _origin(url)
    except ValueError:
        raise errors.MediaRefused("not an address") from None
    return url


def _origin(url: URL) -> URL:
    """Return scheme, host and port; ValueError when one is missing."""
    return url.with_user(None).origin() if url.user else url.origin()


def _joined(url: URL, location: str) -> URL:
    try:
        return _parsed(str(url.join(URL(location, encoded=True))))
    except ValueError:
        raise errors.MediaRefused("not an address") from None


def _matches(host: str, allowed: str) -> bool:
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed


def _retry_at(said: str, now: datetime) -> datetime | None:
    """Return the time that a Retry-After header names (RFC 9110, section 10.2.3), a day from now at most."""
    if said.isascii() and said.isdecimal() and len(said) < 10:
        return now + min(timedelta(seconds=int(said)), _LONGEST_WAIT)
    try:
        at = email.utils.parsedate_to_datetime(said)
    except ValueError:
        return None
    return None if at.tzinfo is None else min(at, now + _LONGEST_WAIT)


def _check_encoding(response: aiohttp.ClientResponse, max_bytes: int) -> None:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise errors.MediaRefused("the file is encoded")
    if (response.content_length or 0) > max_bytes:
        raise errors.MediaRefused(TOO_LARGE)


@contextlib.contextmanager
def _meaning() -> Iterator[None]:
    """Turn what the client raises into our errors, without its text: that has the address, a secret while it lives."""
    try:
        yield
    except aiohttp.ClientConnectorDNSError as error:
        if isinstance(error.os_error, _PrivateAddressError):
            raise errors.MediaRefused(_PRIVATE) from None
        raise errors.MediaNotReady("the host cannot be found") from None
    except aiohttp.InvalidURL:
        raise errors.MediaRefused("not an address") from None
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise errors.MediaNotReady(f"the provider cannot be reached ({type(error).__name__})") from None
