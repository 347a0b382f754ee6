"""Writes rows of the landing tables into a mart, missing columns null."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from memsync_assets.mart.engine import Mart

_TABLES = {
    "source_contacts": ("source_system", "contact_id"),
    "source_contact_roles": ("source_system", "contact_id", "group_id", "role_code"),
    "employer_groups": ("source_system", "group_id"),
    "org_units": ("source_system", "org_unit_id"),
}


def write(mart: Mart, table: str, *rows: Mapping[str, object]) -> None:
    """The table holds exactly these rows afterwards."""
    assert table in _TABLES
    mart.execute(f"DELETE FROM {table}")
    if rows:
        names = sorted({name for row in rows for name in row})
        mart.append(table, pa.table({name: [row.get(name) for row in rows] for name in names}))


def contact(key: str, name: str, **values: object) -> dict[str, object]:
    """`a:1` is contact 1 of system a."""
    system, _, contact_id = key.partition(":")
    return {"source_system": system, "contact_id": contact_id, "full_name": name, **values}


def role(key: str, group: str, code: str = "BENEFITS", **values: object) -> dict[str, object]:
    system, _, contact_id = key.partition(":")
    return {"source_system": system, "contact_id": contact_id, "group_id": group, "role_code": code, **values}
