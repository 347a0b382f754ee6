"""Employer groups and organizational units as rows of the landing contract, and the truth of their roll-up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import pyarrow as pa

from memsync_assets.sample.employers import Employers, Group
from memsync_assets.sample.places import STATES, Address, a_phone, an_address, phone_text
from memsync_assets.sample.schedule import SOURCES, LoadDate, Slot

_GROUPS = pa.schema(
    [
        *((name, pa.string()) for name in ("group_id", "group_name", "org_unit_id", "ihm_indicator")),
        *(
            (name, pa.string())
            for name in ("address_line1", "address_line2", "city", "state_code", "postal_code", "phone")
        ),
        ("updated_at", pa.timestamp("us", tz="UTC")),
    ]
)
_UNITS = pa.schema([(name, pa.string()) for name in ("org_unit_id", "parent_org_unit_id", "org_unit_name", "tax_id")])
_LEGAL_ENTITIES = pa.schema([("source_system", pa.string()), ("group_id", pa.string()), ("legal_entity", pa.int64())])
_PROBLEMS = pa.schema([("source_system", pa.string()), ("org_unit_id", pa.string()), ("problem", pa.string())])


@dataclass(frozen=True)
class Office:
    """Where a group is, on some date. phone: ten digits."""

    address: Address
    phone: str
    updated_at: datetime


def office(group: Group, load_date: LoadDate) -> Office:
    """Where a group is on a date."""
    if group.changes is not None and load_date.number >= group.changes:
        random = Random(f"office {group.number}")
        state = STATES[group.states[0]]
        return Office(an_address(random, state), a_phone(random, state), load_date.moment(Slot.DAY))
    return Office(group.address, group.phone, datetime(2025, 1 + group.number % 12, 1 + group.number % 28, tzinfo=UTC))


def group_rows(employers: Employers, system: int, load_date: LoadDate) -> pa.Table:
    """The groups of a source system: all on the first date, later those that changed."""
    full = load_date.number == 1
    groups = [g for g in employers.by_system[system] if full or g.changed_on(load_date)]
    rows = pa.Table.from_pylist([_group_row(group, load_date) for group in groups], _GROUPS)
    return rows if full else rows.add_column(0, "change", pa.array(["upsert"] * len(groups), pa.string()))


def _group_row(group: Group, load_date: LoadDate) -> dict[str, str | datetime | None]:
    where = office(group, load_date)
    address = where.address
    return {
        "group_id": group.group_id,
        "group_name": group.name,
        "org_unit_id": group.org_unit_id,
        "ihm_indicator": group.ihm_indicator(load_date),
        "address_line1": address.line1,
        "address_line2": address.line2,
        "city": address.city,
        "state_code": address.state_code,
        "postal_code": address.postal_code,
        "phone": phone_text(Random(group.number), where.phone),
        "updated_at": where.updated_at,
    }


def org_unit_rows(employers: Employers, system: int) -> pa.Table:
    """The organizational units of a source system."""
    units = [u for u in employers.org_units if u.source_system == SOURCES[system].name]
    columns = (
        [u.org_unit_id for u in units],
        [u.parent for u in units],
        [u.name for u in units],
        [u.tax_id for u in units],
    )
    return pa.table([pa.array(column, pa.string()) for column in columns], _UNITS)


def true_legal_entities(employers: Employers) -> pa.Table:
    """Each group with the number of its true legal entity; null where its tree does not tell."""
    groups = employers.groups
    columns = ([SOURCES[g.system].name for g in groups], [g.group_id for g in groups], [g.employer for g in groups])
    return pa.table(list(columns), _LEGAL_ENTITIES)


def true_org_unit_problems(employers: Employers) -> pa.Table:
    """Each organizational unit with a fault: cycle, orphan or two_roots."""
    units = [u for u in employers.org_units if u.problem]
    columns = ([u.source_system for u in units], [u.org_unit_id for u in units], [u.problem for u in units])
    return pa.table(list(columns), _PROBLEMS)
