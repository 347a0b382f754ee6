"""What the configuration says of reconciliations, brought into the mart, where the comparison reads it.

A further area to reconcile is a further block of the configuration: nothing in this package knows one by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from memsync_assets.landing.as_of import latest_as_of
from memsync_assets.mart.engine import Mart, ReplacePartition
from memsync_assets.mart.queries import read_query
from memsync_assets.settings import Kind, Level, Reconciliation, Role, Settings, Tolerance

#: The columns of the cells of each level, beside the source system.
LEVELS: dict[Level, frozenset[str]] = {
    "source": frozenset(),
    "group": frozenset({"group_id"}),
    "state": frozenset({"group_id", "state_code"}),
    "plan": frozenset({"plan_code"}),
}
#: Who works a kind of discrepancy off, where the configuration does not say.
OWNERS: dict[Kind, str] = {
    "missing": "it",
    "extra": "downstream",
    "duplicate": "dba",
    "wrong_group": "downstream",
    "wrong_state": "downstream",
    "wrong_plan": "downstream",
    "stale_dates": "downstream",
}
_LAST_CUTOFFS = """
SELECT l.system, l.cutoff_at
FROM loads AS l
WHERE l.role = 'downstream' AND NOT EXISTS (
    SELECT 1 FROM loads AS later WHERE later.system = l.system AND later.load_id > l.load_id
)
ORDER BY l.system
"""


#: Systems whose last load of the two brought counts and not members, with the date of the counts.
_COUNTED_ON = """
SELECT l.system, l.as_of
FROM loads AS l
INNER JOIN load_tables AS t ON l.system = t.system AND l.load_id = t.load_id
WHERE l.role = 'downstream' AND t.table_name = 'member_counts' AND NOT EXISTS (
    SELECT 1 FROM load_tables AS other
    WHERE
        other.system = l.system
        AND (
            (other.load_id > l.load_id AND other.table_name IN ('members', 'member_counts'))
            OR (other.load_id = l.load_id AND other.table_name = 'members')
        )
)
"""


@dataclass(frozen=True)
class Deliveries:
    """What the last loads of the downstream systems brought.

    Attributes:
        cutoffs: for each system that has delivered a load, the cut-off of its last.
        counted_on: for each of them that delivers counts in place of members, the date of the counts.
    """

    cutoffs: Mapping[str, datetime | None]
    counted_on: Mapping[str, date]


@dataclass(frozen=True)
class Comparison:
    """One reconciliation of the source systems with one downstream system on an as-of date.

    Attributes:
        cutoff_at: up to when the downstream system has taken in changes of the sources (UTC); None: unknown.
        counts_only: the downstream system delivers counts in place of members.
    """

    reconciliation: str
    as_of: date
    downstream_system: str
    cutoff_at: datetime | None
    counts_only: bool = False

    @property
    def parameters(self) -> dict[str, object]:
        """What the queries under sql/parity/ bind."""
        return {
            "reconciliation": self.reconciliation,
            "as_of": self.as_of,
            "downstream_system": self.downstream_system,
            "cutoff_at": self.cutoff_at,
        }


def date_compared(mart: Mart, asked: date | None) -> date | None:
    """The as-of date that was asked for, or else the latest of the loads that were applied; None when there is none."""
    return asked or latest_as_of(mart)


def owner_of(reconciliation: Reconciliation, kind: Kind) -> str:
    """Who works a kind of discrepancy off."""
    return reconciliation.owners.get(kind, OWNERS[kind])


def planned_comparisons(mart: Mart, settings: Settings, as_of: date) -> list[Comparison]:
    """Every reconciliation with each of its downstream systems that has delivered a load.

    Counts are compared on their own date only, and where members are counted.
    """
    delivered = read_deliveries(mart)
    return [
        Comparison(name, as_of, system, delivered.cutoffs[system], counts_only=system in delivered.counted_on)
        for name, system in comparable_pairs(settings, delivered)
        if delivered.counted_on.get(system, as_of) == as_of
    ]


def unknown_systems(mart: Mart, settings: Settings) -> list[str]:
    """What is wrong with systems that a reconciliation names and that are neither configured nor have delivered a load.

    A name that is spelt wrong must not end well in a comparison of nothing. But it may also be that of a system whose
    first load was refused, which keeps nobody from comparing the others.
    """
    roles = {
        row["system"]: row["role"] for row in mart.fetch("SELECT DISTINCT l.system, l.role FROM loads AS l").to_pylist()
    }
    roles |= {name: system.role for name, system in settings.systems.items()}
    return [
        f"reconciliations.{name}.{key}: {system} is no {role} system; there are {_listed(roles, role)}"
        for name, block in settings.reconciliations.items()
        for key, role, named in (
            ("sources", "source", block.sources),
            ("downstream_systems", "downstream", block.downstream_systems),
            ("scope.groups", "source", [system for system, _ in block.scope.groups]),
        )
        for system in dict.fromkeys(named)
        if roles.get(system) != role
    ]


def _listed(roles: Mapping[str, Role], role: str) -> str:
    return ", ".join(sorted(system for system, has in roles.items() if has == role)) or "none"


def comparable_pairs(settings: Settings, delivered: Deliveries) -> list[tuple[str, str]]:
    """Each reconciliation with each of its downstream systems that it can be compared with on some date."""
    return [
        (name, system)
        for name, reconciliation in settings.reconciliations.items()
        for system in (reconciliation.downstream_systems or delivered.cutoffs)
        if system in delivered.cutoffs and (system not in delivered.counted_on or reconciliation.counted == "members")
    ]


def read_deliveries(mart: Mart) -> Deliveries:
    """What has been loaded."""
    return Deliveries(
        cutoffs={row["system"]: row["cutoff_at"] for row in mart.fetch(_LAST_CUTOFFS).to_pylist()},
        counted_on={row["system"]: row["as_of"] for row in mart.fetch(_COUNTED_ON).to_pylist()},
    )


def write_configuration(mart: Mart, settings: Settings) -> None:
    """Bring levels, sources, named groups and owners of every reconciliation into the mart."""
    sources = mart.fetch("SELECT DISTINCT l.system FROM loads AS l WHERE l.role = 'source' ORDER BY l.system")
    loaded = sources["system"].to_pylist()
    blocks = settings.reconciliations.items()

    def write() -> None:
        _replace(
            mart,
            "reconciliation_levels",
            ("reconciliation", "level", "by_group", "by_state", "by_plan", "tolerated_members", "tolerated_pct"),
            [(name, *_level(block, level)) for name, block in blocks for level in block.levels],
        )
        _replace(
            mart,
            "reconciliation_sources",
            ("reconciliation", "source_system"),
            [(name, source) for name, block in blocks for source in (block.sources or loaded)],
        )
        _replace(
            mart,
            "reconciliation_groups",
            ("reconciliation", "source_system", "group_id"),
            [(name, *group) for name, block in blocks for group in sorted(set(block.scope.groups))],
        )
        _replace(
            mart,
            "reconciliation_owners",
            ("reconciliation", "kind", "owner"),
            [(name, kind, owner_of(block, kind)) for name, block in blocks for kind in OWNERS],
        )

    mart.whole(write)


def write_scope(mart: Mart, name: str, reconciliation: Reconciliation, as_of: date) -> int:
    """Find the groups that a reconciliation covers on a date. Returns how many."""
    scope = reconciliation.scope
    return mart.store(
        read_query("parity/reconciliation_scope"),
        ReplacePartition(("reconciliation", "as_of")),
        {
            "reconciliation": name,
            "as_of": as_of,
            "flagged": "Y" if scope.flagged else "N",
            "more_than_members": scope.more_than_members,
        },
    )


def _level(reconciliation: Reconciliation, level: Level) -> tuple[object, ...]:
    columns = LEVELS[level]
    tolerance = reconciliation.tolerance.get(level, Tolerance())
    by = ("Y" if column in columns else "N" for column in ("group_id", "state_code", "plan_code"))
    return (level, *by, tolerance.members, tolerance.percent)


def _replace(mart: Mart, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    mart.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of our own schema
    values = list(zip(*rows, strict=True))
    if values:
        mart.append(table, pa.table(dict(zip(columns, map(pa.array, values), strict=True))))
