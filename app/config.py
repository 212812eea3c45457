"""The configuration: one TOML file read into frozen values; every mistake is reported at once, with its place.

Every key is explained in config.example.toml. Any text in the file may be `env:NAME` or `file:PATH`, which stands for
the value of that variable or the content of that file; a secret must be. Relative paths start at the file's directory.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

import pydantic
from pydantic import Field, SecretStr, Strict

from app import values
from app.toml_file import Place, TomlFile
from connectors import registry
from core import errors, model
from sla import calendar, clocks

# What runs when there is no file: one office on SQLite; channels that need credentials are simulated.
DEFAULT = """
[[office]]
id = "kota-contoh"
name = "Dinas Kependudukan dan Pencatatan Sipil Kota Contoh"
short_name = "Dukcapil Kota Contoh"

[[account]]
name = "whatsapp"
channel = "whatsapp"
office = "kota-contoh"

[[account]]
name = "sms"
channel = "sms"
office = "kota-contoh"

[[account]]
name = "surel"
channel = "email"
office = "kota-contoh"

[[account]]
name = "facebook"
channel = "messenger"
office = "kota-contoh"

[[account]]
name = "facebook-komentar"
channel = "facebook_comments"
office = "kota-contoh"

[[account]]
name = "instagram"
channel = "instagram"
office = "kota-contoh"

[[account]]
name = "instagram-komentar"
channel = "instagram_comments"
office = "kota-contoh"

[[account]]
name = "formulir"
channel = "webform"
office = "kota-contoh"

[[account]]
name = "obrolan"
channel = "webchat"
office = "kota-contoh"

[[account]]
name = "loket"
channel = "walk_in"
office = "kota-contoh"

[[account]]
name = "telepon"
channel = "phone"
office = "kota-contoh"

[[account]]
name = "faksimile"
channel = "fax"
office = "kota-contoh"

[[account]]
name = "surat"
channel = "letter"
office = "kota-contoh"

[[account]]
name = "kotak-saran"
channel = "suggestion_box"
office = "kota-contoh"
"""

SECRET_BYTES = 32

_TABLE = pydantic.ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Server(pydantic.BaseModel):
    model_config = _TABLE

    public_url: values.WebUrl = "http://127.0.0.1:8080"
    listen: values.ListenAddress = values.Listen("127.0.0.1", 8080)
    trusted_proxies: values.Networks = ()
    metrics_from: values.Networks = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


class Storage(pydantic.BaseModel):
    """`secret_keys`: the first seals, every one opens. Empty on SQLite: one is kept in `key_file`."""

    model_config = _TABLE

    url: values.DatabaseUrl = Field("sqlite:///data/aduan.db", repr=False)
    files_dir: values.FilePath = Path("data/files")
    clamav: values.ScannerAddress | None = None
    raw_retention_days: Annotated[values.Whole, Field(ge=1)] = 90
    secret_keys: tuple[SecretStr, ...] = ()

    @pydantic.field_validator("secret_keys")
    @classmethod
    def _long_enough(cls, keys: tuple[SecretStr, ...], context: pydantic.ValidationInfo) -> tuple[SecretStr, ...]:
        if not keys and str(context.data.get("url", "")).startswith("postgresql:"):
            raise ValueError("missing: with PostgreSQL the key is named here, so that every process has the same")
        if any(len(key.get_secret_value().encode()) < SECRET_BYTES for key in keys):
            raise ValueError(f"a key has at least {SECRET_BYTES} characters; make one with: openssl rand -base64 48")
        return keys

    @property
    def sqlite_file(self) -> Path | None:
        """The database file; None with PostgreSQL."""
        return Path(unquote(self.url.removeprefix("sqlite:///"))) if self.url.startswith("sqlite:") else None

    @property
    def key_file(self) -> Path | None:
        """Where the key is kept when `secret_keys` names none; None with PostgreSQL."""
        return self.sqlite_file.with_name("aduan.key") if self.sqlite_file else None


class Hours(pydantic.BaseModel):
    """Service hours of a week; a day that is not named is closed."""

    model_config = _TABLE

    senin: values.Slots = ()
    selasa: values.Slots = ()
    rabu: values.Slots = ()
    kamis: values.Slots = ()
    jumat: values.Slots = ()
    sabtu: values.Slots = ()
    minggu: values.Slots = ()

    @pydantic.model_validator(mode="after")
    def _make_a_week(self) -> "Hours":
        values.check_calendar(weekly=self.weekly)
        return self

    @property
    def weekly(self) -> calendar.Weekly:
        return tuple(getattr(self, day) for day in values.DAYS)


class Period(pydantic.BaseModel):
    """Dates with hours of their own; `starts` and `until` both belong to it."""

    model_config = _TABLE

    name: values.Name
    starts: values.Day = Field(alias="from")
    until: values.Day
    hours: Hours

    @property
    def value(self) -> calendar.Period:
        return calendar.Period(self.name, self.starts, self.until, self.hours.weekly)


class Office(pydantic.BaseModel):
    model_config = _TABLE

    id: values.Slug
    name: values.Name
    short_name: values.ShortName | None = None
    zone: values.Zone = "Asia/Jakarta"
    number_prefix: values.NumberPrefix = "ADU"
    reading: clocks.Reading = clocks.Reading.CALENDAR
    burst_window_seconds: Annotated[values.Whole, Field(ge=0, le=86_400)] = 60
    acknowledge_further: Annotated[bool, Strict()] = True
    reopen_days: Annotated[values.Whole, Field(ge=0, le=366)] = 14
    hours: Hours = Hours(**dict(zip(values.DAYS, calendar.DEFAULT_WEEKLY, strict=True)))
    periods: tuple[Period, ...] = Field((), alias="period")

    @pydantic.field_validator("periods")
    @classmethod
    def _follow_each_other(cls, periods: tuple[Period, ...]) -> tuple[Period, ...]:
        values.check_calendar(periods=[period.value for period in periods])
        return periods

    def calendar(self, holidays: Iterable[calendar.Holiday] = ()) -> calendar.ServiceCalendar:
        """Return the service calendar with the holidays of the office's own table."""
        by_date = {holiday.date: holiday for holiday in holidays}
        return calendar.ServiceCalendar(self.zone, self.hours.weekly, [p.value for p in self.periods], by_date)


