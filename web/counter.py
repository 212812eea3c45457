"""The counter: officials write down what reached the office itself, and print its papers.

No number, PIN or name stands in an address that is not the inbox's own: a form is answered by the page that shows what
was registered, and the one for the next of a pile is asked for by POST. Loaded again it sends the same form, which is
the same complaint.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from aiohttp import web

from core import errors, ids, model
from router import counter
from router.desk import WORKERS
from router.offices import Office
from web import auth, form, pages, queues, texts
from web.application import DESK

HOME = f"{auth.HOME}/catat"
_NUMBER = r"{number:[A-Za-z]{1,10}-\d{4}-\d{1,9}}"
_ACCOUNT = r"{account:[a-z0-9\-]{1,64}}"
_SANDBOX = "default-src 'none'; sandbox"  # nothing runs and nothing is fetched from within a paper


@dataclass(frozen=True, slots=True)
class Printer:
    """What draws papers as PDF; TimeoutError when one takes too long.

    A receipt needs the words of what it is about, a form also the office's ways of receiving, by their labels.
    """

    receipt: Callable[[counter.Paper, str], Awaitable[bytes]]
    filled_form: Callable[[counter.Paper, str, Sequence[str]], Awaitable[bytes]]
    empty_form: Callable[[Office, Sequence[str], datetime], Awaitable[bytes]]


def routes(printer: Printer) -> list[web.RouteDef]:
    """Return the routes; their papers come from `printer`."""
    papers = _Papers(printer)
    worker = auth.lets_in(*WORKERS)
    return [
        web.get(HOME, worker(front)),
        web.get(f"{HOME}/{_ACCOUNT}", worker(show)),
        web.post(f"{HOME}/{_ACCOUNT}", worker(submit)),
        web.post(f"{HOME}/{_ACCOUNT}/berikutnya", auth.changes(*WORKERS)(show_next)),
        web.get(f"{auth.HOME}/formulir-aduan.pdf", auth.reads(papers.empty_form)),
        web.get(f"{auth.HOME}/{_NUMBER}/formulir-aduan.pdf", auth.reads(papers.filled_form)),
        web.post(f"{auth.HOME}/{_NUMBER}/formulir-aduan.pdf", auth.changes(*WORKERS)(papers.open_form)),
        web.get(f"{auth.HOME}/{_NUMBER}/tanda-terima.pdf", worker(papers.receipt)),
    ]


# --- Writing down -----------------------------------------------------------------------------------------------------


async def front(request: web.Request) -> web.Response:
    """Lead to the form of the first way of receiving; NotFound where the office has none."""
    at = counter.accounts(request.app[DESK], request[auth.PERSON].office_id)
    if not at:
        raise errors.NotFound("nothing is written down here")
    return auth.see_other(f"{HOME}/{at[0].name}")


async def show(request: web.Request) -> web.Response:
    return await _form_page(request, _account(request), {})


async def show_next(request: web.Request) -> web.Response:
    """Show the form for the next one of a pile: what is the same for all stays as it was."""
    at = _account(request)
    given = await auth.form_of(request)
    kept = {field.name for field in counter.fields(request.app[DESK], at.name) if field.kept}
    return await _form_page(request, at, {name: value for name, value in given.items() if name in kept})


async def submit(request: web.Request) -> web.Response:
    """Register what was filled in and show number and PIN; or show the form again, with every mistake.

    422: mistakes; 413: files too large; 400: not readable; 403: not from a page of this session; 503: not stored.
    """
    desk, person, at = request.app[DESK], request[auth.PERSON], _account(request)
    with contextlib.ExitStack() as opened:
        filled = await form.read(request, opened)
        if not auth.is_own_form(request, filled.fields.get(auth.TOKEN_FIELD, "")):
            return await _form_page(request, at, filled.fields, status=HTTPStatus.FORBIDDEN, notice="expired")
        if filled.problem is not None:
            status = HTTPStatus.BAD_REQUEST if filled.problem == form.UNREADABLE else HTTPStatus.SERVICE_UNAVAILABLE
            return await _form_page(request, at, filled.fields, status=status, notice=filled.problem)
        values = _asked(request, at, filled.fields)
        try:
            inbound = await _read(request, at, values, filled.mistakes)
            files = await asyncio.to_thread(form.keep, desk.files.put, filled.files)
            registered = await counter.record(desk, person, at, inbound, values, files)
        except errors.FormMistakes as error:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
            if error.mistakes.get(form.FILES, "").endswith("too_large"):
                status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            return await _form_page(request, at, filled.fields, error.mistakes, status=status)
        except errors.StorageUnavailable:
            status = HTTPStatus.SERVICE_UNAVAILABLE
            return await _form_page(request, at, filled.fields, status=status, notice=form.UNAVAILABLE)
    context = await queues.frame(request)
    return pages.render(
        request, "inbox/counter_done.html", **context, at=at, registered=registered, inbound=inbound,
        is_further=inbound.number == registered.number,
        kept={f.name: values[f.name] for f in counter.fields(desk, at.name) if f.kept and f.name in values},
    )  # fmt: skip


def _account(request: web.Request) -> model.Account:
    return counter.account(request.app[DESK], request[auth.PERSON], request.match_info["account"])


def _asked(request: web.Request, at: model.Account, given: Mapping[str, str]) -> dict[str, str]:
    """Return what was given of what is asked of this complainant: whoever stays nameless leaves nothing else behind."""
    who = given.get("who", "")
    asked = {f.name for f in counter.fields(request.app[DESK], at.name) if not f.only_for or who in f.only_for}
    return {name: value for name, value in given.items() if name in asked or name == "key"}


async def _read(
    request: web.Request, at: model.Account, values: Mapping[str, str], mistakes: Mapping[str, str]
) -> model.InboundMessage:
    """Return the message; FormMistakes with those of the fields and of the files, before any file is kept."""
    try:
        inbound = await counter.read(request.app[DESK], request[auth.PERSON], at, values)
    except errors.FormMistakes as error:
        raise errors.FormMistakes(error.mistakes | dict(mistakes)) from None
    if mistakes:
        raise errors.FormMistakes(mistakes)
    return inbound


async def _form_page(
    request: web.Request, at: model.Account, values: Mapping[str, str], mistakes: Mapping[str, str] | None = None,
    *, status: int = HTTPStatus.OK, notice: str = "",
) -> web.Response:  # fmt: skip
    """Show the form with what was typed. Its key stays the same, so that what was sent before is known again."""
    desk, person = request.app[DESK], request[auth.PERSON]
    context = await queues.frame(request)
    office = desk.offices.get(person.office_id)
    limit = texts.rule(desk.offices.response_rule(office.id, at.capabilities.intake).to_json())
    response = pages.render(
        request, "inbox/counter.html", **context, status=status, at=at, notice=notice, limit=limit, values=values,
        at_all=counter.accounts(desk, office.id), asked=counter.fields(desk, at.name), mistakes=dict(mistakes or {}),
        key=_uuid(values.get("key", "")), latest=f"{office.local(context['now']):%Y-%m-%dT%H:%M}",
        max_files=form.MAX_FILES,
    )  # fmt: skip
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
        response.force_close()  # the rest of what is being sent is not waited for
    return response


def _uuid(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError:
        return str(uuid.uuid4())


# --- Papers -----------------------------------------------------------------------------------------------------------


class _Papers:
    def __init__(self, printer: Printer) -> None:
        self._printer = printer

    async def receipt(self, request: web.Request) -> web.Response:
        """Give the receipt: it holds the PIN, which is for the citizen and for who hands it to him."""
        paper = await counter.receipt(request.app[DESK], request[auth.PERSON], _number(request))
        drawing = self._printer.receipt(paper, _about(paper))
        return await _pdf(request, drawing, f"tanda-terima-{paper.complaint.number}")

    async def filled_form(self, request: web.Request) -> web.Response:
        paper = await counter.paper(request.app[DESK], request[auth.PERSON], _number(request))
        return await self._filled(request, paper)

    async def open_form(self, request: web.Request) -> web.Response:
        """Give the form with personal numbers, for a purpose that is logged."""
        purpose = (await auth.form_of(request)).get("keperluan", "")
        person = request[auth.PERSON]
        paper = await counter.paper_with_numbers(request.app[DESK], person, _number(request), purpose)
        return await self._filled(request, paper)

    async def _filled(self, request: web.Request, paper: counter.Paper) -> web.Response:
        drawing = self._printer.filled_form(paper, _about(paper), _labels(request))
        return await _pdf(request, drawing, f"formulir-aduan-{paper.complaint.number}")

    async def empty_form(self, request: web.Request) -> web.Response:
        desk = request.app[DESK]
        office = desk.offices.get(request[auth.PERSON].office_id)
        drawing = self._printer.empty_form(office, _labels(request), desk.clock.now())
        return await _pdf(request, drawing, "formulir-aduan")


def _number(request: web.Request) -> ids.Number:
    return ids.Number.parse(request.match_info["number"])


def _labels(request: web.Request) -> list[str]:
    return [at.capabilities.label for at in counter.accounts(request.app[DESK], request[auth.PERSON].office_id)]


def _about(paper: counter.Paper) -> str:
    return pages.category(paper.complaint.category)


async def _pdf(request: web.Request, drawing: Awaitable[bytes], name: str) -> web.Response:
    try:
        content = await drawing
    except TimeoutError:
        return auth.failure(request, HTTPStatus.SERVICE_UNAVAILABLE, texts.NOT_PRINTED)
    headers: dict[str, Any] = {
        "Content-Type": "application/pdf",
        "Content-Disposition": f'inline; filename="{name}.pdf"',
        "Content-Security-Policy": _SANDBOX,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    return web.Response(body=content, headers=headers)
