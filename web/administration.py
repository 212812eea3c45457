"""Quarantine, alarms, holidays and colleagues: what an office looks after besides complaints."""

import dataclasses
from datetime import date, datetime, time, timedelta
from http import HTTPStatus
from zoneinfo import ZoneInfo

from aiohttp import web

from core import errors, ids, model
from core import text as plain
from router import complaints, holidays, people
from router import quarantine as kept
from router.desk import WORKERS
from sla import calendar
from web import auth, complaint, pages, queues, texts
from web.application import DESK

# --- Quarantine and alarms ------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Quarantined:
    item: complaints.RawItem
    label: str
    reason: str
    size: int


async def quarantine(request: web.Request, *, status: int = 200, error: str = "") -> web.Response:
    desk, person = request.app[DESK], request[auth.PERSON]
    items = [
        Quarantined(
            item,
            queues.label_and_mark(desk, item.request.account)[0],
            texts.quarantine_reason(item.reason),
            len(item.request.body),
        )
        for item in await complaints.quarantined(desk, person)
    ]
    return pages.render(
        request, "inbox/quarantine.html", status=status, **await queues.frame(request), items=items, error=error
    )


@auth.changes(*WORKERS)
async def replay(request: web.Request) -> web.Response:
    """Read an item again. Only a supervisor may vouch for what could not be proven genuine."""
    desk, person = request.app[DESK], request[auth.PERSON]
    item = await complaints.original(desk, person, complaint.whole(request.match_info["id"]))
    vouches = "jamin" in await auth.form_of(request)
    if vouches and person.role is not model.Role.SUPERVISOR:
        return auth.failure(request, HTTPStatus.FORBIDDEN)
    if not await kept.replay(desk, item.id, person if vouches else None):
        return await quarantine(request, status=HTTPStatus.CONFLICT, error=texts.STILL_UNREADABLE)
    return auth.see_other("/inbox/karantina?hasil=dibaca-ulang")


@auth.changes(*WORKERS)
async def dismiss(request: web.Request) -> web.Response:
    reason = plain.one_line((await auth.form_of(request)).get("alasan", ""), 200)
    if not reason:
        return await quarantine(request, status=HTTPStatus.CONFLICT, error=texts.NO_DISMISSAL_REASON)
    await kept.dismiss(request.app[DESK], complaint.whole(request.match_info["id"]), request[auth.PERSON], reason)
    return auth.see_other("/inbox/karantina?hasil=dikesampingkan")


async def alarms(request: web.Request) -> web.Response:
    desk = request.app[DESK]
    labels = {name: queues.label_and_mark(desk, name)[0] for name in desk.accounts}
    return pages.render(
        request, "inbox/alarms.html", **await queues.frame(request), labels=labels,
        settled_by_people=complaints.SETTLED_BY_PEOPLE,
    )  # fmt: skip


@auth.changes(*WORKERS)
async def settle_alarm(request: web.Request) -> web.Response:
    await complaints.settle_alarm(request.app[DESK], request[auth.PERSON], complaint.whole(request.match_info["id"]))
    return auth.see_other("/inbox/alarm")


# --- Holidays -------------------------------------------------------------------------------------------------------


async def holiday_list(request: web.Request, *, status: int = 200, error: str = "") -> web.Response:
    desk, person = request.app[DESK], request[auth.PERSON]
    context = await queues.frame(request)
    this_year = context["office"].local(context["now"]).year
    asked = request.query.get("tahun", "")
    year = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) == 4 else this_year
    entries = [entry for entry in await holidays.listed(desk, person) if entry.day.year == year]
    return pages.render(
        request, "inbox/holidays.html", status=status, **context, entries=entries, year=year, this_year=this_year,
        error=error,
        may_edit=person.role is model.Role.SUPERVISOR, moved=request.query.get("dihitung", ""),
    )  # fmt: skip


@auth.changes(model.Role.SUPERVISOR)
async def put_holiday(request: web.Request) -> web.Response:
    form = await auth.form_of(request)
    try:
        day, kind = _day(form.get("tanggal", "")), calendar.HolidayKind(form.get("jenis", ""))
        moved = await holidays.put(
            request.app[DESK], request[auth.PERSON], day, form.get("nama", ""), kind, is_closed="melayani" not in form
        )
    except (errors.NotAllowed, ValueError) as error:
        reason = str(error) if isinstance(error, errors.NotAllowed) else texts.WRONG_DATE
        return await holiday_list(request, status=HTTPStatus.CONFLICT, error=reason)
    return auth.see_other(f"/inbox/libur?tahun={day.year}&hasil=libur&dihitung={moved}")


@auth.changes(model.Role.SUPERVISOR)
async def remove_holiday(request: web.Request) -> web.Response:
    try:
        day = _day((await auth.form_of(request)).get("tanggal", ""))
    except errors.NotAllowed as error:
        return await holiday_list(request, status=HTTPStatus.CONFLICT, error=str(error))
    moved = await holidays.remove(request.app[DESK], request[auth.PERSON], day)
    return auth.see_other(f"/inbox/libur?tahun={day.year}&hasil=libur-dihapus&dihitung={moved}")


# --- Colleagues -----------------------------------------------------------------------------------------------------


async def colleague_list(request: web.Request, *, status: int = 200, error: str = "") -> web.Response:
    desk, person = request.app[DESK], request[auth.PERSON]
    everybody = await people.colleagues(desk, person)
    return pages.render(
        request, "inbox/people.html", status=status, **await queues.frame(request), people=everybody, roles=texts.ROLES,
        is_supervisor=person.role is model.Role.SUPERVISOR, error=error,
    )  # fmt: skip


@auth.changes(*WORKERS)
async def set_absence(request: web.Request) -> web.Response:
    """Note whole days of absence, the last one included; without a first day the person is present again."""
    desk, person, form = request.app[DESK], request[auth.PERSON], await auth.form_of(request)
    zone = desk.offices.get(person.office_id).zone
    of = ids.PersonId(complaint.whole(request.match_info["id"]))
    first, last = form.get("mulai", ""), form.get("selesai", "")
    try:
        starts = _midnight(_day(first), zone) if first else None
        ends = _midnight(_day(last) + timedelta(days=1), zone) if first and last else None
        await people.set_absence(desk, person, of, starts, ends)
    except errors.NotAllowed as error:
        return await colleague_list(request, status=HTTPStatus.CONFLICT, error=str(error))
    return auth.see_other(f"/inbox/petugas?hasil={'absen' if first else 'hadir'}")


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise errors.NotAllowed(texts.WRONG_DATE) from None
    if not 2000 <= day.year <= 2100:  # beyond lie days that no calendar can reckon with
        raise errors.NotAllowed(texts.WRONG_DATE)
    return day


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


routes: list[web.AbstractRouteDef] = [
    web.get("/inbox/karantina", auth.reads(quarantine)),
    web.post(r"/inbox/karantina/{id:\d{1,19}}/baca-ulang", replay),
    web.post(r"/inbox/karantina/{id:\d{1,19}}/kesampingkan", dismiss),
    web.get("/inbox/alarm", auth.reads(alarms)),
    web.post(r"/inbox/alarm/{id:\d{1,19}}/selesai", settle_alarm),
    web.get("/inbox/libur", auth.reads(holiday_list)),
    web.post("/inbox/libur", put_holiday),
    web.post("/inbox/libur/hapus", remove_holiday),
    web.get("/inbox/petugas", auth.reads(colleague_list)),
    web.post(r"/inbox/petugas/{id:\d{1,19}}/absen", set_absence),
]
