"""Who the contacts of the sample are: the catalogue of its identity cases, and which contact has which.

Persons come in pairs. Most pairs are two strangers; some share what two persons can share and have to stay two. A
person has one contact or several, in one source system or in several, and each further contact differs from the first
by variants that are drawn independently of each other. Numbers only: `contact_texts` writes them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from memsync_assets.sample.draws import Bools, Ints, draw
from memsync_assets.sample.employers import Employers
from memsync_assets.sample.schedule import LOAD_DATES, SOURCES

#: Contacts for each employer group, where no number of contacts is asked for.
CONTACTS_OF_A_GROUP = 6
#: Of 100 contacts, how many persons: the others are further contacts of a person.
_PERSONS_SHARE = 0.84

#: Share of all pairs of persons. These two stay two.
TWO_PERSONS = {
    "father_and_son": 0.012,
    "namesakes_at_one_office": 0.008,
    "namesakes_elsewhere": 0.010,
    "alike_first_names": 0.008,
    "spouses_with_one_mailbox": 0.010,
    "one_mailbox_for_two": 0.010,
    "siblings_on_one_line": 0.006,
    "successor_on_one_line": 0.006,
}
#: Two of one name on one line, without anything that tells them apart: only a large sample has them.
INDISTINGUISHABLE = {"father_and_son_unmarked": 0.0002}
#: Share of the other persons.
PERSON_CASES = {
    "repeated": 0.10,
    "repeated_twice": 0.025,
    "several_roles": 0.06,
    "links_later": 0.006,
    "no_person": 0.035,
    "hostile_text": 0.050,
}
_FURTHER_CONTACTS = {"repeated": 1, "repeated_twice": 2, "links_later": 1}
#: How a person's first contact writes the email; `own`: the person's mailbox, where the table names none.
FIRST_EMAILS = {"none": 0.12, "role": 0.06, "placeholder": 0.04, "invalid": 0.03}
FIRST_PHONES = {"office": 0.15, "office_with_extension": 0.12, "none": 0.12}
#: How a further contact of the same person differs; independent of each other.
FURTHER_EMAILS = {"none": 0.20, "role": 0.08, "placeholder": 0.05, "invalid": 0.05, "other": 0.14}
FURTHER_PHONES = {"office": 0.14, "office_with_extension": 0.12, "none": 0.14, "other": 0.10}
FURTHER_NAMES = {
    "middle_name": 0.12,
    "nickname": 0.12,
    "initial": 0.05,
    "typo_in_last_name": 0.05,
    "typo_in_first_name": 0.04,
    "married_name": 0.04,
    "double_name": 0.02,
    "swapped_names": 0.02,
}
FURTHER_PLACES = {"sibling_group": 0.27, "other_system": 0.22, "other_employer": 0.13}
ADDRESSES = {"spelt_out": 0.22, "unit_in_line1": 0.08, "zip4": 0.15, "none": 0.12, "home": 0.04}
TRAITS = {"inactive": 0.03, "unknown_group": 0.008, "no_role": 0.008}
#: What happens to a contact on the second or the third date; share of the contacts for each date.
CHANGES = {
    "email_moved": 0.006,
    "email_gone_bad": 0.004,
    "phone_moved": 0.006,
    "address_moved": 0.005,
    "renamed": 0.003,
    "removed": 0.005,
    "added": 0.006,
    "deactivated": 0.004,
    "role_added": 0.004,
    "role_removed": 0.004,
    "primary_changes": 0.003,
}
_NEEDS_SECOND_GROUP = ("role_added", "role_removed", "primary_changes")
PLAIN = ""


@dataclass(frozen=True)
class Dealt:
    """A case for each of some numbers. names: of the cases, the first of them PLAIN."""

    names: tuple[str, ...]
    case: Ints

    def is_(self, *names: str) -> Bools:
        """Where one of these cases is."""
        return np.isin(self.case, [self.names.index(name) for name in names])

    def take(self, rows: Ints) -> Dealt:
        """The cases of these numbers."""
        return Dealt(self.names, self.case[rows])

    def only(self, where: Bools) -> Dealt:
        """The same, PLAIN elsewhere."""
        return Dealt(self.names, np.where(where, self.case, 0))


def deal(count: int, what: str, seed: int, shares: Mapping[str, float], least: int = 2) -> Dealt:
    """Give each case its share of `count`, at least so many, in an order of its own; the rest is PLAIN."""
    order = np.argsort(draw(np.arange(count, dtype=np.int64), what, seed, 2**53), kind="stable")
    case = np.zeros(count, dtype=np.int64)
    start = 0
    for number, share in enumerate(shares.values(), 1):
        end = start + max(least, round(share * count))
        case[order[start:end]] = number
        start = end
    return Dealt((PLAIN, *shares), case)


def _joined(first: Dealt, second: Dealt) -> Dealt:
    """Two in a row, whose cases may be others."""
    names = tuple(dict.fromkeys((*first.names, *second.names)))
    places = np.array([names.index(name) for name in second.names], dtype=np.int64)
    return Dealt(names, np.concatenate([first.case, places[second.case]]))


@dataclass(frozen=True)
class Cast:
    """All contacts, as columns; a contact is known by its place.

    Attributes:
        persons: how many true persons there are; some of them are none (`no_person`).
        home: each person's employer group.
        pair: the case of each person's pair; persons 2n and 2n + 1 are a pair.
        person_case: the case of each person.
        person: the true person of each contact.
        copy: 0 for a person's first contact.
        group: the employer group of the contact's role, which gives it address and office line.
        second_group: where it has, had or will have a second role; -1: nowhere.
        change, change_date: what happens to it, and on which date (0: nothing).
    """

    persons: int
    home: Ints
    pair: Dealt
    person_case: Dealt
    person: Ints
    copy: Ints
    group: Ints
    second_group: Ints
    name: Dealt
    email: Dealt
    phone: Dealt
    address: Dealt
    trait: Dealt
    change: Dealt
    change_date: Ints

    def changed(self, number: int, *whats: str) -> Bools:
        """To which contacts one of these has happened by a date of this number."""
        return self.change.is_(*whats) & (self.change_date <= number)

    def present(self, number: int) -> Bools:
        """Which contacts their system has on a date."""
        later = self.change.is_("added") & (self.change_date > number)
        return ~(later | self.changed(number, "removed"))


def make_cast(employers: Employers, contacts: int, seed: int) -> Cast:
    """The contacts of these employers: about this many."""
    pairs = max(80, round(contacts * _PERSONS_SHARE / 2))
    persons = 2 * pairs
    near = _Neighbours(employers, seed)
    pair_numbers = np.arange(persons, dtype=np.int64) // 2
    pair = _deal_pairs(pairs, seed).take(pair_numbers)
    home = pair_numbers * len(employers.groups) // pairs
    second_of_pair = np.arange(persons) % 2 == 1
    elsewhere = pair.is_("namesakes_elsewhere") & second_of_pair
    home = np.where(elsewhere, near.in_other_system[home], home)
    person_case = deal(persons, "person", seed, PERSON_CASES, least=4).only(pair.is_(PLAIN))
    return _contacts_of(persons, home, pair, person_case, near, seed)


def _deal_pairs(pairs: int, seed: int) -> Dealt:
    decided = deal(pairs, "pairs", seed, TWO_PERSONS, least=3)
    free = decided.is_(PLAIN)
    unmarked = deal(pairs, "unmarked", seed, INDISTINGUISHABLE, least=0)
    names = (*decided.names, *INDISTINGUISHABLE)
    return Dealt(names, np.where(free & ~unmarked.is_(PLAIN), len(names) - 1, decided.case))


def _contacts_of(persons: int, home: Ints, pair: Dealt, person_case: Dealt, near: _Neighbours, seed: int) -> Cast:
    further = np.concatenate(
        [np.repeat(np.flatnonzero(person_case.is_(case)), number) for case, number in _FURTHER_CONTACTS.items()]
    )
    count = len(further)
    person = np.concatenate([np.arange(persons, dtype=np.int64), further])
    copy = np.concatenate([np.zeros(persons, dtype=np.int64), _place_in_row(further) + 1])
    place = deal(count, "place", seed, FURTHER_PLACES)
    group = np.concatenate([home, near.of(home[further], place)])
    ordinary = pair.take(person).is_(PLAIN)
    later = person_case.take(person).is_("links_later")
    email = _joined(
        deal(persons, "email", seed, FIRST_EMAILS).only(pair.is_(PLAIN) & ~person_case.is_("links_later")),
        deal(count, "email of further", seed, FURTHER_EMAILS),
    )
    phone = _joined(deal(persons, "phone", seed, FIRST_PHONES), deal(count, "phone of further", seed, FURTHER_PHONES))
    name = _joined(deal(persons, "name", seed, {}), deal(count, "name of further", seed, FURTHER_NAMES))
    total = len(person)
    change, change_date = _deal_changes(total, seed, ordinary & ~later & ~person_case.take(person).is_("no_person"))
    two = person_case.take(person).is_("several_roles") | change.is_(*_NEEDS_SECOND_GROUP)
    plain_trait = ordinary & ~change.is_("deactivated", *_NEEDS_SECOND_GROUP) & ~two
    return Cast(
        persons, home, pair, person_case, person, copy, group,
        second_group=np.where(two, near.in_same_system[group], -1),
        name=name.only(~later),
        email=email,
        phone=phone,
        address=deal(total, "address", seed, ADDRESSES).only(ordinary),
        trait=deal(total, "trait", seed, TRAITS).only(plain_trait),
        change=change,
        change_date=change_date,
    )  # fmt: skip


def _place_in_row(values: Ints) -> Ints:
    """0 for the first of equal neighbours, 1 for the second, and so on."""
    numbers = np.arange(len(values), dtype=np.int64)
    starts = np.concatenate([[True], values[1:] != values[:-1]]) if len(values) else np.zeros(0, dtype=bool)
    return numbers - np.maximum.accumulate(np.where(starts, numbers, 0))


def _deal_changes(count: int, seed: int, where: Bools) -> tuple[Dealt, Ints]:
    dates = [load_date.number for load_date in LOAD_DATES[1:]]
    both = {f"{what} {number}": share for number in dates for what, share in CHANGES.items()}
    dealt = deal(count, "change", seed, both).only(where)
    date = np.where(dealt.case > 0, (dealt.case - 1) // len(CHANGES) + dates[0], 0)
    change = np.where(dealt.case > 0, (dealt.case - 1) % len(CHANGES) + 1, 0)
    return Dealt((PLAIN, *CHANGES), change), date


class _Neighbours:
    """For each employer group other groups that a person may work for too."""

    def __init__(self, employers: Employers, seed: int) -> None:
        groups = employers.groups
        self._system = np.array([g.system for g in groups], dtype=np.int64)
        # A group whose tree tells no employer is its own.
        self._employer = np.array([-g.number - 1 if g.employer is None else g.employer for g in groups], dtype=np.int64)
        self._numbers = np.arange(len(groups), dtype=np.int64)
        self._seed = seed
        self.in_same_system = self._sibling(self._random_of_system(self._system, "same system"))
        self.in_other_system = self._other_system()

    def of(self, home: Ints, place: Dealt) -> Ints:
        """Where persons of these homes work too, by the places dealt."""
        other_employer = self._random_of_system(self._system[home], "other employer")
        return np.select(
            [place.is_("sibling_group"), place.is_("other_system"), place.is_("other_employer")],
            [self.in_same_system[home], self.in_other_system[home], other_employer],
            home,
        )

    def _sibling(self, otherwise: Ints) -> Ints:
        """The next group of the same employer in the same system."""
        return self._next_alike(self._employer * len(SOURCES) + self._system, otherwise)

    def _other_system(self) -> Ints:
        """A group of the same employer in another system; else any of the next system."""
        employers, employer = np.unique(self._employer, return_inverse=True)
        first = np.full((len(employers), len(SOURCES)), -1, dtype=np.int64)
        first[employer[::-1], self._system[::-1]] = self._numbers[::-1]
        found = self._random_of_system((self._system + 1) % len(SOURCES), "other system")
        for step in (2, 1):
            alike = first[employer, (self._system + step) % len(SOURCES)]
            found = np.where(alike >= 0, alike, found)
        return found

    def _next_alike(self, key: Ints, otherwise: Ints) -> Ints:
        order = np.argsort(key, kind="stable")
        following = np.empty_like(order)
        following[order] = order[(np.arange(len(order)) + 1) % len(order)]
        previous = np.empty_like(order)
        previous[order] = order[np.arange(len(order)) - 1]
        return np.where(key[following] == key, following, np.where(key[previous] == key, previous, otherwise))

    def _random_of_system(self, systems: Ints, what: str) -> Ints:
        """Any group of each of these systems, another than one's own."""
        first = np.searchsorted(self._system, np.arange(len(SOURCES)))
        sizes = np.bincount(self._system, minlength=len(SOURCES))
        places = draw(np.arange(len(systems), dtype=np.int64), what, self._seed, 2**40) % sizes[systems]
        return first[systems] + places
