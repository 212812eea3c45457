"""PDF from a template of ours and values that are never part of its code.

Source: Typst, "Inputs" (sys.inputs) and "JSON": what is read from JSON are strings, which markup cannot be made of.
"""

import asyncio
import functools
import io
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typst

_TEMPLATES = Path(__file__).parent / "templates"
_LIMIT_SECONDS = 30  # a paper takes some hundredths of one


async def draw(template: str, values: Mapping[str, Any], made_at: datetime) -> bytes:
    """Return a file below `templates/` as PDF; `values` are JSON, read there as `data`. TimeoutError.

    The templates' own typeface comes with the library; those of the system only stand in for letters that it lacks.
    """
    async with asyncio.timeout(_LIMIT_SECONDS):
        return await asyncio.to_thread(_compile, template, json.dumps(values, ensure_ascii=False), made_at)


def _compile(template: str, data: str, made_at: datetime) -> bytes:
    import typst  # noqa: PLC0415 - half of an idle process's start; most never print

    drawn = typst.compile(
        _TEMPLATES / template, root=_TEMPLATES, font_paths=_fonts(), ignore_system_fonts=True,
        sys_inputs={"data": data}, timestamp=int(made_at.timestamp()),
    )  # fmt: skip
    return bytes(drawn)


@functools.cache
def _fonts() -> "typst.Fonts":
    import typst  # noqa: PLC0415 - as above

    return typst.Fonts()


def qr_code(text: str) -> str:
    """Return an SVG, dark on nothing, without the quiet zone: the template leaves it white around."""
    import segno  # noqa: PLC0415 - as above

    image = io.BytesIO()
    segno.make(text, error="m", micro=False).save(image, kind="svg", border=0, xmldecl=False, svgclass=None)
    return image.getvalue().decode()
