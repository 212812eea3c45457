"""What is done once in a while: sealing the audit log, forgetting what is no longer needed."""

from datetime import timedelta

from core import ids
from router.desk import Desk
from storage import audit, outbox, people, raw
from storage.transaction import Tx

_SEAL_BEHIND = timedelta(hours=1)  # longer than any transaction lasts
_EARLY_RECEIPTS = timedelta(days=3)


async def tick(desk: Desk, raw_retention: timedelta) -> None:
    """Seal yesterday's audit, remove old raw items, lapsed sessions, receipts of messages that were never ours."""
    now = desk.clock.now()

    def act(tx: Tx) -> None:
        for office in desk.offices:
            midnight = office.end_of_day(now) - timedelta(days=1)
            audit.seal(tx, office.id, now, min(midnight, now - _SEAL_BEHIND))
        raw.purge(tx, ids.first_at(now - raw_retention))
        people.purge_sessions(tx, now)
        outbox.purge_early(tx, now - _EARLY_RECEIPTS)

    await desk.store.write(act)


async def verify_audit(desk: Desk, office_id: str) -> list[str]:
    """Return every fault in the office's audit log; see storage.audit.verify."""
    return await desk.store.read(audit.verify, office_id)