@dataclass(frozen=True, slots=True)
class Account:
    """One `[[account]]`: what the middle of the program may know of it, and its connector's own settings.

    `settings` is None for a simulated account; `written` are the keys of its channel that stand in the file.
    """

    account: model.Account
    settings: pydantic.BaseModel | None
    written: Mapping[str, Any] = field(repr=False)

    def settings_with(self, credentials: Mapping[str, Any]) -> pydantic.BaseModel:
        """Return the settings of a simulated account, with the credentials of the stand-in."""
        return registry.CHANNELS[self.account.channel].settings.model_validate({**self.written, **credentials})


@dataclass(frozen=True, slots=True)
class Config:
    server: Server
    storage: Storage
    offices: tuple[Office, ...]
    accounts: tuple[Account, ...]


def load(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Read the file, or the built-in default for None; ConfigError names every mistake as `file:line: key: text`."""
    if path is None:
        return read(TomlFile("(default)", DEFAULT, Path.cwd(), environ))
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise errors.ConfigError([f"{path}: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise errors.ConfigError([f"{path}: not UTF-8 text"]) from None
    return read(TomlFile(str(path), text, path.absolute().parent, environ))


class _Common(pydantic.BaseModel):
    """What every account has, whatever its channel."""

    model_config = _TABLE

    name: values.Slug
    channel: str
    office: str


_COMMON = tuple(_Common.model_fields)


def read(file: TomlFile) -> Config:
    """Return what the file says; ConfigError with all its mistakes."""
    file.refuse_unknown_tables({"server", "storage", "office", "account"})
    server = file.part(Server, file.tables.get("server", {}), ("server",))
    storage = file.part(Storage, file.tables.get("storage", {}), ("storage",))
    _check_password(file)
    offices = [file.part(Office, table, place) for place, table in file.array("office")]
    if not offices:
        file.mistake(("office",), "missing: at least one [[office]]")
    accounts = [_account(file, table, place) for place, table in file.array("account")]
    file.check_unique("office", "id")
    file.check_unique("office", "number_prefix", Office.model_fields["number_prefix"].default)
    file.check_unique("account", "name")
    file.raise_mistakes()
    assert server is not None  # else there were mistakes
    assert storage is not None
    return Config(server, storage, tuple(filter(None, offices)), tuple(filter(None, accounts)))


def _account(file: TomlFile, table: Any, place: Place) -> Account | None:
    if not isinstance(table, dict):
        file.mistake(place, "should be a table")
        return None
    common = file.part(_Common, {key: table[key] for key in _COMMON if key in table}, place)
    offices = [office.get("id") for _, office in file.array("office") if isinstance(office, dict)]
    if "office" in table and table["office"] not in offices:
        file.mistake((*place, "office"), "there is no [[office]] with this id")
    channel = table.get("channel")
    entry = registry.CHANNELS.get(channel) if isinstance(channel, str) else None
    if entry is None:
        if isinstance(channel, str):
            there_are = ", ".join(sorted(registry.CHANNELS))
            file.mistake((*place, "channel"), f"unknown channel {channel!r}; there are {there_are}")
        return None
    written = {key: value for key, value in table.items() if key not in _COMMON}
    simulated = _lacks_credentials(entry.settings, written)
    settings = file.part(entry.settings, written, place, may_lack=simulated)
    if common is None:
        return None
    known = model.Account(common.name, common.channel, common.office, entry.capabilities, simulated)
    return Account(known, settings, written)


def _lacks_credentials(settings: type[pydantic.BaseModel], written: Mapping[str, Any]) -> bool:
    """Tell whether a channel cannot do without certain keys, and none of them is given: it is simulated."""
    needed = {about.alias or name for name, about in settings.model_fields.items() if about.is_required()}
    return bool(needed) and not needed & written.keys()


def _check_password(file: TomlFile) -> None:
    storage = file.tables.get("storage")
    url = storage.get("url") if isinstance(storage, dict) else None
    place = ("storage", "url")
    if isinstance(url, str) and not file.is_reference(place) and re.search("//[^/@]*:[^/@]*@|[?&]password=", url):
        file.mistake(place, 'a password is not written here; use "env:NAME" or "file:PATH" for the whole address')
