"""One complaint: its page, and what people do with it."""

import asyncio
import functools
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import parse_qsl, quote, urlencode

from aiohttp import web

from core import errors, ids, model
from core import text as plain
from router import answers, assignment, complaints, people
from router.desk import WORKERS
from router.offices import Office
from web import auth, pages, queues, texts, timeline
from web.application import DESK

_NUMBER = r"{number:[A-Za-z]{1,10}-\d{4}-\d{1,9}}"
_SHOWN_BYTES = 20_000  # of an original message
Act = Callable[[web.Request, auth.Form, complaints.Details], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed into a form that was refused, to be given back; `kind` names the form."""

    kind: str = ""
    text: str = ""
    how: str = ""
    key: str = ""


async def show(request: web.Request) -> web.Response:
    return await _page(request, await _details(request))


async def _details(request: web.Request) -> complaints.Details:
    number = ids.Number.parse(request.match_info["number"])
    return await complaints.details(request.app[DESK], request[auth.PERSON], number)


async def _page(
    request: web.Request,
    details: complaints.Details,
    *,
    status: int = 200,
    error: str = "",
    draft: Draft | None = None,
    revealed: dict[int, str] | None = None,
) -> web.Response:
    desk, person, view = request.app[DESK], request[auth.PERSON], queues.view_of(request.query)
    context, colleagues = await asyncio.gather(queues.frame(request, view), people.colleagues(desk, person))
    now, office, complaint = context["now"], context["office"], details.complaint
    context |= await queues.listing(request, view, now, complaint)
    following = [line for line in context["lines"] if not line.is_current and line.item.complaint.state.is_open]
    is_supervisor, is_held = person.role is model.Role.SUPERVISOR, complaint.assignee_id is not None
    context |= {
        "page_kind": "complaint",
        "details": details,
        "complaint": complaint,
        "error": error,
        "draft": draft or Draft(key=str(uuid.uuid4())),
        "revealed": revealed or {},
        "entries": timeline.entries(details, office),
        "following": following[0] if following and request.query.get("hasil") in texts.RESTS else None,
        "remaining": texts.remaining(complaint, now, context["end_of_day"], office.zone),
        "composer": _composer(details, person, now, office),
        "can_hand_over": [p for p in colleagues if _can_take_over(p, complaint, now)],
        "holds": complaint.assignee_id == person.id or (is_supervisor and is_held),
        "reasons": texts.CLOSE_REASONS,
    }
    return pages.render(request, "inbox/complaint.html", status=status, **context)


def _can_take_over(person: model.Person, complaint: model.Complaint, now: datetime) -> bool:
    is_there = person.is_active and not person.is_absent(now)
    return is_there and person.role in WORKERS and person.id != complaint.assignee_id


@dataclass(frozen=True, slots=True)
class Composer:
    """What will become of what is typed. `blocked` says why no answer can be given now, with the way forward."""

    can_send: bool
    blocked: str
    window: str
    is_window_open: bool
    frame: tuple[str, str]
    frame_length: int


def _composer(details: complaints.Details, person: model.Person, now: datetime, office: Office) -> Composer:
    account, complaint = details.account, details.complaint
    blocked = ""
    if not complaint.state.is_open:
        blocked = texts.BLOCKED_CLOSED
    elif complaint.assignee_id not in (None, person.id) and person.role is not model.Role.SUPERVISOR:
        blocked = texts.BLOCKED_HELD.format(name=details.assignee.name if details.assignee else "")
    closes_at = details.window_closes_at
    is_open = closes_at is None or now < closes_at
    if closes_at is None:
        window = "" if account.capabilities.reply_window is None else texts.WINDOW_UNKNOWN
    elif is_open:
        window = texts.WINDOW_OPEN.format(
            at=texts.brief_moment(closes_at, office.zone), left=texts.span(closes_at - now)
        )
    else:
        window = texts.WINDOW_CLOSED_TEMPLATES if account.capabilities.templates else texts.WINDOW_CLOSED
    if details.has_opted_out:
        window, is_open = texts.OPTED_OUT, False
    frame = details.answer_frame
    return Composer(
        can_send=account.capabilities.answerable,
        blocked=blocked,
        window=window,
        is_window_open=is_open,
        frame=frame,
        frame_length=sum(plain.measure(part, account.capabilities.max_text.unit) for part in frame) + 4,
    )


# --- Acts -----------------------------------------------------------------------------------------------------------


def _act(act: Act) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
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
            return await _page(
                request, await _details(request), status=HTTPStatus.CONFLICT, error=str(error),
                draft=draft if draft.key else None,
            )  # fmt: skip
        return auth.see_other(_back(request, details.complaint.number, done))

    return handle


def _back(request: web.Request, number: ids.Number, done: str) -> str:
    query = [(name, value) for name, value in parse_qsl(request.query_string) if name != "hasil"]
    return f"/inbox/{number}?{urlencode([*query, ('hasil', done)])}"


@_act
async def claim(request: web.Request, _: auth.Form, details: complaints.Details) -> str:
    await assignment.claim(request.app[DESK], request[auth.PERSON], details.complaint.id)
    return "diambil"


@_act
async def reassign(request: web.Request, form: auth.Form, details: complaints.Details) -> str:
    to = ids.PersonId(whole(form.get("kepada", "")))
    await assignment.reassign(request.app[DESK], request[auth.PERSON], details.complaint.id, to)
    return "diserahkan"


@_act
async def give_back(request: web.Request, _: auth.Form, details: complaints.Details) -> str:
    await assignment.give_back(request.app[DESK], request[auth.PERSON], details.complaint.id)
    return "dikembalikan"


@_act
async def close(request: web.Request, form: auth.Form, details: complaints.Details) -> str:
    try:
        reason = model.CloseReason(form.get("alasan", ""))
    except ValueError:
        raise errors.NotAllowed(texts.NO_REASON) from None
    await complaints.close(
        request.app[DESK], request[auth.PERSON], details.complaint.id, reason, tell="beritahu" in form
    )
    return "ditutup"


@_act
async def reopen(request: web.Request, form: auth.Form, details: complaints.Details) -> str:
    await complaints.reopen(request.app[DESK], request[auth.PERSON], details.complaint.id, form.get("alasan", ""))
    return "dibuka"


@_act
async def write(request: web.Request, form: auth.Form, details: complaints.Details) -> str:
    """Answer the citizen, keep a note, or record an answer given by other means, as the form says."""
    desk, person, complaint_id = request.app[DESK], request[auth.PERSON], details.complaint.id
    try:
        key = str(uuid.UUID(form.get("kunci", "")))
    except ValueError:
        raise errors.NotAllowed(texts.FORM_EXPIRED) from None
    body = form.get("isi", "")
    match form.get("jenis"):
        case "jawab":
            await answers.answer(desk, person, complaint_id, body, key)
            return "dijawab"
        case "catatan":
            await answers.note(desk, person, complaint_id, body, key)
            return "catatan"
        case "disampaikan":
            await answers.record_elsewhere(desk, person, complaint_id, body, form.get("cara", ""), key)
            return "dicatat"
    raise errors.NotAllowed(texts.FORM_EXPIRED)


def _delivery(act: Callable[..., Awaitable[None]], done: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make a handler of what a person decides on a message that failed; it must be one of this complaint."""

    async def decide(request: web.Request, form: auth.Form, details: complaints.Details) -> str:
        wanted = whole(form.get("pesan", ""))
        if wanted not in {message.outbox_id for message in details.timeline}:
            raise errors.NotFound("no such message")
        await act(request.app[DESK], request[auth.PERSON], ids.OutboxId(wanted))
        return done

    return _act(decide)


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
        return await _page(request, await _details(request), status=HTTPStatus.CONFLICT, error=str(error))
    return await _page(request, await _details(request), revealed={message_id: text})


@auth.changes(*WORKERS)
async def original(request: web.Request) -> web.Response:
    """Show a message as the provider delivered it; that somebody looked is written down, so it is asked for by POST."""
    details = await _details(request)
    raw_id = whole((await auth.form_of(request)).get("asli", ""))
    if raw_id not in {message.raw_id for message in details.timeline}:
        raise errors.NotFound("no such message")
    item = await complaints.original(request.app[DESK], request[auth.PERSON], raw_id)
    return await original_page(request, item, f"/inbox/{details.complaint.number}")


async def original_page(request: web.Request, item: complaints.RawItem, back: str) -> web.Response:
    context = await queues.frame(request)
    body = item.request.body
    return pages.render(
        request, "inbox/original.html", **context, item=item, back=back, size=len(body),
        body=plain.clean(body[:_SHOWN_BYTES].decode(errors="replace")), is_cut=len(body) > _SHOWN_BYTES,
    )  # fmt: skip


@auth.reads
async def file(request: web.Request) -> web.Response:
    """Give a stored file: pictures to look at when asked for so, everything else only to be saved."""
    desk = request.app[DESK]
    attachment = await complaints.file(desk, request[auth.PERSON], whole(request.match_info["id"]))
    if attachment.sha256 is None:
        raise errors.NotFound("no such file")
    content = await asyncio.to_thread(desk.files.get, attachment.sha256)
    is_shown = "lihat" in request.query and attachment.media_type in timeline.PICTURES
    name = quote(attachment.name or f"lampiran-{attachment.id}", safe="")
    return web.Response(
        body=content,
        headers={
            "Content-Type": attachment.media_type if is_shown else "application/octet-stream",
            "Content-Disposition": f"{'inline' if is_shown else 'attachment'}; filename*=UTF-8''{name}",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cross-Origin-Resource-Policy": "same-origin",
        },
    )


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
    web.post(f"/inbox/{_NUMBER}/tulis", write),
    web.post(f"/inbox/{_NUMBER}/kirim-ulang", _delivery(answers.send_again, "dikirim-ulang")),
    web.post(f"/inbox/{_NUMBER}/sampai", _delivery(answers.mark_arrived, "sampai")),
    web.post(f"/inbox/{_NUMBER}/diketahui", _delivery(answers.give_up, "diketahui")),
    web.post(f"/inbox/{_NUMBER}/tampilkan", reveal),
    web.post(f"/inbox/{_NUMBER}/asli", original),
    web.get(r"/inbox/berkas/{id:\d{1,19}}", file),
]
