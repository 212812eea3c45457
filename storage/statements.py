"""Prepared statements: written once as SQLAlchemy expressions over the tables, run as plain SQL on the driver."""

import operator
import re
from collections import namedtuple
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

Convert = Callable[[Any], Any]


class Prepared:
    """One statement compiled for one dialect: its SQL, the conversion of every value in and of every column out.

    `keys`: the columns that a row must have equal to a value for the statement to see it, with the values' names;
    empty where it may see any.
    """

    __slots__ = ("_binders", "_constants", "_names", "_readers", "_repeated", "_row", "keys", "sql", "tables")

    def __init__(self, statement: ClauseElement, dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self.sql: str = str(compiled)
        self._names: tuple[str, ...] = tuple(compiled.positiontup)
        binders = [compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in self._names]
        self._binders: list[tuple[int, Convert]] = [(i, b) for i, b in enumerate(binders) if b is not None]
        self._constants = {
            name: value for name, value in compiled.params.items() if value is not None or not _required(compiled, name)
        }
        columns = _columns(statement)
        self._row: Any = namedtuple("Row", [c.key for c in columns], rename=True) if columns else None  # noqa: PYI024
        readers = [(i, c.type.dialect_impl(dialect).result_processor(dialect, None)) for i, c in enumerate(columns)]
        self._readers = [(i, reader) for i, reader in readers if reader is not None]
        self.tables = frozenset(_tables(statement))
        self.keys = _keys(statement)
        self._repeated: dict[int, str] = {}

    def values(self, given: Mapping[str, Any]) -> list[Any]:
        """Return the driver's values, in their order, for `given` and the statement's own constants."""
        named = {**self._constants, **given} if self._constants else given
        values = [named[name] for name in self._names]
        for i, binder in self._binders:
            if values[i] is not None:
                values[i] = binder(values[i])
        return values

    def repeated(self, count: int) -> str:
        """Return the SQL of an insert of `count` rows, which takes their values one after the other."""
        sql = self._repeated.get(count)
        if sql is None:
            head, values, row = self.sql.partition(" VALUES ")
            rows = [_shifted(row, i * len(self._names)) for i in range(count)]
            sql = self._repeated[count] = head + values + ", ".join(rows)
        return sql

    def row(self, raw: tuple[Any, ...]) -> Any:
        """Return a raw row as a named tuple of domain values."""
        if not self._readers:
            return self._row._make(raw)
        cells = list(raw)
        for i, reader in self._readers:
            if cells[i] is not None:
                cells[i] = reader(cells[i])
        return self._row._make(cells)


def among(column: Any, *values: str) -> sa.ColumnElement[bool]:
    """Return `column IN (...)` with the values written out: only so does a partial index match on SQLite."""
    literals: list[Any] = [sa.literal_column(f"'{value}'") for value in values if value.replace("_", "").isalpha()]
    condition: sa.ColumnElement[bool] = column.in_(literals) if len(literals) > 1 else column == literals[0]
    return condition


def _shifted(row: str, by: int) -> str:
    """Return the placeholders of a row with their numbers, if they have any, raised by so much."""
    return re.sub(r"\$(\d+)", lambda number: f"${int(number[1]) + by}", row)


def _required(compiled: Any, name: str) -> bool:
    bind = compiled.binds.get(name)
    return bind is not None and bind.required


def _columns(statement: Any) -> list[Any]:
    selected = getattr(statement, "selected_columns", None)
    return list(selected if selected is not None else getattr(statement, "_returning", ()))


def _tables(statement: Any) -> list[sa.Table]:
    if isinstance(statement, sa.Insert | sa.Update | sa.Delete):
        return [statement.table]  # type: ignore[list-item]
    return [table for table in sa.sql.visitors.iterate(statement) if isinstance(table, sa.Table)]


def _keys(statement: Any) -> tuple[tuple[str, str], ...]:
    """Return pairs of column and parameter that are equal in every row which a statement on one table can see."""
    where = getattr(statement, "whereclause", None)
    parts = list(sa.sql.visitors.iterate(statement))
    tables = {part for part in parts if isinstance(part, sa.Table)}
    if where is None or len(tables) > 1 or any(isinstance(part, sa.Select) for part in parts if part is not statement):
        return ()
    conditions = where.clauses if getattr(where, "operator", None) is operator.and_ else [where]
    return tuple(
        (condition.left.key, condition.right.key)
        for condition in conditions
        if isinstance(condition, sa.BinaryExpression)
        and condition.operator is operator.eq
        and isinstance(condition.left, sa.Column)
        and isinstance(condition.right, sa.BindParameter)
        and condition.right.required
    )


class Prepare:
    """Compiles each statement once. Statements are module constants, so that identity is the key."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self._known: dict[ClauseElement, Prepared] = {}
        self._inserts: dict[sa.Table, Prepared] = {}

    def __call__(self, statement: ClauseElement) -> Prepared:
        prepared = self._known.get(statement)
        if prepared is None:
            prepared = self._known[statement] = Prepared(statement, self.dialect)
        return prepared

    def once(self, statement: ClauseElement) -> Prepared:
        """Compile a statement that was built for this call alone."""
        return Prepared(statement, self.dialect)

    def insert(self, table: sa.Table) -> Prepared:
        prepared = self._inserts.get(table)
        if prepared is None:
            statement = sa.insert(table).values({c.name: sa.bindparam(c.name, type_=c.type) for c in table.columns})
            prepared = self._inserts[table] = Prepared(statement, self.dialect)
        return prepared
