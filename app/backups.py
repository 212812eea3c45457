"""Backups: database first, then the files, which only ever grow: together consistent while the service runs."""

import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from pathlib import Path

from app import config, wiring
from core import errors
from storage import schema

_DATABASE, _DUMP, _FILES, _KEY, _ABOUT = "database.sqlite", "database.dump", "files", "aduan.key", "about.json"


def write(configured: config.Config, target: Path, *, with_key: bool) -> None:
    """Write a backup to `target`, complete or not at all."""
    if target.exists():
        raise errors.ConfigError([f"{target}: exists already"])
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.absolute().parent) as place:
        unfinished = Path(place) / "backup.tar"
        with tarfile.open(unfinished, "w") as archive:
            about = {"schema": schema.HEAD, "kind": "sqlite" if configured.storage.sqlite_file else "postgresql"}
            _add_bytes(archive, _ABOUT, json.dumps(about).encode())
            database = _copy_database(configured, Path(place))
            archive.add(database, database.name)
            if configured.storage.files_dir.exists():
                archive.add(configured.storage.files_dir, _FILES)
            if with_key and configured.storage.key_file is not None and not configured.storage.secret_keys:
                archive.add(configured.storage.key_file, _KEY)
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.chmod(0o600)
        unfinished.replace(target)


def restore(configured: config.Config, source: Path) -> None:
    """Put a backup where the configuration says; ConfigError where anything stands there already."""
    storage = configured.storage
    with tarfile.open(source) as archive:
        about = _about(archive, source)
        is_sqlite = storage.sqlite_file is not None
        if (about["kind"] == "sqlite") != is_sqlite:
            raise errors.ConfigError(
                [f"{source}: is a backup of {about['kind']}, the configuration names another database"]
            )
        taken = [storage.files_dir] if storage.files_dir.exists() and any(storage.files_dir.iterdir()) else []
        if storage.sqlite_file is not None and storage.sqlite_file.exists():
            taken.append(storage.sqlite_file)
        if storage.sqlite_file is None and schema.revision(wiring.database(configured)) is not None:
            raise errors.ConfigError(["storage.url: the database is not empty; a restore never overwrites"])
        if taken:
            raise errors.ConfigError([f"{path}: is not empty; a restore never overwrites" for path in taken])
        with tempfile.TemporaryDirectory() as place:
            archive.extractall(place, filter="data")
            _put_database(configured, Path(place))
            if (Path(place) / _FILES).exists():
                shutil.copytree(Path(place) / _FILES, storage.files_dir, dirs_exist_ok=True)
            if (Path(place) / _KEY).exists() and storage.key_file is not None and not storage.key_file.exists():
                shutil.copyfile(Path(place) / _KEY, storage.key_file)
                storage.key_file.chmod(0o600)


def _copy_database(configured: config.Config, place: Path) -> Path:
    file = configured.storage.sqlite_file
    if file is None:
        dump = place / _DUMP
        _run(["pg_dump", "--format=custom", f"--file={dump}", configured.storage.url])
        return dump
    if not file.exists():
        raise errors.ConfigError([f"{file}: there is no database"])
    copy = place / _DATABASE
    with sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    target.close()
    source.close()
    return copy


def _put_database(configured: config.Config, place: Path) -> None:
    file = configured.storage.sqlite_file
    if file is None:
        _run(["pg_restore", "--exit-on-error", "--no-owner", f"--dbname={configured.storage.url}", str(place / _DUMP)])
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(place / _DATABASE, file)
    file.chmod(0o600)


def _about(archive: tarfile.TarFile, source: Path) -> dict[str, str]:
    try:
        member = archive.extractfile(_ABOUT)
    except KeyError:
        member = None
    if member is None:
        raise errors.ConfigError([f"{source}: is not a backup made by aduan"])
    about: dict[str, str] = json.load(member)
    return about


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    about = tarfile.TarInfo(name)
    about.size = len(content)
    archive.addfile(about, io.BytesIO(content))


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own words
    except FileNotFoundError:
        raise errors.ConfigError([f"{command[0]} is needed for PostgreSQL and was not found"]) from None
    if done.returncode:
        raise errors.ConfigError([f"{command[0]}: {(done.stderr.splitlines() or ['failed'])[0]}"])
