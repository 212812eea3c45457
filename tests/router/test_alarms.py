"""Alarms that only a person can end."""

from datetime import date

import pytest

from core import errors, model
from router import complaints, holidays
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


async def test_holidays_are_seeded_once_per_kind_and_a_local_day_does_not_stand_in_for_them(world):
    desk, year = world.desk, world.clock.at.year + 2
    await holidays.put(desk, world.supervisor, date(year, 7, 1), "Hari Jadi Kota Contoh", "lokal", is_closed=True)
    removed = date(year - 1, 8, 17)
    await holidays.remove(desk, world.supervisor, removed)
    world.clock.forward(days=370)
    assert await holidays.seed(desk) > 10
    listed = {entry.day: entry for entry in await holidays.listed(desk, world.supervisor)}
    assert listed[date(year, 8, 17)].kind == "nasional"
    assert removed not in listed  # what people removed stays removed
    assert await holidays.seed(desk) == 0
