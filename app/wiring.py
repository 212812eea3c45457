"""Every object and who gets it."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from aiohttp import web

from app import config, keys, training
from connectors import registry
from core import clock, errors, model, ports
from router import (
    assignment,
    catchup,
    conversation,
    delivery,
    escalation,
    holidays,
    housekeeping,
    media,
    polling,
    standing,
)
from router.desk import Desk
from router.offices import Office, Offices
from sla.scheduler import Job, Metronome
from storage import dialect, schema
from storage.files import FileStore
from storage.scanner import Scanner
from storage.store import Store
from storage.vault import Vault

Credentials = Mapping[str, Mapping[str, Any]]  # of simulated accounts, by name


def database(configured: config.Config) -> dialect.Database:
    return dialect.open_database(configured.storage.url)


def require_current(configured: config.Config) -> None:
    """ConfigError unless the database is at this release's schema. Looking makes no database where there is none."""
    file = configured.storage.sqlite_file
    if file is not None and not file.exists():
        raise errors.ConfigError([f"storage.url: {file} does not exist yet: run `aduan migrate`"])
    schema.require_current(database(configured))


def prepare(configured: config.Config) -> bool:
    """Make what a first start needs: the sealing key, the schema. Return whether the schema changed."""
    keys.load(configured.storage, may_make=True)
    return schema.migrate(database(configured))


def vault(configured: config.Config) -> Vault:
    return Vault(keys.load(configured.storage, may_make=False))


def desk(configured: config.Config, credentials: Credentials) -> Desk:
    """Build everything below the edges; the store is not started yet."""
    now = clock.SystemClock()
    connected = connect(configured, credentials)
    return Desk(
        store=Store(database(configured), vault(configured), now),
        files=files(configured),
        offices=offices(configured),
        accounts=connected.accounts,
        connectors=connected.connectors,
        clock=now,
    )


def files(configured: config.Config) -> FileStore:
    address = configured.storage.clamav
    return FileStore(configured.storage.files_dir, None if address is None else Scanner(address))


class Connected(NamedTuple):
    """Every account that can be used, and its connector, by name."""

    accounts: Mapping[str, model.Account]
    connectors: Mapping[str, ports.Connector]


def connect(configured: config.Config, credentials: Credentials) -> Connected:
    """Make the connectors; a simulated account without credentials has none."""
    usable = [a for a in configured.accounts if not a.account.simulated or a.account.name in credentials]
    connectors = {
        a.account.name: registry.CHANNELS[a.account.channel].create(
            a.account.name, _settings(a, credentials), configured.server.public_url
        )
        for a in usable
    }
    # What an account can do may hang on its settings: on a feature that the provider granted it, or did not.
    accounts = {
        a.account.name: replace(a.account, capabilities=connectors[a.account.name].capabilities) for a in usable
    }
    return Connected(accounts, connectors)


def offices(configured: config.Config) -> Offices:
    return Offices(_office(office, configured) for office in configured.offices)


def website(configured: config.Config, at: Desk, simulator: web.Application | None) -> web.Application:
    from reports import complaint_form, receipt  # noqa: PLC0415 - a worker needs none
    from web import application, auth, chat, counter, health, hooks, inbox, public  # noqa: PLC0415 - the same

    is_ground = training.is_ground(configured)
    settings = application.Settings(
        public_url=configured.server.public_url,
        trusted_proxies=configured.server.trusted_proxies,
        metrics_from=configured.server.metrics_from,
        form_key=vault(configured).derived_key("form"),
        file_key=vault(configured).derived_key("file"),
        chat_key=vault(configured).derived_key("chat"),
        training=simulator is not None,
        training_people=[username for username, _, _ in training.PEOPLE] if simulator and is_ground else (),
    )
    papers = counter.Printer(receipt.draw, complaint_form.filled, complaint_form.empty)
    routes = [
        *hooks.routes(), *public.routes(), *chat.routes(), *counter.routes(papers), *inbox.routes, *health.routes(),
    ]  # fmt: skip
    app = application.create(at, settings, routes)
    if simulator is not None:
        app.add_subapp("/simulator", simulator)
        if not is_ground:  # what is written there stands in the register beside what is real
            app.middlewares.append(auth.workers_only(simulator))
    return app


def server(website: web.Application, shutdown_seconds: float) -> web.AppRunner:
    from web import application  # noqa: PLC0415

    return application.runner(website, shutdown_seconds)


def worker(at: Desk) -> delivery.DeliveryWorker:
    return delivery.DeliveryWorker(at)


def listener(configured: config.Config, at: Desk) -> polling.Supervisor:
    return polling.Supervisor(at, is_alone=configured.storage.sqlite_file is not None)


def metronome(configured: config.Config, at: Desk) -> Metronome:
    """The ticks of a working process. Each claims its rows, so that several processes do no harm."""
    retention = timedelta(days=configured.storage.raw_retention_days)
    every = timedelta
    return Metronome(
        [
            Job("deadlines", lambda: _drop(escalation.tick(at)), every(seconds=10)),
            Job("leases", lambda: _drop(delivery.sweep(at)), every(seconds=15)),
            Job("accounts", lambda: delivery.probe(at), every(seconds=30)),
            Job("files", lambda: _drop(media.tick(at)), every(seconds=2)),
            Job("reminders", lambda: _drop(conversation.remind(at)), every(seconds=30)),
            Job("absences", lambda: _drop(assignment.release_absent(at)), every(minutes=1)),
            Job("catch_up", lambda: _drop(catchup.tick(at)), every(minutes=5), jitter=every(seconds=20)),
            Job("standing", lambda: _drop(standing.tick(at)), every(hours=1), jitter=every(minutes=5)),
            Job("holidays", lambda: _drop(holidays.seed(at)), every(hours=12)),
            Job("housekeeping", lambda: housekeeping.tick(at, retention), every(hours=1), jitter=every(minutes=2)),
        ]
    )


async def _drop(counting: Any) -> None:
    await counting


def _settings(account: config.Account, credentials: Credentials) -> Any:
    if account.account.simulated:
        return account.settings_with(credentials[account.account.name])
    return account.settings


def _office(office: config.Office, configured: config.Config) -> Office:
    return Office(
        id=office.id, name=office.name, short_name=office.short_name or office.name, zone=ZoneInfo(office.zone),
        number_prefix=office.number_prefix, weekly=office.hours.weekly, periods=tuple(p.value for p in office.periods),
        reading=office.reading, burst_window=timedelta(seconds=office.burst_window_seconds),
        reopen_within=timedelta(days=office.reopen_days), acknowledge_further=office.acknowledge_further,
        tracking_url=f"{configured.server.public_url}/lacak",
    )  # fmt: skip
