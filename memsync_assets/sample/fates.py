"""What befalls members: the catalogue of the sample's parity cases, and which member has which.

A member has one fate. Most are ordinary. A *trait* is a hard case that source and downstream systems agree on; a
*change* happens in the source on one of the load dates; a *fault* is made by one downstream system on some of the
dates. What a reconciliation has to find follows from the fate alone: this module is the truth of the sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from memsync_assets.sample.draws import Ints, Shuffle
from memsync_assets.sample.employers import Employers, Population, in_scope
from memsync_assets.sample.schedule import DOWNSTREAMS, LOAD_DATES, LoadDate, Slot

#: Share of a population, and what the trait is.
TRAITS = {
    "history": (0.06, "an earlier span at the same group, ended where the present one starts"),
    "former_group": (0.01, "an earlier span at another group"),
    "terminated": (0.04, "ended long ago"),
    "ends_on_2": (0.001, "a termination date that is the second as-of date: no longer active on it"),
    "ends_on_3": (0.001, "a termination date that is the third as-of date"),
    "starts_on_2": (0.001, "an effective date that is the second as-of date: active from it"),
    "starts_on_3": (0.001, "an effective date that is the third as-of date"),
    "future": (0.008, "only a span that starts next year"),
    "renewal": (0.01, "the present span ends with the year, the next one has another plan"),
    "backward": (0.001, "a span that ends before it starts: never active"),
    "empty_span": (0.001, "a span that ends on the day it starts: never active"),
    "two_groups": (0.003, "active at two groups"),
}

#: What the source changes; the finding that a downstream system shows that has not seen it yet, by population.
CHANGES: dict[str, dict[Population, str]] = {
    "hire": {Population.IN_SCOPE: "missing"},
    "leave": {Population.IN_SCOPE: "extra"},
    "end_announced": {Population.IN_SCOPE: "stale_dates"},
    "plan_change": {Population.IN_SCOPE: "wrong_plan"},
    "group_move": {Population.IN_SCOPE: "wrong_group"},
    "scope_move": {Population.IN_SCOPE: "extra", Population.OUTSIDE: "missing"},
    "state_correction": {Population.IN_SCOPE: "wrong_state"},
    "touched": {},
}
_CHANGE_SHARES = {Slot.DAY: 0.0008, Slot.EVENING: 0.00008, Slot.NIGHT: 0.00008}

#: What a downstream system does wrong, and the finding that follows, by population.
FAULTS: dict[str, dict[Population, str]] = {
    "missing": {Population.IN_SCOPE: "missing"},
    "never_ended": {Population.IN_SCOPE: "extra"},
    "unknown_to_source": {Population.IN_SCOPE: "extra"},
    "twice": {Population.IN_SCOPE: "duplicate"},
    "other_group": {Population.IN_SCOPE: "wrong_group"},
    "second_group_missing": {Population.IN_SCOPE: "wrong_group"},
    "group_across_scope": {Population.IN_SCOPE: "missing", Population.OUTSIDE: "extra"},
    "other_state": {Population.IN_SCOPE: "wrong_state"},
    "other_plan": {Population.IN_SCOPE: "wrong_plan"},
    "other_start": {Population.IN_SCOPE: "stale_dates"},
    "other_end": {Population.IN_SCOPE: "stale_dates"},
    "inactive_differs": {},
}
#: On which dates a fault is there, and the share of a kind's faults that live so. The third closes and reopens.
LIVES: dict[tuple[int, ...], float] = {
    (1, 2, 3): 0.4, (1,): 0.15, (1, 3): 0.1, (1, 2): 0.1, (2, 3): 0.15, (3,): 0.1,
}  # fmt: skip
#: Of a population's members, those that one downstream system has wrong on some date.
_FAULT_SHARE = 0.003

#: The members of one group all move to another plan; this downstream system does not hear of it.
MOVED_WHOLE_DATE, DEAF = 2, 0


@dataclass(frozen=True)
class Fate:
    """What befalls a member.

    Attributes:
        what: a key of TRAITS, CHANGES or FAULTS; `plain`; or `moved_whole`.
        number, slot: of a change, when it happens.
        downstream, dates: of a fault, who makes it and on which dates.
    """

    what: str
    number: int = 0
    slot: Slot = Slot.DAY
    downstream: int = -1
    dates: tuple[int, ...] = ()

    @property
    def changes_over_time(self) -> bool:
        """Whether some system's rows of the member change from one date to the next."""
        return self.what in CHANGES or self.what in FAULTS or self.what == "moved_whole"

    def has_happened(self, date: LoadDate, downstream: int | None) -> bool:
        """Whether the change is in the load of this date: of the source (None) or of a downstream system."""
        if downstream is None or self.number != date.number:
            return self.number <= date.number
        return DOWNSTREAMS[downstream].sees(self.slot)

    def is_wrong(self, date: LoadDate, downstream: int | None) -> bool:
        """Whether the fault is in the load of this date of this system."""
        return downstream is not None and downstream == self.downstream and date.number in self.dates

    def finding(self, population: Population, date: LoadDate, downstream: int) -> tuple[str, bool] | None:
        """The kind of finding that is due on this date, and whether it is in flight."""
        if self.what in FAULTS and self.is_wrong(date, downstream):
            kind = FAULTS[self.what].get(_as_flagged(population, date))
            return (kind, False) if kind else None
        if self.what in CHANGES and date.number >= self.number and not self.has_happened(date, downstream):
            kind = CHANGES[self.what].get(population)
            return (kind, True) if kind else None
        if self.what == "moved_whole" and downstream == DEAF and date.number >= MOVED_WHOLE_DATE:
            return "wrong_plan", False
        return None


