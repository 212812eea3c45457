"""Catching up: what a provider holds and we do not, because a webhook never reached us."""

from datetime import datetime, timedelta
from typing import cast

import structlog

from core import errors, model, ports
from router import elsewhere, intake, listed, quarantine
from router.desk import SYSTEM, Desk
from storage import alarms, messages, outbox
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
    last = health.caught_up_to or began - FIRST_LOOK_BACK
    since = since or last - OVERLAP
    found: list[listed.Listed] = []
    failure: errors.SendError | None = None
    try:
        async for inbound in cast("ports.CatchUp", connector).catch_up(since):
            found.append(inbound)  # noqa: PERF401 - what was listed before a failure counts
    except errors.SendError as error:
        failure = error
    # Providers list the newest first; a timeline and a STOP need the order in which they were written.
    found.sort(key=lambda item: item.sent_at or began)
    missing = sum([await _take_in(desk, its, item, began) for item in found])
    if failure is not None:
        _log.warning("catch_up_failed", account=name, reason=str(failure))
        await desk.store.write(_unreachable, its, str(failure), began)
    else:
        until = began if since <= last else health.caught_up_to
        await desk.store.write(_reached, its, until, began, len(found), missing)
    return missing


async def _take_in(desk: Desk, its: model.Account, item: listed.Listed, now: datetime) -> int:
    account = desk.at(its, item.destination)
    if account is None or await desk.store.read(_is_known, account.name, item.provider_id):
        return 0  # of a recipient that is not configured: its webhooks stand in quarantine
    request = listed.written(account, item, now)
    try:
        if isinstance(item, model.ColleagueAnswer):
            return int(await elsewhere.take_in_colleague(desk, account, request, item))
        await intake.receive_message(desk, request, item, listed.ORIGIN)
    except errors.NotFound:
        return 0  # a STOP of somebody without a complaint
    except errors.StorageUnavailable:
        raise
    except Exception as error:  # noqa: BLE001 - one message that cannot be stored must not hide the others
        _log.exception("intake_failed", account=account.name)
        await quarantine.put(desk, account, request, f"intake: {type(error).__name__}", listed.ORIGIN)
        return 0
    return 1


def _is_known(tx: Tx, account: str, provider_id: str) -> bool:
    is_ours = outbox.message_of(tx, account, provider_id) is not None or outbox.is_echoed(tx, account, provider_id)
    return is_ours or messages.is_known(tx, account, provider_id)


def _reached(
    tx: Tx, its: model.Account, caught_up_to: datetime | None, at: datetime, listed: int, missing: int
) -> None:
    alarms.set_health(
        tx, its.office_id, its.name, caught_up_to=caught_up_to, compared_at=at, listed=listed, missing=missing
    )
    alarms.clear(tx, its.office_id, f"catch_up:{its.name}", at, SYSTEM)


def _unreachable(tx: Tx, its: model.Account, note: str, at: datetime) -> None:
    alarms.raise_(
        tx, its.office_id, model.AlarmKind.ACCOUNT_UNREACHABLE, f"catch_up:{its.name}", at, account=its.name, note=note
    )
