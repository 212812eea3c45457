"""What citizens see: the front page, the form and the tracking page.

No JavaScript, no cookie, nothing from elsewhere. No address of the writer and nothing of his browser is kept: whoever
writes may be reporting an official. Number and PIN stand in no URL: the form is answered by the page that shows them,
so that nothing of them stays in the history, and loading it again sends the same form, which is the same complaint.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import math
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, cast
from urllib.parse import parse_qsl

from aiohttp import web

from core import errors, ids, model, ports
from router import complaints, intake, texts
from router.desk import Desk
from router.offices import Office
from sla.calendar import ServiceCalendar
from web import form, pages
from web.application import CLIENT, DESK, SETTINGS, body_of
from web.limits import Limit

_SENT = ("name", "contact", "category", "text", "key")  # what becomes of the form besides its files
_STAMP, _TRAP = "stamp", "website"
_MOST_FIELDS = 20
_DAYS_SHOWN = 7


def routes() -> list[web.RouteDef]:
    """Return the routes, with limits of their own."""
    public = _Public()
    return [
        web.get("/", public.front),
        web.get("/lapor", public.show_form),
        web.post("/lapor", public.submit),
        web.get("/lapor/{account}", public.show_form),
        web.post("/lapor/{account}", public.submit),
        web.get("/lacak", public.show_tracking),
        web.post("/lacak", public.track),
    ]


@dataclass(frozen=True, slots=True)
class _Day:
    """The service hours of one date, as local times; `holiday` is why it differs, if it does."""

    date: date
    slots: Sequence[tuple[datetime, datetime]]
    holiday: str | None


class _Public:
    def __init__(self) -> None:
        self._writing = Limit(60, timedelta(seconds=5))
        self._asking = Limit(30, timedelta(seconds=3))

    async def front(self, request: web.Request) -> web.Response:
        """Say what this is, where to write and where to follow, and when each office serves."""
        desk = request.app[DESK]
        now = desk.clock.now()
        chats = [account for account in desk.accounts.values() if account.capabilities.presence]
        offices = [_portrait(desk, office, now) for office in desk.offices]
        return _page(request, "public/front.html", offices=offices, has_chat=len(chats) == 1)

    async def show_form(self, request: web.Request) -> web.Response:
        """Show the form of an account, or the choice of offices where there are several."""
        desk = request.app[DESK]
        accounts = _form_accounts(desk)
        if "account" not in request.match_info and len(accounts) > 1:
            offices = [_portrait(desk, office, desk.clock.now()) for office in desk.offices]
            return _page(request, "public/choose.html", offices=[each for each in offices if each["forms"]])
        response = _form_page(request, _account(request), {}, {})
        # Kept for the button "back" alone, which then finds the same form with its key; asked for anew by its address.
        response.headers["Cache-Control"] = "private, no-cache"
        return response

    async def submit(self, request: web.Request) -> web.Response:
        """Take in a filled-in form and show number and PIN; or show it again, with what was typed.

        400: not sent by this page as a person sends it; 413, 422: mistakes; 429: too many from one address; 503: not
        stored. Nothing of it is stored in any of these cases.
        """
        desk, account = request.app[DESK], _account(request)
        wait = self._writing.take(request[CLIENT], desk.clock.now())
        with contextlib.ExitStack() as opened:
            filled = await form.read(request, opened, with_files=not wait)
            if wait:
                return _form_page(request, account, filled.fields, {}, 429, "too_many", wait)
            if filled.problem == form.UNREADABLE:
                return _form_page(request, account, filled.fields, {}, 400, filled.problem)
            if filled.problem is not None:
                return _form_page(request, account, filled.fields, {}, 503, filled.problem)
            inbound, mistakes = _parse(desk, account, filled, desk.clock.now())
            notice = _notice(request, account, filled.fields)
            if inbound is None or mistakes or notice:
                status = 400 if notice else 413 if mistakes.get(form.FILES, "").endswith("too_large") else 422
                return _form_page(request, account, filled.fields, mistakes, status, notice)
            try:
                registered = await _take_in(desk, account, filled, inbound)
            except errors.StorageUnavailable:
                return _form_page(request, account, filled.fields, {}, 503, form.UNAVAILABLE)
        return _success_page(request, account, registered, has_contact=inbound.reply_address is not None)

    async def show_tracking(self, request: web.Request) -> web.Response:
        return _tracking_page(request, request.query.get("nomor", ""))

    async def track(self, request: web.Request) -> web.Response:
        """Show how a complaint stands to whoever knows its number and PIN; the same refusal whichever is wrong."""
        desk = request.app[DESK]
        now = desk.clock.now()
        fields = await _fields(request)
        number = fields.get("number", "")
        wait = self._asking.take(request[CLIENT], now)
        if wait:
            return _tracking_page(request, number, 429, "too_many", wait)
        try:
            found = await _find(desk, number, fields.get("pin", ""))
        except errors.NotAllowed:
            return _tracking_page(request, number, 429, "locked")
        except errors.StorageUnavailable:
            return _tracking_page(request, number, 503, "unavailable")
        if found is None:
            return _tracking_page(request, number, 422, "unknown")
        office, progress = found
        is_late = progress.is_late or (progress.due_at is not None and progress.due_at < now)
        return _page(request, "public/progress.html", office=office, progress=progress, is_late=is_late)


# --- The form -----------------------------------------------------------------------------------------------------


def _form_accounts(desk: Desk) -> list[model.Account]:
    return [account for name, account in desk.accounts.items() if hasattr(desk.connectors[name], "parse_form")]


def _account(request: web.Request) -> model.Account:
    """Return the form account the path names, or the only one there is; NotFound."""
    accounts = _form_accounts(request.app[DESK])
    name = request.match_info.get("account")
    found = [account for account in accounts if name in (None, account.name)]
    if len(found) != 1:
        raise errors.NotFound("no such form")
    return found[0]


def _parse(
    desk: Desk, account: model.Account, filled: form.Filled, now: datetime
) -> tuple[model.InboundMessage | None, dict[str, str]]:
    """Read the form without its files: they are kept only when nothing is wrong with it."""
    connector = cast("ports.Form", desk.connectors[account.name])
    try:
        return connector.parse_form(filled.fields, (), now), filled.mistakes
    except errors.FormMistakes as error:
        return None, error.mistakes | filled.mistakes


def _notice(request: web.Request, account: model.Account, fields: Mapping[str, str]) -> str | None:
    """Say why a person should press the button once more, None when the form was sent as a person sends it."""
    if fields.get(_TRAP):
        return "trap"
    key, stamp = fields.get("key", ""), fields.get(_STAMP, "")
    return form.stamp_mistake(request.app[SETTINGS].form_key, account.name, key, stamp, request.app[DESK].clock.now())


async def _take_in(
    desk: Desk, account: model.Account, filled: form.Filled, inbound: model.InboundMessage
) -> intake.Registered:
    """Keep the files, then store the message; StorageUnavailable when either cannot be done."""
    try:
        files = [await asyncio.to_thread(desk.files.put, *_content(upload)) for upload in filled.files]
    except OSError as error:
        raise errors.StorageUnavailable("the files cannot be kept") from error
    content = {
        "fields": {name: filled.fields[name] for name in _SENT if name in filled.fields},
        "files": [dataclasses.asdict(file) for file in files],
    }
    body = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    raw = ports.RawRequest(account.name, "/lapor", {"content-type": "application/json"}, body, desk.clock.now())
    # The same page sent again is the same message. Sent again with other words, after the button "back", it is a
    # further message to the same complaint: nothing a citizen wrote is dropped.
    provider_id = f"{inbound.provider_id}.{hashlib.sha256(body).hexdigest()[:16]}"
    message = dataclasses.replace(inbound, files=tuple(files), provider_id=provider_id)
    return await intake.receive_message(desk, raw, message, "form")


def _content(upload: form.Upload) -> tuple[bytes, str]:
    upload.content.seek(0)
    return upload.content.read(), upload.name


def _form_page(
    request: web.Request, account: model.Account, fields: Mapping[str, str], mistakes: Mapping[str, str],
    status: int = 200, notice: str | None = None, wait: timedelta | None = None,
) -> web.Response:  # fmt: skip
    """Show the form with what was typed. Its key stays the same, so that a form sent before is known again."""
    desk, secret = request.app[DESK], request.app[SETTINGS].form_key
    key, stamp = _uuid(fields.get("key", "")), fields.get(_STAMP, "")
    now = desk.clock.now()
    if form.stamp_mistake(secret, account.name, key, stamp, now) == form.EXPIRED:
        stamp = form.stamp(secret, account.name, key, now)
    response = _page(
        request, "public/form.html", account=account, office=desk.offices.get(account.office_id), fields=fields,
        mistakes=mistakes, notice=notice, key=key, stamp=stamp, max_files=form.MAX_FILES,
    )  # fmt: skip
    return _with_status(response, status, wait)


def _uuid(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError:
        return str(uuid.uuid4())


def _success_page(
    request: web.Request, account: model.Account, registered: intake.Registered, *, has_contact: bool
) -> web.Response:
    desk = request.app[DESK]
    office = desk.offices.get(account.office_id)
    return _page(
        request, "public/success.html", office=office, registered=registered, has_contact=has_contact,
        opens_at=_opens_at(desk.offices.calendar(office.id), desk.clock.now()),
    )  # fmt: skip


def _page(request: web.Request, name: str, **context: Any) -> web.Response:
    return pages.render(request, name, safety=texts.SAFETY, **context)


def _with_status(response: web.Response, status: int, wait: timedelta | None = None) -> web.Response:
    response.set_status(status)
    if wait:
        response.headers["Retry-After"] = str(math.ceil(wait.total_seconds()))
    if status in (400, 413, 429):
        response.force_close()  # the rest of what is being sent is not waited for
    return response


# --- Tracking -----------------------------------------------------------------------------------------------------


async def _fields(request: web.Request) -> dict[str, str]:
    """Return the fields of a small form; none where it cannot be read."""
    try:
        return dict(parse_qsl((await body_of(request)).decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS))
    except ValueError:
        return {}


async def _find(desk: Desk, number: str, pin: str) -> tuple[Office, complaints.Progress] | None:
    """Look a complaint up in the office its number belongs to. NotAllowed while too many wrong PINs were tried."""
    digits = "".join(pin.split()).replace("-", "")
    if len(digits) != ids.PIN_DIGITS or not (digits.isascii() and digits.isdecimal()):
        return None
    try:
        parsed = ids.Number.parse(number)
    except ValueError:
        return None
    for office in desk.offices:
        if office.number_prefix == parsed.prefix:
            progress = await complaints.track(desk, office.id, str(parsed), digits)
            if progress is not None:
                return office, progress
    return None


def _tracking_page(
    request: web.Request, number: str, status: int = 200, notice: str | None = None, wait: timedelta | None = None
) -> web.Response:
    offices = list(request.app[DESK].offices)
    response = _page(request, "public/track.html", offices=offices, number=number, notice=notice)
    return _with_status(response, status, wait)


# --- Offices ------------------------------------------------------------------------------------------------------


def _portrait(desk: Desk, office: Office, now: datetime) -> dict[str, Any]:
    """Return what the front page says of an office."""
    calendar = desk.offices.calendar(office.id)
    forms = [account for account in _form_accounts(desk) if account.office_id == office.id]
    others = {account.capabilities.label for account in desk.accounts.values() if account.office_id == office.id}
    today = office.local(now).date()
    return {
        "office": office,
        "forms": forms,
        "channels": sorted(others - {account.capabilities.label for account in forms}),
        "opens_at": _opens_at(calendar, now),
        "days": [_day(calendar, today + timedelta(days=offset)) for offset in range(_DAYS_SHOWN)],
    }


def _opens_at(calendar: ServiceCalendar, now: datetime) -> datetime | None:
    """Return when the office opens next, None while it is open."""
    return None if calendar.is_open(now) else calendar.next_open(now)


def _day(calendar: ServiceCalendar, day: date) -> _Day:
    holiday = calendar.holidays.get(day)
    slots = [(calendar.local(span.opens_at), calendar.local(span.closes_at)) for span in calendar.slots(day)]
    return _Day(day, slots, holiday.name if holiday is not None and not slots else None)
