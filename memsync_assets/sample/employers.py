"""The employers of the sample: organizational units, employer groups, their sizes, and who is in the IHM scope.

Knows nothing of single members or contacts. Everything follows from the number of members and the seed.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from random import Random

import numpy as np

from memsync_assets.sample.draws import Ints
from memsync_assets.sample.places import STATES, Address, a_phone, an_address, vocabulary
from memsync_assets.sample.schedule import SOURCES, LoadDate


class Population(IntEnum):
    """What befalls the members of a group depends on this."""

    IN_SCOPE = 0
    OUTSIDE = 1
    ENTERS_SCOPE = 2
    LEAVES_SCOPE = 3
    MOVED_WHOLE = 4


#: The date number from which a group that enters or leaves the scope is in or out.
FLIP = 3


def in_scope(population: Population, load_date: LoadDate) -> bool:
    """Whether the groups of a population are flagged on a date."""
    if population is Population.ENTERS_SCOPE:
        return load_date.number >= FLIP
    if population is Population.LEAVES_SCOPE:
        return load_date.number < FLIP
    return population is not Population.OUTSIDE


@dataclass(frozen=True)
class OrgUnit:
    """An organizational unit. problem: what is wrong with its tree: cycle, orphan or two_roots."""

    source_system: str
    org_unit_id: str
    parent: str | None
    name: str
    tax_id: str | None
    problem: str | None = None


@dataclass(frozen=True)
class Group:
    """An employer group.

    Attributes:
        number: its place among all groups; members are numbered by it.
        system: the number of its source system.
        employer: the number of its true legal entity; None where the tree does not tell.
        states: as places in STATES, the most common first.
        members: how many, of whatever fate.
        changes: the date number from which it has another address and phone; None: never.
    """

    number: int
    system: int
    group_id: str
    name: str
    domain: str
    employer: int | None
    org_unit_id: str | None
    population: Population
    states: tuple[int, ...]
    members: int
    address: Address
    phone: str
    changes: int | None

    def ihm_indicator(self, load_date: LoadDate) -> str | None:
        """Its flag on a date; some that are out have none."""
        if self.in_scope(load_date):
            return "Y"
        return None if self.population is Population.OUTSIDE and self.number % 5 == 0 else "N"

    def in_scope(self, load_date: LoadDate) -> bool:
        """Whether it is flagged on a date."""
        return in_scope(self.population, load_date)

    def changed_on(self, load_date: LoadDate) -> bool:
        """Whether the loads of this date bring another state of it than those before."""
        flips = self.population in (Population.ENTERS_SCOPE, Population.LEAVES_SCOPE) and load_date.number == FLIP
        return flips or self.changes == load_date.number


@dataclass(frozen=True)
class Employers:
    """All groups, by system and then by falling size, and all organizational units.

    Attributes:
        starts: the number of the first member of each group, and at the end the number of members.
        peer: for each group another one of its system and population to be confused with.
        opposite: for each group one of its system on the other side of the scope.
    """

    groups: tuple[Group, ...]
    org_units: tuple[OrgUnit, ...]
    starts: Ints
    peer: Ints
    opposite: Ints
    by_system: tuple[tuple[Group, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        split = tuple(tuple(g for g in self.groups if g.system == s) for s in range(len(SOURCES)))
        object.__setattr__(self, "by_system", split)

    def system_range(self, system: int) -> tuple[int, int]:
        """The numbers of a source system's members: first, and one beyond the last."""
        groups = self.by_system[system]
        return int(self.starts[groups[0].number]), int(self.starts[groups[-1].number + 1])


#: Of each system's groups by falling size: which are in scope, and which are special. The others are outside.
_IN_SCOPE = (0, 1, 4, 6, 9, 13)
_ENTERS, _LEAVES, _MOVED = 15, 16, 11
_FEWEST_GROUPS = 66


