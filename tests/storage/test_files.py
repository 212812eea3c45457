"""Files: kept once by content, typed by their bytes, never half-written, never by a name that leads elsewhere."""

import hashlib
import os
import stat
from datetime import UTC, datetime

import pytest

from core import errors
from storage import files
from storage.files import DIRECTORIES, FileStore, sniff

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


@pytest.mark.parametrize("content", [b"<html><script>", b"<svg onload='x'>", b"a\x00b", b"\xff\xfea", b" ", b""])
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


async def test_a_stream_is_kept_as_it_comes_and_closed(store, tmp_path):
    piece, closed = os.urandom(700_000), []

    async def chunks():
        try:
            for _ in range(5):
                yield piece
        finally:
            closed.append(True)

    stored = await store.put_stream(chunks(), 10_000_000, "besar.bin")
    assert (stored.sha256, stored.size) == (hashlib.sha256(piece * 5).hexdigest(), 3_500_000)
    assert stored.name == "besar.bin"
    with pytest.raises(errors.MediaRefused, match="too large"):
        await store.put_stream(chunks(), 1_000_000)
    assert closed == [True, True]
    [path] = kept(tmp_path)
    assert path.read_bytes() == piece * 5
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_stream_that_breaks_leaves_nothing(store, tmp_path):
    async def chunks():
        yield os.urandom(2_000_000)
        raise errors.MediaNotReady("terputus")

    with pytest.raises(errors.MediaNotReady):
        await store.put_stream(chunks(), 10_000_000)
    assert kept(tmp_path) == []


def test_what_was_damaged_is_whole_again_when_it_comes_again(store, tmp_path):
    stored = store.put(PNG)
    [path] = kept(tmp_path)
    path.write_bytes(b"rusak")
    with pytest.raises(errors.NotFound, match="changed"):
        store.get(stored.sha256)
    store.put(PNG)
    assert store.get(stored.sha256) == PNG


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"Nama: Siti\r\n\tKTP", "text/plain"),
        ("é".encode() * 4096 + b"x", "text/plain"),  # its last character is cut where we stop looking
        (b"a < b", "application/octet-stream"),
        (b"GIF89a<script>alert(1)</script>", "image/gif"),  # to be shown as what it says, made anew
        (b"%PDF-1.7<script>", "application/pdf"),
    ],
)
def test_the_bytes_say_what_a_file_is(content, expected):
    assert sniff(content) == expected


# --- Forgetting ------------------------------------------------------------------------------------------------------

LONG_AGO = datetime(2026, 11, 1, tzinfo=UTC)
LATER = datetime(2026, 11, 10, tzinfo=UTC)


def age(path):
    os.utime(path, (LONG_AGO.timestamp(),) * 2)


def everything_old(store, before=LATER):
    return [digest for directory in range(DIRECTORIES) for digest in store.old(directory, before)]


def test_an_old_file_goes_with_what_was_made_of_it_and_a_fresh_one_stays(store, tmp_path):
    old, fresh = store.put(b"lama"), store.put(b"baru")
    store.put_derived(old.sha256, "sharp", b"gambar")
    assert store.derived(old.sha256, "sharp") == b"gambar"
    assert store.derived(old.sha256, "blurred") is None
    age(store.checked(old.sha256))
    assert everything_old(store) == [old.sha256]
    assert store.remove(old.sha256, LATER)
    assert not store.remove(old.sha256, LATER)
    assert [path.name for path in kept(tmp_path)] == [fresh.sha256]
    assert store.derived(old.sha256, "sharp") is None


def test_a_file_that_is_put_again_just_before_it_is_removed_stays(store):
    stored = store.put(b"isi")
    age(store.checked(stored.sha256))
    assert everything_old(store) == [stored.sha256]
    store.put(b"isi")  # and its transaction is still to come
    assert not store.remove(stored.sha256, LATER)
    assert store.get(stored.sha256) == b"isi"


def test_a_file_that_is_put_again_while_it_is_removed_stays(store, monkeypatch):
    stored = store.put(b"isi")
    age(store.checked(stored.sha256))
    looked = files._put_at

    def put_meanwhile(path):
        store.put(b"isi")
        return looked(path)

    monkeypatch.setattr(files, "_put_at", put_meanwhile)
    store.remove(stored.sha256, LATER)
    assert store.get(stored.sha256) == b"isi"


def test_what_an_interruption_left_is_cleared_up(store, tmp_path):
    stored = store.put(b"isi")
    path = store.checked(stored.sha256)
    path.replace(path.with_name(f"{stored.sha256}.going"))  # we died before we knew whether it may go
    left = tmp_path / "files" / "00" / "tmpabc"
    left.write_bytes(b"setengah")
    stray = tmp_path / "files" / "ab" / f"{'ab' * 32}.sharp"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"pratinjau tanpa berkas")
    everything_old(store)
    assert store.get(stored.sha256) == b"isi"
    assert left.exists()  # somebody may be writing it
    assert not stray.exists()
    age(left)
    everything_old(store)
    assert not left.exists()
