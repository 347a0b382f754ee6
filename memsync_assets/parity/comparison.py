"""The comparison: scope, findings and counts of every reconciliation with every downstream system.

The rules are SQL under sql/parity/; here they are run in their order. LANDING's semantics of parity hold to the letter:
only active rows of groups in scope count, on either side.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.engine import Mart, Replace, ReplacePartition
from memsync_assets.mart.queries import read_query
from memsync_assets.parity.counted import leave_plans_out, leave_unexplained, take_counts
from memsync_assets.parity.narrowing import Narrowing
from memsync_assets.parity.reconciliations import (
    Comparison,
    comparable_pairs,
    date_compared,
    planned_comparisons,
    read_deliveries,
    write_configuration,
    write_scope,
)
from memsync_assets.parity.subscribers import judge_subscribers, take_subscribers
from memsync_assets.settings import Settings

#: Filled by a comparison for itself, and of no use after it.
_WORKING = ("compared_rows", "compared_subscribers", "counted_segments", "segments", "cell_counts", "member_findings")
#: Downstream systems; one keeps little more than one core busy.
_AT_A_TIME = 4
#: What comparisons leave behind, each by its downstream system.
_COMPARED = ("membership_counts", "discrepancies", "discrepancy_cells")
_PARTITION = ReplacePartition(("reconciliation", "as_of", "downstream_system"))


@dataclass(frozen=True)
class ComparisonCounts:
    """What one comparison found; counts of members and of cells.

    Attributes:
        compared_rows: rows of both sides that were compared one by one.
    """

    reconciliation: str
    downstream_system: str
    groups_in_scope: int
    compared_rows: int
    findings: int
    cells: int


def compare_membership(
    mart: Mart, settings: Settings, as_of: date | None, *, exact: bool = False
) -> list[ComparisonCounts]:
    """Compare all that has been loaded, on an as-of date; None: the latest of the loads.

    Run again, it finds the same: the tables' partitions of the date are replaced, each comparison in a transaction.

    Args:
        mart: the embedded mart looks only where sums of hashes differ (see `narrowing`); a server compares every row.
        settings: the reconciliations.
        as_of: the date.
        exact: compare every row in the embedded mart, too.
    """
    compared = date_compared(mart, as_of)
    if compared is None:
        return []
    write_configuration(mart, settings)
    mart.whole(lambda: _forget_others(mart, settings, compared))
    planned = planned_comparisons(mart, settings, compared)
    done: list[ComparisonCounts] = []
    for name, reconciliation in settings.reconciliations.items():
        groups = write_scope(mart, name, reconciliation, compared)
        subscribers = reconciliation.counted == "subscribers"
        compared_here = [one for one in planned if one.reconciliation == name]
        by_member = [one.downstream_system for one in compared_here if not one.counts_only]
        if isinstance(mart, DuckDBMart) and by_member and not (exact or subscribers):
            with closing(Narrowing(mart, name, compared, by_member)) as narrowing:
                done += _compare_side_by_side(mart, compared_here, groups, narrowing)
        else:
            done += [_compare(mart, one, groups, None, subscribers) for one in compared_here]
    return done


def _forget_others(mart: Mart, settings: Settings, as_of: date) -> None:
    """Delete what was compared on the date and is no longer configured: checks and exit codes read the whole date.

    The ledger keeps its history.
    """
    on_date: dict[str, object] = {"as_of": as_of}
    configured = set(comparable_pairs(settings, read_deliveries(mart)))
    for table in _COMPARED:
        stored = mart.fetch(
            f"SELECT DISTINCT reconciliation, downstream_system FROM {table} WHERE as_of = @as_of",  # noqa: S608
            on_date,
        )
        for pair in stored.to_pylist():
            if (pair["reconciliation"], pair["downstream_system"]) not in configured:
                mart.execute(
                    f"DELETE FROM {table} WHERE as_of = @as_of"  # noqa: S608 - a name of our own schema
                    " AND reconciliation = @reconciliation AND downstream_system = @downstream_system",
                    on_date | pair,
                )
    scopes = mart.fetch("SELECT DISTINCT reconciliation FROM reconciliation_scope WHERE as_of = @as_of", on_date)
    for scope in scopes.to_pylist():
        if scope["reconciliation"] not in settings.reconciliations:
            mart.execute(
                "DELETE FROM reconciliation_scope WHERE as_of = @as_of AND reconciliation = @reconciliation",
                on_date | scope,
            )


def _compare_side_by_side(
    mart: DuckDBMart, planned: list[Comparison], groups_in_scope: int, narrowing: Narrowing
) -> list[ComparisonCounts]:
    """Compare with several downstream systems at a time, each by a connection of its own."""

    def compare(comparison: Comparison) -> ComparisonCounts:
        with closing(mart.beside()) as own:
            return _compare(own, comparison, groups_in_scope, narrowing, subscribers=False)

    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        return list(threads.map(compare, planned))


def _compare(
    mart: Mart, comparison: Comparison, groups_in_scope: int, narrowing: Narrowing | None, subscribers: bool
) -> ComparisonCounts:
    parameters = comparison.parameters
    if isinstance(mart, DuckDBMart):
        mart.work_in_memory(_WORKING)

    def compare() -> tuple[int, int, int]:
        _empty_working_tables(mart)
        if comparison.counts_only:
            take_counts(mart, comparison)
        elif subscribers:
            take_subscribers(mart, comparison)
        elif narrowing and isinstance(mart, DuckDBMart):
            narrowing.look(mart, comparison)
        else:
            mart.store(read_query("parity/compared_rows"), Replace(), parameters)
            mart.store(read_query("parity/segments"), Replace(), parameters)
        compared = mart.fetch("SELECT COUNT(*) AS row_count FROM compared_rows")["row_count"][0].as_py()
        mart.store(read_query("parity/member_findings"), Replace(), parameters)
        if subscribers:
            judge_subscribers(mart, comparison)
        mart.store(read_query("parity/cell_counts"), Replace(), parameters)
        if comparison.counts_only:
            leave_plans_out(mart, comparison)
        mart.store(read_query("parity/discrepancy_cells"), _PARTITION, parameters)
        findings = mart.store(read_query("parity/discrepancies"), _PARTITION, parameters)
        cells = mart.store(read_query("parity/membership_counts"), _PARTITION, parameters)
        if comparison.counts_only:
            leave_unexplained(mart, comparison)
        _empty_working_tables(mart)
        return compared, findings, cells

    return ComparisonCounts(
        comparison.reconciliation, comparison.downstream_system, groups_in_scope, *mart.whole(compare)
    )


def _empty_working_tables(mart: Mart) -> None:
    for table in _WORKING:
        mart.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of our own schema
