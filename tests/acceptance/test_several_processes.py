"""Several processes on one PostgreSQL: what one takes in, the pages of another tell, and a third delivers."""

import asyncio

import pytest

from tests.acceptance.harness import CITIZEN, WAIT_SECONDS, message

PASSWORD = "kata sandi panjang"


@pytest.fixture
def database_url(postgresql_url) -> str:
    return postgresql_url


@pytest.mark.postgres
async def test_an_open_page_hears_what_other_processes_did(service):
    assert (await service.aduan("migrate")).returncode == 0
    words = ("admin", "add", "dewi", "--name", "Dewi Lestari", "--password-stdin")
    added = await service.aduan(*words, stdin=f"{PASSWORD}\n")
    assert added.returncode == 0, added.stderr
    service.start("web")
    await service.ready()
    form = {"nama": "dewi", "sandi": PASSWORD}
    async with service.http.post(f"{service.url}/inbox/masuk", data=form, allow_redirects=False) as signed_in:
        assert signed_in.status == 303
        cookies = {name: morsel.value for name, morsel in signed_in.cookies.items()}
    async with service.http.get(f"{service.url}/inbox/peristiwa", cookies=cookies) as stream:
        assert stream.status == 200
        await _until(stream, "tersambung")
        assert await service.post(message()) == 200
        await _until(stream, "perubahan", '"complaint"')
        service.start("worker")
        await service.until(lambda: service.provider.creates(to=CITIZEN))
        await _until(stream, "perubahan", '"complaint"')  # sent by the worker's process
    async with service.http.get(f"{service.url}/inbox", cookies=cookies) as page:
        assert "ADU-" in await page.text()


async def test_sqlite_is_refused_to_several_processes(service):
    text = (service.place / "config.toml").read_text().replace(service.database_url, f"sqlite:///{service.place}/a.db")
    (service.place / "config.toml").write_text(text)
    done = await service.aduan("worker")
    assert done.returncode == 2
    assert "SQLite takes one process" in done.stderr


async def _until(stream, event: str, part: str = "") -> None:
    """Read events until one of this name whose data has this part."""
    name = ""
    async with asyncio.timeout(WAIT_SECONDS):
        async for line in stream.content:
            text = line.decode().strip()
            if text.startswith("event: "):
                name = text.removeprefix("event: ")
            elif text.startswith("data: ") and name == event and part in text:
                return
    raise AssertionError(f"the stream ended before {event}")
