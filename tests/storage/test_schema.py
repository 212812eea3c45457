"""The schema: migrations make exactly the tables of storage.tables, on both databases."""

import asyncio

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from core import errors
from storage import dialect, schema, tables


def migrated(url):
    database = dialect.open_database(url)
    assert schema.migrate(database)
    return database


def catalogue(connection):
    """Return what the database itself says of its tables, columns, keys and indexes."""
    queries = _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL
    rows = [row for query in queries for row in connection.execute(sa.text(query))]
    return {tuple(" ".join(str(cell).split()) for cell in row) for row in rows if not row[0].startswith("alembic")}


_SQLITE = (
    """SELECT m.name, c.name, c.type, c."notnull", c.pk FROM sqlite_master m, pragma_table_xinfo(m.name) c
    WHERE m.type = 'table'""",
    """SELECT m.name, f."from", f."table", f."to" FROM sqlite_master m, pragma_foreign_key_list(m.name) f
    WHERE m.type = 'table'""",
    """SELECT m.name, i."unique", i.origin, i.partial, group_concat(x.name)
    FROM sqlite_master m, pragma_index_list(m.name) i, pragma_index_info(i.name) x GROUP BY i.name""",
    "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
)
_POSTGRESQL = (
    """SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns
    WHERE table_schema = 'public'""",
    r"""SELECT conrelid\:\:regclass\:\:text, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE connamespace = 'public'\:\:regnamespace""",
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
)


def test_the_migrations_make_the_tables_as_they_are_defined(database_url):
    engine = migrated(database_url).engine()
    with engine.connect() as connection:
        made = catalogue(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, tables.metadata) == []
        connection.rollback()
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
        else:
            for table in reversed(tables.metadata.sorted_tables):
                table.drop(connection)
        tables.metadata.create_all(connection)
        defined = catalogue(connection)
        connection.rollback()
    engine.dispose()
    assert made - defined == set()
    assert defined - made == set()


def test_this_release_needs_the_newest_migration(tmp_path):
    database = dialect.open_database(f"sqlite:///{tmp_path}/aduan.db")
    with pytest.raises(errors.ConfigError, match="aduan migrate"):
        schema.require_current(database)
    schema.migrate(database)
    schema.require_current(database)
    assert not schema.migrate(database)
    with database.engine().connect() as connection:
        scripts = ScriptDirectory.from_config(schema._config(connection))
        assert scripts.get_heads() == [schema.HEAD]
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'older'")
        connection.commit()
    with pytest.raises(errors.ConfigError, match="older"):
        schema.require_current(database)


@pytest.mark.postgres
async def test_processes_that_migrate_at_once_wait_for_each_other(postgresql_url):
    database = dialect.open_database(postgresql_url)
    await asyncio.gather(*(asyncio.to_thread(schema.migrate, database) for _ in range(4)))
    schema.require_current(database)


def test_every_row_carries_its_office():
    # Of no office, or of a row that has one.
    apart = {"calendar", "node", "pin_trial", "receipt", "session", "withdrawal"}
    without = {name for name, table in tables.metadata.tables.items() if "office_id" not in table.c}
    assert without == apart


def test_no_times_are_stored_without_a_zone():
    assert not [
        column for table in tables.metadata.tables.values() for column in table.c if type(column.type) is sa.DateTime
    ]
