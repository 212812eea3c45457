"""Delivery under any sequence of events: never sent twice unless a person says so, in order, and never back."""

import asyncio
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from app import config, wiring
from app.toml_file import TomlFile
from connectors import whatsapp
from core import errors, model, ports
from router import answers, delivery, intake, receipts, resending
from router.desk import Desk
from storage import outbox, people, schema, tables
from storage.dialect import embedded
from storage.files import FileStore
from storage.store import Store
from storage.vault import Vault

State = model.DeliveryState
_PROVEN = (State.DELIVERED, State.READ)
_OFFICE = """
[server]
public_url = "https://aduan.contoh.go.id"
[[office]]
id = "contoh"
name = "Dinas Dukcapil Kota Contoh"
short_name = "Dukcapil Contoh"
[[account]]
name = "wa"
channel = "whatsapp"
office = "contoh"
"""


class Deliveries(RuleBasedStateMachine):
    """A worker, its provider, an impatient admin and the clock; `taken` is what the provider really took."""

    attempts = Bundle("attempts")  # claimed, and nothing heard of yet
    known = Bundle("known")  # taken by the provider

    template: Path

    def __init__(self):
        super().__init__()
        self.now = datetime(2026, 11, 18, 3, 0, tzinfo=UTC)
        self.taken = Counter()
        self.again = Counter()
        self.states = {}
        self.runner = asyncio.Runner()
        place = Path(self.template.parent, "run")
        place.mkdir()
        shutil.copy(self.template, place / "aduan.db")
        configured = config.read(TomlFile("test", _OFFICE, place, {}))
        self.desk = Desk(
            store=Store(
                embedded.SQLite(place / "aduan.db"), Vault((b"k" * 32,)), SimpleNamespace(now=lambda: self.now)
            ),
            files=FileStore(place / "files"),
            offices=wiring.offices(configured),
            accounts={"wa": model.Account("wa", "whatsapp", "contoh", whatsapp.CAPABILITIES)},
            connectors={"wa": SimpleNamespace(capabilities=whatsapp.CAPABILITIES)},
            clock=SimpleNamespace(now=lambda: self.now),
        )
        self.runner.run(self._open())

    async def _open(self):
        self.desk.store.start()
        self.admin = await self.desk.store.write(
            people.add, "contoh", "admin", "Admin", model.Role.ADMIN, "no password", None, self.now
        )
        for n, sender in enumerate(("+6281200000001", "+6281200000002")):
            inbound = model.InboundMessage(f"SM{n}", f"whatsapp:{sender}", "halo")
            request = ports.RawRequest("wa", "/hooks/wa", {}, b"", self.now)
            await intake.receive_message(self.desk, request, inbound, "webhook")
        complaint = self._rows(tables.complaint)[0]
        await answers.answer(self.desk, self.admin, complaint.id, answers.Reply("Jawaban"), "k")

    def teardown(self):
        self.runner.run(self.desk.store.stop())
        self.runner.close()
        shutil.rmtree(Path(self.template.parent, "run"))

    def _rows(self, table):
        import sqlalchemy as sa

        statement = sa.select(table).order_by(*table.primary_key)
        return self._read(lambda tx: tx.all_once(statement))

    def _read(self, act):
        return self.desk.store._read(act)

    def _write(self, act, *args):
        return self.runner.run(self.desk.store.write(act, *args))

    @rule(target=attempts)
    def a_worker_claims(self):
        before = self._rows(tables.outbox)
        claimed = self._write(outbox.claim, self.now, self.now + delivery.LEASE, 10)
        for one in claimed:
            assert not [
                row
                for row in before
                if row.contact_id == one.contact_id and row.id < one.id and row.state in (State.QUEUED, State.SENDING)
            ]
        return multiple(*claimed)

    @rule(target=known, attempt=consumes(attempts), is_lost=st.booleans())
    def the_provider_takes_it(self, attempt, is_lost):
        self.taken[attempt.id] += 1
        provider_id = f"PV-{attempt.reference}"
        if not is_lost:
            self._write(delivery._record, self.desk, attempt, model.Sent(provider_id), self.now)
        elif self.taken[attempt.id] % 2:
            self._write(delivery._record, self.desk, attempt, errors.UncertainSendError("no answer"), self.now)
        return attempt, provider_id

    @rule(
        attempt=consumes(attempts),
        error=st.sampled_from([errors.TransientSendError, errors.PermanentSendError, errors.AccountSuspended, None]),
    )
    def it_is_not_sent(self, attempt, error):
        if error is not None:  # else the worker died
            self._write(delivery._record, self.desk, attempt, error("no"), self.now)

    @rule(
        of=known,
        state=st.sampled_from([State.ACCEPTED, State.DELIVERED, State.READ, State.FAILED]),
        has_reference=st.booleans(),
    )
    def the_provider_reports(self, of, state, has_reference):
        attempt, provider_id = of
        receipt = model.DeliveryReceipt(provider_id, state, None, attempt.reference if has_reference else None)
        before = {row.id: row.state for row in self._rows(tables.outbox)}
        self._write(receipts.record, "wa", receipt, self.now)
        assert all(row.state.rank >= before[row.id].rank for row in self._rows(tables.outbox))

    @rule(amount=st.sampled_from([1, 120, 700, 2000]))
    def time_passes(self, amount):
        self.now += timedelta(seconds=amount)
        self.runner.run(delivery.sweep(self.desk))
        self.runner.run(delivery.probe(self.desk))

    @rule(which=st.integers(0, 2), does_send=st.booleans())
    def an_admin_decides(self, which, does_send):
        row = self._rows(tables.outbox)[which]
        act = resending.send_again if does_send else resending.mark_arrived
        try:
            self.runner.run(act(self.desk, self.admin, row.id))
        except errors.StaleDecision:
            return
        if does_send:
            self.again[row.id] += 1
            self.states.pop(row.id, None)

    @invariant()
    def nothing_was_sent_twice_and_what_arrived_stays_so(self):
        for row in self._rows(tables.outbox):
            assert self.taken[row.id] <= 1 + self.again[row.id]
            if self.states.get(row.id) in _PROVEN:
                assert row.state.rank >= self.states[row.id].rank
            self.states[row.id] = row.state


def test_any_sequence_of_events_sends_once_in_order_and_never_moves_back(tmp_path):
    Deliveries.template = tmp_path / "template.db"
    schema.migrate(embedded.SQLite(Deliveries.template))
    run_state_machine_as_test(
        Deliveries,
        settings=settings(
            max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
