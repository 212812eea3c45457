"""Signing in and out; who asks, what his role lets him do, and that a change was asked for on our own page."""

import asyncio
import functools
import hashlib
import hmac
import ipaddress
import re
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from core import errors, model
from router import people
from router.desk import WORKERS
from web import limits, pages, texts
from web.application import CLIENT, DESK, SETTINGS, Handler, body_of, is_forwarded

PERSON: web.RequestKey[model.Person] = web.RequestKey("person", model.Person)
Form = Mapping[str, str]
_FORM: web.RequestKey[Form] = web.RequestKey("form", dict)
_MOST_FIELDS = 50
_VERIFYING = 2  # passwords at a time: each takes 64 MiB, and nobody has to prove anything to make us look at one
SIGN_IN, HOME = "/inbox/masuk", "/inbox"
TOKEN_FIELD = "token"  # noqa: S105 - the name of a form's field
_SAFE_NEXT = re.compile(r"/inbox(?:[/?][\w\-./?=&%~:+]*)?", re.ASCII)

# --- Guards ---------------------------------------------------------------------------------------------------------


def reads(handler: Handler) -> Handler:
    """Let in whoever is signed in; others are sent to sign in."""
    return _guarded(handler, roles=tuple(model.Role))


def changes(*roles: model.Role) -> Callable[[Handler], Handler]:
    """Let in people of these roles, whose form carries the token of their session."""
    return functools.partial(_guarded, roles=roles, is_change=True)


def lets_in(*roles: model.Role) -> Callable[[Handler], Handler]:
    """Let in people of these roles. A form with files is read as it comes in: its handler asks `is_own_form`."""
    return functools.partial(_guarded, roles=roles)


def is_own_form(request: web.Request, token: str) -> bool:
    """Tell whether a form carries the token of this session."""
    return hmac.compare_digest(token.encode(errors="replace"), form_token(request).encode())


def _guarded(handler: Handler, *, roles: tuple[model.Role, ...], is_change: bool = False) -> Handler:
    @functools.wraps(handler)
    async def guarded(request: web.Request) -> web.StreamResponse:
        try:
            refusal = await _refusal(request, roles, is_change=is_change)
            return await handler(request) if refusal is None else refusal
        except errors.NotFound:
            return failure(request, HTTPStatus.NOT_FOUND)
        except (errors.NotAllowed, errors.StaleDecision) as error:
            return failure(request, HTTPStatus.CONFLICT, str(error))
        except errors.StorageUnavailable:
            return failure(request, HTTPStatus.SERVICE_UNAVAILABLE)

    return guarded


async def _refusal(request: web.Request, roles: tuple[model.Role, ...], *, is_change: bool) -> web.Response | None:
    """Find out who asks; return the answer for whoever may not, None for whoever may."""
    person = await people.session(request.app[DESK], session_token(request))
    if person is None:
        return _sent_to_sign_in(request)
    request[PERSON] = person
    if person.role not in roles:
        return failure(request, HTTPStatus.FORBIDDEN)
    if is_change and not await _has_token(request):
        return failure(request, HTTPStatus.FORBIDDEN, texts.FORM_EXPIRED)
    return None


async def _has_token(request: web.Request) -> bool:
    return is_own_form(request, (await form_of(request)).get(TOKEN_FIELD, ""))


def _sent_to_sign_in(request: web.Request) -> web.Response:
    if request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":  # a script asks: it cannot sign in
        return web.Response(status=HTTPStatus.UNAUTHORIZED)
    wanted = request.path_qs
    if request.method != "GET":
        number = request.match_info.get("number")
        wanted = f"{HOME}/{number}" if number else HOME
    return see_other(f"{SIGN_IN}?next={quote(wanted, safe='')}")


def failure(request: web.Request, status: HTTPStatus, reason: str = "") -> web.Response:
    """Return the page that says what cannot be done, and leads on."""
    title, usual = texts.ERRORS[status]
    response = pages.render(request, "inbox/error.html", status=status, title=title, reason=reason or usual)
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = "5"
    return response


def see_other(path: str) -> web.Response:
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": path})


def session_token(request: web.Request) -> str:
    return request.cookies.get(_cookie_name(request), "")


def form_token(request: web.Request) -> str:
    """Return what forms of this session carry: made from its secret, and of no use without it."""
    return hmac.digest(session_token(request).encode(), b"form", hashlib.sha256).hex()


def _cookie_name(request: web.Request) -> str:
    # A browser takes a __Host- cookie from https alone, and gives it to no other host and no subdomain.
    return "__Host-aduan" if request.app[SETTINGS].is_https else "aduan"


