"""A running `aduan` of its own process, on loopback, with the provider's stand-in beside it."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from core import clock
from simulator import twilio, twilio_api
from tests.acceptance.harness import CONFIG, SENDER, SERVICE_SID, SID, TOKEN, Service
from tests.ports import free_port


@pytest.fixture
async def service(database_url: str, tmp_path: Path) -> AsyncIterator[Service]:
    """A configured deployment with nothing started yet."""
    provider = twilio.TwilioStandIn(clock.SystemClock())
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    async with twilio_api.serve(provider) as provider_url, aiohttp.ClientSession() as http:
        for name in SID:
            more = {"messaging_service_sid": SERVICE_SID} if name == "sms" else {}
            provider.register(SID[name], TOKEN[name], f"{url}/hooks/{name}", senders=[SENDER[name]], **more)
        (tmp_path / "config.toml").write_text(
            CONFIG.format(
                url=url, port=port, database=database_url, provider=provider_url, wa=SID["wa"], sms=SID["sms"],
                wa_sender=SENDER["wa"], service=SERVICE_SID,
            )
        )  # fmt: skip
        service = Service(tmp_path, url, database_url, provider, http)
        yield service
        for name in list(service.processes):
            service.kill(name)


@pytest.fixture
async def running(service: Service) -> Service:
    """The whole of it in one process."""
    service.start("run")
    await service.ready()
    return service
