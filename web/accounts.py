"""How the accounts of an office fare: whether they work, what they were last compared with, what will stop working."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from aiohttp import web

from core import model
from router import complaints, metrics
from router.offices import Office
from web import auth, channel_texts, pages, queues, texts
from web.application import DESK


@dataclass(frozen=True, slots=True)
class Line:
    """One account. `state` says how it fares, `tone` gives it colour and shape; `remarks` are what is to be seen to."""

    account: model.Account
    state: str
    tone: Literal["ok", "soon", "late"]
    remarks: Sequence[str]
    received: str
    sent: str
    compared: str


async def show(request: web.Request) -> web.Response:
    desk, person = request.app[DESK], request[auth.PERSON]
    context = await queues.frame(request)
    overview, office = context["overview"], context["office"]
    last_inbound_at = await metrics.last_inbound_at(desk)
    lines = [
        _line(account, overview, office, last_inbound_at.get(account.name), context["now"])
        for account in desk.accounts.values()
        if account.office_id == person.office_id
    ]
    return pages.render(request, "inbox/accounts.html", **context, lines=lines)


def _line(
    account: model.Account, overview: complaints.Overview, office: Office, received_at: datetime | None, now: datetime
) -> Line:
    health = overview.health.get(account.name, model.Health(account.name))
    alarms = [alarm for alarm in overview.alarms if alarm.account == account.name]
    remarks = [
        remark
        for alarm in alarms
        if alarm.kind is model.AlarmKind.ACCOUNT_WARNING
        for remark in (alarm.note or "").splitlines()
    ]
    state, tone = _state(account, health, alarms, office)
    return Line(
        account=account,
        state=channel_texts.TO_BE_SEEN_TO if remarks and tone == "ok" else state,
        tone="soon" if remarks and tone == "ok" else tone,
        remarks=remarks,
        received=_moment(received_at, office, now, channel_texts.NEVER),
        sent=_moment(
            health.last_outbound_at, office, now,
            channel_texts.NEVER if account.capabilities.answerable else channel_texts.NEVER_SENDS,
        ),
        compared=_compared(health, office, now),
    )  # fmt: skip


def _state(
    account: model.Account, health: model.Health, alarms: Sequence[model.Alarm], office: Office
) -> tuple[str, Literal["ok", "soon", "late"]]:
    down = {alarm.kind: alarm.raised_at for alarm in alarms if alarm.kind in texts.OUTAGES}
    refused_at = health.suspended_at or down.get(model.AlarmKind.ACCOUNT_SUSPENDED)
    if refused_at is not None:
        return channel_texts.REFUSED.format(since=texts.brief_moment(refused_at, office.zone)), "late"
    if model.AlarmKind.ACCOUNT_UNREACHABLE in down:
        since = texts.brief_moment(down[model.AlarmKind.ACCOUNT_UNREACHABLE], office.zone)
        return channel_texts.UNREACHED.format(since=since), "late"
    if health.error is not None:
        return channel_texts.DISTURBED, "soon"
    if account.capabilities.is_recorded:
        return channel_texts.RECORDED, "ok"
    return channel_texts.SIMULATED if account.simulated else channel_texts.WELL, "ok"


def _moment(at: datetime | None, office: Office, now: datetime, never: str) -> str:
    """Return the time of day of something today, the day as well before, `never` for what has not been."""
    if at is None:
        return never
    is_today = office.local(at).date() == office.local(now).date()
    return (texts.time_of_day if is_today else texts.brief_moment)(at, office.zone)


def _compared(health: model.Health, office: Office, now: datetime) -> str:
    if health.compared_at is None:
        return ""
    at = _moment(health.compared_at, office, now, "")
    return channel_texts.compared(at, health.listed or 0, health.missing or 0)


routes: list[web.AbstractRouteDef] = [web.get(f"{auth.HOME}/saluran", auth.reads(show))]
