"""Files: kept once by content, typed by their bytes, never half-written, never by a name that leads elsewhere."""

import hashlib
import os
import stat

import pytest

from core import errors
from storage.files import FileStore, sniff

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "files")


def kept(tmp_path):
    return [path for path in (tmp_path / "files").rglob("*") if path.is_file()]


def test_equal_contents_are_kept_once_under_their_hash_for_us_alone(store, tmp_path):
    one, two = store.put(PNG, "KTP.png"), store.put(PNG, "../../etc/passwd")
    assert (one.sha256, one.size, one.media_type) == (hashlib.sha256(PNG).hexdigest(), len(PNG), "image/png")
    assert one.sha256 == two.sha256
    [path] = kept(tmp_path)
    assert path.name == one.sha256
    assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert store.get(one.sha256) == PNG
    assert store.get(store.put(b"").sha256) == b""


@pytest.mark.parametrize("content", [b"<html><script>", b"<svg onload='x'>", b"plain", b""])
def test_what_shows_no_harmless_type_is_octets(content):
    assert sniff(content) == "application/octet-stream"


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "a" * 63, "g" * 64, "A" * 64, "0" * 64, "/" + "a" * 63])
def test_no_other_name_leads_to_a_file(store, name):
    with pytest.raises(errors.NotFound):
        store.get(name)


def test_an_interrupted_write_leaves_nothing(store, tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            store.put(PNG)
    assert kept(tmp_path) == []
    assert store.get(store.put(PNG).sha256) == PNG


async def test_a_stream_that_is_too_long_is_refused_before_it_ends(store, tmp_path):
    taken = []

    async def chunks():
        for number in range(100):
            taken.append(number)
            yield b"x" * 1000

    with pytest.raises(errors.MediaRefused):
        await store.put_stream(chunks(), 2500)
    assert len(taken) == 3
    assert kept(tmp_path) == []

    async def fitting():
        yield PNG[:5]
        yield PNG[5:]

    assert store.get((await store.put_stream(fitting(), len(PNG))).sha256) == PNG
