"""The program that makes pictures of files from strangers, by itself: `python -I rendering.py < file > preview`.

Decoders of pictures and PDFs are where hostile files do their harm. What happens here happens to a process that has
little memory and time, that is told nothing but the file itself, and that may die; nothing of ours is imported.

On standard output: one line of JSON, {"pages": of a PDF or null, "sharp": size in bytes, "blurred": size in bytes}, and
then the two pictures, WebP, made of pixels alone: what a camera wrote beside them (its place, its owner) is not there.
"""

import json
import os
import resource
import sys
from io import BytesIO
from typing import IO, Any

SHARP_PIXELS = 1600  # of the longer side
BLURRED_PIXELS = 20  # a face is no face any more, a letter is less than a dot
_MAX_DECODED_PIXELS = 40_000_000
_MAX_SHAPE = 50  # how many times longer than wide
_MEMORY_BYTES = 1024**3
_SECONDS = 15
_WRITTEN_BYTES = 4 * 1024**2
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
_PDF_START = b"%PDF-"


def _confine() -> None:
    """Take from this process what a decoder does not need, for good."""
    for kind, most in (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, _SECONDS),
        (resource.RLIMIT_FSIZE, _WRITTEN_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 32),
    ):
        resource.setrlimit(kind, (most, most))
    os.nice(10)  # nobody waits for it as for the pages


def render(file: IO[bytes]) -> bytes:
    """Return what is to be written for a file; any exception where no picture can be made of it."""
    pages = None
    if file.read(len(_PDF_START)) == _PDF_START:
        picture, pages = _first_page(file)
    else:
        picture = _picture(file)
    sharp, blurred = _encoded(picture, SHARP_PIXELS), _encoded(picture, BLURRED_PIXELS)
    head = {"pages": pages, "sharp": len(sharp), "blurred": len(blurred)}
    return json.dumps(head).encode() + b"\n" + sharp + blurred


def _picture(file: IO[bytes]) -> Any:
    from PIL import Image, ImageOps  # noqa: PLC0415 - after the limits are set

    Image.MAX_IMAGE_PIXELS = None  # our own limit is on what is decoded, which for a large photo is less
    file.seek(0)
    image: Any = Image.open(file, formats=_FORMATS)
    image.draft("RGB", (SHARP_PIXELS, SHARP_PIXELS))
    width, height = image.size
    if width * height > _MAX_DECODED_PIXELS or max(width, height) > _MAX_SHAPE * min(width, height):
        raise ValueError("a picture of unreasonable size")
    image = ImageOps.exif_transpose(image)
    if image.mode in ("P", "PA", "LA", "RGBA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    return image.convert("RGB")


def _first_page(file: IO[bytes]) -> tuple[Any, int]:
    import pypdfium2  # type: ignore[import-untyped]  # noqa: PLC0415 - after the limits are set

    file.seek(0)
    document = pypdfium2.PdfDocument(file.read())
    page = document[0]
    width, height = page.get_size()
    if min(width, height) <= 0 or max(width, height) > _MAX_SHAPE * min(width, height):
        raise ValueError("a page of unreasonable size")
    return page.render(scale=SHARP_PIXELS / max(width, height)).to_pil().convert("RGB"), len(document)


def _encoded(picture: Any, pixels: int) -> bytes:
    small = picture.copy()
    small.thumbnail((pixels, pixels))
    written = BytesIO()
    small.save(written, "WEBP", quality=80)  # of what stood beside the pixels it writes only what it is told to
    return written.getvalue()


if __name__ == "__main__":
    _confine()
    sys.stdout.buffer.write(render(BytesIO(sys.stdin.buffer.read())))
