"""How accounts stand: once a day each is asked what works today and will not for long."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

import structlog

from core import errors, model, ports
from router import delivery
from router.desk import SYSTEM, Desk
from storage import alarms
from storage.transaction import Tx

EVERY = timedelta(days=1)
_log = structlog.get_logger()


async def tick(desk: Desk) -> int:
    """Examine every account whose day has come; return how many were. Safe in several processes at once."""
    return sum([await _account(desk, name) for name in desk.accounts])


async def _account(desk: Desk, name: str) -> bool:
    connector = desk.connectors[name]
    if not hasattr(connector, "examine"):
        return False
    account, now = desk.account(name), desk.clock.now()
    before = await desk.store.read(alarms.health_of, name)
    if before.suspended_at is not None or (before.examined_at is not None and now - before.examined_at < EVERY):
        return False  # a suspended account is tried by delivery.probe, and nobody needs to be warned of it
    if not await desk.store.write(alarms.claim_examination, account.office_id, name, now, now - EVERY):
        return False  # another process does it
    try:
        remarks = await cast("ports.Examined", connector).examine()
    except errors.AccountSuspended as error:
        _log.warning("account_refused", account=name, reason=str(error))
        await desk.store.write(delivery.suspend, account.office_id, name, error, now)
        await _look_again_soon(desk, account, before.examined_at)
    except errors.SendError as error:  # that it cannot be reached is told by what needs it
        _log.warning("examination_failed", account=name, reason=str(error))
        await _look_again_soon(desk, account, before.examined_at)
    except Exception:  # noqa: BLE001 - one account must not keep the others from being examined
        _log.exception("examination_failed", account=name)
    else:
        await desk.store.write(_write_down, account, remarks, now)
    return True


async def _look_again_soon(desk: Desk, account: model.Account, examined_at: datetime | None) -> None:
    await desk.store.write(alarms.set_health, account.office_id, account.name, examined_at=examined_at)


def _write_down(tx: Tx, account: model.Account, remarks: Sequence[str], now: datetime) -> None:
    """Raise the account's one alarm with every remark, or clear it."""
    key = f"warning:{account.name}"
    if remarks:
        kind, note = model.AlarmKind.ACCOUNT_WARNING, "\n".join(remarks)
        alarms.raise_(tx, account.office_id, kind, key, now, account=account.name, note=note)
    else:
        alarms.clear(tx, account.office_id, key, now, SYSTEM)
