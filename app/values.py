"""The kinds of values in the configuration: each read from its written form, ValueError for what cannot be meant."""

import ipaddress
import re
from collections.abc import Iterable
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import pydantic
from pydantic import AfterValidator, BeforeValidator, Strict, StringConstraints

from core import errors
from sla import calendar

DAYS = ("senin", "selasa", "rabu", "kamis", "jumat", "sabtu", "minggu")
_ENGLISH = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Listen(NamedTuple):
    host: str
    port: int


def _slug(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value):
        raise ValueError("only lower-case letters, digits and single hyphens between them")
    return value


def _prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Z]{1,10}", value):
        raise ValueError("one to ten capital letters")
    return value


def _web_url(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment or url.username:
        raise ValueError("not a web address such as https://pengaduan.example.go.id")
    url.port  # noqa: B018 - ValueError when it is out of range
    return value.rstrip("/")


def _listen(value: Any) -> Listen:
    if isinstance(value, Listen):
        return value
    address = urlsplit(f"//{value}")
    if not isinstance(value, str) or not address.hostname or address.port is None or address.path:
        raise ValueError('not an address with a port, such as "127.0.0.1:8080"')
    return Listen(address.hostname, address.port)


def _network(value: Any) -> Network:
    if not isinstance(value, str | Network):
        raise ValueError("not a network such as 10.0.0.0/8")  # noqa: TRY004 - pydantic reports a ValueError
    return ipaddress.ip_network(value)


def _database_url(value: str, context: pydantic.ValidationInfo) -> str:
    url = urlsplit(value)
    if url.scheme == "sqlite":
        path = unquote(value.removeprefix("sqlite:///"))
        if not value.startswith("sqlite:///") or path in ("", ":memory:"):
            raise ValueError("names no file; write sqlite:///path/of/the.db")
        return f"sqlite:///{quote(str(_base(context) / path))}"
    if url.scheme == "postgresql":
        return value
    raise ValueError("neither sqlite:///path nor postgresql://user@host/name")


def _scanner(value: str) -> str:
    url = urlsplit(value)
    is_unix = url.scheme == "unix" and not url.netloc and url.path.startswith("/")
    is_tcp = url.scheme == "tcp" and url.hostname and url.port and not url.path
    if not (is_unix or is_tcp):
        raise ValueError("neither unix:///path/of/the.socket nor tcp://host:port")
    return value


def _path(value: Path, context: pydantic.ValidationInfo) -> Path:
    return _base(context) / value


def _base(context: pydantic.ValidationInfo) -> Path:
    base: Path = (context.context or {}).get("base", Path())
    return base


def _slot(value: Any) -> calendar.Slot:
    if isinstance(value, calendar.Slot):
        return value
    match = isinstance(value, str) and re.fullmatch(r"(\d\d:\d\d) ?[-\u2013] ?(\d\d:\d\d)", value)
    if not match:
        raise ValueError('not hours such as "07:30-16:00"')
    return calendar.Slot(time.fromisoformat(match[1]), time.fromisoformat(match[2]))


def check_calendar(
    zone: str = "UTC", weekly: calendar.Weekly = calendar.DEFAULT_WEEKLY, periods: Iterable[calendar.Period] = ()
) -> None:
    """Let the calendar find the mistakes of one part of it; ValueError with all of them."""
    try:
        calendar.ServiceCalendar(zone, weekly, tuple(periods))
    except errors.ConfigError as error:
        raise ValueError("; ".join(map(_in_our_words, error.mistakes))) from None


def _in_our_words(mistake: str) -> str:
    for english, ours in zip(_ENGLISH, DAYS, strict=True):
        mistake = mistake.replace(f"{english}:", f"{ours}:")
    return re.sub("^(zone|weekly)[:,] ", "", mistake)


def _zone(value: str) -> str:
    check_calendar(zone=value)
    return value


WebUrl = Annotated[str, AfterValidator(_web_url)]
ListenAddress = Annotated[Listen, BeforeValidator(_listen)]
DatabaseUrl = Annotated[str, AfterValidator(_database_url)]
ScannerAddress = Annotated[str, AfterValidator(_scanner)]
FilePath = Annotated[Path, AfterValidator(_path)]
Zone = Annotated[str, AfterValidator(_zone)]
NumberPrefix = Annotated[str, AfterValidator(_prefix)]
Slug = Annotated[str, StringConstraints(max_length=40), AfterValidator(_slug)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
ShortName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=30)]
Whole = Annotated[int, Strict()]
Day = Annotated[date, Strict()]
Networks = tuple[Annotated[Network, BeforeValidator(_network)], ...]
Slots = tuple[Annotated[calendar.Slot, BeforeValidator(_slot)], ...]
