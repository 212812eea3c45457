"""The secret that seals personal data: named in the configuration, or kept in a file beside the database."""

import os
import secrets
from pathlib import Path

from app.config import SECRET_BYTES, Storage
from core import errors


def load(storage: Storage, *, may_make: bool) -> tuple[bytes, ...]:
    """Return the configured secrets; without any, the kept one, made first where `may_make` allows it."""
    if storage.secret_keys:
        return tuple(key.get_secret_value().encode() for key in storage.secret_keys)
    assert storage.key_file is not None  # PostgreSQL without keys is a mistake of the configuration
    if not storage.key_file.exists():
        if not may_make or (storage.sqlite_file is not None and storage.sqlite_file.exists()):
            raise errors.ConfigError(
                [f"storage.secret_keys: the database was sealed with {storage.key_file}, which is missing: restore it"]
            )
        _make(storage.key_file)
    key = storage.key_file.read_text().strip().encode()
    if len(key) < SECRET_BYTES:
        raise errors.ConfigError([f"storage.secret_keys: {storage.key_file} holds no key of {SECRET_BYTES} characters"])
    return (key,)


def _make(path: Path) -> None:
    """Write a new secret, readable by its owner alone; complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    descriptor = os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48) + "\n")
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
