"""Training: stand-ins for the providers of accounts without credentials, and the page that shows a citizen's phone."""

import hashlib
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from app import config
from core import clock
from simulator import pages, twilio, twilio_api

_PACE_SECONDS = 0.3  # between the states of a message, so that people see them change
_FILES_AT = {"media_hosts": ["localhost", "127.0.0.1"]}  # where the stand-in keeps the files of messages
_SENDERS = {"whatsapp": "whatsapp:+628120000{:04d}", "sms": "+628120000{:04d}"}


@dataclass(frozen=True, slots=True)
class Simulation:
    """The running stand-ins: what simulated accounts sign in with, by account name, and the page at /simulator."""

    credentials: dict[str, dict[str, Any]]
    page: web.Application


async def start(stack: AsyncExitStack, configured: config.Config, now: clock.Clock) -> Simulation | None:
    """Start what the simulated accounts need, until `stack` closes; None when there are none."""
    simulated = [account for account in configured.accounts if account.account.simulated]
    if not simulated:
        return None
    stand_in = twilio.TwilioStandIn(now, pace_seconds=_PACE_SECONDS)
    base_url = await stack.enter_async_context(twilio_api.serve(stand_in))
    stack.push_async_callback(stand_in.close)
    credentials: dict[str, dict[str, Any]] = {}
    shown: list[pages.SimulatedAccount] = []
    for i, account in enumerate(simulated):
        name = account.account.name
        sid = "AC" + hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
        token = secrets.token_hex(16)
        sender = str(account.written.get("sender") or _SENDERS[account.account.channel].format(9000 + i))
        hook = f"{configured.server.public_url}/hooks/{name}"
        stand_in.register(sid, token, hook, f"{hook}/status", senders=[sender])
        credentials[name] = {
            "account_sid": sid,
            "auth_tokens": [token],
            "sender": sender,
            "base_url": base_url,
            **_FILES_AT,
        }
        shown.append(pages.SimulatedAccount(name, account.account.capabilities.label, sender, sid))
    office = next(o for o in configured.offices if o.id == simulated[0].account.office_id)
    return Simulation(credentials, _page(stand_in, shown, office))


def _page(
    stand_in: twilio.TwilioStandIn, shown: Sequence[pages.SimulatedAccount], office: config.Office
) -> web.Application:
    return pages.subapp(stand_in, shown, office=office.name, zone=ZoneInfo(office.zone))
