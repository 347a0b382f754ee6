"""Organizational units roll up to legal entities; employer groups belong to one each.

The legal entity of a unit is the root of its tree. Roots that carry the same tax id, in one system or in
several, are one legal entity: a tax id names a legal person, whichever system wrote it down. Its id is made
of the tax id then, so that it does not depend on which systems have landed so far; without a tax id it is the
root's own key. A cycle, a parent that does not exist and two roots of one system with one tax id are reported.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from memsync_assets.mart.engine import Mart

UnitKey = tuple[str, str]
_TAX_ID = re.compile(r"\D")


@dataclass(frozen=True)
class Unit:
    """An organizational unit of one source system, as delivered."""

    parent: str | None
    name: str
    tax_id: str | None


@dataclass(frozen=True)
class RollUp:
    """Where each unit's tree ends.

    Attributes:
        roots: for each unit whose tree is sound, its root.
        problems: for each unit that somebody should mend: cycle, orphan or two_roots. A unit with two_roots is
            sound nonetheless.
    """

    roots: Mapping[UnitKey, UnitKey]
    problems: Mapping[UnitKey, str]


@dataclass(frozen=True)
class LegalEntityCounts:
    """What `roll_up_legal_entities` found."""

    legal_entities: int
    groups: int
    groups_without_legal_entity: int
    unit_problems: dict[str, int]


def roll_up(units: Mapping[UnitKey, Unit]) -> RollUp:
    """Climb from every unit to its root. Ends on any input: each unit is climbed from once."""
    roots: dict[UnitKey, UnitKey] = {}
    problems: dict[UnitKey, str] = {}
    for start in sorted(units):
        path: list[UnitKey] = []
        on_path: set[UnitKey] = set()
        unit = start
        while unit not in roots and unit not in problems:
            if unit in on_path:
                problems.update(dict.fromkeys(path, "cycle"))
                break
            path.append(unit)
            on_path.add(unit)
            parent = units[unit].parent
            if parent is None:
                roots[unit] = unit
            elif (unit[0], parent) not in units:
                problems[unit] = "orphan"
            else:
                unit = (unit[0], parent)
        if unit in roots:
            roots.update(dict.fromkeys(path, roots[unit]))
        elif unit in problems:
            problems.update(dict.fromkeys(path, problems[unit]))
    return RollUp(roots, problems | _two_roots(units, set(roots.values())))


def _two_roots(units: Mapping[UnitKey, Unit], roots: set[UnitKey]) -> dict[UnitKey, str]:
    of_tax_id: dict[tuple[str, str], list[UnitKey]] = defaultdict(list)
    for root in sorted(roots):
        if tax_id := normalized_tax_id(units[root].tax_id):
            of_tax_id[root[0], tax_id].append(root)
    return {root: "two_roots" for same in of_tax_id.values() if len(same) > 1 for root in same}


def normalized_tax_id(text: str | None) -> str | None:
    """The nine digits of an employer identification number; None for anything else, such as 00-0000000."""
    digits = _TAX_ID.sub("", text or "")
    if len(digits) != 9 or len(set(digits)) == 1 or digits in ("123456789", "987654321"):
        return None
    return digits


def legal_entity_id(root: UnitKey, tax_id: str | None) -> str:
    """The stable id of the legal entity with this root."""
    return f"TAX:{tax_id}" if tax_id else f"{root[0]}:{root[1]}"


def roll_up_legal_entities(mart: Mart) -> LegalEntityCounts:
    """Make legal_entities, group_legal_entities and org_unit_problems from org_units and employer_groups."""
    units = _read_units(mart)
    found = roll_up(units)
    ids = {
        root: legal_entity_id(root, normalized_tax_id(units[root].tax_id)) for root in sorted(set(found.roots.values()))
    }
    groups = [_group_row(group, found, ids) for group in _read_groups(mart)]
    entities = _entity_rows(units, ids)
    tables: dict[str, list[dict[str, str | None]]] = {
        "legal_entities": entities,
        "group_legal_entities": groups,
        "org_unit_problems": [
            {"source_system": s, "org_unit_id": u, "problem": p} for (s, u), p in sorted(found.problems.items())
        ],
    }

    def replace() -> None:
        for table, rows in tables.items():
            mart.execute(f"DELETE FROM {table}")  # noqa: S608
            _append(mart, table, rows)

    mart.whole(replace)
    kinds = sorted(set(found.problems.values()))
    return LegalEntityCounts(
        legal_entities=len(entities),
        groups=len(groups),
        groups_without_legal_entity=sum(group["legal_entity_id"] is None for group in groups),
        unit_problems={kind: sum(p == kind for p in found.problems.values()) for kind in kinds},
    )


def _read_units(mart: Mart) -> dict[UnitKey, Unit]:
    rows = mart.fetch(
        "SELECT u.source_system, u.org_unit_id, u.parent_org_unit_id, u.org_unit_name, u.tax_id FROM org_units AS u"
    ).to_pylist()
    return {
        (r["source_system"], r["org_unit_id"]): Unit(
            r["parent_org_unit_id"] or None, r["org_unit_name"].strip(), r["tax_id"]
        )
        for r in rows
    }


def _read_groups(mart: Mart) -> list[dict[str, str | None]]:
    rows: list[dict[str, str | None]] = mart.fetch(
        "SELECT g.source_system, g.group_id, g.org_unit_id FROM employer_groups AS g"
    ).to_pylist()
    return sorted(rows, key=lambda r: (r["source_system"] or "", r["group_id"] or ""))


def _group_row(group: Mapping[str, str | None], found: RollUp, ids: Mapping[UnitKey, str]) -> dict[str, str | None]:
    row = {"source_system": group["source_system"], "group_id": group["group_id"]}
    if not group["org_unit_id"]:
        return row | {"legal_entity_id": None, "problem": "no_org_unit"}
    unit = (str(group["source_system"]), group["org_unit_id"])
    if unit in found.roots:
        return row | {"legal_entity_id": ids[found.roots[unit]], "problem": None}
    return row | {"legal_entity_id": None, "problem": found.problems.get(unit, "unknown_org_unit")}


def _entity_rows(units: Mapping[UnitKey, Unit], ids: Mapping[UnitKey, str]) -> list[dict[str, str | None]]:
    """One row for each legal entity; of several roots the first by key gives the name."""
    rows: dict[str, dict[str, str | None]] = {}
    for root, entity in ids.items():
        unit = units[root]
        tax_id = normalized_tax_id(unit.tax_id)
        rows.setdefault(entity, {"legal_entity_id": entity, "legal_entity_name": unit.name, "tax_id": tax_id})
    return list(rows.values())


def _append(mart: Mart, table: str, rows: list[dict[str, str | None]]) -> None:
    if rows:
        schema = pa.schema([(name, pa.string()) for name in rows[0]])
        mart.append(table, pa.Table.from_pylist(rows, schema))
