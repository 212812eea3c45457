"""Messages as they came, in the form their channel has for them: a file to keep, and safe HTML to look at."""

import asyncio
from typing import cast

from core import errors, model, ports
from router.complaints import RawItem
from router.desk import WORKERS, Desk, require
from storage import raw


async def look(desk: Desk, person: model.Person, raw_id: int) -> RawItem:
    """Return a raw item for who has just opened it by `complaints.original`, which writes that down. NotFound."""
    require(person, *WORKERS)
    item = await desk.store.read(raw.get, raw_id)
    if item.office_id != person.office_id:
        raise errors.NotFound("no such item")
    return item


async def form(desk: Desk, item: RawItem) -> ports.OriginalMessage | None:
    """Return the form that the item's channel has for it; None where the raw item is all there is."""
    connector = desk.connectors.get(item.request.account)
    if not hasattr(connector, "original"):
        return None
    return await asyncio.to_thread(cast("ports.Original", connector).original, item.request)
