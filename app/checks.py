"""`aduan check`: what only shows when it is tried."""

import asyncio
import os
from collections.abc import Sequence

from app import config, keys, wiring
from core import errors, ports
from storage.files import FileStore


async def run(configured: config.Config, *, offline: bool) -> list[str]:
    """Return every mistake found in database, key, file directory and, unless `offline`, the providers' answers."""
    mistakes = [*_storage(configured), *_files(configured)]
    if mistakes:
        return mistakes
    desk = wiring.desk(configured, {})
    try:
        if not offline:
            tried = [
                _reach(name, connector) for name, connector in desk.connectors.items() if hasattr(connector, "check")
            ]
            tried.append(_scanner(desk.files))
            mistakes += [mistake for mistake in await asyncio.gather(*tried) if mistake is not None]
    finally:
        for connector in desk.connectors.values():
            if hasattr(connector, "close"):
                await connector.close()
    return mistakes


def _storage(configured: config.Config) -> Sequence[str]:
    try:
        wiring.require_current(configured)
        keys.load(configured.storage, may_make=False)
    except errors.ConfigError as error:
        return error.mistakes
    except Exception as error:  # noqa: BLE001 - the driver's own words tell the operator most
        return [f"storage.url: {type(error).__name__}: {str(error).splitlines()[0]}"]
    return ()


def _files(configured: config.Config) -> Sequence[str]:
    directory = configured.storage.files_dir
    nearest = next(parent for parent in (directory, *directory.absolute().parents) if parent.exists())
    if not os.access(nearest, os.W_OK | os.X_OK) or not nearest.is_dir():
        return [f"storage.files_dir: {directory} cannot be written"]
    return ()


async def _scanner(kept: FileStore) -> str | None:
    try:
        await kept.check_scanner()
    except errors.ScannerUnavailable as error:
        return f"storage.clamav: {error}"
    return None


async def _reach(name: str, connector: ports.Connector) -> str | None:
    try:
        await connector.check()  # type: ignore[attr-defined]
    except errors.AccountSuspended as error:
        return f"account {name}: the provider refuses the credentials: {error}"
    except errors.SendError as error:
        return f"account {name}: the provider cannot be reached: {error}"
    return None
