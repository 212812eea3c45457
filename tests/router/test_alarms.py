"""Alarms that only a person can end."""

import pytest

from core import errors, model
from router import complaints
from storage import alarms


async def raised(world, kind: model.AlarmKind) -> model.Alarm:
    now = world.clock.at
    await world.desk.store.write(lambda tx: alarms.raise_(tx, "contoh", kind, f"{kind}:1", now))
    [alarm] = (await complaints.overview(world.desk, world.admin)).alarms
    return alarm


async def test_an_alarm_seen_to_is_gone_and_comes_back_with_its_cause(world):
    alarm = await raised(world, model.AlarmKind.MEDIA_FAILED)
    await complaints.settle_alarm(world.desk, world.admin, alarm.id)
    assert (await complaints.overview(world.desk, world.admin)).alarms == []
    with pytest.raises(errors.NotFound):
        await complaints.settle_alarm(world.desk, world.admin, alarm.id)
    assert (await raised(world, model.AlarmKind.MEDIA_FAILED)).count == 1
    actions = [row.action for row in await world.rows("audit", "chain = 0")]
    assert "alarm_settled" in actions


async def test_an_alarm_that_its_cause_clears_is_not_put_away(world):
    alarm = await raised(world, model.AlarmKind.ACCOUNT_SUSPENDED)
    with pytest.raises(errors.NotAllowed):
        await complaints.settle_alarm(world.desk, world.admin, alarm.id)


async def test_an_auditor_settles_nothing(world):
    alarm = await raised(world, model.AlarmKind.MEDIA_FAILED)
    with pytest.raises(errors.NotAllowed):
        await complaints.settle_alarm(world.desk, world.people["auditor"], alarm.id)
