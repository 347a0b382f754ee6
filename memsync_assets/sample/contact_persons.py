"""The true persons behind the sample's contacts: their names, mailboxes and telephone numbers, as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from memsync_assets.sample.contact_cases import Cast
from memsync_assets.sample.draws import Bools, Ints, draw
from memsync_assets.sample.employers import Employers
from memsync_assets.sample.places import STATES, vocabulary
from memsync_assets.sample.text_columns import Text, chosen, distinct, joined, letters, numbers_text, where, words

_MEN, _WOMEN = (0, 30), (30, 55)
_PUBLIC_DOMAINS = ("gmail.com", "yahoo.com", "outlook.com", "comcast.net", "att.net")
_SAME_FIRST_NAME = ("father_and_son", "father_and_son_unmarked", "namesakes_at_one_office", "namesakes_elsewhere")
_SAME_LAST_NAME = (*_SAME_FIRST_NAME, "alike_first_names", "spouses_with_one_mailbox", "siblings_on_one_line")
_MAN_AND_WOMAN = ("spouses_with_one_mailbox", "siblings_on_one_line", "one_mailbox_for_two")
_ONE_LINE = (
    "father_and_son",
    "father_and_son_unmarked",
    "siblings_on_one_line",
    "spouses_with_one_mailbox",
    "successor_on_one_line",
)


@dataclass(frozen=True)
class Names:
    """Names in parts. middle: a letter; suffix: null, Jr or Sr."""

    first: Text
    middle: Text
    last: Text
    suffix: Text

    def take(self, rows: Ints) -> Names:
        """The names at these places."""
        places = pa.array(rows)
        return Names(*(pc.take(c, places) for c in (self.first, self.middle, self.last, self.suffix)))


@dataclass(frozen=True)
class Mailboxes:
    """Addresses that are one person's, but where two share one. domain and local: their parts.

    Attributes:
        own: of each person.
        other: a second one of the person, for each contact that writes it; null for the others.
        moved: a person's new one, for each contact that changes it.
    """

    own: Text
    other: Text
    moved: Text


class Persons:
    """Every true person."""

    def __init__(self, cast: Cast, employers: Employers, seed: int) -> None:
        self._cast, self._seed = cast, seed
        self._numbers = np.arange(cast.persons, dtype=np.int64)
        self._first_of_pair = self._numbers - self._numbers % 2
        self.names = self._true_names()
        self.other_last = last_names(draw(self._numbers, "another last name", seed, 10**9))
        self.shares_mailbox = cast.pair.is_("spouses_with_one_mailbox", "one_mailbox_for_two")
        self.shares_mailbox |= cast.pair.is_("father_and_son") & (self._numbers // 2 % 2 == 0)
        self._domains = pa.array([g.domain for g in employers.groups], pa.string())
        self._habits = np.array([g.number if g.employer is None else g.employer for g in employers.groups]) % 4
        self.mailboxes = self._make_mailboxes()
        line = np.where(cast.pair.is_(*_ONE_LINE), self._first_of_pair, self._numbers)
        states = np.array([g.states[0] for g in employers.groups], dtype=np.int64)[cast.home]
        self.direct = pc.take(numbers_of(self._numbers, states, "direct line", seed), pa.array(line))
        self.other_line = numbers_of(self._numbers, states, "other line", seed)
        self.mobile = where(
            draw(self._numbers, "has mobile", seed, 100) < 35, numbers_of(self._numbers, states, "mobile", seed), None
        )

    def _true_names(self) -> Names:
        cast, seed = self._cast, self._seed
        given = tuple(vocabulary().first_names)
        first = draw(self._numbers, "first name", seed, len(given))
        last = draw(self._numbers, "last name", seed, 10**9)
        last = np.where(cast.pair.is_(*_SAME_LAST_NAME), last[self._first_of_pair], last)
        first = np.where(cast.pair.is_(*_SAME_FIRST_NAME), first[self._first_of_pair], first)
        second = self._numbers % 2
        man_or_woman = np.where(
            second == 1, _WOMEN[0] + first % (_WOMEN[1] - _WOMEN[0]), _MEN[0] + first % (_MEN[1] - _MEN[0])
        )
        first = np.where(cast.pair.is_(*_MAN_AND_WOMAN), man_or_woman, first)
        alike = [name for names in vocabulary().alike_first_names for name in names]
        which = self._numbers // 2 % (len(alike) // 2) * 2 + second
        return Names(
            where(cast.pair.is_("alike_first_names"), words(alike, which), words(given, first)),
            words([chr(65 + n) for n in range(26)], draw(self._numbers, "middle name", seed, 26)),
            last_names(last),
            where(cast.pair.is_("father_and_son"), words(("Sr", "Jr"), second), None),
        )

    def _make_mailboxes(self) -> Mailboxes:
        cast, seed = self._cast, self._seed
        at_home = cast.pair.is_("father_and_son", "spouses_with_one_mailbox")
        at_work = cast.pair.is_("namesakes_at_one_office", "alike_first_names")
        is_public = ((draw(self._numbers, "public mailbox", seed, 100) < 18) | at_home) & ~at_work
        others = np.flatnonzero(cast.email.is_("other"))
        moved = np.flatnonzero(cast.change.is_("email_moved"))
        # At another employer the other mailbox is that employer's, at the same one the person's private one.
        elsewhere = self._habits_differ(others)
        person = np.concatenate([self._numbers, cast.person[others], cast.person[moved]])
        group = np.concatenate([cast.home, cast.group[others], cast.group[moved]])
        public = np.concatenate([is_public, ~elsewhere, np.zeros(len(moved), dtype=bool)])
        habit = self._habits[group]
        habit[len(self._numbers) + len(others) :] = 4
        local, domain = self._local(person, habit, public), self._domain(person, group, public)
        address = joined(local, distinct(joined(local, "@", domain)), "@", domain)
        mailbox_of = np.where(self.shares_mailbox, self._first_of_pair, self._numbers)
        own = pc.take(address, pa.array(mailbox_of))
        start = len(self._numbers)
        return Mailboxes(
            own,
            _scattered(address[start : start + len(others)], others, len(cast.person)),
            _scattered(address[start + len(others) :], moved, len(cast.person)),
        )

    def _habits_differ(self, contacts: Ints) -> Bools:
        domains = self._domains
        here = pc.take(domains, pa.array(self._cast.group[contacts]))
        home = pc.take(domains, pa.array(self._cast.home[self._cast.person[contacts]]))
        return np.asarray(pc.not_equal(here, home))

    def _local(self, person: Ints, habit: Ints, public: Bools) -> Text:
        names = self.names.take(person)
        first, last = letters(names.first), letters(names.last)
        initial = pc.utf8_slice_codeunits(first, 0, 1)
        work = chosen(
            habit,
            joined(first, ".", last),
            joined(initial, last),
            joined(first, "_", last),
            joined(last, initial),
            joined(last, ".", first),
        )
        year = numbers_text(50 + person % 50)
        return where(public, joined(first, ".", last, year), work)

    def _domain(self, person: Ints, group: Ints, public: Bools) -> Text:
        mail = words(_PUBLIC_DOMAINS, draw(person, "mail domain", self._seed, len(_PUBLIC_DOMAINS)))
        return where(public, mail, pc.take(self._domains, pa.array(group)))


def _scattered(values: Text, rows: Ints, count: int) -> Text:
    """A column of nulls but for these rows."""
    places = np.full(count, -1, dtype=np.int64)
    places[rows] = np.arange(len(rows))
    return pc.take(values, pa.array(places, mask=places < 0))


def last_names(numbers: Ints) -> Text:
    """Common names for half of all persons, the commonest first; one of two thousand for the others."""
    known, starts, ends = (np.array(part) for part in (
        vocabulary().last_names, vocabulary().surname_starts, vocabulary().surname_ends
    ))  # fmt: skip
    rest, is_rare = numbers // 2, numbers % 2 == 1
    common = (rest % len(known)) * (rest // len(known) % len(known)) // len(known)
    rare = joined(words(starts.tolist(), rest % len(starts)), words(ends.tolist(), rest // len(starts) % len(ends)))
    return where(is_rare, rare, words(known.tolist(), common))


def numbers_of(owners: Ints, states: Ints, what: str, seed: int) -> Text:
    """Ten digits for each owner that the numbering plan allows in the state; not of the range kept for fiction."""
    areas = [[city[2] for city in vocabulary().cities[state]] for state in STATES]
    most = max(map(len, areas))
    table = [of_state[n % len(of_state)] for of_state in areas for n in range(most)]
    area = words(table, states * most + draw(owners, f"{what} area", seed, most))
    exchange = 222 + draw(owners, f"{what} exchange", seed, 660)
    exchange = np.where((exchange % 100 == 11) | (exchange == 555), exchange + 1, exchange)
    return joined(area, numbers_text(exchange), numbers_text(draw(owners, f"{what} line", seed, 10_000), 4))