def workers_only(part: web.Application) -> Middleware:
    """Return a middleware that lets into `part` of the website only people who work on complaints."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if part in request.match_info.apps:
            person = await people.session(request.app[DESK], session_token(request))
            if person is None:
                return _sent_to_sign_in(request)
            if not may_change(person):
                return failure(request, HTTPStatus.FORBIDDEN)
        return await handler(request)

    return guard


def may_change(person: model.Person) -> bool:
    return person.role in WORKERS


# --- Signing in -----------------------------------------------------------------------------------------------------


class Attempts:
    """Sign-ins by address that failed or are under way, in memory: slows down who tries many names.

    A name of its own locks in the store. An IPv6 address counts as its network, all of which one household has.
    """

    LIMIT, WITHIN, ADDRESSES = 20, timedelta(minutes=10), 10_000

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[datetime]] = OrderedDict()

    def are_too_many(self, address: str, now: datetime) -> bool:
        failures = self._failures.get(limits.network(address), deque())
        while failures and failures[0] <= now - self.WITHIN:
            failures.popleft()
        return len(failures) >= self.LIMIT

    def failed(self, address: str, now: datetime) -> None:
        """Count an attempt as failed: from its beginning on, so that many at once are many as well."""
        key = limits.network(address)
        self._failures.setdefault(key, deque(maxlen=self.LIMIT)).append(now)
        self._failures.move_to_end(key)
        while len(self._failures) > self.ADDRESSES:
            self._failures.popitem(last=False)

    def forgive(self, address: str) -> None:
        """Take back the latest one: it did not fail."""
        if failures := self._failures.get(limits.network(address)):
            failures.pop()


class SignIn(web.AbstractRouteDef):
    """The routes of signing in; each application that registers them counts attempts of its own."""

    def register(self, router: web.UrlDispatcher) -> list[web.AbstractRoute]:
        attempts, verifying = Attempts(), asyncio.Semaphore(_VERIFYING)
        return [
            router.add_get(SIGN_IN, _form),
            router.add_post(SIGN_IN, functools.partial(_sign_in, attempts=attempts, verifying=verifying)),
            router.add_post("/inbox/masuk/latihan", _enter_training),
            router.add_post("/inbox/keluar", changes(*model.Role)(_sign_out)),
        ]


async def _form(request: web.Request) -> web.Response:
    if await people.session(request.app[DESK], session_token(request)) is not None:
        return see_other(_next(request.query))
    return _page(request, request.query)


def _page(request: web.Request, given: Mapping[str, Any], error: str = "", status: int = 200) -> web.Response:
    offices = list(request.app[DESK].offices)
    return pages.render(
        request, "inbox/sign_in.html", status=status, offices=offices, error=error, office_id=given.get("kantor", ""),
        username=given.get("nama", ""), next_path=_next(given), training=request.app[SETTINGS].training,
        training_people=_training_people(request),
    )  # fmt: skip


async def _sign_in(request: web.Request, attempts: Attempts, verifying: asyncio.Semaphore) -> web.Response:
    desk, address = request.app[DESK], request[CLIENT]
    form = await form_of(request)
    now = desk.clock.now()
    if attempts.are_too_many(address, now):
        return _page(request, form, texts.TOO_MANY_SIGN_INS, HTTPStatus.TOO_MANY_REQUESTS)
    offices = [office.id for office in desk.offices]
    office_id = offices[0] if len(offices) == 1 else form.get("kantor", "")
    code = form.get("kode", "").replace(" ", "")
    attempts.failed(address, now)
    try:
        async with verifying:
            token = await people.sign_in(desk, office_id, form.get("nama", ""), form.get("sandi", ""), code)
    except errors.NotAllowed as error:
        return _page(request, form, str(error), HTTPStatus.FORBIDDEN)
    except errors.StorageUnavailable:
        attempts.forgive(address)
        raise
    attempts.forgive(address)
    return _signed_in(request, token, _next(form))


async def _enter_training(request: web.Request) -> web.Response:
    """Let somebody in who only tries the program, where nothing is real."""
    desk, form = request.app[DESK], await form_of(request)
    username = form.get("nama", "")
    offices = [office.id for office in desk.offices]
    if username not in _training_people(request) or not offices:
        return failure(request, HTTPStatus.NOT_FOUND)
    office_id = form.get("kantor", offices[0])
    return _signed_in(request, await people.enter(desk, office_id, username), _next(form))


def _training_people(request: web.Request) -> Sequence[str]:
    """Return who may sign in without proof: nobody where a proxy, or a name of somebody else's, leads here."""
    is_here = not is_forwarded(request) and _is_loopback(request.remote or "") and _is_loopback(request.host)
    return request.app[SETTINGS].training_people if is_here else ()


def _is_loopback(address: str) -> bool:
    """Tell whether an IP address, or a host with or without its port, is this machine's own."""
    try:
        host = address if address.count(":") > 1 and "[" not in address else urlsplit(f"//{address}").hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _signed_in(request: web.Request, token: str, path: str) -> web.Response:
    response = see_other(path)
    response.set_cookie(
        _cookie_name(request), token, max_age=int(people.SESSION.total_seconds()), path="/", httponly=True,
        secure=request.app[SETTINGS].is_https, samesite="Lax",
    )  # fmt: skip
    return response


async def _sign_out(request: web.Request) -> web.Response:
    await people.sign_out(request.app[DESK], session_token(request), request[PERSON])
    response = see_other(SIGN_IN)
    response.del_cookie(
        _cookie_name(request), path="/", httponly=True, secure=request.app[SETTINGS].is_https, samesite="Lax"
    )
    return response


def _next(given: Mapping[str, Any]) -> str:
    """Return where to go after signing in: only a page of ours."""
    wanted = given.get("next", "")
    return wanted if isinstance(wanted, str) and _SAFE_NEXT.fullmatch(wanted) else HOME


async def form_of(request: web.Request) -> Form:
    """Return the fields of a form of the inbox, none of which has files."""
    if _FORM not in request:
        try:
            fields = parse_qsl((await body_of(request)).decode("utf-8", "replace"), True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise web.HTTPBadRequest(text="Formulir tidak dapat dibaca.") from None
        request[_FORM] = dict(fields)
    return request[_FORM]


routes: list[web.AbstractRouteDef] = [SignIn()]
