"""Catching up: what a provider holds and we do not, because a webhook never reached us."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import cast

import structlog

from core import errors, model, ports
from router import intake
from router.desk import SYSTEM, Desk
from storage import alarms, messages
from storage.transaction import Tx

OVERLAP = timedelta(minutes=15)  # for messages that the provider lists late
FIRST_LOOK_BACK = timedelta(days=2)
_log = structlog.get_logger()


async def tick(desk: Desk) -> int:
    """Catch up on every account that can; return how many messages were found that no webhook brought."""
    return sum([await account(desk, name) for name in desk.accounts])


async def account(desk: Desk, name: str, since: datetime | None = None) -> int:
    """Catch up on one account, from `since` or from where the last time ended; return how many messages were new."""
    connector = desk.connectors[name]
    if not hasattr(connector, "catch_up"):
        return 0
    its = desk.account(name)
    began = desk.clock.now()
    health = await desk.store.read(alarms.health_of, name)
    if since is None:
        since = (health.caught_up_to or began - FIRST_LOOK_BACK) - OVERLAP
    found = 0
    try:
        async for inbound in cast("ports.CatchUp", connector).catch_up(since):
            found += await _take_in(desk, name, inbound, began)
    except errors.SendError as error:
        _log.warning("catch_up_failed", account=name, reason=str(error))
        await desk.store.write(_unreachable, its, str(error), began)
        return found
    await desk.store.write(_reached, its, began)
    return found


async def _take_in(desk: Desk, name: str, inbound: model.InboundMessage, now: datetime) -> int:
    if await desk.store.read(messages.is_known, name, inbound.provider_id):
        return 0
    body = json.dumps(asdict(inbound), default=str, ensure_ascii=False).encode()
    request = ports.RawRequest(name, "", {"content-type": "application/json"}, body, now)
    try:
        await intake.receive_message(desk, request, inbound, "catch_up")
    except errors.NotFound:
        return 0  # a STOP of somebody without a complaint
    return 1


def _reached(tx: Tx, its: model.Account, at: datetime) -> None:
    alarms.set_health(tx, its.office_id, its.name, caught_up_to=at)
    alarms.clear(tx, its.office_id, f"catch_up:{its.name}", at, SYSTEM)


def _unreachable(tx: Tx, its: model.Account, note: str, at: datetime) -> None:
    alarms.raise_(
        tx, its.office_id, model.AlarmKind.ACCOUNT_UNREACHABLE, f"catch_up:{its.name}", at, account=its.name, note=note
    )
