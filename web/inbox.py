"""The admins' inbox: the list of a queue, and every route of the inbox."""

from aiohttp import web

from core import ids
from router.complaints import View
from web import (
    accounts,
    administration,
    auth,
    citizen,
    complaint,
    files,
    handover,
    live,
    originals,
    pages,
    queues,
    texts,
    writing,
)


@auth.reads
async def home(request: web.Request) -> web.Response:
    view = queues.view_of(request.query)
    context = await queues.frame(request, view)
    context |= await queues.listing(request, view, context["now"])
    return pages.render(
        request, "inbox/list.html", **context | {"page_kind": "list"}, empty=texts.EMPTY[view], error=""
    )


@auth.reads
async def find(request: web.Request) -> web.Response:
    """Lead to the complaint of a number as people type it."""
    try:
        number = ids.Number.parse(request.query.get("nomor", ""))
    except ValueError:
        context = await queues.frame(request, View.ALL)
        context |= await queues.listing(request, View.ALL, context["now"]) | {"page_kind": "list"}
        return pages.render(request, "inbox/list.html", **context, empty="", error=texts.NOT_A_NUMBER)
    return auth.see_other(f"{auth.HOME}/{number}")


routes: list[web.AbstractRouteDef] = [
    *pages.routes,
    *auth.routes,
    *live.routes,
    web.get(auth.HOME, home),
    web.get(f"{auth.HOME}/cari", find),
    *administration.routes,
    *accounts.routes,
    *complaint.routes,
    *citizen.routes,
    *writing.routes,
    *handover.routes,
    *files.routes,
    *originals.routes,
]
