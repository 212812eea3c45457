"""Original messages: as the provider delivered them, as a file to keep, and as a letter to look at.

Opening and saving one is written down. A letter is shown in a frame of its own that can run nothing, fetch nothing and
lead nowhere; the address of the frame holds a ticket, for this person and for minutes.
"""

from aiohttp import web

from core import errors, ids
from core import text as plain
from router import complaints, originals
from router.desk import WORKERS
from web import auth, complaint, files, pages, queues
from web.application import CONTENT_SECURITY_POLICY, DESK, SETTINGS

_SHOWN_BYTES = 20_000  # of an original message
_FORM = "letter"  # in a ticket
_LETTER_POLICY = (
    "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)


async def of_complaint(request: web.Request) -> web.Response:
    """Show a message of a complaint. That somebody looked is written down, so it is asked for by POST."""
    number = ids.Number.parse(request.match_info["number"])
    details = await complaints.details(request.app[DESK], request[auth.PERSON], number)
    raw_id = complaint.whole((await auth.form_of(request)).get("asli", ""))
    if raw_id not in {message.raw_id for message in details.timeline}:
        raise errors.NotFound("no such message")
    return await _page(request, raw_id, f"/inbox/{details.complaint.number}")


async def of_quarantine(request: web.Request) -> web.Response:
    return await _page(request, complaint.whole(request.match_info["id"]), "/inbox/karantina")


async def save(request: web.Request) -> web.Response:
    """Give the file that the channel makes of a message; NotFound where it makes none."""
    desk = request.app[DESK]
    item = await complaints.original(desk, request[auth.PERSON], complaint.whole(request.match_info["id"]))
    message = await originals.form(desk, item)
    if message is None:
        raise errors.NotFound("no file of this message")
    headers = {
        "Content-Type": message.media_type,
        "Content-Disposition": f'attachment; filename="{message.name}"',
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    return web.Response(body=message.content, headers=headers)


async def letter(request: web.Request) -> web.Response:
    """Give the safe HTML of a message that this person has just opened."""
    desk, person, raw_id = request.app[DESK], request[auth.PERSON], complaint.whole(request.match_info["id"])
    secret, ticket = request.app[SETTINGS].file_key, request.query.get("t", "")
    if not files.is_valid(secret, person, raw_id, _FORM, ticket, desk.clock.now()):
        raise errors.NotFound("no ticket for this message")
    message = await originals.form(desk, await originals.look(desk, person, raw_id))
    if message is None or message.html is None:
        raise errors.NotFound("no letter")
    response = pages.render(request, "inbox/letter.html", html=message.html)
    response.headers["Content-Security-Policy"] = _LETTER_POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


async def _page(request: web.Request, raw_id: int, back: str) -> web.Response:
    desk, person = request.app[DESK], request[auth.PERSON]
    item = await complaints.original(desk, person, raw_id)
    message = await originals.form(desk, item)
    frame = ""
    if message is not None and message.html is not None:
        ticket = files.make(request.app[SETTINGS].file_key, person, item.id, _FORM, desk.clock.now() + files.LIFETIME)
        frame = f"/inbox/asli/{item.id}/surat?t={ticket}"
    body = item.request.body
    response = pages.render(
        request, "inbox/original.html", **await queues.frame(request), item=item, back=back, size=len(body),
        label=queues.label_and_mark(desk, item.request.account)[0], is_file=message is not None, letter=frame,
        body=plain.clean(body[:_SHOWN_BYTES].decode(errors="replace")), is_cut=len(body) > _SHOWN_BYTES,
    )  # fmt: skip
    response.headers["Content-Security-Policy"] = f"{CONTENT_SECURITY_POLICY}; frame-src 'self'"
    return response


_worker = auth.changes(*WORKERS)
routes: list[web.AbstractRouteDef] = [
    web.post(r"/inbox/{number:[A-Za-z]{1,10}-\d{4}-\d{1,9}}/asli", _worker(of_complaint)),
    web.post(r"/inbox/karantina/{id:\d{1,19}}/asli", _worker(of_quarantine)),
    web.post(r"/inbox/asli/{id:\d{1,19}}/unduh", _worker(save)),
    web.get(r"/inbox/asli/{id:\d{1,19}}/surat", auth.reads(letter)),
]
