"""From a raw request to stored complaints: verified, read, stored and acknowledged in one transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import structlog

from core import errors, ids, model, ports
from router import arrivals, quarantine, registration
from router.desk import SYSTEM, Desk, actor
from storage import complaints, messages, raw
from storage.transaction import Tx

_log = structlog.get_logger()
_MOST_UNPROVEN = 5_000  # in one office's quarantine; anybody can send them, and catching up brings what was genuine


@dataclass(frozen=True, slots=True)
class Registered:
    """What the citizen is told of his complaint."""

    number: ids.Number
    pin: str
    due_at: datetime | None


async def receive(desk: Desk, request: ports.RawRequest, keeps_unproven: Callable[[], bool] = lambda: True) -> None:
    """Take in a webhook: on return it is stored, and the provider may be told so.

    Raises NotFound for an account that takes no webhooks, StorageUnavailable, and SignatureError: the request is then
    in quarantine, unless `keeps_unproven` says that whoever forges them has filled it enough.
    """
    account = desk.account(request.account)
    connector = desk.connectors[account.name]
    if not hasattr(connector, "verify"):
        raise errors.NotFound("this account takes no webhooks")
    try:
        cast("ports.WebhookConnector", connector).verify(request)
    except errors.SignatureError as error:
        if keeps_unproven():
            await quarantine.put(desk, account, request, f"signature: {error}", most=_MOST_UNPROVEN)
        raise
    await take_in(desk, account, request, "webhook")


async def take_in(
    desk: Desk, account: model.Account, request: ports.RawRequest, origin: str, also: Callable[[Tx], None] | None = None
) -> None:
    """Store a genuine request and all it holds; what cannot be read goes to quarantine.

    `also` acts in the same transaction. Raises only StorageUnavailable.
    """
    connector = cast("ports.Reader", desk.connectors[account.name])
    try:
        events = await arrivals.read(desk, connector, request)
    except errors.PayloadError as error:
        await quarantine.put(desk, account, request, f"payload: {error}", origin, also=also)
        return
    except Exception as error:  # noqa: BLE001
        _log.exception("parse_failed", account=account.name)
        await quarantine.put(desk, account, request, f"payload: {type(error).__name__}", origin, also=also)
        return

    def act(tx: Tx) -> None:
        raw_id = raw.add(tx, account.office_id, origin, request)
        arrivals.take(tx, desk, account, events, arrivals.Origin(raw_id, request), request.received_at)
        if also is not None:
            also(tx)

    try:
        await desk.store.write(act)
    except errors.StorageUnavailable:
        raise
    except Exception as error:  # noqa: BLE001
        _log.exception("intake_failed", account=account.name)
        raw_id = await quarantine.put(desk, account, request, f"intake: {type(error).__name__}", origin, also=also)
        if raw_id is not None and len(events) > 1:
            await _one_by_one(desk, account, events, arrivals.Origin(raw_id, request))


async def _one_by_one(
    desk: Desk, account: model.Account, events: Sequence[model.InboundEvent], origin: arrivals.Origin
) -> None:
    """Take in what can be stored of a request that waits in quarantine: one bad item must not cost the others."""
    for event in events:
        if desk.at(account, event.destination) is None:
            continue  # it is in quarantine already
        try:
            await desk.store.write(arrivals.take, desk, account, [event], origin, origin.request.received_at)
        except errors.StorageUnavailable:
            raise
        except Exception:  # noqa: BLE001
            _log.exception("item_failed", account=account.name)


async def receive_message(
    desk: Desk, request: ports.RawRequest, inbound: model.InboundMessage, origin: str, by: model.Person | None = None
) -> Registered:
    """Take in one message that an edge has already read (form, counter); the same one twice gives the same answer.

    `by`: who wrote it down, None for the citizen himself. NotFound for one that belongs to no complaint: a STOP of
    somebody who has none, which is heeded all the same.
    """
    account = desk.account(request.account)
    inbound = await arrivals.keep_files(desk, inbound)
    who = SYSTEM if by is None else actor(by)

    def act(tx: Tx) -> Registered | None:
        raw_id = raw.add(tx, account.office_id, origin, request)
        registration.take(tx, desk, account, inbound, raw_id, request.received_at, by=who)
        complaint_id = messages.complaint_of(tx, account.name, inbound.provider_id)
        if complaint_id is None:
            return None
        complaint = complaints.get(tx, complaint_id)
        return Registered(complaint.number, complaints.pin(tx, complaint), complaint.due_at)

    registered = await desk.store.write(act)
    if registered is None:
        raise errors.NotFound("the message belongs to no complaint")
    return registered
