"""Backups: database first, then the files, which only ever grow: together consistent while the service runs."""

import io
import json
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from app import config, wiring
from core import errors
from storage import schema

_DATABASE, _FILES, _KEY, _ABOUT = "database", "files", "aduan.key", "about.json"


def write(configured: config.Config, target: Path, *, with_key: bool) -> None:
    """Write a backup to `target`, complete or not at all."""
    if target.exists():
        raise errors.ConfigError([f"{target}: exists already"])
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = tempfile.TemporaryDirectory(dir=target.absolute().parent)
    except OSError as error:
        raise errors.ConfigError([f"{target}: {error.strerror}"]) from None
    with beside as place:
        unfinished = Path(place) / "backup.tar"
        with tarfile.open(unfinished, "w") as archive:
            about = {"schema": schema.HEAD, "kind": _kind(configured)}
            _add_bytes(archive, _ABOUT, json.dumps(about).encode())
            wiring.database(configured).copy_to(Path(place) / _DATABASE)
            archive.add(Path(place) / _DATABASE, _DATABASE)
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
    with _opened(source) as archive, tempfile.TemporaryDirectory() as place:
        kind = _about(archive, source)["kind"]
        if kind != _kind(configured):
            raise errors.ConfigError([f"{source}: is a backup of {kind}, the configuration names another database"])
        if storage.files_dir.exists() and any(storage.files_dir.iterdir()):
            raise errors.ConfigError(
                [f"storage.files_dir: {storage.files_dir} is not empty; a restore never overwrites"]
            )
        archive.extractall(place, filter="data")
        wiring.database(configured).restore_from(Path(place) / _DATABASE)
        if (Path(place) / _FILES).exists():
            shutil.copytree(Path(place) / _FILES, storage.files_dir, dirs_exist_ok=True)
        if (Path(place) / _KEY).exists() and storage.key_file is not None and not storage.key_file.exists():
            shutil.copyfile(Path(place) / _KEY, storage.key_file)
            storage.key_file.chmod(0o600)


def _opened(source: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(source)
    except tarfile.ReadError:
        raise errors.ConfigError([f"{source}: is not a backup made by aduan"]) from None


def _kind(configured: config.Config) -> str:
    return "sqlite" if configured.storage.sqlite_file else "postgresql"


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
