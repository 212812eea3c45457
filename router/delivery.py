"""The one delivery worker: everything that leaves, leaves here.

Claim by lease, send once, write down what became of it. What may have been sent is never sent again on a channel that
could deliver it twice: it waits for a receipt, then for a person.
"""

import asyncio
import contextlib
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import cast

import structlog

from core import errors, ids, model, ports
from router import receipts
from router.desk import SYSTEM, Desk
from storage import alarms, complaints, contacts, outbox
from storage.files import FileStore
from storage.transaction import Tx

LEASE = timedelta(seconds=90)  # longer than any connector's own time limit
UNCERTAIN_WAIT = timedelta(minutes=10)  # for a receipt, before a person is asked
GIVE_UP_AFTER = timedelta(hours=48)
PROBE_EVERY = timedelta(minutes=2)
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=10)
_TELL_AFTER = 4  # attempts before an alarm says that an account cannot be reached
_PARALLEL = 64
_POLL_SECONDS = 2.0
_log = structlog.get_logger()


class DeliveryWorker:
    """Claims and sends until stopped. Any number may run, in any number of processes."""

    def __init__(self, desk: Desk, parallel: int = _PARALLEL, poll_seconds: float = _POLL_SECONDS) -> None:
        self._desk = desk
        self._senders = {
            name: cast("ports.Sender", connector)
            for name, connector in desk.connectors.items()
            if hasattr(connector, "send")
        }
        self._parallel = parallel
        self._poll_seconds = poll_seconds
        self._wake = asyncio.Event()
        self._stopping = False
        self._sending: set[asyncio.Task[None]] = set()
        desk.store.subscribe(self._heard)

    def wake(self) -> None:
        """Look at once for something to send."""
        self._wake.set()

    async def run(self) -> None:
        """Send until `stop`; then let what is under way finish."""
        while not self._stopping:
            self._wake.clear()
            try:
                claimed = await self._claim()
            except errors.StorageUnavailable:
                claimed = 0
            except Exception:  # noqa: BLE001
                _log.exception("claim_failed")
                claimed = 0
            if claimed == 0:
                await self._rest()
        if self._sending:
            await asyncio.wait(self._sending)

    async def deliver_due(self) -> int:
        """Send everything that is due now and wait for the outcome; return how many entries were claimed."""
        claimed = max(0, await self._claim())
        if self._sending:
            await asyncio.wait(self._sending)
        return claimed

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def _claim(self) -> int:
        free = self._parallel - len(self._sending)
        if free <= 0:
            await asyncio.wait(self._sending, return_when=asyncio.FIRST_COMPLETED)
            return -1
        now = self._desk.clock.now()
        if not await self._desk.store.read(outbox.is_any_due, now):
            return 0
        entries = await self._desk.store.write(outbox.claim, now, now + LEASE, free)
        for entry in entries:
            task = asyncio.create_task(self._deliver(entry))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return len(entries)

    async def _rest(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), self._poll_seconds)

    def _heard(self, event: model.Event) -> None:
        if event.topic == "outbox":
            self._wake.set()

    async def _deliver(self, entry: model.OutboxEntry) -> None:
        outcome: model.Sent | errors.SendError
        try:
            outcome = await self._attempt(entry)
        except errors.SendError as error:
            outcome = error
        except Exception as error:  # noqa: BLE001
            _log.exception("send_failed_unmapped", outbox=entry.id, account=entry.account)
            outcome = errors.UncertainSendError(type(error).__name__)
        await self._write_down(entry, outcome)
        self._wake.set()

    async def _attempt(self, entry: model.OutboxEntry) -> model.Sent:
        sender = self._senders.get(entry.account)
        if sender is None:
            raise errors.PermanentSendError("the account is not configured any more, or cannot send")
        if entry.opted_out:
            raise errors.RecipientOptedOut("the contact asked not to be written to")
        now = self._desk.clock.now()
        window = sender.capabilities.reply_window
        opened_at = entry.window_opened_at
        message = model.OutboundMessage(
            outbox_id=entry.id, kind=entry.kind, address=entry.address, text=entry.text, reference=entry.reference,
            window_open=window is None or (opened_at is not None and now < opened_at + window),
            variables=entry.variables, number=entry.number, answers=entry.answers, private=entry.private,
            files=await asyncio.to_thread(_enclosures, self._desk.files, entry) if entry.files else (),
        )  # fmt: skip
        return await sender.send(message)

    async def _write_down(self, entry: model.OutboxEntry, outcome: model.Sent | errors.SendError) -> None:
        """Record an attempt; while the database is away, try until it is back or the lease would long be over."""
        for pause in (0.2, 1, 2, 5, 10, 20, 30):
            now = self._desk.clock.now()
            try:
                await self._desk.store.write(_record, self._desk, entry, outcome, now)
            except errors.StorageUnavailable:
                await asyncio.sleep(pause)
            except Exception:  # noqa: BLE001
                _log.exception("delivery_not_recorded", outbox=entry.id)
                return
            else:
                return
        _log.error("delivery_not_recorded", outbox=entry.id)  # the lease ends: uncertain, or sent again if that is safe


