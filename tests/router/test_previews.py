"""Previews: made of pixels alone, by a process that a hostile file may kill and nothing else."""

import io
import json
import random
import subprocess
import sys

import pytest
from PIL import Image, ImageDraw

from router import previews, rendering
from storage.files import FileStore

GPS = 0x8825


@pytest.fixture
def files(tmp_path):
    return FileStore(tmp_path / "files")


@pytest.fixture
def make(files):
    async def make(content, maker=None):
        stored = files.put(content)
        maker = maker or previews.Previews()
        return await maker.sharp(files, stored.sha256), await maker.blurred(files, stored.sha256)

    return make


def photo(size=(640, 400), kind="JPEG", **saved):
    """A card with a face and a number, as a phone would take it."""
    image = Image.new("RGB", size, "#9fb8d8")
    draw = ImageDraw.Draw(image)
    draw.ellipse((size[0] * 0.7, size[1] * 0.3, size[0] * 0.9, size[1] * 0.8), fill="#c68642")
    draw.text((20, 20), "NIK 9971014708900001", fill="black", font_size=36)
    written = io.BytesIO()
    image.save(written, kind, **saved)
    return written.getvalue()


def pdf(pages):
    images = [Image.new("RGB", (400, 600), "white") for _ in range(pages)]
    written = io.BytesIO()
    images[0].save(written, "PDF", save_all=True, append_images=images[1:])
    return written.getvalue()


def opened(content):
    return Image.open(io.BytesIO(content))


async def test_a_preview_does_not_tell_where_a_photo_was_taken(make):
    exif = Image.Exif()
    exif[0x010E] = "di rumah Siti Rahma"
    exif[0x0110] = "Telepon Contoh"
    gps = exif.get_ifd(GPS)
    gps[1], gps[2], gps[3], gps[4] = "S", (7.0, 58.0, 12.0), "E", (112.0, 37.0, 48.0)
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>GPSLatitude 7,58.2S</x:xmpmeta>"
    taken = photo(exif=exif, xmp=xmp, comment=b"Jalan Contoh 1", icc_profile=b"Layar Siti" * 20)
    assert opened(taken).getexif().get_ifd(GPS)[2] == (7.0, 58.0, 12.0)  # it does tell itself
    for shown in await make(taken):
        content = shown.content if isinstance(shown, previews.Preview) else shown
        assert opened(content).format == "WEBP"
        assert not dict(opened(content).getexif())
        assert opened(content).info.keys() <= {"loop", "background", "timestamp", "duration"}
        for secret in (b"Siti", b"Telepon", b"GPS", b"Jalan", b"Exif", b"EXIF", b"XMP", b"ICCP"):
            assert secret not in content


async def test_a_photo_stands_upright(make):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    sharp, _ = await make(photo((640, 400), exif=exif))
    assert opened(sharp.content).size == (400, 640)


async def test_of_a_blurred_preview_only_colours_are_left(make):
    sharp, blurred = await make(photo((2400, 1500)))
    assert max(opened(sharp.content).size) == rendering.SHARP_PIXELS
    assert max(opened(blurred).size) <= 20
    assert len(blurred) < 600


@pytest.mark.parametrize(
    ("content", "colour"),
    [
        (photo(kind="PNG"), None),
        (photo(kind="WEBP"), None),
        (photo(kind="BMP"), None),
        (photo(kind="TIFF"), None),
        (photo(kind="GIF"), None),
    ],
    ids=["png", "webp", "bmp", "tiff", "gif"],
)
async def test_pictures_of_every_kind_are_shown(make, content, colour):
    sharp, blurred = await make(content)
    assert opened(sharp.content).size == (640, 400)
    assert blurred


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "L", "I;16", "CMYK"])
async def test_a_picture_of_any_mode_is_shown_what_is_clear_as_white(make, mode):
    written = io.BytesIO()
    base = Image.new("RGBA", (50, 50), (0, 0, 0, 0)) if mode in ("RGBA", "LA", "P") else Image.new(mode, (50, 50))
    base.convert(mode).save(written, "TIFF" if mode == "CMYK" else "PNG")
    sharp, _ = await make(written.getvalue())
    shown = opened(sharp.content).convert("RGB").getpixel((25, 25))
    if mode in ("RGBA", "LA"):
        assert min(shown) > 240


async def test_a_pdf_shows_its_first_page_and_how_many_there_are(make):
    sharp, blurred = await make(pdf(3))
    assert sharp.pages == 3
    assert max(opened(sharp.content).size) == pytest.approx(rendering.SHARP_PIXELS, abs=2)
    assert blurred


def bomb():
    """A picture of a gigapixel in some kilobytes."""
    written = io.BytesIO()
    Image.new("1", (32_000, 32_000)).save(written, "PNG")
    return written.getvalue()


def broken(content, seed):
    chosen = random.Random(seed)
    damaged = bytearray(content)
    for _ in range(40):
        damaged[chosen.randrange(8, len(damaged))] = chosen.randrange(256)
    return bytes(damaged)


HOSTILE = {
    "bomb": bomb(),
    "larger-than-any-photo": photo((8000, 8000), "PNG"),
    "page-miles-long": pdf(1).replace(b"/MediaBox", b"/MediaBox [0 0 1 9000000] /X"),
    "no-pages": b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[2 0 R]/Count 9>>endobj"
    b"\ntrailer<</Root 1 0 R>>",
    "only-a-start": b"%PDF-",
    "html-in-gif": b"GIF89a<script>alert(1)</script>",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(id) run",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "cut-short": photo()[:900],
    "empty": b"",
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
async def test_of_a_hostile_file_there_is_no_preview_and_it_is_not_tried_again(files, content, monkeypatch):
    stored, maker = files.put(content), previews.Previews()
    assert await maker.sharp(files, stored.sha256) is None
    monkeypatch.setattr(previews, "_rendered", None)
    assert await maker.blurred(files, stored.sha256) is None


@pytest.mark.parametrize("seed", range(4))
async def test_damaged_files_harm_nobody(make, seed):
    for content in (broken(pdf(2), seed), broken(photo(kind="WEBP"), seed)):
        await make(content)
    assert (await make(photo()))[0] is not None


async def test_a_process_that_dies_or_takes_for_ever_is_no_preview(make, monkeypatch, tmp_path):
    program = tmp_path / "program.py"
    monkeypatch.setattr(rendering, "__file__", str(program))
    for i, act in enumerate(["import os; os.abort()", "print('{', end='')", "print('[]')", "while True: pass"]):
        monkeypatch.setattr(previews, "_SECONDS", 0.5 if "while" in act else 30)
        program.write_text(act)
        assert await make(photo((10 + i, 10))) == (None, None)


def test_what_decodes_has_little_memory_time_and_room():
    source = f"""
import json, resource, runpy
runpy.run_path({rendering.__file__!r})["_confine"]()
try:
    bytearray(2 * 1024**3)
except MemoryError:
    print(json.dumps([resource.getrlimit(kind)[1] for kind in (resource.RLIMIT_CPU, resource.RLIMIT_FSIZE)]))
"""
    done = subprocess.run([sys.executable, "-I", "-c", source], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [15, 4 * 1024**2]


async def test_a_preview_is_made_once(files, monkeypatch):
    stored, maker, made = files.put(photo()), previews.Previews(), []
    rendered = previews._rendered
    monkeypatch.setattr(previews, "_rendered", lambda path: made.append(path) or rendered(path))
    first = await maker.sharp(files, stored.sha256)
    assert await previews.Previews().sharp(files, stored.sha256) == first
    assert await maker.blurred(files, stored.sha256)
    assert len(made) == 1
