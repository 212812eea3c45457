"""How often one address may ask: token buckets in memory, bounded in number; nothing of them is stored or logged."""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

_IPV6_BITS = 64  # what one household or one phone is given
_MOST = 20_000  # addresses remembered at a time; the one not heard from for longest is forgotten first


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: datetime


class Limit:
    """Lets an address ask `burst` times at once and then once in every `every`.

    Be generous: a whole school, or a village behind its provider's NAT, is one address.
    """

    def __init__(self, burst: int, every: timedelta, most: int = _MOST) -> None:
        self._burst = burst
        self._every = every
        self._most = most
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, address: str, now: datetime) -> timedelta:
        """Count one request of `address`; return how long it has to wait, zero when it may go on now."""
        key = network(address)
        bucket = self._buckets.pop(key, None) or _Bucket(self._burst, now)
        self._buckets[key] = bucket
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        # A clock that was set back must not take tokens away.
        bucket.tokens = min(self._burst, bucket.tokens + max(now - bucket.at, timedelta()) / self._every)
        bucket.at = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return timedelta()
        return self._every * (1 - bucket.tokens)


def network(address: str) -> str:
    """Return what counts as one asker: an IPv4 address, an IPv6 /64, or the text itself where it is neither."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), _IPV6_BITS), strict=False))
