"""How often one address may ask."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.limits import Limit

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
NOTHING = timedelta()


def test_a_burst_is_let_through_and_then_one_at_a_time():
    limit = Limit(3, timedelta(seconds=10))
    assert [limit.take("192.0.2.1", NOW) for _ in range(4)] == [NOTHING, NOTHING, NOTHING, timedelta(seconds=10)]
    assert limit.take("192.0.2.1", NOW + timedelta(seconds=4)) == timedelta(seconds=6)
    assert limit.take("192.0.2.1", NOW + timedelta(seconds=10)) == NOTHING
    assert limit.take("192.0.2.1", NOW + timedelta(seconds=10)) == timedelta(seconds=10)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("", "unknown", False),
    ],
)
def test_one_asker_is_an_address_or_a_network_of_ipv6(one, other, is_same):
    limit = Limit(1, timedelta(seconds=10))
    limit.take(one, NOW)
    assert (limit.take(other, NOW) > NOTHING) is is_same


def test_memory_is_bounded_and_the_latest_are_remembered():
    limit = Limit(1, timedelta(hours=1), most=10)
    for n in range(100):
        limit.take(f"192.0.2.{n}", NOW)
    assert len(limit) == 10
    assert limit.take("192.0.2.99", NOW) > NOTHING


@given(st.lists(st.integers(-60, 60), max_size=60))
def test_never_more_than_the_burst_and_what_time_gave_back(steps):
    limit = Limit(5, timedelta(seconds=10))
    at, latest, granted = NOW, NOW, 0
    for step in steps:
        at += timedelta(seconds=step)
        latest = max(latest, at)
        granted += limit.take("192.0.2.1", at) == NOTHING
    gained = sum(max(step, 0) for step in steps) / 10
    assert granted <= 5 + gained
