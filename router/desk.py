"""What every use case works with, in one record."""

from collections.abc import Mapping
from dataclasses import dataclass

from core import clock, errors, model, ports
from router.offices import Offices
from storage.files import FileStore
from storage.store import Store

SYSTEM = "system"  # the actor of what nobody did


@dataclass(frozen=True, slots=True)
class Desk:
    """The open store, the offices, the accounts with their connectors, and the clock."""

    store: Store
    files: FileStore
    offices: Offices
    accounts: Mapping[str, model.Account]
    connectors: Mapping[str, ports.Connector]
    clock: clock.Clock

    def account(self, name: str) -> model.Account:
        try:
            return self.accounts[name]
        except KeyError:
            raise errors.NotFound("no such account") from None

    def account_of(self, complaint: model.Complaint) -> model.Account:
        """Return the account of a complaint; by one that is not configured any more nothing can be answered."""
        known = self.accounts.get(complaint.account)
        if known is not None:
            return known
        channel = complaint.channel
        retired = model.Capabilities(label=channel, mark=channel[:2].upper(), max_text=model.Limit(1), answerable=False)
        return model.Account(complaint.account, channel, complaint.office_id, retired)


def actor(person: model.Person) -> str:
    """Return how the audit log names a person."""
    return f"person:{person.id}"


def require(person: model.Person, *roles: model.Role) -> None:
    """NotAllowed unless the person has one of the roles."""
    if person.role not in roles or not person.is_active:
        raise errors.NotAllowed("Peran Bapak/Ibu tidak mengizinkan tindakan ini.")


WORKERS = (model.Role.ADMIN, model.Role.SUPERVISOR)
