"""The rows of members: what a source system holds on a load date, and what a downstream system makes of it.

Vectorised: a chunk of members at a time, each row a function of the member's number, its fate and the date.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from memsync_assets.sample.draws import Bools, Ints, draw
from memsync_assets.sample.employers import Employers
from memsync_assets.sample.fates import Fate, Fates
from memsync_assets.sample.places import STATES
from memsync_assets.sample.schedule import LOAD_DATES, SOURCES, LoadDate

#: A termination date that is not there.
OPEN = 2**31 - 1
PLANS = ("HMO-20", "HMO-40", "PPO-500", "PPO-1000", "PPO-2500", "EPO-750", "HDHP-1600", "POS-30", "HDHP-3200")
#: The plan that the group that is moved as a whole gets; nobody has it before.
_NEW_PLAN = len(PLANS) - 1
_HISTORY_DAYS = 365


def _day(of: date) -> int:
    return of.toordinal() - date(1970, 1, 1).toordinal()


def _microsecond(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp()) * 1_000_000


_MONTHS = np.array([_day(date(2023 + m // 12, m % 12 + 1, 1)) for m in range(46)], dtype=np.int64)
_LAST_MONTH = _day(date(2026, 10, 1))
_LATEST_OLD_CHANGE = _day(date(2026, 11, 2))
_NEXT_YEAR = _day(date(2027, 1, 1))
_LONG_AGO = _day(date(2026, 9, 15))


@dataclass(frozen=True)
class Spans:
    """Eligibility spans as columns: numbers of members, groups, states and plans; days; microseconds (UTC)."""

    member: Ints
    group: Ints
    state: Ints
    plan: Ints
    effective: Ints
    termination: Ints
    changed: Ints

    def take(self, rows: Ints) -> Spans:
        """These rows."""
        return Spans(*(getattr(self, f.name)[rows] for f in fields(self)))

    @staticmethod
    def concat(parts: list[Spans]) -> Spans:
        """All rows, in order."""
        return Spans(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Spans)))

    def active(self, on: date) -> Bools:
        """Which rows are active on a day."""
        return (self.effective <= _day(on)) & (self.termination > _day(on))


class Membership:
    """Every member's spans, in any system on any date."""

    def __init__(self, employers: Employers, fates: Fates, seed: int) -> None:
        self._employers, self._fates, self._seed = employers, fates, seed
        # A member lives in a group's first state mostly: ten draws, of which one or two go to each other state.
        draws = [[g.states[place] if place < len(g.states) else g.states[0] for place in (0, 0, 0, 0, 0, 0, 0, 1, 2, 3)]
                 for g in employers.groups]  # fmt: skip
        self._states = np.array(draws, dtype=np.int64)

    def spans(self, members: Ints, date: LoadDate, downstream: int | None = None) -> Spans:
        """The rows of these members on a date, in their source system or in a downstream system."""
        groups = np.searchsorted(self._employers.starts, members, side="right") - 1
        fates = self._fates.of(members, groups)
        first = self._ordinary(members, groups)
        keep = np.ones(len(members), dtype=bool)
        more: list[Spans] = []
        fated = np.flatnonzero(fates)
        order = fated[np.argsort(fates[fated], kind="stable")]
        for rows in np.split(order, np.flatnonzero(np.diff(fates[order])) + 1):
            if len(rows):
                fate = self._fates.catalogue[fates[rows[0]]]
                self._befall(_Rows(first, rows, keep, more), fate, date, downstream)
        return Spans.concat([first.take(np.flatnonzero(keep)), *more])

    def _ordinary(self, members: Ints, groups: Ints) -> Spans:
        seed = self._seed
        effective = _MONTHS[draw(members, "effective", seed, len(_MONTHS))]
        seconds = draw(members, "changed", seed, 20 * 86_400)
        day = np.minimum(effective + seconds // 86_400, _LATEST_OLD_CHANGE)
        return Spans(
            members,
            groups,
            self._states[groups, draw(members, "state", seed, 10)],
            (groups * 5 + draw(members, "plan", seed, 3)) % _NEW_PLAN,
            effective,
            np.full(len(members), OPEN, dtype=np.int64),
            (day * 86_400 + seconds % 86_400) * 1_000_000,
        )

    def _befall(self, rows: _Rows, fate: Fate, date: LoadDate, downstream: int | None) -> None:
        """Change the rows of the members with this fate."""
        happened = fate.has_happened(date, downstream)
        wrong = fate.is_wrong(date, downstream)
        moment = _microsecond(LOAD_DATES[max(fate.number, 1) - 1].moment(fate.slot)) - 60_000_000
        event = _day(LOAD_DATES[max(fate.number, 1) - 1].event_date)
        peer, opposite = self._employers.peer[rows.group], self._employers.opposite[rows.group]
        match fate.what:
            case "history":
                rows.before()
            case "former_group":
                rows.before(group=peer)
            case "terminated":
                rows.set(termination=_LONG_AGO - rows.member % 30 * 7, effective=_MONTHS[rows.member % 12])
            case "ends_on_2" | "ends_on_3":
                rows.set(termination=_day(LOAD_DATES[int(fate.what[-1]) - 1].as_of))
            case "starts_on_2" | "starts_on_3":
                rows.set(effective=_day(LOAD_DATES[int(fate.what[-1]) - 1].as_of))
            case "future":
                rows.set(effective=_NEXT_YEAR)
            case "renewal":
                rows.after(_NEXT_YEAR, plan=rows.other_plan)
            case "backward":
                rows.set(termination=rows.effective - 31)
            case "empty_span":
                rows.set(termination=rows.effective)
            case "two_groups":
                rows.beside(group=peer)
            case "hire" if not happened:
                rows.drop()
            case "hire":
                rows.set(effective=event, changed=moment)
            case "leave" if happened:
                rows.set(termination=event, changed=moment)
            case "end_announced" if happened:
                rows.set(termination=_NEXT_YEAR, changed=moment)
            case "plan_change" if happened:
                rows.set(changed=moment)
                rows.after(event, plan=rows.other_plan)
            case "group_move" if happened:
                rows.set(changed=moment)
                rows.after(event, group=peer)
            case "scope_move" if happened:
                rows.set(changed=moment)
                rows.after(event, group=opposite)
            case "state_correction" if happened:
                rows.set(state=rows.other_state, changed=moment)
            case "touched" if happened:
                rows.set(changed=moment)
            case "moved_whole" if happened and downstream != fate.downstream:
                rows.set(changed=moment)
                rows.after(event, plan=np.full(len(rows.member), _NEW_PLAN))
            case "missing" if wrong:
                rows.drop()
            case "never_ended" if not wrong:
                rows.set(termination=np.maximum(rows.effective + 1, _LONG_AGO))
            case "unknown_to_source" if not wrong:
                rows.drop()
            case "twice" if wrong:
                rows.again()
            case "other_group" if wrong:
                rows.set(group=peer)
            case "second_group_missing" if not wrong:
                rows.beside(group=peer)
            case "group_across_scope" if wrong:
                rows.set(group=opposite)
            case "other_state" if wrong:
                rows.set(state=rows.other_state)
            case "other_plan" if wrong:
                rows.set(plan=rows.other_plan)
            case "other_start" if wrong:
                rows.set(effective=rows.effective - 31)
            case "other_end" if wrong:
                rows.set(termination=_NEXT_YEAR)
            case "inactive_differs":
                rows.set(termination=np.maximum(rows.effective + 1, _LONG_AGO + (7 if wrong else 0)))
            case _:
                pass


class _Rows:
    """The rows of some members of a chunk, to be changed in place."""

    def __init__(self, first: Spans, rows: Ints, keep: Bools, more: list[Spans]) -> None:
        self._first, self._rows, self._keep, self._more = first, rows, keep, more
        self.member, self.group = first.member[rows], first.group[rows]
        self.effective = first.effective[rows]
        self.other_plan = (first.plan[rows] + 1) % _NEW_PLAN
        self.other_state = (first.state[rows] + 1) % len(STATES)

    def set(self, **columns: Ints | int) -> None:
        """Other values in the first row."""
        for name, values in columns.items():
            getattr(self._first, name)[self._rows] = values

    def drop(self) -> None:
        """No row at all."""
        self._keep[self._rows] = False

    def before(self, **columns: Ints) -> None:
        """A span of a year that ends where the first row starts."""
        earlier = self.effective - _HISTORY_DAYS
        self._append(effective=earlier, termination=self.effective, **columns)

    def after(self, start: int, **columns: Ints) -> None:
        """End the first row, and go on with another span."""
        self._append(effective=np.full(len(self._rows), start), **columns)
        self.set(termination=start)

    def beside(self, **columns: Ints) -> None:
        """A second span at the same time; it started a day later, for the key's sake."""
        self._append(effective=self.effective + 1, **columns)

    def again(self) -> None:
        """The same row once more."""
        self._append()

    def _append(self, **columns: Ints) -> None:
        self._more.append(replace(self._first.take(self._rows), **columns))


class MemberIds:
    """The ids of members, as their source systems write them."""

    def __init__(self, employers: Employers) -> None:
        self._ranges = [employers.system_range(system) for system in range(len(SOURCES))]

    def of(self, members: Ints) -> pa.Array:
        """The id of each member. In legacy_il a few differ from a neighbour's in case only."""
        system = np.searchsorted([first for first, _ in self._ranges], members, side="right") - 1
        local = members - np.array([first for first, _ in self._ranges])[system]
        cased = (system == 2) & (local % 1000 < 2)
        number = (np.where(cased, local - local % 2, local) * 387_420_489 + 271_828_183) % 10**9
        digits = pc.utf8_lpad(pc.cast(pa.array(number), pa.string()), 9, "0")
        prefix = np.where(cased, np.where(local % 2 == 0, 3, 4), np.where(system == 1, 1, 0))
        prefixes = pa.array(["", SOURCES[1].member_prefix, "", "L", "l"]).take(pa.array(prefix))
        return pc.binary_join_element_wise(prefixes, digits, "")


class MemberRows:
    """Spans as rows of the landing contract."""

    def __init__(self, employers: Employers) -> None:
        self._ids = MemberIds(employers)
        self._starts = employers.starts
        groups = employers.groups
        self._groups = pa.array([g.group_id for g in groups])
        # Ids are to be trimmed: some rows of the CSV systems carry a blank behind the group's.
        self._padded = pa.array([f"{g.group_id} " for g in groups])
        self._units = pa.array([g.org_unit_id for g in groups], pa.string())
        self._systems = pa.array([SOURCES[g.system].name for g in groups])
        self._is_csv = np.array([SOURCES[g.system].ending != "parquet" for g in groups])

    def table(self, spans: Spans, *, downstream: bool) -> pa.Table:
        """The members' table of a load."""
        group = pa.array(spans.group)
        owner = np.searchsorted(self._starts, spans.member, side="right") - 1
        columns = {
            "member_id": self._ids.of(spans.member),
            "subscriber_id": self._ids.of(np.maximum(spans.member - spans.member % 3, self._starts[owner])),
            "group_id": self._groups.take(group),
            "org_unit_id": self._units.take(group),
            "state_code": pa.array(STATES).take(pa.array(spans.state)),
            "plan_code": pa.array(PLANS).take(pa.array(spans.plan)),
            "effective_date": _dates(spans.effective),
            "termination_date": _dates(spans.termination, spans.termination == OPEN),
            "changed_at": pa.array(spans.changed).cast(pa.timestamp("us", tz="UTC")),
        }
        if downstream:
            return pa.table({"source_system": self._systems.take(pa.array(owner)), **columns})
        padded = self._is_csv[spans.group] & (spans.member % 997 == 0)
        columns["group_id"] = pc.if_else(pa.array(padded), self._padded.take(group), columns["group_id"])
        return pa.table(columns)

    def member_ids(self, members: Ints) -> pa.Array:
        """The ids of members."""
        return self._ids.of(members)


def _dates(days: Ints, is_null: Bools | None = None) -> pa.Array:
    return pa.array(days.astype(np.int32), pa.int32(), mask=is_null).cast(pa.date32())
