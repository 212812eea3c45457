"""Stands in for the mail world: the office's provider and the citizens' mailboxes, over real SMTP and a real Maildir.

`mail_server.serve` gives each of the office's addresses its SMTP server; what is written to the office lies as files
in its Maildir, as a delivery agent leaves them.
"""

import asyncio
import itertools
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from core.clock import Clock
from simulator import mail_letters as letters
from simulator import mail_records as records

KEPT_MAILS = 2_000
_SUBFOLDERS = ("cur", "new", "tmp")


class MailStandIn:
    """Any number of the office's addresses and of citizens' mailboxes, in one event loop.

    `directory` is where the Maildirs of addresses lie that are registered without one.
    """

    def __init__(self, clock: Clock, directory: Path) -> None:
        self.clock = clock
        self.accounts: dict[str, records.Account] = {}
        self.version = 0
        self.closing = asyncio.Event()
        self._directory = directory
        self._mails: deque[records.Mail] = deque(maxlen=KEPT_MAILS)
        self._ids = itertools.count(1)
        self._change = asyncio.Event()

    def register(
        self, address: str, maildir: Path | None = None, *, username: str | None = None, password: str | None = None
    ) -> records.Account:
        """Make a mailbox of the office, with an empty Maildir; the password is made up where none is given."""
        address = address.lower()
        folder = maildir or self._directory / address.replace("@", "-di-")
        for name in _SUBFOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        account = records.Account(address, username or address, password or secrets.token_hex(16), folder)
        self.accounts[address] = account
        return account

    def faults(self, address: str) -> records.Faults:
        return self.accounts[address].faults

    def refuse(self, address: str, stage: records.Stage, answer: str, count: int = 1) -> None:
        """Let the next `count` mails of the office be answered with `answer` at a stage (`550 5.1.1 No such user`)."""
        self.faults(address).refusals.extend([records.Refusal(stage, answer)] * count)
        self.changed()

    # --- What is remembered ---------------------------------------------------------------------------------------

    def find(self, mail_id: int) -> records.Mail | None:
        return next((mail for mail in self._mails if mail.id == mail_id), None)

    def inbox(self, address: str) -> list[records.Mail]:
        """Return what the office's mails brought to a citizen's mailbox, the oldest first."""
        return [mail for mail in self.mailbox(address) if mail.from_office]

    def mailbox(self, address: str) -> list[records.Mail]:
        """Return all that a citizen received and sent, the oldest first."""
        address = address.lower()
        return [m for m in self._mails if (m.recipient if m.from_office else m.sender).lower() == address]

    def changed(self) -> None:
        """Wake everybody who waits for a change; all of them run in this event loop."""
        self.version += 1
        self._change.set()
        self._change = asyncio.Event()

    async def wait_for(self, condition: Callable[[], object], timeout: float = 5) -> None:  # noqa: ASYNC109 - the promise
        """Return as soon as `condition` holds; TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while not condition():
                await self._change.wait()

    # --- From the citizen -----------------------------------------------------------------------------------------

    def write(
        self,
        sender: str,
        name: str,
        to: str,
        subject: str,
        text: str,
        html: str | None = None,
        files: Sequence[records.File] = (),
        in_reply_to: records.Mail | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> records.Mail:
        """Send a citizen's mail to the office (`to`, with or without +token); KeyError when that is nobody's."""
        content = letters.compose(
            sender, name, to, subject, text, self.clock.now(),
            html=html, files=files, in_reply_to=in_reply_to, headers=headers,
        )  # fmt: skip
        return self.receive(sender, to, content)

    def receive(self, sender: str, to: str, content: bytes) -> records.Mail:
        """Take a whole mail for the office, as it stands; KeyError when `to` is nobody's."""
        account = self._owner(to)
        mail = self._keep(records.Mail(next(self._ids), sender, to, content, self.clock.now(), from_office=False))
        if account.faults.held:
            mail.handover = records.Handover.HELD
        else:
            self._deliver(account, mail)
        return mail

    def release(self, address: str) -> None:
        """End the holding of mails and deliver, in their order, those that waited."""
        account = self.accounts[address]
        account.faults.held = False
        for mail in self._mails:
            if mail.handover is records.Handover.HELD and account.owns(mail.recipient):
                self._deliver(account, mail)

    # --- To the citizen -------------------------------------------------------------------------------------------

    def accept(self, account: records.Account, sender: str, recipient: str, content: bytes) -> records.Mail:
        """Take a mail of the office for one recipient, and let happen what its account's faults say."""
        mail = self._keep(records.Mail(next(self._ids), sender, recipient, content, self.clock.now(), from_office=True))
        faults = account.faults
        if faults.bounces > 0:
            faults.bounces -= 1
            self.bounce(mail)
        elif (colleague := self._find_owner(recipient)) is not None:
            self._deliver(colleague, mail)
        elif faults.automatic_replies:
            self.receive(recipient, mail.reply_to, letters.automatic_reply(mail, self.clock.now()))
        return mail

    def bounce(self, mail: records.Mail, *, status: str = "5.1.1", action: str = "failed") -> None:
        """Return a mail of the office as undeliverable (or only delayed), to its envelope sender."""
        if action == "failed":
            mail.handover = records.Handover.RETURNED
        report = letters.bounce(mail, self.clock.now(), status=status, action=action)
        owner = self._find_owner(mail.sender)
        if owner is not None:  # a bounce of a bounce goes nowhere
            self._put(owner, letters.traced(report, "", mail.sender, self.clock.now()))
        self.changed()

    # --- The mailboxes --------------------------------------------------------------------------------------------

    def _find_owner(self, address: str) -> records.Account | None:
        return next((account for account in self.accounts.values() if account.owns(address)), None)

    def _owner(self, address: str) -> records.Account:
        account = self._find_owner(address)
        if account is None:
            raise KeyError("no mailbox of the office has this address")
        return account

    def _keep(self, mail: records.Mail) -> records.Mail:
        self._mails.append(mail)
        self.changed()
        return mail

    def _deliver(self, account: records.Account, mail: records.Mail) -> None:
        mail.handover = records.Handover.DELIVERED
        content = letters.traced(mail.content, mail.sender, mail.recipient, mail.at)
        for _ in range(account.faults.copies):
            self._put(account, content)
        self.changed()

    def _put(self, account: records.Account, content: bytes) -> None:
        """Leave a file as a delivery agent does: written under tmp, then moved, so that nobody sees half of it."""
        now = self.clock.now()
        name = f"{int(now.timestamp())}.M{now.microsecond}P{secrets.token_hex(8)}.{letters.HOST}"
        written = account.maildir / "tmp" / name
        written.write_bytes(content)
        written.rename(account.maildir / "new" / name)
