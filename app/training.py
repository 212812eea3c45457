"""Training: people to sign in as without a password, where nothing is real and only this machine can come."""

import ipaddress
import secrets
from urllib.parse import urlsplit

from app import config
from core import model
from router import people
from router.desk import Desk

PEOPLE = (
    ("admin", "Dewi Lestari", model.Role.ADMIN),
    ("pengawas", "Hendra Saputra", model.Role.SUPERVISOR),
    ("auditor", "Rina Wulandari", model.Role.AUDITOR),
)


async def prepare(desk: Desk, configured: config.Config) -> None:
    """Make the training people of every office that has nobody, if this is a training ground."""
    if not is_ground(configured):
        return
    for office in desk.offices:
        if await people.is_anybody(desk, office.id):
            continue
        for username, name, role in PEOPLE:
            await people.add(desk, office.id, username, name, role, secrets.token_urlsafe(24))


def is_ground(configured: config.Config) -> bool:
    """Tell whether nothing here is real: every provider simulated, served on loopback, and reached there alone.

    A proxy in front would let the world in; it has a public address, which is then the configured one.
    """
    needs_credentials = [a for a in configured.accounts if a.account.simulated or _has_secrets(a)]
    return (
        all(a.account.simulated for a in needs_credentials)
        and bool(needs_credentials)
        and _is_loopback(configured.server.listen.host)
        and _is_loopback(urlsplit(configured.server.public_url).hostname or "")
    )


def _has_secrets(account: config.Account) -> bool:
    """Tell whether the account's settings demand something: only then can it be real or simulated."""
    return account.settings is not None and any(f.is_required() for f in type(account.settings).model_fields.values())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
