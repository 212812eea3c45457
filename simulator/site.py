"""A sample of an office's own website, which shows the chat with one line of script and a strict policy of its own."""

from pathlib import Path

import jinja2
from aiohttp import web

_HERE = Path(__file__).parent


def subapp(*, office: str, account: str, service: str, prefix: str = "/simulator/situs-contoh") -> web.Application:
    """Return the site as an application to be mounted at `prefix`, or served alone with '' for it.

    `account` is the name of the chat, `service` where this program is reached, without a slash at its end.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("simulator"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    template = environment.get_template("site.html")
    page = template.render(office=office, account=account, service=service, prefix=prefix)
    headers = {
        "Content-Security-Policy": f"default-src 'none'; style-src 'self'; img-src data:; script-src {service}; "
        f"frame-src {service}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }

    async def show(_: web.Request) -> web.Response:
        return web.Response(text=page, content_type="text/html", headers=headers)

    async def style(_: web.Request) -> web.FileResponse:
        return web.FileResponse(_HERE / "static" / "site.css", headers={"Cache-Control": "no-cache"})

    application = web.Application()
    application.router.add_get("", show)
    application.router.add_get("/", show)
    application.router.add_get("/site.css", style)
    return application
