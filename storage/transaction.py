"""`Tx`: what a use case reads and writes through, inside one transaction of one thread."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.sql import ClauseElement

from core import ids, model
from storage import statements, tables, vault

_LONGEST = 64  # rows of one statement
_ORDER = {table: i for i, table in enumerate(tables.metadata.sorted_tables)}


class Tx:
    """One transaction. Plain synchronous calls; the caller begins and ends it.

    Rows given to `add` are written together, just before the next statement that might see one of them and at the
    latest before the commit: a group of intakes becomes a few long inserts.
    """

    def __init__(
        self, connection: Any, prepare: statements.Prepare, seals: vault.Vault, new_ids: ids.Ids | None
    ) -> None:
        self._connection = connection
        self._prepare = prepare
        self._added: dict[sa.Table, _Added] = {}
        self._ids = new_ids
        self.vault = seals
        self.events: list[model.Event] = []
        self.closing: list[Callable[[], None]] = []  # called once, when all else was done
        self.committed: list[Callable[[], None]] = []  # called after the commit, and only then
        self.taken: dict[tuple[str, int], int] = {}  # last register numbers, by office and year

    @property
    def dialect_name(self) -> str:
        return self._prepare.dialect.name

    def new_id(self) -> int:
        if self._ids is None:
            raise RuntimeError("a reading transaction makes no rows")
        return self._ids.next()

    def publish(self, event: model.Event) -> None:
        """Tell open pages of it after the commit."""
        self.events.append(event)

    def add(self, table: sa.Table, **row: Any) -> None:
        """Insert a row, no later than the commit. Every column must be given."""
        added = self._added.get(table)
        if added is None:
            added = self._added[table] = _Added()
        added.append(row)

    def insert(self, table: sa.Table, **row: Any) -> None:
        """Insert a row now: a uniqueness it breaks is raised here."""
        prepared = self._prepare.insert(table)
        self.flush()  # the row may refer to one of them
        self._connection.execute(prepared.sql, prepared.values(row))

    def run(self, statement: ClauseElement, **values: Any) -> int:
        """Run a module-level statement; return how many rows it touched."""
        return int(self._cursor(self._prepare(statement), values).rowcount)

    def one(self, statement: ClauseElement, **values: Any) -> Any:
        """Return the first row as a named tuple, or None."""
        prepared = self._prepare(statement)
        raw = self._cursor(prepared, values).fetchone()
        return None if raw is None else prepared.row(raw)

    def all(self, statement: ClauseElement, **values: Any) -> list[Any]:
        prepared = self._prepare(statement)
        return [prepared.row(raw) for raw in self._cursor(prepared, values).fetchall()]

    def scalar(self, statement: ClauseElement, **values: Any) -> Any:
        row = self.one(statement, **values)
        return None if row is None else row[0]

    def all_once(self, statement: ClauseElement, **values: Any) -> list[Any]:
        """Like `all`, for a statement built for this call."""
        prepared = self._prepare.once(statement)
        return [prepared.row(raw) for raw in self._cursor(prepared, values).fetchall()]

    def _cursor(self, prepared: statements.Prepared, values: Mapping[str, Any]) -> Any:
        if any(
            table in self._added and self._added[table].may_be_seen(prepared.keys, values) for table in prepared.tables
        ):
            self.flush()
        return self._connection.execute(prepared.sql, prepared.values(values))

    def finish(self) -> None:
        """Do what was left for the end; nothing may follow but the commit."""
        for act in self.closing:
            act()
        self.flush()

    def flush(self) -> None:
        """Write what was added, parents before children."""
        added, self._added = self._added, {}
        for table in sorted(added, key=_ORDER.__getitem__):
            prepared = self._prepare.insert(table)
            rows = [prepared.values(row) for row in added[table].rows]
            for part in _parts(rows):
                self._connection.execute(prepared.repeated(len(part)), list(itertools.chain.from_iterable(part)))


def _parts(rows: Sequence[list[Any]]) -> Iterator[Sequence[list[Any]]]:
    """Cut rows into pieces of a power of two: one statement each, of which few need to be known.

    Many rows in one statement: on SQLite the driver gives up the interpreter lock once a row of `executemany`, and the
    writer would run in step with the event loop; on PostgreSQL each row would cost a message.
    """
    start, size = 0, _LONGEST
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        yield rows[start : start + size]
        start += size


class _Added:
    """Rows of one table that wait to be written, and what stands in those columns that statements look them up by."""

    __slots__ = ("_found", "rows")

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._found: dict[tuple[tuple[str, str], ...], set[tuple[Any, ...]]] = {}

    def append(self, row: dict[str, Any]) -> None:
        self.rows.append(row)
        for keys, found in self._found.items():
            found.add(tuple([row[column] for column, _ in keys]))

    def may_be_seen(self, keys: tuple[tuple[str, str], ...], values: Mapping[str, Any]) -> bool:
        """Whether a statement that names its rows by `keys` might see one of these."""
        if not keys:
            return True
        found = self._found.get(keys)
        if found is None:
            found = self._found[keys] = {tuple([row[column] for column, _ in keys]) for row in self.rows}
        return tuple([values[parameter] for _, parameter in keys]) in found


def changes(table: sa.Table, key: str, *columns: str) -> sa.Update:
    """Return the statement that sets `columns` of the row whose `key` column equals the parameter `<key>_is`."""
    column = table.c[key]
    return (
        sa.update(table)
        .where(column == sa.bindparam(f"{key}_is", type_=column.type))
        .values({name: sa.bindparam(name, type_=table.c[name].type) for name in columns})
    )