def make_employers(members: int, seed: int, groups: int | None = None) -> Employers:
    """The employers of a sample of this many members.

    Args:
        groups: how many employer groups, at most a tenth of the members; None: as many as such a plan has.

    Raises:
        ValueError: fewer members than 2,000, which cannot show every case.
    """
    if members < 2_000:
        raise ValueError(f"the sample needs 2,000 members or more to show every case, not {members:,}")
    sizes = _sizes(members, groups or max(_FEWEST_GROUPS, min(5_000, members // 400)))
    random = Random(f"employers {seed}")
    made: list[Group] = []
    units: list[OrgUnit] = []
    shared = max(_FEWEST_SHARED, len(sizes) // 25)
    for system, ranks in enumerate(_ranks_of_systems(len(sizes))):
        homes = _employers_of(system, len(ranks), shared, random, units)
        for place, (rank, home) in enumerate(zip(ranks, homes, strict=True)):
            made.append(_group(len(made), system, place, sizes[rank], home, random))
    starts = np.concatenate([[0], np.cumsum([g.members for g in made])]).astype(np.int64)
    return Employers(tuple(made), tuple(units), starts, _peers(made), _opposites(made))


def _sizes(members: int, groups: int) -> list[int]:
    """Zipf-like: a few groups hold most members."""
    weights = (np.arange(groups) + 2.0) ** -1.5
    sizes = np.maximum(1, np.floor(weights / weights.sum() * members)).astype(int)
    sizes[0] += members - sizes.sum()
    return [int(size) for size in sizes]


def _ranks_of_systems(groups: int) -> list[list[int]]:
    """Deals the groups out, by falling size, so that each system has its share of large and small ones."""
    ranks: list[list[int]] = [[] for _ in SOURCES]
    for rank in range(groups):
        lag = [len(of_system) - system.share * (rank + 1) for of_system, system in zip(ranks, SOURCES, strict=True)]
        ranks[lag.index(min(lag))].append(rank)
    return ranks


@dataclass(frozen=True)
class _Home:
    """Where a group belongs: its employer and the unit of it."""

    employer: int | None
    name: str
    domain: str
    org_unit_id: str | None


#: At least so many employers are in two systems each, known by their tax id.
_FEWEST_SHARED = 8


def _employers_of(system: int, groups: int, shared: int, random: Random, units: list[OrgUnit]) -> list[_Home]:
    """Spread a system's groups over employers, those below `shared` in two systems; append the employers' units."""
    odd = _odd_trees(system, units)
    homes: list[_Home] = []
    number = 0
    while len(homes) < groups - len(odd):
        is_here = number >= shared or system in (number % 3, (number + 1) % 3)
        employer = number if number < shared else number * len(SOURCES) + system
        number += 1
        if not is_here:
            continue
        room = groups - len(odd) - len(homes)
        homes += _tree(system, employer, min(room, random.choice((1, 1, 2, 2, 3, 5))), random, units)
    return homes + odd


def _tree(system: int, employer: int, groups: int, random: Random, units: list[OrgUnit]) -> list[_Home]:
    """One employer in one system: a root, and for several groups a sibling unit for each, some two levels down."""
    name, domain = company(employer)
    source = SOURCES[system].name
    digits = f"{10 + employer * 7 % 80:02d}{(employer * 7919 + 1234567) % 10**7:07d}"
    root = f"OU{employer:05d}"
    spelt = f"{digits[:2]}-{digits[2:]}" if system % 2 else digits
    # Systems agree on the tax id, not on how to write the name.
    units.append(OrgUnit(source, root, None, name.upper() if system == 2 else name, spelt))
    if groups == 1:
        return [_Home(employer, name, domain, root)]
    homes = []
    for place in range(groups):
        unit, parent = f"{root}-{place + 1}", root if place < 3 else f"{root}-1"
        division = vocabulary().divisions[place % len(vocabulary().divisions)]
        units.append(OrgUnit(source, unit, parent, f"{name} {division}", None))
        homes.append(_Home(employer, f"{name} - {division}", domain, unit))
    return homes


def company(employer: int) -> tuple[str, str]:
    """The name and the mail domain of an employer."""
    words = vocabulary()
    first = words.company_first[employer % len(words.company_first)]
    second = words.company_second[(employer // len(words.company_first) * 11 + employer) % len(words.company_second)]
    round_of_names = employer // (len(words.company_first) * len(words.company_second))
    number = f" {round_of_names + 1}" if round_of_names else ""
    name = f"{first} {second}{number} {words.company_ends[employer % len(words.company_ends)]}"
    slug = f"{first}{second}{number}".lower().replace(" ", "")
    return name, f"{slug}-co.com"


def _odd_trees(system: int, units: list[OrgUnit]) -> list[_Home]:
    """In each system: a cycle, an orphan, two roots with one tax id, a unit that does not exist, and no unit."""
    source = SOURCES[system].name

    def unit(name: str, parent: str | None, problem: str, tax_id: str | None = None) -> str:
        org_unit_id = f"OX{system}{name}"
        above = f"OX{system}{parent}" if parent else None
        units.append(OrgUnit(source, org_unit_id, above, f"Unit {name} of {source}", tax_id, problem))
        return org_unit_id

    cycle = [unit("A", "C", "cycle"), unit("B", "A", "cycle"), unit("C", "B", "cycle"), unit("D", "C", "cycle")]
    orphan = unit("E", "Z", "orphan")
    tax_id = f"88-00012{system}5"
    roots = [unit("F", None, "two_roots", tax_id), unit("G", None, "two_roots", tax_id.replace("-", ""))]
    twins = 900_000 + system
    trees = (
        (None, cycle[3]),
        (None, orphan),
        (twins, roots[0]),
        (twins, roots[1]),
        (None, f"OX{system}Y"),
        (None, None),
    )
    homes = []
    for place, (employer, org_unit_id) in enumerate(trees):
        name, domain = company(50 * 60 + system * len(trees) + place)
        homes.append(_Home(employer, name, domain, org_unit_id))
    return homes


def _population(system: int, place: int) -> Population:
    if place == _MOVED and system == 0:
        return Population.MOVED_WHOLE
    if place in (_ENTERS, _LEAVES) and system == 1:
        return Population.ENTERS_SCOPE if place == _ENTERS else Population.LEAVES_SCOPE
    return Population.IN_SCOPE if place in _IN_SCOPE else Population.OUTSIDE


def _group(number: int, system: int, place: int, members: int, home: _Home, random: Random) -> Group:
    source = SOURCES[system]
    group_id = source.group_form.format(place * 7 + 11)
    if source.name == "legacy_il" and place in (4, 6):
        group_id = "A1" if place == 4 else "a1"
    first = STATES.index(source.home_state)
    others = random.sample([s for s in range(len(STATES)) if s != first], 3)
    population = _population(system, place)
    states = (first, *others[: random.randint(1, 3) if population is Population.IN_SCOPE else random.randint(0, 1)])
    where = STATES[random.choice(states)]
    steady = population in (Population.IN_SCOPE, Population.OUTSIDE)
    changes = 2 + place % 2 if steady and place % 9 == 4 else None
    address, phone = an_address(random, where), a_phone(random, where)
    return Group(
        number, system, group_id, home.name, home.domain, home.employer, home.org_unit_id, population, states,
        members, address, phone, changes,
    )  # fmt: skip


def _peers(groups: list[Group]) -> Ints:
    """The next group of the same system and population."""
    return _following(groups, lambda population: population)


def _opposites(groups: list[Group]) -> Ints:
    other = {Population.OUTSIDE: Population.IN_SCOPE}
    return _following(groups, lambda population: other.get(population, Population.OUTSIDE))


def _following(groups: list[Group], wanted: Callable[[Population], Population]) -> Ints:
    """For each group the next one of its system and the wanted population; after the last, the first."""
    alike: dict[tuple[int, Population], list[int]] = defaultdict(list)
    for group in groups:
        alike[group.system, group.population].append(group.number)
    found = []
    for group in groups:
        numbers = alike[group.system, wanted(group.population)]
        found.append(numbers[bisect_right(numbers, group.number) % len(numbers)])
    return np.array(found, dtype=np.int64)
