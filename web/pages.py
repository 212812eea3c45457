"""Pages from templates: times in the office's zone, everything escaped; static files, kept by their content."""

import functools
import hashlib
import mimetypes
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from aiohttp import web

from core import privacy
from router import texts as citizen_texts
from web import channel_texts, texts

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"
_YEAR = "public, max-age=31536000, immutable"


def render(request: web.Request, name: str, *, status: int = 200, **context: Any) -> web.Response:
    """Return the page of a template. Filters of times need `office` in the context: its zone is theirs."""
    page = _environment().get_template(name).render(request=request, **context)
    return web.Response(text=page, content_type="text/html", charset="utf-8", status=status)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"static": static_url, "texts": texts, "channel_texts": channel_texts}
    environment.filters |= {
        "moment": _in_zone(citizen_texts.moment),
        "time_of_day": _in_zone(texts.time_of_day),
        "day": _in_zone(texts.day),
        "brief_moment": _in_zone(texts.brief_moment),
        "masked_name": lambda name: privacy.mask_name(name) if name else texts.NO_NAME,
        "masked_address": privacy.mask_address,
        "bare_address": lambda address: address.rpartition(":")[2],  # its scheme is what the channel's mark says
        "thousands": texts.thousands,
        "size": texts.size,
    }
    return environment


def category(code: str | None) -> str:
    """Return what citizens read of a category, or of what it is a part of; '' for none, the code for one unknown."""
    known: list[tuple[str, str]] = _environment().get_template("public/categories.html").module.categories  # type: ignore[attr-defined]
    return "" if code is None else dict(known).get(code.partition(".")[0], code.replace("_", " "))


def _in_zone(phrase: Callable[[datetime, ZoneInfo], str]) -> Callable[[jinja2.runtime.Context, datetime], str]:
    @jinja2.pass_context
    def filter_(context: jinja2.runtime.Context, at: datetime) -> str:
        return phrase(at, context["office"].zone)

    return filter_


def static_url(path: str) -> str:
    """Return the address of a file below `static/`, with a mark of its content so that it may be kept for a year."""
    digest = _digest(path)
    return f"/static/{path}" + (f"?v={digest}" if digest else "")


@functools.cache
def _files() -> frozenset[str]:
    return frozenset(path.relative_to(_STATIC).as_posix() for path in _STATIC.rglob("*") if path.is_file())


@functools.cache
def _digest(path: str) -> str:
    try:
        return hashlib.sha256((_STATIC / path).read_bytes()).hexdigest()[:12]
    except FileNotFoundError:  # a file that set-up has not brought; pages work without it
        return ""


async def static_file(request: web.Request) -> web.StreamResponse:
    if request.match_info["path"] not in _files():
        raise web.HTTPNotFound(text="Berkas tidak ditemukan.")
    path = _STATIC / request.match_info["path"]
    content_type, _ = mimetypes.guess_type(path.name)
    headers = {
        "Cache-Control": _YEAR if request.query.get("v") == _digest(request.match_info["path"]) else "no-cache",
        "Content-Type": {
            "text/javascript": "text/javascript; charset=utf-8",
            "text/css": "text/css; charset=utf-8",
        }.get(content_type or "", content_type or "application/octet-stream"),
    }
    return web.FileResponse(path, headers=headers)


routes = [web.get("/static/{path:.+}", static_file)]
