"""An independent reading of a landing folder and of LANDING.md's parity, in plain SQL: no code of memsync's."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import duckdb

KEYS = {
    "members": "member_id, effective_date",
    "groups": "group_id",
    "org_units": "org_unit_id",
    "contacts": "contact_id",
    "contact_roles": "contact_id, group_id, role_code",
}
SOURCES = ("foundation_ca", "heritage_tx", "legacy_il")
DOWNSTREAMS = ("claims", "care_management", "billing")


def manifest(landing: Path, system: str, as_of: date) -> dict:
    return json.loads((landing / system / f"{as_of}T0600" / "manifest.json").read_text())


def file_rows(path: Path) -> str:
    """A FROM item: all columns as text."""
    if path.suffix == ".parquet":
        return f"(SELECT COLUMNS(*)::VARCHAR FROM read_parquet('{path}'))"
    return f"read_csv('{path}', all_varchar = true, header = true, delim = ',', quote = '\"', escape = '\"')"


def read_table(db: duckdb.DuckDBPyConnection, landing: Path, system: str, table: str, as_of: date) -> str | None:
    """The rows of a load's table as a view, if the load has it."""
    found = manifest(landing, system, as_of)
    if table not in found["tables"]:
        return None
    folder = landing / system / found["load_id"]
    files = " UNION ALL BY NAME ".join(f"FROM {file_rows(folder / f['name'])}" for f in found["tables"][table]["files"])
    name = f"{system}_{table}_{as_of:%m%d}"
    db.execute(f"CREATE OR REPLACE VIEW {name} AS {files}")
    return name


def applied(landing: Path, dates: tuple[date, ...]) -> duckdb.DuckDBPyConnection:
    """Every system's tables after the loads of these dates, as <system>_<table>."""
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    for system in (*SOURCES, *DOWNSTREAMS):
        for table, key in KEYS.items():
            if system in DOWNSTREAMS and table != "members":
                continue
            key = f"source_system, {key}" if system in DOWNSTREAMS else key
            for as_of in dates:
                rows = read_table(db, landing, system, table, as_of)
                target = f"{system}_{table}"
                if rows is None:
                    continue
                if manifest(landing, system, as_of)["kind"] == "full":
                    db.execute(f"CREATE OR REPLACE TABLE {target} AS FROM {rows}")
                else:
                    db.execute(f"DELETE FROM {target} WHERE ({key}) IN (SELECT ({key}) FROM {rows})")
                    upserts = f"SELECT * EXCLUDE (change) FROM {rows} WHERE change = 'upsert'"
                    db.execute(f"INSERT INTO {target} BY NAME {upserts}")
    return db


def findings(landing: Path, dates: tuple[date, ...]) -> set[tuple[str, str, str, str, str]]:
    """(downstream_system, source_system, member_id, kind, in_flight) after the loads of these dates."""
    db, as_of = applied(landing, dates), dates[-1]
    sources = " UNION ALL BY NAME ".join(f"SELECT '{s}' AS source_system, * FROM {s}_members" for s in SOURCES)
    db.execute(f"CREATE TABLE source AS {sources}")
    scopes = " UNION ALL ".join(
        f"SELECT '{s}' AS source_system, group_id FROM {s}_groups WHERE ihm_indicator = 'Y'" for s in SOURCES
    )
    db.execute(f"CREATE TABLE scope AS {scopes}")
    found: set[tuple[str, str, str, str, str]] = set()
    for system in DOWNSTREAMS:
        cutoff = manifest(landing, system, as_of)["cutoff_at"]
        rows = db.execute(
            _FINDINGS.format(downstream=f"{system}_members"), {"as_of": as_of, "cutoff": cutoff}
        ).fetchall()
        found |= {(system, *row) for row in rows}
    return found


_FINDINGS = """
WITH s AS (
    SELECT source_system, member_id,
        list_sort(list_distinct(list(trim(group_id)))) AS groups,
        list_sort(list_distinct(list((trim(group_id), state_code)))) AS states,
        list_sort(list_distinct(list((trim(group_id), state_code, plan_code)))) AS plans,
        list_sort(list_distinct(list((effective_date::DATE, termination_date::DATE)))) AS dates
    FROM (SELECT * REPLACE (trim(group_id) AS group_id) FROM source) SEMI JOIN scope USING (source_system, group_id)
    WHERE effective_date::DATE <= $as_of AND (termination_date IS NULL OR termination_date::DATE > $as_of)
    GROUP BY ALL
),
t AS (
    SELECT source_system, member_id,
        list_sort(list_distinct(list(group_id))) AS groups,
        list_sort(list_distinct(list((group_id, state_code)))) AS states,
        list_sort(list_distinct(list((group_id, state_code, plan_code)))) AS plans,
        list_sort(list_distinct(list((effective_date::DATE, termination_date::DATE)))) AS dates,
        count(*) > count(DISTINCT (group_id, state_code)) AS repeated
    FROM {downstream} SEMI JOIN scope USING (source_system, group_id)
    WHERE effective_date::DATE <= $as_of AND (termination_date IS NULL OR termination_date::DATE > $as_of)
    GROUP BY ALL
),
late AS (
    SELECT source_system, member_id, bool_or(changed_at::TIMESTAMPTZ > $cutoff::TIMESTAMPTZ) AS is_late
    FROM source GROUP BY ALL
),
both_sides AS (
    SELECT source_system, member_id, s.plans AS s, t.plans AS t, unnest([
        CASE
            WHEN t.plans IS NULL THEN 'missing'
            WHEN s.plans IS NULL THEN 'extra'
            WHEN s.groups <> t.groups THEN 'wrong_group'
            WHEN s.states <> t.states THEN 'wrong_state'
            WHEN s.plans <> t.plans THEN 'wrong_plan'
            WHEN s.dates <> t.dates THEN 'stale_dates'
        END,
        CASE WHEN t.repeated THEN 'duplicate' END
    ]) AS kind
    FROM s FULL JOIN t USING (source_system, member_id)
)
SELECT source_system, member_id, kind, CASE WHEN is_late THEN 'Y' ELSE 'N' END
FROM both_sides LEFT JOIN late USING (source_system, member_id)
WHERE kind IS NOT NULL
"""
