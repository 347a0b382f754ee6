"""The same loads through each engine give the same tables, row for row: the whole graph but Dagster and the org."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from memsync_assets.contacts.decisions import read_decisions
from memsync_assets.contacts.identity import resolve_persons
from memsync_assets.contacts.legal_entities import roll_up_legal_entities
from memsync_assets.contacts.normalize import normalize_contacts
from memsync_assets.landing.take_in import Applied, pending_loads, take_in
from memsync_assets.local_org.server import LocalOrg
from memsync_assets.mart.dialects import Kind, kind_of
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.engine import Mart, Parameters, Storage
from memsync_assets.mart.lineage import schema_tables
from memsync_assets.mart.queries import Query, read_query
from memsync_assets.mart.schema import migrate
from memsync_assets.mart.script import PARAMETER_TYPES, STORAGES, storage_of
from memsync_assets.parity.comparison import compare_membership
from memsync_assets.parity.ledger import bring_ledger_up_to
from memsync_assets.salesforce.apply import apply_plan
from memsync_assets.salesforce.client import Org, connect
from memsync_assets.salesforce.merge import merge_duplicates
from memsync_assets.salesforce.plan import make_plan
from memsync_assets.sample.generator import Sample
from memsync_assets.sample.schedule import LOAD_DATES
from memsync_assets.settings import Breaker, Home, Project, Salesforce, load_settings
from tests.mart.conftest import SERVERS

#: The moment of the run, which no two runs share.
_OF_THE_RUN = {"made_at", "finished_at", "failed_at", "read_up_to", "full_at", "contact_merges.changed_at"}

_NO_BREAKER = {"default": Breaker(changed_share=1, removals=100_000)}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    sample = Sample(folder, members=2_000)
    for load_date in LOAD_DATES:
        sample.write(load_date)
    return sample.landing


class _RememberingMart(DuckDBMart):
    """A mart that remembers how each query was stored, and the kinds of its parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: set[tuple[str, Storage]] = set()
        self.kinds: set[tuple[str, Kind]] = set()

    def store(self, query: Query, storage: Storage, parameters: Parameters | None = None) -> int:
        self.stored.add((query.name, storage))
        given = parameters or {}
        self.kinds |= {(name, kind_of(given[name])) for name in query.parameters}
        return super().store(query, storage, parameters)


def _run(mart: Mart, project: Project, org: Org) -> None:
    """Every load in the order of its date; after each date the whole graph."""
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    pending = pending_loads(project.landing, mart)
    for load_date in LOAD_DATES:
        day = load_date.as_of.isoformat()
        loads = [load for load in pending if load.load_id.startswith(day)]
        assert loads
        for load in loads:
            assert isinstance(take_in(project, mart, load, now), Applied)
        roll_up_legal_entities(mart)
        normalize_contacts(mart)
        resolve_persons(mart, project.settings, read_decisions(project))
        compare_membership(mart, project.settings, None)
        bring_ledger_up_to(mart, project.settings, None)
        make_plan(mart, project, org)
        apply_plan(mart, project, org)
        merge_duplicates(mart, project, org)
        _enter_double(org)


def _enter_double(org: Org) -> None:
    """Somebody enters by hand a Contact that the org has."""
    known = "SELECT FirstName, LastName, Email FROM Contact WHERE Email != null ORDER BY Person_Id__c LIMIT 1"
    ((row,),) = org.query(known)
    values = {name: row[name] for name in ("FirstName", "LastName", "Email")}
    org.call("POST", "/sobjects/Contact", repeatable=False, json=values)


def _rows(mart: Mart, table: str) -> list[tuple[object, ...]]:
    columns = [name for name in _columns(table) if not {name, f"{table}.{name}"} & _OF_THE_RUN]
    found = mart.fetch(f"SELECT {', '.join(columns)} FROM {table}")
    values = [found[name].to_pylist() for name in columns]
    return sorted(zip(*values, strict=True), key=repr)


def _columns(table: str) -> list[str]:
    columns = schema_tables()[table]
    assert isinstance(columns, dict)
    return list(columns)


@pytest.mark.parametrize("engine", SERVERS)
def test_every_table_is_the_same_on_every_engine(
    engine: str, open_engine: Callable[[str], Mart], sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings()
    settings = settings.model_copy(update={"salesforce": Salesforce(target="local", breaker=_NO_BREAKER)})
    embedded = _RememberingMart()
    migrate(embedded)
    marts: dict[str, Mart] = {"duckdb": embedded, engine: open_engine(engine)}
    for name, mart in marts.items():
        project = Project(settings, Home(tmp_path / name), sample)
        with LocalOrg(tmp_path / f"{name}.sqlite") as served:
            monkeypatch.setenv("MEMSYNC_LOCAL_ORG_URL", served.url)
            org = connect(project)
            assert org is not None
            _run(mart, project, org)
    empty = set()
    for table in sorted(schema_tables()):
        expected, found = (_rows(mart, table) for mart in marts.values())
        assert found == expected, f"{table}: {len(expected)} rows on DuckDB, {len(found)} on {engine}"
        if not expected:
            empty.add(table)
    assert "contact_merges" not in empty
    assert len(schema_tables()) - len(empty) > 40, f"tables that nothing was put into: {sorted(empty)}"
    _assert_that_the_script_stores_alike(embedded)
    embedded.close()


def _assert_that_the_script_stores_alike(mart: _RememberingMart) -> None:
    """The procedures of `memsync mart script` store as the assets do, with parameters of the same types."""
    for name, storage in mart.stored:
        assert storage_of(read_query(name)) == storage, name
    assert {name for name, _ in mart.stored} >= set(STORAGES) - {"salesforce/dead_letters"}
    types = {"date": "DATE", "timestamp": "DATETIME2(6)", "whole": "BIGINT", "real": "FLOAT"}
    for name, kind in mart.kinds:
        if kind != "null":
            assert PARAMETER_TYPES.get(name) == types.get(kind), name
