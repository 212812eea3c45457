"""What is done once in a while: sealing the audit log, forgetting what is no longer needed."""

from datetime import datetime, timedelta

from core import ids
from router import files, registration
from router.desk import SYSTEM, Desk
from storage import alarms, audit, incidents, outbox, people, raw, revisions
from storage.transaction import Tx

_SEAL_BEHIND = timedelta(hours=1)  # longer than any transaction lasts
_EARLY_RECEIPTS = timedelta(days=3)


async def tick(desk: Desk, raw_retention: timedelta) -> None:
    """Seal yesterday's audit; remove old raw items, lapsed sessions, early words never claimed, files nobody has."""
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        for office in desk.offices:
            midnight = office.end_of_day(now) - timedelta(days=1)
            audit.seal(tx, office.id, now, min(midnight, now - _SEAL_BEHIND))
        _forget_raw(tx, now, now - raw_retention)
        people.purge_sessions(tx, now)
        outbox.purge_early(tx, now - _EARLY_RECEIPTS)
        revisions.purge_early(tx, now - raw_retention)  # what was taken back may still be replayed
        incidents.purge(tx, now - registration.RAID_WITHIN)

    await desk.store.write(act)
    await files.sweep(desk)


def _forget_raw(tx: Tx, now: datetime, before: datetime) -> None:
    """Remove raw items that are too old, those in quarantine as well: what they were is left in the audit log."""
    raw.purge(tx, ids.first_at(before))
    for office_id, account in raw.purge_quarantined(tx, ids.first_at(before), SYSTEM, now):
        if raw.count_quarantined(tx, office_id, account) == 0:
            alarms.clear(tx, office_id, f"quarantine:{account}", now, SYSTEM)


async def verify_audit(desk: Desk, office_id: str) -> list[str]:
    """Return every fault in the office's audit log; see storage.audit.verify."""
    return await desk.store.read(audit.verify, office_id)
