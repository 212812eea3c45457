"""The command line `aduan`."""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from app import config, log, runtime, wiring
from core import errors, model

T = TypeVar("T")
DEFAULT_FILE = Path("config.toml")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config",
    "-c",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="ADUAN_CONFIG",
    help="Configuration file. Default: config.toml if there is one, else a training set-up.",
)
@click.version_option(package_name="aduan")
@click.pass_context
def aduan(context: click.Context, path: Path | None) -> None:
    """One complaint inbox for a government office."""
    log.configure()
    context.obj = path


def main() -> None:
    """Run the command line; a user's mistake ends in one clear message, never in a traceback."""
    os.umask(0o077)  # database, key, files, backups: for nobody else on this machine, from the first byte on
    try:
        aduan(prog_name="aduan", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except errors.ConfigError as error:
        for mistake in error.mistakes:
            click.secho(f"error: {mistake}", fg="red", err=True)
        sys.exit(2)
    except errors.AduanError as error:
        click.secho(f"error: {error}", fg="red", err=True)
        sys.exit(1)


def _load(context: click.Context) -> config.Config:
    path: Path | None = context.obj
    if path is None and DEFAULT_FILE.exists():
        path = DEFAULT_FILE
    return config.load(path, os.environ)


def _at_desk(context: click.Context, act: Callable[[Any], Coroutine[Any, Any, T]]) -> T:
    """Open the store beside a running service, do one thing, close it."""
    configured = _load(context)
    wiring.require_current(configured)

    async def go() -> T:
        async with runtime.opened(wiring.desk(configured, {}), serving=False) as desk:
            return await act(desk)

    return asyncio.run(go())


# --- Serving --------------------------------------------------------------------------------------------------------


@aduan.command()
@click.pass_context
def run(context: click.Context) -> None:
    """Serve everything in one process: pages, webhooks, delivery, deadlines. Migrates the database first."""
    asyncio.run(runtime.run(_load(context), ("web", "worker"), is_alone=True))


@aduan.command()
@click.pass_context
def web(context: click.Context) -> None:
    """Serve pages and webhooks only (PostgreSQL; start `aduan worker` beside it)."""
    asyncio.run(runtime.run(_several(context), ("web",), is_alone=False))


@aduan.command()
@click.pass_context
def worker(context: click.Context) -> None:
    """Deliver and watch deadlines only (PostgreSQL); any number may run."""
    asyncio.run(runtime.run(_several(context), ("worker",), is_alone=False))


def _several(context: click.Context) -> config.Config:
    configured = _load(context)
    if configured.storage.sqlite_file is not None:
        raise errors.ConfigError(["storage.url: SQLite takes one process: use `aduan run`, or PostgreSQL"])
    return configured


# --- Setting up -----------------------------------------------------------------------------------------------------


@aduan.command()
@click.pass_context
def migrate(context: click.Context) -> None:
    """Bring the database to this release's schema."""
    from storage import schema  # noqa: PLC0415

    done = wiring.prepare(_load(context))
    click.echo("The database is up to date." if not done else f"The database is now at schema {schema.HEAD}.")


@aduan.command()
@click.option("--offline", is_flag=True, help="Do not try whether providers can be reached.")
@click.pass_context
def check(context: click.Context, offline: bool) -> None:
    """Check configuration, database and credentials; name every mistake at once."""
    from app import checks  # noqa: PLC0415

    configured = _load(context)
    mistakes = asyncio.run(checks.run(configured, offline=offline))
    if mistakes:
        raise errors.ConfigError(mistakes)
    click.secho(
        f"{len(configured.offices)} office(s), {len(configured.accounts)} account(s): everything is in order.",
        fg="green",
    )


@aduan.group()
def admin() -> None:
    """People who use the inbox."""


@admin.command("add")
@click.argument("username")
@click.option("--name", required=True, help="The person's name.")
@click.option(
    "--role", type=click.Choice([r.value for r in model.Role]), default=model.Role.ADMIN.value, show_default=True
)
@click.option("--office", help="Office id; needed only where there are several.")
@click.option("--totp", is_flag=True, help="Ask for a one-time code at every sign-in.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.pass_context
def add_person(
    context: click.Context, username: str, name: str, role: str, office: str | None, totp: bool, password_stdin: bool
) -> None:
    """Add a person."""
    from router import people  # noqa: PLC0415

    office_id = _office(context, office)
    password = _password(password_stdin)
    secret = people.new_totp_secret() if totp else None
    _at_desk(context, lambda desk: people.add(desk, office_id, username, name, model.Role(role), password, secret))
    click.echo(f"{username} can sign in now.")
    _show_totp(secret, username)


@admin.command("password")
@click.argument("username")
@click.option("--office", help="Office id; needed only where there are several.")
@click.option("--totp", is_flag=True, help="Ask for a one-time code at every sign-in, from a new secret.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.pass_context
def set_password(context: click.Context, username: str, office: str | None, totp: bool, password_stdin: bool) -> None:
    """Give a person a new password: unlocks, and ends every session of theirs."""
    from router import people  # noqa: PLC0415

    office_id = _office(context, office)
    secret = people.new_totp_secret() if totp else None
    password = _password(password_stdin)
    _at_desk(context, lambda desk: people.set_password(desk, office_id, username, password, secret))
    click.echo(f"{username} has a new password.")
    _show_totp(secret, username)


@admin.command("list")
@click.option("--office", help="Office id; needed only where there are several.")
@click.pass_context
def list_people(context: click.Context, office: str | None) -> None:
    """List the people of the inbox."""
    from router import people  # noqa: PLC0415

    office_id = _office(context, office)
    for person in _at_desk(context, lambda desk: people.of_office(desk, office_id)):
        state = "" if person.is_active else "  (removed)"
        click.echo(f"{person.username:<20} {person.role:<11} {person.name}{state}")


@admin.command("remove")
@click.argument("username")
@click.option("--undo", is_flag=True, help="Let the person in again.")
@click.option("--office", help="Office id; needed only where there are several.")
@click.pass_context
def remove_person(context: click.Context, username: str, undo: bool, office: str | None) -> None:
    """Let a person in no longer: ends every session, and returns what the person holds to the queue."""
    from router import people  # noqa: PLC0415

    office_id = _office(context, office)
    _at_desk(context, lambda desk: people.set_active(desk, office_id, username, is_active=undo))
    click.echo(f"{username} can sign in again." if undo else f"{username} can sign in no longer.")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _show_totp(secret: str | None, username: str) -> None:
    from router import people  # noqa: PLC0415

    if secret is not None:
        click.echo(f"Enter this in the authenticator app: {people.totp_uri(secret, username, 'Aduan')}")


def _office(context: click.Context, given: str | None) -> str:
    offices = [office.id for office in _load(context).offices]
    if given is None and len(offices) == 1:
        return offices[0]
    if given not in offices:
        raise click.UsageError(f"--office: one of {', '.join(offices)}")
    return str(given)


# --- Mending --------------------------------------------------------------------------------------------------------


@aduan.command()
@click.option("--office", help="Office id; needed only where there are several.")
@click.pass_context
def quarantine(context: click.Context, office: str | None) -> None:
    """List what arrived and could not be trusted or read."""
    from router import quarantine as kept  # noqa: PLC0415

    office_id = _office(context, office)
    items = _at_desk(context, lambda desk: kept.waiting(desk, office_id))
    for item in items:
        click.echo(
            f"{item.id}  {item.request.received_at:%Y-%m-%d %H:%M:%SZ}  {item.request.account:<16} {item.reason}"
        )
    click.echo(f"{len(items)} in quarantine.", err=True)


@aduan.command()
@click.argument("raw_ids", nargs=-1, type=int)
@click.option("--all", "everything", is_flag=True, help="Everything in quarantine.")
@click.option("--office", help="Office id; needed only where there are several.")
@click.pass_context
def replay(context: click.Context, raw_ids: tuple[int, ...], everything: bool, office: str | None) -> None:
    """Read quarantined items again, after a mistake was mended. What is stored already stays once."""
    from router import quarantine as kept  # noqa: PLC0415

    if not raw_ids and not everything:
        raise click.UsageError("name the items to replay (see `aduan quarantine`), or --all")
    office_id = _office(context, office) if everything else ""

    async def act(desk: Any) -> int:
        chosen = [item.id for item in await kept.waiting(desk, office_id)] if everything else list(raw_ids)
        failed = 0
        for raw_id in chosen:
            try:
                settled, words = await kept.replay(desk, raw_id), "still cannot be taken in"
            except errors.NotFound as error:  # of a simulated account: only the running service can read it
                settled, words = False, str(error)
            failed += not settled
            click.echo(f"{raw_id}  {'taken in' if settled else words}")
        return failed

    if _at_desk(context, act):
        sys.exit(1)


@aduan.command("catch-up")
@click.argument("account", required=False)
@click.option("--since", type=click.DateTime(), help="From this time (UTC); default: where the last catch-up ended.")
@click.pass_context
def catch_up(context: click.Context, account: str | None, since: datetime | None) -> None:
    """Ask providers for messages that never reached us."""
    from router import catchup  # noqa: PLC0415

    configured = {a.account.name: a.account for a in _load(context).accounts}
    if account is not None and account not in configured:
        raise click.UsageError(f"ACCOUNT: one of {', '.join(configured)}")
    if simulated := [a.name for a in configured.values() if a.simulated and account in (None, a.name)]:
        click.echo(f"Simulated, so that only the running service can ask: {', '.join(simulated)}.", err=True)
    since = since.replace(tzinfo=UTC) if since else None

    async def act(desk: Any) -> int:
        names = [name for name in desk.accounts if account in (None, name)]
        return sum([await catchup.account(desk, name, since) for name in names])

    click.echo(f"{_at_desk(context, act)} message(s) found that no webhook had brought.")


@aduan.group()
def audit() -> None:
    """The audit log."""


@audit.command()
@click.option("--office", help="Office id; needed only where there are several.")
@click.pass_context
def verify(context: click.Context, office: str | None) -> None:
    """Check that no row of the audit log was changed, removed or added."""
    from router import housekeeping  # noqa: PLC0415

    office_id = _office(context, office)
    faults = _at_desk(context, lambda desk: housekeeping.verify_audit(desk, office_id))
    for fault in faults:
        click.secho(fault, fg="red")
    if faults:
        sys.exit(1)
    click.secho("The audit log is whole.", fg="green")


@aduan.command()
@click.argument("target", type=click.Path(path_type=Path, exists=False))
@click.option(
    "--with-key", is_flag=True, help="Put the sealing key in as well: whoever has the backup can then read it."
)
@click.pass_context
def backup(context: click.Context, target: Path, with_key: bool) -> None:
    """Write database and files to TARGET (a .tar), consistent while the service runs."""
    from app import backups  # noqa: PLC0415

    backups.write(_load(context), target, with_key=with_key)
    click.echo(f"Written to {target}.")
    if not with_key:
        click.echo("The sealing key is not in it. Keep a copy elsewhere: without it the backup cannot be read.")


@aduan.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.pass_context
def restore(context: click.Context, source: Path) -> None:
    """Restore database and files from a backup into an empty place; never overwrites."""
    from app import backups  # noqa: PLC0415

    backups.restore(_load(context), source)
    click.echo("Restored. Check with: aduan check, aduan audit verify")
