"""The citizen of a complaint: one person on several channels, by an admin's decision; and his words out of the public.

Also hiding a message: it protects him, and is asked for beside what he wrote.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from core import ids
from router import answers, citizens, complaints
from web import auth, complaint
from web.application import DESK

_NUMBER = r"{number:[A-Za-z]{1,10}-\d{4}-\d{1,9}}"


def _decision(
    decide: Callable[..., Awaitable[None]], done: str
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """Make a handler of a decision about another contact."""

    async def act(request: web.Request, form: auth.Form, details: complaints.Details) -> str:
        contact_id = ids.ContactId(complaint.whole(form.get("kontak", "")))
        await decide(request.app[DESK], request[auth.PERSON], details.complaint.id, contact_id)
        return done

    return complaint.acting(act)


@complaint.acting
async def hide(request: web.Request, form: auth.Form, details: complaints.Details) -> str:
    message_id = ids.MessageId(complaint.whole(form.get("pesan", "")))
    await answers.hide(request.app[DESK], request[auth.PERSON], details.complaint.id, message_id)
    return "disembunyikan"


routes: list[web.AbstractRouteDef] = [
    web.post(f"/inbox/{_NUMBER}/tautkan", _decision(citizens.link, "ditautkan")),
    web.post(f"/inbox/{_NUMBER}/bukan-orang-sama", _decision(citizens.keep_apart, "dipisahkan")),
    web.post(f"/inbox/{_NUMBER}/lepas-tautan", _decision(citizens.unlink, "dilepas")),
    web.post(f"/inbox/{_NUMBER}/sembunyikan", hide),
]
