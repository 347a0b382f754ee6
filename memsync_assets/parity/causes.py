"""Likely causes: what many findings have in common, so that ten causes are worked off and not ten thousand rows.

The findings of one kind at one downstream system are searched for what they share: group, state, plan, the day on
which the source changed, the load they came with. A pattern is a likely cause when clearly more findings have it than
its share of the members would bring by chance. The strongest is taken, its findings are set aside, and the search goes
on. What is left has no common cause. No pattern names a member or stands for fewer than `_LEAST_EXCESS` findings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from math import prod, sqrt

from memsync_assets.mart.engine import Mart
from memsync_assets.parity.reconciliations import owner_of
from memsync_assets.parity.traits import CHANGE, Segment, TraitReader, Traits
from memsync_assets.settings import Kind, Settings

_LEAST_EXCESS = 5
_LEAST_LIFT = 2.0
#: A trait that a larger share of the members has says nothing and is not named, not even beside others.
_MOST_COMMON = 0.5
#: Standard deviations of a count by chance (Poisson): many patterns are tried, so few would be too few.
_LEAST_DEVIATIONS = 4.0
#: A further trait is worth a tenth: it is named when it holds for nearly all of the findings. The load takes a tenth
#: away: when most findings were first seen is told of every cause.
_WORTH_OF_TRAIT = 0.1
_CAUSES_OF_KIND = 5

#: What is searched for, as traits that go together.
_PATTERNS = (
    ("source_system",),
    ("group",),
    ("state",),
    ("plan",),
    ("changed_on",),
    ("first_seen",),
    ("group", "plan"),
    ("group", "state"),
    ("group", "changed_on"),
    ("plan", "changed_on"),
    ("source_system", "changed_on"),
    ("source_system", "first_seen"),
    ("group", "plan", "changed_on"),
)
Pattern = tuple[tuple[str, str], ...]
#: Traits of a member at one time: how often they go together is counted, not guessed.
_STANDING = ("source_system", "group", "state", "plan")

_TRAIT_WORDS = {
    "source_system": "source",
    "changed_on": "changed on",
    "first_seen": "first seen with the load of",
}
_KIND_WORDS = {
    "missing": "are missing in {system}",
    "extra": "are in {system} and not in the source",
    "duplicate": "are in {system} more than once",
    "wrong_group": "are in another group in {system}",
    "wrong_state": "are in another state in {system}",
    "wrong_plan": "have another plan in {system}",
    "stale_dates": "have other dates in {system}",
}
#: What a finding of a kind adds to downstream less source.
_VARIANCE = {"missing": -1, "extra": 1}


@dataclass(frozen=True)
class Cause:
    """What findings of a kind have in common. An empty pattern: nothing that stands out.

    Attributes:
        share: of all findings of the reconciliation that are not in flight.
        owner: who works the kind off.
        counted: members or subscribers.
        population: members in the source that have the pattern, wrong or not; None: none can be told.
        since: the as-of date of the load that most of the findings were first seen with; None: not followed yet, or no
            pattern.
    """

    downstream_system: str
    kind: Kind
    pattern: Pattern
    findings: int
    share: float
    owner: str = ""
    counted: str = "members"
    population: int | None = None
    since: date | None = None

    @property
    def variance(self) -> int:
        """What the findings add to downstream less source, over all cells: the net part."""
        return _VARIANCE.get(self.kind, 0) * self.findings

    @property
    def text(self) -> str:
        """A sentence, e.g. `group heritage_tx HT-0088, plan HMO, changed on 2026-11-15: all 212 members have another
        plan in claims: plan PPO`."""
        if not self.pattern:
            return "no common cause"
        what = f"{self._how_many} {_KIND_WORDS[self.kind].format(system=self.downstream_system)}"
        parts = [(name, *value.partition(CHANGE)) for name, value in self.pattern]
        lead = ", ".join(f"{_TRAIT_WORDS.get(name, name)} {before}" for name, before, _, _ in parts)
        instead = ", ".join(f"{_TRAIT_WORDS.get(name, name)} {after}" for name, _, _, after in parts if after)
        return f"{lead}: {what}" + (f": {instead}" if instead else "")

    @property
    def _how_many(self) -> str:
        if not self.population:
            return f"{self.findings:,} {self.counted}"
        if self.findings >= self.population:
            return f"all {self.findings:,} {self.counted}"
        return f"{self.findings:,} of {self.population:,} {self.counted}"


class Commonness:
    """How many findings chance would give a pattern.

    Args:
        segments: the members in scope.
        changes: their rows by the day on which the source changed them.
    """

    def __init__(self, segments: Iterable[Segment], changes: Mapping[str, int]) -> None:
        self._together: Counter[tuple[tuple[str, str], ...]] = Counter()
        standing = [names for names in _PATTERNS if set(names) <= set(_STANDING)]
        self._members = 0
        for segment in segments:
            self._members += segment.members
            for names in standing:
                self._together[tuple((name, getattr(segment, name)) for name in names)] += segment.members
        rows = sum(changes.values())
        self._changed = {day: count / rows for day, count in changes.items()}

    def chance(self, pattern: Pattern, usual: Mapping[str, float]) -> float:
        """The share of findings that would have a pattern if values fell by chance.

        Args:
            usual: for each load, the share of findings that usually comes with one.
        """
        together = tuple((name, value) for name, value in pattern if _stands(name, value))
        others = (self._other(name, value, usual) for name, value in pattern if not _stands(name, value))
        return prod(others, start=self._share(together) if together else 1.0)

    def share(self, name: str, value: str, usual: Mapping[str, float]) -> float:
        """How common one value is by itself. A change is not: it is what went wrong."""
        return 0.0 if CHANGE in value else self.chance(((name, value),), usual)

    def members(self, standing: Pattern) -> int:
        """How many members have all of these traits, which go together in one of the patterns."""
        return self._together[standing]

    def _other(self, name: str, value: str, usual: Mapping[str, float]) -> float:
        if name == "changed_on":
            return self._changed.get(value, 0.0)
        if name == "first_seen":
            return usual.get(value, 1.0)
        before, _, after = value.partition(CHANGE)
        system = f"{before.split(' ')[0]} " if name == "group" else ""
        kept = self._share(((name, before),))
        return kept * self._share(((name, system + after),)) / (1 - kept) if kept < 1 else 0.0

    def _share(self, values: Pattern) -> float:
        return self.members(values) / self._members if self._members else 0.0


def _stands(name: str, value: str) -> bool:
    return name in _STANDING and CHANGE not in value


def likely_causes(mart: Mart, settings: Settings, reconciliation: str, as_of: date) -> list[Cause]:
    """The likely causes of the findings that are not in flight: those first that explain most of them."""
    block = settings.reconciliations[reconciliation]
    reader = TraitReader(mart, reconciliation, as_of, block.counted, settings.calendar.time_zone)
    by_place = reader.findings()
    if not by_place:
        return []
    segments = cache(reader.segments)
    commonness, usual = Commonness(reader.segments(""), reader.changes()), reader.usual_openings()
    everything = sum(findings.total() for findings in by_place.values())
    causes = []
    for (system, kind), findings in by_place.items():
        for pattern, explained in search(findings, commonness, usual.get((system, kind), {})):
            count = explained.total()
            causes.append(
                Cause(
                    downstream_system=system,
                    kind=kind,
                    pattern=pattern,
                    findings=count,
                    share=count / everything,
                    owner=owner_of(block, kind),
                    counted=block.counted,
                    population=_population(kind, pattern, commonness, segments),
                    since=_since(explained) if pattern else None,
                )
            )
    return sorted(causes, key=_rank)


def _rank(cause: Cause) -> tuple[bool, int, str, str]:
    return not cause.pattern, -cause.findings, cause.downstream_system, cause.kind


def search(
    findings: Counter[Traits], commonness: Commonness, usual: Mapping[str, float]
) -> list[tuple[Pattern, Counter[Traits]]]:
    """The patterns of one kind with the findings that each explains; they add up to those given.

    Args:
        findings: how many there are with the same traits.
        commonness: how common each trait is.
        usual: how many findings usually come with each load. A load that is not there is never a cause.
    """
    left = findings
    found: list[tuple[Pattern, Counter[Traits]]] = []
    while len(found) < _CAUSES_OF_KIND and (pattern := _strongest(left, commonness, usual)):
        explained, left = _split(left, pattern)
        found.append((pattern, explained))
    return [*found, ((), left)] if left else found


def _strongest(findings: Counter[Traits], commonness: Commonness, usual: Mapping[str, float]) -> Pattern | None:
    best, best_score = None, 0.0
    total = findings.total()
    usual_share = {day: min(1.0, count / total) for day, count in usual.items()} if total else {}
    for names in _PATTERNS:
        counted: Counter[tuple[str, ...]] = Counter()
        for traits, count in findings.items():
            counted[tuple(getattr(traits, name) for name in names)] += count
        worth = 1 + _WORTH_OF_TRAIT * sum(-1 if name == "first_seen" else 1 for name in names)
        for values, count in counted.items():
            pattern = tuple(zip(names, values, strict=True))
            if "" in values or count < _LEAST_EXCESS:
                continue
            if any(commonness.share(name, value, usual_share) > _MOST_COMMON for name, value in pattern):
                continue
            expected = total * commonness.chance(pattern, usual_share)
            if count < _LEAST_LIFT * expected:
                continue
            if count - expected < max(_LEAST_EXCESS, _LEAST_DEVIATIONS * sqrt(expected)):
                continue
            score = (count - expected) * worth
            if score > best_score:
                best, best_score = pattern, score
    return best


def _split(findings: Counter[Traits], pattern: Pattern) -> tuple[Counter[Traits], Counter[Traits]]:
    explained: Counter[Traits] = Counter()
    rest: Counter[Traits] = Counter()
    for traits, count in findings.items():
        side = explained if all(getattr(traits, name) == value for name, value in pattern) else rest
        side[traits] = count
    return explained, rest


def _population(
    kind: Kind, pattern: Pattern, commonness: Commonness, segments: Callable[[str], Iterable[Segment]]
) -> int | None:
    """How many members the source has with a pattern, where those with findings are a part of them."""
    named = {name: value.partition(CHANGE)[0] for name, value in pattern}
    if not named or "first_seen" in named or kind in ("extra", "duplicate"):
        return None
    day = named.pop("changed_on", None)
    if day is None:
        return commonness.members(tuple(named.items()))
    return sum(one.members for one in segments(day) if all(getattr(one, n) == value for n, value in named.items()))


def _since(explained: Mapping[Traits, int]) -> date | None:
    days: Counter[str] = Counter()
    for traits, count in explained.items():
        days[traits.first_seen] += count
    day = min(days, key=lambda each: (-days[each], each))
    return date.fromisoformat(day) if day else None
