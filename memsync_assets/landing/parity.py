"""Whether what landed is what the mart holds: the count parity of the loads themselves."""

from __future__ import annotations

from dataclasses import dataclass

from memsync_assets.landing.application import count_rows
from memsync_assets.landing.contract import contracts
from memsync_assets.mart.engine import Mart
from memsync_assets.settings import Role

_LAST = """
SELECT l.system, l.role, t.table_name, t.expected_rows
FROM loads AS l
INNER JOIN load_tables AS t ON l.system = t.system AND l.load_id = t.load_id
WHERE NOT EXISTS (
    SELECT 1
    FROM load_tables AS later
    WHERE later.system = l.system AND later.table_name = t.table_name AND later.load_id > t.load_id
)
ORDER BY l.system, t.table_name
"""


@dataclass(frozen=True)
class LandedTable:
    """A table of a system: the rows that its loads leave, and the rows that the mart holds."""

    system: str
    role: Role
    table: str
    expected: int
    mart: int


def landed_tables(mart: Mart) -> list[LandedTable]:
    """Every table that a load has brought, by system."""
    return [
        LandedTable(
            system=row["system"],
            role=row["role"],
            table=row["table_name"],
            expected=row["expected_rows"],
            mart=count_rows(mart, row["system"], contracts(row["role"])[row["table_name"]]),
        )
        for row in mart.fetch(_LAST).to_pylist()
    ]
