"""The ledger over random histories, against a plain Python one: late, repeated and revised comparisons included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import holidays
import pyarrow as pa
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.parity.ledger import bring_ledger_up_to
from memsync_assets.parity.reconciliations import write_configuration
from memsync_assets.settings import Reconciliation, Scope, Settings
from tests.parity.worlds import X, write_load

#: Thanksgiving, Christmas and New Year's Day are near.
FIRST = date(2026, 11, 20)
SETTINGS = Settings(reconciliations={"ihm": Reconciliation(scope=Scope(flagged=True), owners={"missing": "desk"})})
HOLIDAYS = holidays.country_holidays("US", years=range(2026, 2029))
GROUPS = ("G1", "G2")
OWNERS = {"missing": "desk", "extra": "downstream", "duplicate": "dba"}

Finding = tuple[str, str]


@dataclass(frozen=True)
class Comparison:
    """What a comparison found: for each member and kind whether it is in flight; and the groups in scope."""

    as_of: date
    found: Mapping[Finding, str]
    scope: frozenset[str]


@dataclass(frozen=True)
class Line:
    opened_on: date
    due_on: date
    owner: str
    last_seen_on: date
    status: str = "open"
    reopened_on: date | None = None
    reopened_count: int = 0
    closed_on: date | None = None
    closed_because: str | None = None


def group_of(finding: Finding) -> str:
    return GROUPS[int(finding[0]) % 2]


def ten_business_days_after(day: date) -> date:
    """Counted on one's fingers; what opens on a free day counts from the next business day."""

    def is_free(one: date) -> bool:
        return one.weekday() > 4 or one in HOLIDAYS

    while is_free(day):
        day += timedelta(days=1)
    for _ in range(10):
        day += timedelta(days=1)
        while is_free(day):
            day += timedelta(days=1)
    return day


def kind_now(step: Comparison, member: str) -> str | None:
    """A member has one kind at most beside duplicate."""
    return next((kind for of, kind in step.found if of == member and kind != "duplicate"), None)


def oracle(history: Sequence[Comparison]) -> dict[Finding, Line]:
    """The rules as README and DESIGN have them."""
    ledger: dict[Finding, Line] = {}
    position = date.min
    for step in history:
        if step.as_of < position:
            continue
        position, fresh = step.as_of, ten_business_days_after(step.as_of)
        followed: dict[str, date] = {}
        for finding, line in list(ledger.items()):
            flying = step.found.get(finding)
            became = None if finding[1] == "duplicate" else kind_now(step, finding[0])
            if line.status == "closed":
                continue
            if flying or (became and step.found[finding[0], became] == "Y"):
                ledger[finding] = replace(line, last_seen_on=step.as_of)
            elif became:
                followed[finding[0]] = line.due_on
                ledger[finding] = replace(
                    line, status="closed", closed_on=step.as_of, closed_because=f"became {became}"
                )
            else:
                why = "agrees" if group_of(finding) in step.scope else "left scope"
                ledger[finding] = replace(line, status="closed", closed_on=step.as_of, closed_because=why)
        for finding, flying in step.found.items():
            line = ledger.get(finding)
            due = fresh if finding[1] == "duplicate" else followed.get(finding[0], fresh)
            if flying == "N" and line is None:
                ledger[finding] = Line(step.as_of, due, OWNERS[finding[1]], step.as_of)
            elif flying == "N" and line and line.status == "closed":
                ledger[finding] = replace(
                    line,
                    status="open",
                    reopened_on=step.as_of,
                    reopened_count=line.reopened_count + 1,
                    due_on=due,
                    last_seen_on=step.as_of,
                    closed_on=None,
                    closed_because=None,
                )
    return ledger


def take(mart: DuckDBMart, step: Comparison) -> None:
    """The tables as the comparison leaves them, and the ledger brought up to them."""
    given = {"as_of": step.as_of}
    for table in ("discrepancies", "reconciliation_scope"):
        mart.execute(f"DELETE FROM {table} WHERE as_of = @as_of", given)
    common = {"reconciliation": "ihm", "as_of": step.as_of, "source_system": "a"}
    scope = [{**common, "group_id": group} for group in sorted(step.scope)]
    found = [
        {**common, "downstream_system": X, "member_id": finding[0], "kind": finding[1], "in_flight": flying}
        | {"source_group_id": group_of(finding), "downstream_group_id": group_of(finding)}
        for finding, flying in step.found.items()
    ]
    for table, rows in (("reconciliation_scope", scope), ("discrepancies", found)):
        if rows:
            mart.append(table, pa.Table.from_pylist(rows))
    bring_ledger_up_to(mart, SETTINGS, step.as_of)


def stored(mart: DuckDBMart) -> dict[Finding, Line]:
    rows = mart.fetch("SELECT * FROM discrepancy_ledger").to_pylist()
    return {
        (row["member_id"], row["kind"]): Line(**{name: row[name] for name in Line.__dataclass_fields__}) for row in rows
    }


def empty(mart: DuckDBMart) -> None:
    for table in ("discrepancies", "reconciliation_scope", "discrepancy_ledger", "ledger_positions", "loads"):
        mart.execute(f"DELETE FROM {table}")
    write_load(mart, "a", "source", FIRST)
    write_load(mart, X, "downstream", FIRST)
    write_configuration(mart, SETTINGS)


comparisons = st.builds(
    lambda days, found, scope: Comparison(
        FIRST + timedelta(days=days), {f: flying for f, flying in found.items() if group_of(f) in scope}, scope
    ),
    st.integers(0, 50),
    st.dictionaries(
        st.sampled_from(["1", "2", "3"]),
        st.sampled_from([("missing",), ("extra",), ("duplicate",), ("extra", "duplicate")]),
    ).flatmap(
        lambda kinds: st.fixed_dictionaries(
            {(member, kind): st.sampled_from("NNY") for member, of in kinds.items() for kind in of}
        )
    ),
    st.sampled_from([frozenset(GROUPS), frozenset({"G1"})]),
)
#: Some come again, and some come late.
histories = st.lists(comparisons, min_size=1, max_size=6).flatmap(
    lambda steps: st.lists(st.sampled_from(steps), min_size=1, max_size=8)
)


@given(histories)
@hypothesis_settings(deadline=None, max_examples=40)
def test_the_ledger_is_as_if_counted_by_hand(mart: DuckDBMart, history: list[Comparison]) -> None:
    empty(mart)
    opened: dict[Finding, date] = {}
    due: dict[tuple[Finding, int], date] = {}
    for number, step in enumerate(history, 1):
        take(mart, step)
        ledger = stored(mart)
        assert ledger == oracle(history[:number])
        assert opened.keys() <= ledger.keys(), "a row is never lost"
        for finding, line in ledger.items():
            assert opened.setdefault(finding, line.opened_on) == line.opened_on
            assert due.setdefault((finding, line.reopened_count), line.due_on) == line.due_on, "due dates are frozen"
            assert (line.status == "closed") == (line.closed_on is not None)
