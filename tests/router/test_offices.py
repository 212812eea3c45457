"""A deadline's calendar is kept with it, whatever became of the transaction that first used it."""

import pytest
import sqlalchemy as sa

from storage import tables


async def test_a_calendar_whose_first_use_was_rolled_back_is_kept_by_the_next(world):
    office, account = next(iter(world.desk.offices)), world.desk.account("wa")
    rule = world.desk.offices.response_rule(office.id, account.capabilities.intake)

    def fail(tx):
        world.desk.offices.start_clock(tx, office.id, rule, world.clock.now())
        raise ArithmeticError

    await world.desk.store.write(lambda tx: tx.run(sa.delete(tables.calendar)))  # the holidays were seeded by it
    with pytest.raises(ArithmeticError):
        await world.desk.store.write(fail)
    await world.arrives()
    [deadline] = await world.rows("deadline")
    assert deadline.calendar in {row.version for row in await world.rows("calendar")}
