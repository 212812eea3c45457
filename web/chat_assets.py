"""The chat page's script and style sheet, one request each, without the comments and blanks that only we read.

For phones on slow networks: with widget and page less than 30 kB, before any compression (a test measures it).
"""

import functools
import hashlib
import re
from pathlib import Path

from aiohttp import web

_STATIC = Path(__file__).parent / "static"
_SOURCES = {"chat.js": ("chat/chat.js",), "chat.css": ("tokens.css", "chat/chat.css")}
_TYPES = {"js": "text/javascript", "css": "text/css"}
_YEAR = "public, max-age=31536000, immutable"
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_TOKEN, _USED = re.compile(r"(--[\w-]+):[^;}]*;?"), re.compile(r"var\((--[\w-]+)\)")
_AROUND = re.compile(r"\s*([{};:,>])\s*")


async def asset(request: web.Request) -> web.Response:
    """Return one of the two; for a year where it is asked for by its content."""
    name = request.match_info["name"]
    body, digest = _content(name)
    kept = _YEAR if request.query.get("v") == digest else "no-cache"
    return web.Response(
        body=body, content_type=_TYPES[name.partition(".")[2]], charset="utf-8", headers={"Cache-Control": kept}
    )


def url(name: str) -> str:
    """Return the address of one of the two, with a mark of its content."""
    return f"/obrolan/aset/{name}?v={_content(name)[1]}"


def lean_script(source: str) -> str:
    """Return a script without indentation, blank lines, and lines that are comments."""
    lines = [line.strip() for line in source.split("\n")]
    return "\n".join(line for line in lines if line and not line.startswith("//"))


def lean_style(source: str) -> str:
    """Return a style sheet without comments, blanks around its signs, and tokens that nothing uses."""
    lean = _AROUND.sub(r"\1", _COMMENT.sub("", source)).replace(";}", "}").strip()
    used = set(_USED.findall(lean))
    return _TOKEN.sub(lambda token: token[0] if token[1] in used else "", lean)


@functools.cache
def _content(name: str) -> tuple[bytes, str]:
    source = "\n".join((_STATIC / path).read_text("utf-8") for path in _SOURCES[name])
    body = (lean_script(source) if name.endswith(".js") else lean_style(source)).encode()
    return body, hashlib.sha256(body).hexdigest()[:12]


routes = [web.get("/obrolan/aset/{name:chat\\.(?:js|css)}", asset)]
