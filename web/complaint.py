"""One complaint: its page, and what people do with it."""

import asyncio
import functools
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from core import errors, ids, model
from router import assignment, complaints, counter, people, resending
from router.desk import WORKERS
from web import auth, composer, pages, queues, texts, timeline
from web.application import DESK

_NUMBER = r"{number:[A-Za-z]{1,10}-\d{4}-\d{1,9}}"
Act = Callable[[web.Request, auth.Form, complaints.Details], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed into a form that was refused, to be given back; `kind` names the form, `choice` the way."""

    kind: str = ""
    text: str = ""
    how: str = ""
    key: str = ""
    to: str = ""
    at: str = ""
    choice: composer.Choice = composer.ANY

    @property
    def holds_number(self) -> bool:
        return composer.holds_number(self.text)


async def show(request: web.Request) -> web.Response:
    return await page(request, await _details(request))


async def _details(request: web.Request) -> complaints.Details:
    number = ids.Number.parse(request.match_info["number"])
    return await complaints.details(request.app[DESK], request[auth.PERSON], number)


async def page(
    request: web.Request,
    details: complaints.Details,
    *,
    status: int = 200,
    error: str = "",
    draft: Draft | None = None,
    revealed: Mapping[int, str] | None = None,
    opened: Mapping[int, Any] | None = None,
) -> web.Response:
    """Return the page of a complaint. `revealed`: texts with their numbers; `opened`: attachments to look at."""
    desk, person, view = request.app[DESK], request[auth.PERSON], queues.view_of(request.query)
    context, colleagues = await asyncio.gather(queues.frame(request, view), people.colleagues(desk, person))
    now, office, complaint = context["now"], context["office"], details.complaint
    context |= await queues.listing(request, view, now, complaint)
    following = [line for line in context["lines"] if not line.is_current and line.item.complaint.state.is_open]
    asked = draft.choice if draft is not None and draft.choice.query else composer.Choice.of(request.query)
    is_supervisor, is_held = person.role is model.Role.SUPERVISOR, complaint.assignee_id is not None
    context |= {
        "page_kind": "complaint",
        "details": details,
        "complaint": complaint,
        "error": error,
        "draft": draft or Draft(key=str(uuid.uuid4())),
        "revealed": revealed or {},
        "opened": opened or {},
        "entries": timeline.entries(details, office, desk.accounts),
        "recorded": {m.id: counter.recorded(desk, m.account, m.details) for m in details.timeline},
        "following": following[0] if following and request.query.get("hasil") in texts.RESTS else None,
        "remaining": texts.remaining(complaint, now, context["end_of_day"], office.zone),
        "composer": composer.build(details, person, now, office, asked),
        "chosen": asked.query,
        "can_hand_over": [p for p in colleagues if _can_take_over(p, complaint, now)],
        "holds": complaint.assignee_id == person.id or (is_supervisor and is_held),
        "reasons": texts.CLOSE_REASONS,
    }
    return pages.render(request, "inbox/complaint.html", status=status, **context)


def _can_take_over(person: model.Person, complaint: model.Complaint, now: datetime) -> bool:
    is_there = person.is_active and not person.is_absent(now)
    return is_there and person.role in WORKERS and person.id != complaint.assignee_id


# --- Acts -----------------------------------------------------------------------------------------------------------


def acting(act: Act) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make a handler of an act that returns what to confirm; refused, the page comes again with what was typed."""

    @auth.changes(*WORKERS)
    @functools.wraps(act)
    async def handle(request: web.Request) -> web.StreamResponse:
        form = await auth.form_of(request)
        details = await _details(request)
        try:
            done = await act(request, form, details)
        except (errors.NotAllowed, errors.StaleDecision) as error:
            draft = Draft(form.get("jenis", ""), form.get("isi", ""), form.get("cara", ""), form.get("kunci", ""))
            return await refused(request, str(error), draft)
        return auth.see_other(back(request, details.complaint.number, done))

    return handle


async def refused(request: web.Request, reason: str, draft: Draft) -> web.Response:
    """Show the complaint as it stands, why an act was refused, and what was typed."""
    return await page(
        request, await _details(request), status=HTTPStatus.CONFLICT, error=reason, draft=draft if draft.key else None
    )


def back(request: web.Request, number: ids.Number, done: str) -> str:
    """Return the address of a complaint in the list it was opened from; `done` names what to confirm."""
    query = [(name, value) for name, value in parse_qsl(request.query_string) if name != "hasil"]
    return f"/inbox/{number}?{urlencode([*query, ('hasil', done)])}"


@acting
async def claim(request: web.Request, _: auth.Form, details: complaints.Details) -> str:
    await assignment.claim(request.app[DESK], request[auth.PERSON], details.complaint.id)
    return "diambil"


@acting
async def reassign(request: web.Request, form: auth.Form, details: complaints.Details) -> str:
    to = ids.PersonId(whole(form.get("kepada", "")))
    await assignment.reassign(request.app[DESK], request[auth.PERSON], details.complaint.id, to)
    return "diserahkan"


@acting
async def give_back(request: web.Request, _: auth.Form, details: complaints.Details) -> str:
    await assignment.give_back(request.app[DESK], request[auth.PERSON], details.complaint.id)
    return "dikembalikan"


@acting
async def close(request: web.Request, form: auth.Form, details: complaints.Details) -> str:
    try:
        reason = model.CloseReason(form.get("alasan", ""))
    except ValueError:
        raise errors.NotAllowed(texts.NO_REASON) from None
    await complaints.close(
        request.app[DESK], request[auth.PERSON], details.complaint.id, reason, tell="beritahu" in form
    )
    return "ditutup"


@acting
async def reopen(request: web.Request, form: auth.Form, details: complaints.Details) -> str:
    await complaints.reopen(request.app[DESK], request[auth.PERSON], details.complaint.id, form.get("alasan", ""))
    return "dibuka"


def _delivery(act: Callable[..., Awaitable[None]], done: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make a handler of what a person decides on a message that failed; it must be one of this complaint."""

    async def decide(request: web.Request, form: auth.Form, details: complaints.Details) -> str:
        wanted = whole(form.get("pesan", ""))
        if wanted not in {message.outbox_id for message in details.timeline}:
            raise errors.NotFound("no such message")
        await act(request.app[DESK], request[auth.PERSON], ids.OutboxId(wanted))
        return done

    return acting(decide)


@auth.changes(*WORKERS)
async def reveal(request: web.Request) -> web.Response:
    """Show one message with its personal numbers. They stand in this answer only, in no address and no history."""
    form = await auth.form_of(request)
    message_id = ids.MessageId(whole(form.get("pesan", "")))
    number = ids.Number.parse(request.match_info["number"])
    try:
        text = await complaints.reveal(
            request.app[DESK], request[auth.PERSON], number, message_id, form.get("keperluan", "")
        )
    except errors.NotAllowed as error:
        return await page(request, await _details(request), status=HTTPStatus.CONFLICT, error=str(error))
    return await page(request, await _details(request), revealed={message_id: text})


def whole(text: str) -> int:
    """Return the id that a form's field or an address holds; NotFound for what is none."""
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or int(text) >= 1 << 63:
        raise errors.NotFound("not an id")
    return int(text)


routes: list[web.AbstractRouteDef] = [
    web.get(f"/inbox/{_NUMBER}", auth.reads(show)),
    web.post(f"/inbox/{_NUMBER}/ambil", claim),
    web.post(f"/inbox/{_NUMBER}/serahkan", reassign),
    web.post(f"/inbox/{_NUMBER}/kembalikan", give_back),
    web.post(f"/inbox/{_NUMBER}/tutup", close),
    web.post(f"/inbox/{_NUMBER}/buka", reopen),
    web.post(f"/inbox/{_NUMBER}/kirim-ulang", _delivery(resending.send_again, "dikirim-ulang")),
    web.post(f"/inbox/{_NUMBER}/sampai", _delivery(resending.mark_arrived, "sampai")),
    web.post(f"/inbox/{_NUMBER}/diketahui", _delivery(resending.give_up, "diketahui")),
    web.post(f"/inbox/{_NUMBER}/tampilkan", reveal),
]
