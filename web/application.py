"""The web application: routes, and what is true of every request and answer."""

import asyncio
import functools
import ipaddress
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from aiohttp import http_exceptions, web

from core import errors
from router.desk import Desk

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_BODY_BYTES = 4 * 1024 * 1024
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; manifest-src 'self'"
)
_READ_SECONDS = 60  # for a small body; a form with files has more (web.form)
# What a proxy adds, whichever it is.
_FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Settings:
    """What the web needs to know of the configuration. `public_url` has no slash at its end."""

    public_url: str
    trusted_proxies: Sequence[Network] = ()
    metrics_from: Sequence[Network] = field(
        default_factory=lambda: (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
    )
    training: bool = False  # channels are simulated: the simulator is linked
    training_people: Sequence[str] = ()  # who may sign in without proof, from this machine alone
    form_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)  # the same in every process
    file_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)  # likewise
    chat_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)  # likewise

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https:")


DESK: web.AppKey[Desk] = web.AppKey("desk", Desk)
SETTINGS: web.AppKey[Settings] = web.AppKey("settings", Settings)
CLOSING: web.AppKey[asyncio.Event] = web.AppKey("closing", asyncio.Event)  # set when answers that last must end
CLIENT: web.RequestKey[str] = web.RequestKey("client", str)  # the address of who really asks


def create(desk: Desk, settings: Settings, routes: Sequence[web.AbstractRouteDef]) -> web.Application:
    """Return the application over `desk`, with every route of the edges given."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_outermost, _same_origin, _failures])
    app[DESK] = desk
    app[SETTINGS] = settings
    app[CLOSING] = asyncio.Event()
    app.on_shutdown.append(_close)
    app.on_response_prepare.append(functools.partial(_protect, settings))
    app.add_routes(routes)
    return app


def runner(app: web.Application, shutdown_seconds: float) -> web.AppRunner:
    """Return what serves `app`. Nobody sends us packed bodies, and a small one may unfold to gigabytes: none is."""
    return web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=shutdown_seconds,
        handler_cancellation=False,
        auto_decompress=False,
    )


async def _close(app: web.Application) -> None:
    app[CLOSING].set()


@web.middleware
async def _outermost(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who asks."""
    request[CLIENT] = client_address(request, request.app[SETTINGS].trusted_proxies)
    return await handler(request)


async def _protect(settings: Settings, request: web.Request, response: web.StreamResponse) -> None:
    """Give every answer, errors and streams included, the headers that keep a browser from harm; name no software."""
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    if not request.path.startswith("/static/"):
        headers.setdefault("Cache-Control", "no-store")
    if settings.is_https:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    headers.popall("Server", None)


@web.middleware
async def _same_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse changes that another site makes a browser ask for. Providers' webhooks come from no browser."""
    if request.method not in _SAFE_METHODS and not request.path.startswith("/hooks/"):
        site = request.headers.get("Sec-Fetch-Site")
        origin = request.headers.get("Origin")
        if site is not None:
            is_ours = site in ("same-origin", "none")
        else:
            is_ours = (
                origin is None
                or origin == request.app[SETTINGS].public_url
                or origin.partition("://")[2] == request.host
            )
        if not is_ours:
            raise web.HTTPForbidden(text="Permintaan dari situs lain ditolak.")
    return await handler(request)


@web.middleware
async def _failures(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn the errors nobody nearer has turned into an answer."""
    try:
        return await handler(request)
    except errors.NotFound:
        raise web.HTTPNotFound(text="Halaman atau data tidak ditemukan.") from None
    except errors.StorageUnavailable:
        raise web.HTTPServiceUnavailable(
            text="Sistem sedang tidak dapat menyimpan. Mohon coba lagi sebentar lagi.", headers={"Retry-After": "5"}
        ) from None
    except (errors.NotAllowed, errors.StaleDecision) as error:
        raise web.HTTPConflict(text=str(error)) from None
    except web.HTTPNotFound as error:
        if request.match_info.http_exception is not error:
            raise
        raise web.HTTPNotFound(text="Halaman tidak ditemukan.") from None
    except (web.HTTPException, ConnectionError):
        raise
    except (http_exceptions.HttpProcessingError, web.RequestPayloadError):
        raise web.HTTPBadRequest(text="Permintaan tidak dapat dibaca.") from None
    except Exception:  # noqa: BLE001
        _log.exception("request_failed", route=_route_name(request))
        raise web.HTTPInternalServerError(text="Terjadi kesalahan pada sistem. Kesalahan ini sudah dicatat.") from None


def client_address(request: web.Request, trusted: Sequence[Network]) -> str:
    """Return the address of who asks: the last hop in X-Forwarded-For that is not one of our own proxies."""
    address = request.remote or ""
    hops = [hop.strip() for hop in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",") if hop.strip()]
    while hops and _is_within(address, trusted):
        address = hops.pop()
    return address


def is_from(request: web.Request, networks: Sequence[Network]) -> bool:
    """Tell whether somebody of these networks asks; who comes by a proxy that is not trusted may be anybody."""
    is_hidden = is_forwarded(request) and request[CLIENT] == request.remote
    return not is_hidden and _is_within(request[CLIENT], networks)


def is_forwarded(request: web.Request) -> bool:
    """Tell whether a proxy stands between us and who asks, as far as it says so."""
    return any(name in request.headers for name in _FORWARDED)


async def body_of(request: web.Request) -> bytes:
    """Return the body of a request that has no files; 413 when it is too large, 408 when it does not come."""
    try:
        async with asyncio.timeout(_READ_SECONDS):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="Permintaan tidak selesai dikirim.") from None


def _is_within(address: str, networks: Sequence[Network]) -> bool:
    try:
        parsed: Any = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed.version == network.version and parsed in network for network in networks)


def _route_name(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "none"