def _enclosures(files: FileStore, entry: model.OutboxEntry) -> tuple[model.Enclosure, ...]:
    try:
        return tuple(model.Enclosure(name, media_type, files.get(digest)) for digest, name, media_type in entry.files)
    except errors.NotFound:
        raise errors.PermanentSendError("a file of this answer is not kept any more") from None


def _record(
    tx: Tx, desk: Desk, entry: model.OutboxEntry, outcome: model.Sent | errors.SendError, now: datetime
) -> None:
    sent = outbox.get(tx, entry.id)
    if sent.attempts != entry.attempts:
        return  # a person sent it again meanwhile: this attempt no longer counts
    if isinstance(outcome, model.Sent):
        if outcome.opened is not None:
            _opened(tx, desk, sent, *outcome.opened, now)
        for provider_id in outcome.further:
            outbox.keep_early(tx, sent.account, model.DeliveryReceipt(provider_id, model.DeliveryState.ACCEPTED), now)
        _accepted(tx, sent, outcome.provider_id, now)
    elif sent.state is model.DeliveryState.UNCERTAIN:  # the lease ended before the outcome could be written down
        if not isinstance(outcome, errors.UncertainSendError):
            alarms.clear(tx, sent.office_id, receipts.uncertain_key(sent), now, SYSTEM)
            _not_sent(tx, sent, outcome, now)
    elif sent.state is model.DeliveryState.SENDING:
        _not_sent(tx, sent, outcome, now)


def _opened(tx: Tx, desk: Desk, sent: outbox.Sent, destination: model.Destination, address: str, now: datetime) -> None:
    """Remember at which address elsewhere the contact can answer us now: the provider itself says it is he."""
    account = desk.at(desk.account(sent.account), destination)
    if account is None:
        return
    known = contacts.get(tx, sent.contact_id).contact
    citizen_id = known.citizen_id
    if citizen_id is None:
        citizen_id = ids.CitizenId(tx.new_id())
        contacts.set_citizen(tx, known.id, citizen_id)
    contact_id = contacts.opened(tx, sent.office_id, account.name, address, citizen_id, known.name, now)
    facts = {"message": sent.id, "contact": contact_id, "account": account.name}
    complaints.change(tx, complaints.lock(tx, sent.complaint_id), now, SYSTEM, "contact_opened", facts)


def _not_sent(tx: Tx, sent: outbox.Sent, outcome: errors.SendError, now: datetime) -> None:
    match outcome:
        case errors.TransientSendError():
            _postponed(tx, sent, outcome, now)
        case errors.AccountSuspended():
            _suspended(tx, sent, outcome, now)
        case errors.UncertainSendError():
            outbox.settle(
                tx,
                sent,
                model.DeliveryState.UNCERTAIN,
                now,
                next_at=now + UNCERTAIN_WAIT,
                error=str(outcome),
                code=outcome.code,
            )
        case _:
            _failed(tx, sent, outcome, now)


def _failed(tx: Tx, sent: outbox.Sent, error: errors.SendError, now: datetime) -> None:
    refusal = receipts.meaning(error)
    outbox.settle(tx, sent, model.DeliveryState.FAILED, now, error=str(error), code=error.code, refusal=refusal)
    receipts.failed(tx, sent, now, refusal or str(error))


def _postponed(tx: Tx, sent: outbox.Sent, error: errors.TransientSendError, now: datetime) -> None:
    if now - sent.created_at > GIVE_UP_AFTER:
        _failed(tx, sent, errors.PermanentSendError(f"could not be sent for two days: {error}", error.code), now)
        return
    pause = min(_FIRST_PAUSE * 2 ** (min(sent.attempts, 12) - 1), _LONGEST_PAUSE)
    pause = max(pause * random.uniform(0.5, 1.5), error.retry_after or timedelta())  # noqa: S311
    outbox.settle(tx, sent, model.DeliveryState.QUEUED, now, next_at=now + pause, error=str(error), code=error.code)
    # What hangs on one recipient (a full mailbox), or what we were asked to wait for, is no fault of the account.
    if sent.attempts >= _TELL_AFTER and error.refusal is None and error.retry_after is None:
        alarms.set_health(tx, sent.office_id, sent.account, error=str(error))
        alarms.raise_(
            tx,
            sent.office_id,
            model.AlarmKind.ACCOUNT_UNREACHABLE,
            f"unreachable:{sent.account}",
            now,
            account=sent.account,
            note=str(error),
        )