def _as_flagged(population: Population, date: LoadDate) -> Population:
    return Population.IN_SCOPE if in_scope(population, date) else Population.OUTSIDE


PLAIN = Fate("plain")


@cache
def catalogue(population: Population) -> tuple[tuple[Fate, float], ...]:
    """The fates in a population, each with its share."""
    if population is Population.MOVED_WHOLE:
        return ((Fate("moved_whole", number=MOVED_WHOLE_DATE, downstream=DEAF), 1.0),)
    if population in (Population.ENTERS_SCOPE, Population.LEAVES_SCOPE):
        # No faults that involve a second group, so that the flag alone decides.
        return tuple(
            (Fate(what, downstream=d, dates=(1, 2, 3)), 0.01)
            for d in range(len(DOWNSTREAMS))
            for what in ("missing", "other_plan")
        )
    return (*_traits(), *_changes(), *_faults())


def _traits() -> Iterator[tuple[Fate, float]]:
    for what, (share, _) in TRAITS.items():
        yield Fate(what), share


def _changes() -> Iterator[tuple[Fate, float]]:
    for what in CHANGES:
        for date in LOAD_DATES:
            for slot, share in _CHANGE_SHARES.items():
                yield Fate(what, number=date.number, slot=slot), share


def _faults() -> Iterator[tuple[Fate, float]]:
    for what in FAULTS:
        for downstream in range(len(DOWNSTREAMS)):
            for dates, share in LIVES.items():
                yield Fate(what, downstream=downstream, dates=dates), share * _FAULT_SHARE / len(FAULTS)


class Fates:
    """Which member has which fate: exact numbers of each, spread evenly over the groups of a population.

    Attributes:
        catalogue: every fate that occurs; a member's fate is a place in it, 0 is plain.
    """

    def __init__(self, employers: Employers, seed: int) -> None:
        self.catalogue: list[Fate] = [PLAIN]
        self._employers = employers
        self._members: dict[Population, _Deal] = {}
        for population in Population:
            groups = np.array([g.number for g in employers.groups if g.population is population], dtype=np.int64)
            sizes = employers.starts[groups + 1] - employers.starts[groups]
            fates = catalogue(population)
            self._members[population] = _Deal(groups, sizes, fates, len(self.catalogue), seed)
            self.catalogue += [fate for fate, _ in fates]
        self._population = np.array([g.population for g in employers.groups], dtype=np.int64)

    def of(self, members: Ints, groups: Ints) -> Ints:
        """The fate of each member; groups are theirs."""
        fates = np.zeros(len(members), dtype=np.int64)
        for population, deal in self._members.items():
            inside = np.flatnonzero(self._population[groups] == population)
            offsets = members[inside] - self._employers.starts[groups[inside]]
            fates[inside] = deal.fates(groups[inside], offsets)
        return fates

    def with_fate(self) -> Iterator[tuple[Population, Fate, Ints]]:
        """Every fate but plain, with the numbers of its members."""
        for population, deal in self._members.items():
            for fate, groups, offsets in deal.members():
                yield population, fate, self._employers.starts[groups] + offsets


class _Deal:
    """Deals fates out to the members of one population: at least one member for each fate."""

    def __init__(self, groups: Ints, sizes: Ints, fates: tuple[tuple[Fate, float], ...], first: int, seed: int) -> None:
        size = int(sizes.sum())
        self._groups = groups
        self._starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self._fates = tuple(fate for fate, _ in fates)
        counts = [max(1, round(share * size)) for _, share in fates]
        self._bounds = np.minimum(np.cumsum(counts), size)
        self._first = first
        self._shuffle = Shuffle(size, seed)

    def fates(self, groups: Ints, offsets: Ints) -> Ints:
        position = np.searchsorted(self._groups, groups)
        places = self._shuffle.place(self._starts[position] + offsets)
        dealt = np.searchsorted(self._bounds, places, side="right")
        return np.where(dealt < len(self._fates), dealt + self._first, 0)

    def members(self) -> Iterator[tuple[Fate, Ints, Ints]]:
        """Each fate with its members' groups and their offsets in them."""
        start = 0
        for fate, end in zip(self._fates, self._bounds.tolist(), strict=True):
            ordinals = np.sort(self._shuffle.origin(np.arange(start, end, dtype=np.int64)))
            position = np.searchsorted(self._starts, ordinals, side="right") - 1
            yield fate, self._groups[position], ordinals - self._starts[position]
            start = end
