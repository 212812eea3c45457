"""Serving attachments: blurred to whoever works here, clear or whole only to whoever opens one, which is written down.

What a citizen sent is never shown by our pages as itself: a browser gets a picture that we made of it, or the file to
save. The address of either holds a ticket: for this person, this file and this form of it, and for minutes.
"""

import asyncio
import functools
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import quote

from aiohttp import web

from core import errors, ids, model
from core import text as plain
from router import complaints, files
from router.desk import WORKERS
from router.previews import MEDIA_TYPE, Previews
from web import auth, complaint, file_texts, pages
from web.application import DESK, SETTINGS

LIFETIME = timedelta(minutes=5)
_NUMBER = r"{number:[A-Za-z]{1,10}-\d{4}-\d{1,9}}"
_ID = r"{id:\d{1,19}}"
_NO_PREVIEW = "no-preview.svg"
# Types that a saved file is told to be; the bytes themselves showed them. None of them can hold a script.
_TOLD = frozenset(
    {
        "application/pdf", "application/zip", "audio/aac", "audio/amr", "audio/mp4", "audio/mpeg", "audio/ogg",
        "image/bmp", "image/gif", "image/heic", "image/jpeg", "image/png", "image/tiff", "image/webp", "text/plain",
        "video/3gpp", "video/mp4", "video/quicktime", "video/webm",
    }
)  # fmt: skip
_UNKNOWN = "application/octet-stream"
_MAX_NAME = 120
Form = Literal["preview", "original"]


@dataclass(frozen=True, slots=True)
class Opened:
    """An attachment that was opened on this page: where its preview is, '' where none can be made."""

    address: str
    pages: int | None = None


class Routes(web.AbstractRouteDef):
    """The routes; each application that registers them makes previews of its own."""

    def register(self, router: web.UrlDispatcher) -> list[web.AbstractRoute]:
        previews = Previews()
        return [
            router.add_get(f"/inbox/berkas/{_ID}/buram", auth.reads(functools.partial(_blurred, previews=previews))),
            router.add_get(f"/inbox/berkas/{_ID}/lihat", auth.reads(functools.partial(_sharp, previews=previews))),
            router.add_get(f"/inbox/berkas/{_ID}/asli", auth.reads(_original)),
            router.add_post(
                f"/inbox/{_NUMBER}/lihat-berkas", auth.changes(*WORKERS)(functools.partial(_open, previews=previews))
            ),
            router.add_post(f"/inbox/{_NUMBER}/simpan-berkas", auth.changes(*WORKERS)(_save)),
        ]


# --- Opening: what a person asks for, written down --------------------------------------------------------------------


async def _open(request: web.Request, previews: Previews) -> web.Response:
    """Show the complaint with one attachment to look at. It stands in this answer only, as what was revealed does."""
    attachment = await _opened(request, "preview")
    found = await previews.sharp(request.app[DESK].files, attachment.sha256 or "")
    opened = Opened("") if found is None else Opened(_address(request, attachment, "preview"), found.pages)
    number = ids.Number.parse(request.match_info["number"])
    details = await complaints.details(request.app[DESK], request[auth.PERSON], number)
    return await complaint.page(request, details, opened={attachment.id: opened})


async def _save(request: web.Request) -> web.Response:
    """Lead to an attachment as it came, to be saved."""
    return auth.see_other(_address(request, await _opened(request, "original"), "original"))


async def _opened(request: web.Request, form: Form) -> model.Attachment:
    file_id = complaint.whole((await auth.form_of(request)).get("berkas", ""))
    number = ids.Number.parse(request.match_info["number"])
    return await files.open_(request.app[DESK], request[auth.PERSON], number, file_id, form)


# --- Giving -----------------------------------------------------------------------------------------------------------


async def _blurred(request: web.Request, previews: Previews) -> web.Response:
    desk, file_id = request.app[DESK], complaint.whole(request.match_info["id"])
    attachment = await files.look(desk, request[auth.PERSON], file_id)
    content = await previews.blurred(desk.files, attachment.sha256 or "")
    if content is None:
        return auth.see_other(pages.static_url(_NO_PREVIEW))
    return web.Response(body=content, headers=_headers(MEDIA_TYPE, "inline"))


async def _sharp(request: web.Request, previews: Previews) -> web.Response:
    attachment = await _ticketed(request, "preview")
    found = await previews.sharp(request.app[DESK].files, attachment.sha256 or "")
    if found is None:
        raise errors.NotFound("no preview")
    return web.Response(body=found.content, headers=_headers(MEDIA_TYPE, "inline"))


async def _original(request: web.Request) -> web.StreamResponse:
    attachment = await _ticketed(request, "original")
    path = await asyncio.to_thread(request.app[DESK].files.checked, attachment.sha256 or "")
    told = attachment.media_type if attachment.media_type in _TOLD else _UNKNOWN
    return web.FileResponse(path, headers=_headers(told, _disposition(attachment)))


async def _ticketed(request: web.Request, form: Form) -> model.Attachment:
    """Return the file that a ticket of this person's opens; NotFound for any other ticket."""
    file_id, desk, person = complaint.whole(request.match_info["id"]), request.app[DESK], request[auth.PERSON]
    ticket, secret = request.query.get("t", ""), request.app[SETTINGS].file_key
    if not is_valid(secret, person, file_id, form, ticket, desk.clock.now()):
        raise errors.NotFound("no ticket for this file")
    return await files.look(desk, person, file_id)


def _headers(media_type: str, disposition: str) -> dict[str, str]:
    return {
        "Content-Type": media_type,
        "Content-Disposition": disposition,
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def _disposition(attachment: model.Attachment) -> str:
    """Return the header that names a file to save (RFC 6266, with the encoding of RFC 8187)."""
    name = plain.one_line(plain.clean(attachment.name or ""), _MAX_NAME).replace("/", "_").replace("\\", "_").strip(".")
    name = name or file_texts.unnamed_file(attachment)
    ascii_name = "".join(c if c.isascii() and (c.isalnum() or c in " -_.()") else "_" for c in name)
    return f"attachment; filename=\"{ascii_name}\"; filename*=UTF-8''{quote(name, safe='')}"


# --- Tickets ----------------------------------------------------------------------------------------------------------


def _address(request: web.Request, attachment: model.Attachment, form: Form) -> str:
    until = request.app[DESK].clock.now() + LIFETIME
    ticket = make(request.app[SETTINGS].file_key, request[auth.PERSON], attachment.id, form, until)
    return f"/inbox/berkas/{attachment.id}/{'lihat' if form == 'preview' else 'asli'}?t={ticket}"


def make(secret: bytes, person: model.Person, file_id: int, form: str, until: datetime) -> str:
    """Return a ticket to one form of a file, good for one person until then."""
    seconds = str(int(until.timestamp()))
    return f"{seconds}.{_signature(secret, person, file_id, form, seconds)}"


def is_valid(secret: bytes, person: model.Person, file_id: int, form: str, ticket: str, now: datetime) -> bool:
    seconds, _, signature = ticket.partition(".")
    right = _signature(secret, person, file_id, form, seconds)
    is_ours = hmac.compare_digest(right.encode(), signature.encode(errors="replace"))
    return is_ours and now.timestamp() < int(seconds)


def _signature(secret: bytes, person: model.Person, file_id: int, form: str, seconds: str) -> str:
    content = f"{person.office_id}\0{person.id}\0{file_id}\0{form}\0{seconds}".encode(errors="replace")
    return hmac.digest(secret, content, hashlib.sha256).hex()


routes: list[web.AbstractRouteDef] = [Routes()]