async def sweep(desk: Desk) -> int:
    """See to ended leases without a result, uncertain entries that no receipt cleared up, and strayed receipts."""
    now = desk.clock.now()
    return await desk.store.write(_sweep, desk.connectors, now)


async def probe(desk: Desk) -> None:
    """Try accounts that are suspended or out of reach; what waits for them leaves once they are good again."""
    now = desk.clock.now()
    for account in desk.accounts.values():
        health = await desk.store.read(alarms.health_of, account.name)
        is_well = health.suspended_at is None and health.error is None
        if is_well or (health.retry_at is not None and health.retry_at > now):
            continue
        connector = desk.connectors[account.name]
        try:
            if hasattr(connector, "check"):
                await cast("ports.Reachable", connector).check()
        except errors.SendError as error:
            await desk.store.write(
                alarms.set_health, account.office_id, account.name, retry_at=now + PROBE_EVERY, error=str(error)
            )
        else:
            await desk.store.write(_lift, account, now)


def _sweep(tx: Tx, connectors: Mapping[str, ports.Connector], now: datetime) -> int:
    for overtaken in outbox.overtaken(tx, 200):
        _take_early(tx, *overtaken, now)
    found = outbox.lapsed(tx, now, 200)
    for sent in found:
        connector = connectors.get(sent.account)
        if sent.state is model.DeliveryState.UNCERTAIN:
            outbox.settle(tx, sent, sent.state, now, provider_id=sent.provider_id, error="no receipt came")
            alarms.raise_(
                tx,
                sent.office_id,
                model.AlarmKind.UNCERTAIN,
                receipts.uncertain_key(sent),
                now,
                complaint_id=sent.complaint_id,
                account=sent.account,
            )
        elif connector is not None and connector.capabilities.idempotent_send:
            outbox.settle(tx, sent, model.DeliveryState.QUEUED, now, next_at=now)
        else:
            outbox.settle(
                tx,
                sent,
                model.DeliveryState.UNCERTAIN,
                now,
                next_at=now + UNCERTAIN_WAIT,
                error="the sender stopped midway",
            )
    return len(found)


def _accepted(tx: Tx, sent: outbox.Sent, provider_id: str, now: datetime) -> None:
    """Write down the provider's id, and the receipts that came before we knew it."""
    if sent.state.rank <= model.DeliveryState.ACCEPTED.rank:  # else a receipt has told us more already
        outbox.settle(tx, sent, model.DeliveryState.ACCEPTED, now, provider_id=provider_id)
        receipts.arrived(tx, sent, model.DeliveryState.ACCEPTED, now)
    _take_early(tx, sent.id, sent.account, provider_id, now)
    health = alarms.health_of(tx, sent.account)
    if (
        health.last_outbound_at is None
        or now - health.last_outbound_at > timedelta(minutes=1)
        or health.suspended_at is not None
        or health.error is not None
    ):
        alarms.set_health(
            tx, sent.office_id, sent.account, last_outbound_at=now, error=None, suspended_at=None, retry_at=None
        )
        for key in (f"unreachable:{sent.account}", f"suspended:{sent.account}"):
            alarms.clear(tx, sent.office_id, key, now, SYSTEM)


def _take_early(tx: Tx, outbox_id: ids.OutboxId, account: str, provider_id: str, now: datetime) -> None:
    for receipt in outbox.take_early(tx, account, provider_id):
        receipts.apply(tx, outbox.get(tx, outbox_id), receipt, now)


def _suspended(tx: Tx, sent: outbox.Sent, error: errors.AccountSuspended, now: datetime) -> None:
    outbox.settle(tx, sent, model.DeliveryState.QUEUED, now, next_at=now, error=str(error), code=error.code)
    suspend(tx, sent.office_id, sent.account, error, now)


def suspend(tx: Tx, office_id: str, account: str, error: errors.AccountSuspended, now: datetime) -> None:
    """Let nothing leave by an account until `probe` finds it good again, and raise the alarm."""
    alarms.set_health(tx, office_id, account, suspended_at=now, retry_at=now + PROBE_EVERY, error=str(error))
    kind = model.AlarmKind.ACCOUNT_SUSPENDED
    alarms.raise_(tx, office_id, kind, f"suspended:{account}", now, account=account, note=str(error))


def _lift(tx: Tx, account: model.Account, now: datetime) -> None:
    alarms.set_health(tx, account.office_id, account.name, suspended_at=None, retry_at=None, error=None)
    for key in (f"unreachable:{account.name}", f"suspended:{account.name}"):
        alarms.clear(tx, account.office_id, key, now, SYSTEM)
    outbox.hasten(tx, account.name, now)
    tx.publish(model.Event(account.office_id, "outbox", "queued"))
