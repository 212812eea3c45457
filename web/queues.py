"""What stands around every page of the inbox: queues with counts, the strip of alarms, the list by deadline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from core import errors, model
from router import complaints, counter
from router.complaints import View
from router.desk import Desk
from web import auth, texts
from web.application import DESK, SETTINGS

_KEY_SEPARATOR = "~"  # between the two parts of a list's key in an address


@dataclass(frozen=True, slots=True)
class QueueLink:
    view: View
    label: str
    count: str
    is_current: bool
    is_late: bool


@dataclass(frozen=True, slots=True)
class Outage:
    """An account by which nothing comes or goes."""

    label: str
    name: str
    title: str
    advice: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """One complaint of a list, as it is shown."""

    item: complaints.Item
    label: str
    mark: str
    remaining: texts.Remaining
    is_current: bool


async def frame(request: web.Request, view: View | None = None) -> dict[str, Any]:
    """Return what the template of every page needs; `view` is the queue that is open."""
    desk, person = request.app[DESK], request[auth.PERSON]
    office, now = desk.offices.get(person.office_id), desk.clock.now()
    overview = await complaints.overview(desk, person)
    return {
        "office": office,
        "person": person,
        "role": texts.ROLES[person.role],
        "can_change": auth.may_change(person),
        "form_token": auth.form_token(request),
        "now": now,
        "end_of_day": office.end_of_day(now),
        "opening": texts.opening(desk.offices.calendar(office.id), now, office.zone),
        "training": request.app[SETTINGS].training,
        "overview": overview,
        "queues": _queues(overview, view),
        "writes_down": bool(counter.accounts(desk, office.id)),
        "outages": _outages(desk, overview),
        "alarm_groups": _alarm_groups(overview.alarms),
        "troubled": _troubled(overview),
        "done": texts.DONE.get(request.query.get("hasil", ""), ""),
        "view": view,
        "page_kind": "other",
    }


def _queues(overview: complaints.Overview, current: View | None) -> list[QueueLink]:
    return [
        QueueLink(
            view,
            label,
            texts.queue_count(overview.counts[view]) if view in overview.counts else "",
            view is current,
            view is View.LATE and overview.counts[view] > 0,
        )
        for view, label in texts.VIEWS.items()
    ]


def _outages(desk: Desk, overview: complaints.Overview) -> list[Outage]:
    """Return what is broken for everybody: an open alarm of an account, or its health, says so."""
    since = {a.account: (a.kind, a.raised_at) for a in overview.alarms if a.kind in texts.OUTAGES and a.account}
    suspended = model.AlarmKind.ACCOUNT_SUSPENDED
    since |= {h.account: (suspended, h.suspended_at) for h in overview.health.values() if h.suspended_at is not None}
    return [
        Outage(label_and_mark(desk, name)[0], name, *texts.ALARMS[kind], at)
        for name, (kind, at) in sorted(since.items(), key=lambda pair: pair[1][1])
    ]


def _troubled(overview: complaints.Overview) -> int:
    """Return how many accounts do not work, or will not for long."""
    kinds = {*texts.OUTAGES, model.AlarmKind.ACCOUNT_WARNING}
    of_alarms = {alarm.account for alarm in overview.alarms if alarm.kind in kinds and alarm.account}
    return len(of_alarms | {health.account for health in overview.health.values() if health.suspended_at is not None})


def _alarm_groups(alarms: Sequence[model.Alarm]) -> list[tuple[str, int]]:
    """Return the kinds of the other open alarms, the gravest first, with how many there are."""
    counted: dict[model.AlarmKind, int] = {}
    for alarm in alarms:
        if alarm.kind not in texts.OUTAGES:
            counted[alarm.kind] = counted.get(alarm.kind, 0) + 1
    return [(texts.ALARMS[kind][0], counted[kind]) for kind in texts.ALARMS if kind in counted]


async def listing(
    request: web.Request, view: View, now: datetime, current: model.Complaint | None = None
) -> dict[str, Any]:
    """Return what the template of a list needs: the lines of a page, and where the next one begins."""
    desk, person = request.app[DESK], request[auth.PERSON]
    office = desk.offices.get(person.office_id)
    after = _read_key(request.query.get("sesudah", ""))
    page = await complaints.page(desk, person, view, after)
    end_of_day = office.end_of_day(now)
    lines = [
        Line(
            item,
            *label_and_mark(desk, item.complaint.account),
            texts.remaining(item.complaint, now, end_of_day, office.zone),
            current is not None and item.complaint.id == current.id,
        )
        for item in page.items
    ]
    has_next = page.next_key is not None and page.next_key[0] is not None
    return {
        "lines": lines,
        "is_first_page": after is None,
        "next_page": address(view, after=page.next_key) if has_next else None,
        "here": _query(request, view),
    }


def view_of(query: Mapping[str, str]) -> View:
    """Return the queue that an address asks for, all work where it names none we have."""
    try:
        return View(query.get("antrean", View.ALL))
    except ValueError:
        return View.ALL


def address(view: View, after: tuple[datetime, int] | None = None) -> str:
    query = {"antrean": view.value}
    if after is not None:
        query["sesudah"] = f"{after[0].isoformat()}{_KEY_SEPARATOR}{after[1]}"
    return f"{auth.HOME}?{urlencode(query)}"


def _query(request: web.Request, view: View) -> str:
    """Return the part of an address that keeps queue and place while a complaint of it is open."""
    query = {"antrean": view.value}
    if "sesudah" in request.query and _read_key(request.query["sesudah"]) is not None:
        query["sesudah"] = request.query["sesudah"]
    return "?" + urlencode(query)


def _read_key(text: str) -> tuple[datetime, int] | None:
    at, separator, last = text.partition(_KEY_SEPARATOR)
    try:
        moment = datetime.fromisoformat(at)
        return (moment, int(last)) if separator and moment.tzinfo is not None and 0 <= int(last) < 1 << 63 else None
    except ValueError:
        return None


def label_and_mark(desk: Desk, account: str) -> tuple[str, str]:
    """Return name and mark of the channel of an account, its own name where it is not configured any more."""
    try:
        capabilities = desk.account(account).capabilities
    except errors.NotFound:
        return account, "?"
    return capabilities.label, capabilities.mark
