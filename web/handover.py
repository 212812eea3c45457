"""Recording an answer that was handed over, posted or telephoned: with when, to whom, and the proof."""

import asyncio
import contextlib
import uuid
from datetime import datetime
from http import HTTPStatus

from aiohttp import web

from core import errors, ids
from router import complaints, counter
from router.desk import WORKERS
from web import auth, complaint, form, texts
from web.application import DESK


@auth.lets_in(*WORKERS)
async def record(request: web.Request) -> web.StreamResponse:
    """Record it and go back to the complaint; refused, the page comes again with what was typed."""
    desk, person = request.app[DESK], request[auth.PERSON]
    known = (await complaints.details(desk, person, ids.Number.parse(request.match_info["number"]))).complaint
    with contextlib.ExitStack() as opened:
        filled = await form.read(request, opened)
        given = filled.fields
        if not auth.is_own_form(request, given.get(auth.TOKEN_FIELD, "")):
            return auth.failure(request, HTTPStatus.FORBIDDEN, texts.FORM_EXPIRED)
        try:
            key, at = _checked(request, filled)
            proof = await asyncio.to_thread(form.keep, desk.files.put, filled.files)
            handover = counter.Handover(given.get("cara", ""), given.get("kepada", ""), at, proof)
            await counter.record_answer(desk, person, known.id, given.get("isi", ""), handover, key)
        except (errors.NotAllowed, errors.StaleDecision) as error:
            draft = complaint.Draft(
                "disampaikan", given.get("isi", ""), given.get("cara", ""), given.get("kunci", ""),
                given.get("kepada", ""), given.get("waktu", ""),
            )  # fmt: skip
            return await complaint.refused(request, str(error), draft)
    return auth.see_other(complaint.back(request, known.number, "dicatat"))


def _checked(request: web.Request, filled: form.Filled) -> tuple[str, datetime | None]:
    """Return the key of the page and when it was handed over; NotAllowed for what cannot be read."""
    if filled.problem is not None:
        raise errors.NotAllowed(texts.UPLOAD_FAILED)
    if filled.mistakes:
        raise errors.NotAllowed(texts.FILE_MISTAKES[filled.mistakes[form.FILES]])
    try:
        key = str(uuid.UUID(filled.fields.get("kunci", "")))
    except ValueError:
        raise errors.NotAllowed(texts.FORM_EXPIRED) from None
    at = filled.fields.get("waktu", "")
    office = request.app[DESK].offices.get(request[auth.PERSON].office_id)
    try:
        return key, datetime.fromisoformat(at).replace(tzinfo=office.zone) if at else None
    except ValueError:
        raise errors.NotAllowed(texts.WRONG_DATE) from None


routes: list[web.AbstractRouteDef] = [
    web.post(r"/inbox/{number:[A-Za-z]{1,10}-\d{4}-\d{1,9}}/disampaikan", record),
]
