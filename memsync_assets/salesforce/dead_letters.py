"""What failed for good is not sent again and again: it waits until its value is another one, or a person says so."""

from __future__ import annotations

import pyarrow as pa

from memsync_assets.mart.engine import Mart, Upsert
from memsync_assets.mart.queries import read_query
from memsync_assets.salesforce import diff
from memsync_assets.salesforce.errors import OF_ONE_VALUE, PASSING
from memsync_assets.salesforce.specifications import Specifications

_SAME = (
    "d.object_name = p.object_name AND d.external_id = p.external_id AND d.field_name = p.field_name"
    " AND COALESCE(d.after_value, '') = COALESCE(p.after_value, '')"
)
# A record of which everything that is planned has failed before, just so.
_HELD = f"""
    SELECT p.object_name, p.external_id
    FROM planned_changes AS p
    LEFT OUTER JOIN dead_letters AS d ON {_SAME}
    GROUP BY p.object_name, p.external_id
    HAVING COUNT(*) = COUNT(d.external_id)
"""  # noqa: S608
_CODES = ", ".join(f"'{code}'" for code in sorted(OF_ONE_VALUE))
# A value of a live record that was refused by itself: what else changes of the record is sent without it.
_REFUSED = f"""
    DELETE FROM planned_changes WHERE operation = 'update' AND EXISTS (SELECT 1 FROM dead_letters AS d
    WHERE d.error_code IN ({_CODES}) AND {_SAME.replace("p.", "planned_changes.")})
"""  # noqa: S608


def hold_back(mart: Mart, specifications: Specifications) -> int:
    """Take dead letters out of planned_changes, and what hangs on a record that is held back. Returns how many rows.

    The dead letters of changes that are not wanted any more are forgotten.
    """
    mart.execute(
        "DELETE FROM dead_letters WHERE NOT EXISTS (SELECT 1 FROM planned_changes AS p"  # noqa: S608
        f" WHERE {_SAME.replace('d.', 'dead_letters.')})"
    )
    if not _count(mart, "dead_letters"):
        return 0
    before = _count(mart, "planned_changes")
    mart.execute(_REFUSED)
    _take_out(mart, _HELD)
    for one in specifications:
        if not one.references:
            continue
        known = -1
        while known != (known := _count(mart, "planned_changes")):
            _take_out(mart, diff.orphans(one))
    return before - _count(mart, "planned_changes")


def keep(mart: Mart, plan_hash: str) -> int:
    """Store the dead letters of a plan that was carried out; forget those that succeeded. Returns how many rows."""
    given = {"plan_hash": plan_hash}
    mart.execute("DELETE FROM passing_codes")
    mart.append("passing_codes", pa.table({"error_code": sorted(PASSING)}))
    query = read_query("salesforce/dead_letters")
    kept = mart.store(query, Upsert(query.key), given)
    mart.execute(
        "DELETE FROM dead_letters WHERE EXISTS (SELECT 1 FROM salesforce_sync_results AS r"
        " WHERE r.plan_hash = @plan_hash AND r.status = 'succeeded' AND r.object_name = dead_letters.object_name"
        " AND r.external_id = dead_letters.external_id AND r.field_name = dead_letters.field_name)",
        given,
    )
    return kept


def count_held(mart: Mart) -> int:
    """Records that are held back, or of which a value is."""
    return _count(mart, "(SELECT DISTINCT d.object_name, d.external_id FROM dead_letters AS d) AS h")


def _take_out(mart: Mart, records: str) -> None:
    mart.execute(
        f"DELETE FROM planned_changes WHERE EXISTS (SELECT 1 FROM ({records}) AS h"  # noqa: S608
        " WHERE h.object_name = planned_changes.object_name AND h.external_id = planned_changes.external_id)"
    )
    mart.execute(
        "DELETE FROM changed_records WHERE NOT EXISTS (SELECT 1 FROM planned_changes AS p"
        " WHERE p.object_name = changed_records.object_name AND p.external_id = changed_records.external_id)"
    )


def _count(mart: Mart, table: str) -> int:
    return int(mart.fetch(f"SELECT COUNT(*) AS n FROM {table}")["n"][0].as_py())  # noqa: S608
