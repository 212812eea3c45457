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

    def at(self, account: model.Account, destination: model.Destination | None) -> model.Account | None:
        """Return the account of the same office that something was written to; None where none is configured."""
        if destination is None:
            return account
        for other in self.accounts.values():
            if (
                other.channel == destination.channel
                and other.office_id == account.office_id
                and getattr(self.connectors[other.name], "identity", None) == destination.identity
            ):
                return other
        return None

    def siblings(self, account: model.Account) -> list[str]:
        """Return the names of the accounts among which a provider's id is one message's alone."""
        if not account.capabilities.shared_ids:
            return [account.name]
        return [
            a.name for a in self.accounts.values() if a.channel == account.channel and a.office_id == account.office_id
        ]

    def names_of(self, office_id: str) -> list[str]:
        """Return the names of an office's accounts."""
        return [account.name for account in self.accounts.values() if account.office_id == office_id]

    def account_of(self, complaint: model.Complaint) -> model.Account:
        """Return the account by which a complaint's citizen wrote last, and is answered."""
        return self.known_account(complaint.reply_account, complaint.channel, complaint.office_id)

    def known_account(self, name: str, channel: str, office_id: str) -> model.Account:
        """Return an account; by one that is not configured any more nothing can be answered."""
        known = self.accounts.get(name)
        if known is not None:
            return known
        retired = model.Capabilities(label=channel, mark=channel[:2].upper(), max_text=model.Limit(1), answerable=False)
        return model.Account(name, channel, office_id, retired)


def actor(person: model.Person) -> str:
    """Return how the audit log names a person."""
    return f"person:{person.id}"


def require(person: model.Person, *roles: model.Role) -> None:
    """NotAllowed unless the person has one of the roles."""
    if person.role not in roles or not person.is_active:
        raise errors.NotAllowed("Peran Bapak/Ibu tidak mengizinkan tindakan ini.")


WORKERS = (model.Role.ADMIN, model.Role.SUPERVISOR)
