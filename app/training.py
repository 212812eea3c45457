"""Training: people to sign in as, on a deployment whose channels are simulated and which only this machine reaches."""

import ipaddress
import secrets

from app import config
from core import model
from router import people
from router.desk import Desk

PEOPLE = (
    ("admin", "Dewi Lestari", model.Role.ADMIN),
    ("pengawas", "Budi Santoso", model.Role.SUPERVISOR),
    ("auditor", "Rina Wulandari", model.Role.AUDITOR),
)


async def prepare(desk: Desk, configured: config.Config) -> None:
    """Make the training people of every office that has none, where nobody but this machine can sign in."""
    if not is_local(configured):
        return
    for office in desk.offices:
        if await people.is_anybody(desk, office.id):
            continue
        for username, name, role in PEOPLE:
            await people.add(desk, office.id, username, name, role, secrets.token_urlsafe(9))


def is_local(configured: config.Config) -> bool:
    try:
        return ipaddress.ip_address(configured.server.listen.host).is_loopback
    except ValueError:
        return configured.server.listen.host == "localhost"
