"""What is written in the composer: an answer, with files where the channel carries them, or an internal note."""

import asyncio
import contextlib
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from aiohttp import web

from core import errors, ids, model
from router import answers, complaints, files
from router.desk import WORKERS
from web import auth, channel_texts, complaint, composer, file_texts, form, texts
from web.application import DESK


@auth.lets_in(*WORKERS)
async def write(request: web.Request) -> web.StreamResponse:
    """Do what the form says and go back to the complaint; refused, the page comes again with what was typed."""
    desk, person = request.app[DESK], request[auth.PERSON]
    details = await complaints.details(desk, person, ids.Number.parse(request.match_info["number"]))
    with contextlib.ExitStack() as opened:
        filled = await _filled(request, opened)
        given = filled.fields
        if not auth.is_own_form(request, given.get(auth.TOKEN_FIELD, "")):
            return auth.failure(request, HTTPStatus.FORBIDDEN, texts.FORM_EXPIRED)
        try:
            done = await _write(request, details, filled)
        except (errors.NotAllowed, errors.StaleDecision) as error:
            again = f" {file_texts.CHOOSE_AGAIN}" if filled.files else ""
            choice = composer.Choice.of(given)
            draft = complaint.Draft(
                given.get("jenis", ""), given.get("isi", ""), key=given.get("kunci", ""), choice=choice
            )
            return await complaint.refused(request, f"{error}{again}", draft)
    return auth.see_other(complaint.back(request, details.complaint.number, done))


async def _filled(request: web.Request, opened: contextlib.ExitStack) -> form.Filled:
    if request.content_type.startswith("multipart/"):
        return await form.read(request, opened)
    return form.Filled(dict(await auth.form_of(request)))


async def _write(request: web.Request, details: complaints.Details, filled: form.Filled) -> str:
    """Answer or keep a note; return what to confirm."""
    if filled.problem is not None:
        raise errors.NotAllowed(texts.UPLOAD_FAILED)
    if filled.mistakes:
        raise errors.NotAllowed(texts.FILE_MISTAKES[filled.mistakes[form.FILES]])
    try:
        key = str(uuid.UUID(filled.fields.get("kunci", "")))
    except ValueError:
        raise errors.NotAllowed(texts.FORM_EXPIRED) from None
    desk, person, body = request.app[DESK], request[auth.PERSON], filled.fields.get("isi", "")
    complaint_id = details.complaint.id
    match filled.fields.get("jenis"):
        case "jawab":
            _require_fit_for_all(details, body, filled.fields)
            kept = await asyncio.to_thread(form.keep, desk.files.put, filled.files)
            enclosed = [await files.released(desk.files, stored) for stored in kept]
            await answers.answer(desk, person, complaint_id, _reply(body, enclosed, filled.fields), key)
            return "dijawab"
        case "catatan":
            await answers.note(desk, person, complaint_id, body, key)
            return "catatan"
    raise errors.NotAllowed(texts.FORM_EXPIRED)


def _reply(body: str, enclosed: Sequence[model.StoredFile], fields: Mapping[str, str]) -> answers.Reply:
    choice = composer.Choice.of(fields)
    return answers.Reply(
        body,
        enclosed,
        contact_id=ids.ContactId(complaint.whole(choice.contact)) if choice.contact else None,
        message_id=ids.MessageId(complaint.whole(choice.message)) if choice.message else None,
        private=choice.openness == "pribadi",
    )


def _require_fit_for_all(details: complaints.Details, body: str, fields: Mapping[str, str]) -> None:
    """NotAllowed when everybody would read a number that nobody said is meant for all."""
    goes_public = composer.goes_public(details, composer.Choice.of(fields))
    if goes_public and composer.holds_number(body) and "untuk-umum" not in fields:
        raise errors.NotAllowed(channel_texts.NUMBER_IN_PUBLIC)


routes: list[web.AbstractRouteDef] = [
    web.post(r"/inbox/{number:[A-Za-z]{1,10}-\d{4}-\d{1,9}}/tulis", write),
]
