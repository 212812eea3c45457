"""The quarantine: what could not be trusted or read, kept where an admin sees it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast

import structlog

from core import errors, model, ports, privacy
from core import text as plain
from router import arrivals, listed
from router.desk import SYSTEM, WORKERS, Desk, actor, require
from storage import alarms, raw
from storage.transaction import Tx

_log = structlog.get_logger()


async def put(
    desk: Desk, account: model.Account, request: ports.RawRequest, reason: str, origin: str = "webhook", *,
    most: int | None = None, also: Callable[[Tx], None] | None = None,
) -> int | None:  # fmt: skip
    """Keep a request with the reason; from the `most`th on only the alarm counts it. Return the raw item's id, if any.

    `also` acts in the same transaction.
    """

    def act(tx: Tx) -> int | None:
        raw_id = None
        if most is None or raw.count_quarantined(tx, account.office_id) < most:
            raw_id = arrivals.quarantine(tx, account, request, reason, origin)
        else:
            arrivals.alarm(tx, account, reason, request.received_at)
        if also is not None:
            also(tx)
        return raw_id

    return await desk.store.write(act)


async def waiting(desk: Desk, office_id: str) -> list[raw.RawItem]:
    """Return what waits in quarantine, newest first, at most 1,000."""
    return await desk.store.read(raw.quarantined, office_id, 1000)


async def replay(desk: Desk, raw_id: int, by: model.Person | None = None) -> bool:
    """Read a raw item again with today's connector; return whether it is settled now.

    What failed its signature is verified again (tokens may have been mended), unless a person vouches for it; what
    waits for another reason was proven when it came, and may be one item of it alone. Its clocks run from when it
    first reached us. NotFound for an item of another office.
    """
    item = await desk.store.read(lambda tx: raw.get(tx, raw_id))
    if by is not None:
        require(by, *WORKERS)
        if item.office_id != by.office_id:
            raise errors.NotFound("no such item")
    account = desk.account(item.request.account)
    events = await _read_again(
        desk, account, item, is_vouched=by is not None or not (item.reason or "").startswith("signature")
    )
    if events is None:
        return False
    now = desk.clock.now()
    origin = arrivals.Origin(item.id, item.request)
    as_received = [_as_received(event, item.request.received_at) for event in events]

    def act(tx: Tx) -> None:
        arrivals.take(tx, desk, account, as_received, origin, now)
        raw.settle(tx, item, "processed", None, SYSTEM if by is None else actor(by), now)
        _clear_if_last(tx, item, SYSTEM, now)

    await desk.store.write(act)
    return True


def _as_received(event: model.InboundEvent, received_at: datetime) -> model.InboundEvent:
    if not isinstance(event, model.InboundMessage):
        return event
    return replace(event, sent_at=min(event.sent_at or received_at, received_at))


async def _read_again(
    desk: Desk, account: model.Account, item: raw.RawItem, *, is_vouched: bool
) -> Sequence[model.InboundEvent] | None:
    """Return what a raw item holds, None where it still cannot be trusted or read in full."""
    connector, request = desk.connectors[account.name], item.request
    if item.origin != listed.ORIGIN and not hasattr(connector, "parse"):
        raise errors.NotFound("this account has nothing to read again")
    try:
        if item.origin == listed.ORIGIN:
            return [listed.read(request)]
        if not is_vouched and hasattr(connector, "verify"):
            cast("ports.WebhookConnector", connector).verify(request)
        events = await arrivals.read(desk, cast("ports.Reader", connector), request)
    except (errors.SignatureError, errors.PayloadError):
        return None
    except Exception:  # noqa: BLE001
        _log.exception("parse_failed", account=account.name)
        return None
    is_whole = all(
        not isinstance(event, model.Unreadable) and desk.at(account, event.destination) is not None for event in events
    )
    return events if is_whole else None


async def dismiss(desk: Desk, raw_id: int, by: model.Person, reason: str) -> None:
    """Take an item out of quarantine unread, with the reason."""
    require(by, *WORKERS)
    reason = privacy.mask(plain.one_line(reason, 200))
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        item = raw.get(tx, raw_id)
        if item.office_id != by.office_id or item.state != "quarantined":
            raise errors.NotFound("no such item in quarantine")
        raw.settle(tx, item, "dismissed", reason, actor(by), now)
        _clear_if_last(tx, item, actor(by), now)

    await desk.store.write(act)


def _clear_if_last(tx: Tx, item: raw.RawItem, by: str, now: datetime) -> None:
    account = item.request.account
    if raw.count_quarantined(tx, item.office_id, account) == 0:
        alarms.clear(tx, item.office_id, f"quarantine:{account}", now, by)
