"""Small random worlds, and writing one into a mart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from datetime import UTC, date, datetime

import pyarrow as pa
from hypothesis import strategies as st

from memsync_assets.mart.engine import Mart
from memsync_assets.settings import Reconciliation, Scope, Settings
from tests.parity.oracle import Row, World

AS_OF = date(2026, 11, 20)
EARLY = date(2025, 1, 1)
CUTOFF = datetime(2026, 11, 19, 22, 0)
X = "claims"
_DATES = st.sampled_from([EARLY, date(2026, 11, 19), AS_OF, date(2026, 11, 21)])
_CHANGES = st.sampled_from([None, datetime(2026, 11, 19, 21, 59), CUTOFF, datetime(2026, 11, 19, 22, 0, 0, 1)])
_GROUPS = [(system, group) for system in ("a", "b") for group in ("G1", "g1", "G2")]


def row(member: str = "1", group: str = "G1", state: str = "CA", plan: str | None = "P", **more: object) -> Row:
    """A row of source system a that is active on every date of the tests."""
    return Row("a", member, group, state, plan, **{"effective_date": EARLY, "termination_date": None, **more})


def rows(changes: st.SearchStrategy[datetime | None]) -> st.SearchStrategy[Row]:
    return st.builds(
        Row,
        source_system=st.sampled_from("ab"),
        member_id=st.sampled_from(["1", "01", "k", "K", "5"]),
        group_id=st.sampled_from(["G1", "g1", "G2"]),
        state_code=st.sampled_from(["CA", "TX"]),
        plan_code=st.sampled_from([None, "P", "p"]),
        effective_date=_DATES,
        termination_date=st.none() | _DATES,
        changed_at=changes,
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Downstream rows are mostly those of the source, some changed, lost, repeated or made up."""
    source = draw(st.lists(rows(_CHANGES), max_size=12, unique_by=lambda row: (row.member, row.effective_date)))
    kept = draw(st.lists(st.sampled_from(source), max_size=12)) if source else []
    made_up = draw(st.lists(rows(st.none()), max_size=4))
    groups = st.frozensets(st.sampled_from(_GROUPS), max_size=4)
    return World(
        source=tuple(source),
        downstream=(*kept, *made_up),
        flagged=draw(groups),
        named=draw(groups),
        more_than=draw(st.sampled_from([None, 0, 1, 2])),
        as_of=AS_OF,
        cutoff_at=draw(st.sampled_from([None, CUTOFF])),
    )


def settings(world: World) -> Settings:
    scope = Scope(flagged=True, more_than_members=world.more_than, groups=tuple(sorted(world.named)))
    return Settings(reconciliations={"ihm": Reconciliation(scope=scope)})


def write(mart: Mart, world: World) -> None:
    """The mart holds this world and nothing else afterwards."""
    for table in ("source_members", "downstream_members", "employer_groups", "loads"):
        mart.execute(f"DELETE FROM {table}")
    _append(mart, "source_members", world.source, {})
    _append(mart, "downstream_members", world.downstream, {"downstream_system": X})
    flagged = sorted(world.flagged)
    if flagged:
        mart.append(
            "employer_groups",
            pa.table(
                {
                    "source_system": [system for system, _ in flagged],
                    "group_id": [group for _, group in flagged],
                    "group_name": [group for _, group in flagged],
                    "ihm_indicator": ["Y" for _ in flagged],
                }
            ),
        )
    for system, role, cutoff in (("a", "source", None), ("b", "source", None), (X, "downstream", world.cutoff_at)):
        write_load(mart, system, role, world.as_of, cutoff)


def write_load(mart: Mart, system: str, role: str, as_of: date, cutoff_at: datetime | None = None) -> None:
    load = {
        "system": [system],
        "load_id": [as_of.isoformat()],
        "role": [role],
        "kind": ["full"],
        "as_of": [as_of],
        "cutoff_at": pa.array([cutoff_at], pa.timestamp("us")),
        "revision": pa.array([1], pa.int32()),
        "content_hash": ["0"],
        "applied_at": [datetime.now(UTC).replace(tzinfo=None)],
    }
    mart.append("loads", pa.table(load))


def _append(mart: Mart, table: str, members: Iterable[Row], more: dict[str, str]) -> None:
    listed = list(members)
    if not listed:
        return
    types = {"effective_date": pa.date32(), "termination_date": pa.date32(), "changed_at": pa.timestamp("us")}
    columns = {
        f.name: pa.array([getattr(row, f.name) for row in listed], types.get(f.name, pa.string())) for f in fields(Row)
    }
    extra = {name: pa.array([value] * len(listed), pa.string()) for name, value in more.items()}
    mart.append(table, pa.table(columns | extra))
