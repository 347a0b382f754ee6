"""Values at the edges: they fit the columns that SQL Server declares, and are read alike by every engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlglot import exp

from memsync_assets.contacts.identity import resolve_persons
from memsync_assets.contacts.legal_entities import roll_up_legal_entities
from memsync_assets.contacts.normalize import normalize_contacts
from memsync_assets.landing.contract import contracts
from memsync_assets.landing.take_in import Applied, take_in
from memsync_assets.mart.dialects import parse
from memsync_assets.mart.engine import Mart, Replace
from memsync_assets.mart.lineage import schema_tables
from memsync_assets.mart.queries import SQL, read_query
from tests.landing.landed import NOW, Landing
from tests.mart.conftest import SERVERS

_WIDE_BLANK = "\u00a0"
_CONTACTS = [
    {"full_name": "Ada Long", "phone": "312-555-2368", "phone_ext": "Extension 12345 of the east wing"},
    {"full_name": "Bea Long", "email": "b" * 70 + "@acmehealth.com"},
    {"full_name": "Cyd Long", "email": "c@" + ".".join(["acmehealth" * 6] * 5) + ".com"},
    {"full_name": "J " + "\ufb03" * 100},
    {"full_name": "K " + "\U00020000" * 150},
    {"first_name": "\u00df" * 150, "last_name": "\u0390" * 150},
    {"full_name": "Bob Lee", "first_name": "Bob", "last_name": _WIDE_BLANK},
    {"full_name": "Deb Wide", "title": f"{_WIDE_BLANK}Head", "phone": f"{_WIDE_BLANK}312-555-2369", "city": " "},
    {"full_name": "Eve Cut", "title": "\t" + "x" * 127 + "  Head of it all"},
    {"full_name": "Fay Street", "address_line1": "1 " + "\u00df" * 190, "city": "\u00df" * 90, "state_code": "IL"},
]


def _taken_in(mart: Mart, landing: Landing) -> None:
    contacts = [{"contact_id": f"C{n}", **contact} for n, contact in enumerate(_CONTACTS)]
    columns = dict.fromkeys(name for contact in contacts for name in contact)
    landing.write(
        "west",
        "01",
        {
            "groups": [{"group_id": "G1", "group_name": "\tAcme \r\n", "org_unit_id": "U1", "city": " "}],
            "org_units": [{"org_unit_id": "U1", "org_unit_name": " Acme Holdings "}],
            "contacts": [{name: contact.get(name) for name in columns} for contact in contacts],
            "contact_roles": [{"contact_id": c["contact_id"], "group_id": "G1", "role_code": "HR"} for c in contacts],
        },
    )
    assert isinstance(take_in(landing.project, mart, landing.found("west", "01"), NOW), Applied)
    roll_up_legal_entities(mart)
    normalize_contacts(mart)
    resolve_persons(mart, landing.project.settings, [])
    for name in ("salesforce/account_upload", "salesforce/contact_upload"):
        mart.store(read_query(name), Replace(), {"as_of": None})


def _declared_lengths() -> Iterator[tuple[str, str, int]]:
    for path in sorted((SQL / "schema").glob("*.sql")):
        for tree in parse(path.read_text(encoding="utf-8")):
            for column in tree.find_all(exp.ColumnDef):
                length = column.kind.expressions[0].name if column.kind and column.kind.expressions else ""
                if length.isdigit() and column.kind.this in (exp.DataType.Type.NVARCHAR, exp.DataType.Type.VARCHAR):
                    yield tree.find(exp.Table).name, column.name, int(length)  # type: ignore[union-attr]


def test_every_value_fits_its_column(mart: Mart, landing: Landing) -> None:
    """The embedded mart and PostgreSQL enforce no length; on SQL Server a longer text ends the run."""
    _taken_in(mart, landing)
    declared = list(_declared_lengths())
    assert len(declared) > 200
    for table, column, length in declared:
        for value in mart.fetch(f"SELECT t.[{column}] FROM {table} AS t")[column].to_pylist():
            assert value is None or len(value.encode("utf-16-le")) <= 2 * length, f"{table}.{column}"


def test_no_key_ends_in_a_blank_that_sql_server_would_not_see(mart: Mart, landing: Landing) -> None:
    _taken_in(mart, landing)
    names = mart.fetch("SELECT a.account_name FROM account_upload AS a ORDER BY a.account_name")["account_name"]
    assert names.to_pylist() == ["Acme", "Acme Holdings"]
    titles = mart.fetch("SELECT n.title FROM normalized_contacts AS n WHERE n.title LIKE 'x%'")["title"].to_pylist()
    assert titles == ["x" * 127]


@pytest.mark.parametrize("engine", SERVERS)
def test_blanks_are_read_alike(engine: str, mart: Mart, landing: Landing, open_engine: Callable[[str], Mart]) -> None:
    """T-SQL's LTRIM and RTRIM know one blank, and its = sees none at the end."""
    server = open_engine(engine)
    for each in (mart, server):
        _taken_in(each, landing)
    for table in sorted(schema_tables()):
        if table not in ("loads", "persons"):
            rows = [sorted(map(repr, each.fetch(f"SELECT * FROM {table}").to_pylist())) for each in (mart, server)]
            assert rows[0] == rows[1], table


def test_landing_refuses_what_a_column_has_no_room_for() -> None:
    declared = {(table, column): length for table, column, length in _declared_lengths()}
    for role in ("source", "downstream"):
        for table in contracts(role).values():
            for column in table.columns:
                if column.kind in ("id", "text"):
                    assert declared.get((table.mart_table, column.name)) == column.longest, (table.name, column.name)
