"""Contacts and contact roles as rows of the landing contract, each system in its own way, and what is true of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from memsync_assets.sample.contact_cases import Cast, make_cast
from memsync_assets.sample.contact_persons import Names, Persons
from memsync_assets.sample.draws import Bools, Ints, Shuffle, draw
from memsync_assets.sample.employer_rows import office
from memsync_assets.sample.employers import Employers
from memsync_assets.sample.places import vocabulary
from memsync_assets.sample.schedule import LOAD_DATES, SOURCES, LoadDate, Slot
from memsync_assets.sample.text_columns import Text, chosen, joined, numbers_text, rewritten, where, words

CONTACT_KEY = ("contact_id",)
ROLE_KEY = ("contact_id", "group_id", "role_code")
_ROLE_MAILBOXES = ("benefits", "hr", "payroll", "info", "humanresources", "accounts.payable", "office", "hr.benefits")
_PLACEHOLDERS = ("none@none.com", "test@test.com", "noemail@example.com", "N/A", "none", "unknown@unknown.com")
#: Names of contacts that are no person, and why.
_NO_PERSONS = (
    (None, "no_name"),
    ("DO NOT USE", "placeholder_name"),
    ("Benefits Department", "not_a_person"),
    ("Copper Freight LLC", "not_a_person"),
    ("Test Test", "placeholder_name"),
    ("John and Mary Smith", "several_persons"),
    ("Human Resources", "not_a_person"),
    ("Vacant", "placeholder_name"),
    ("A" * 5_000, "too_long"),
    ("...", "no_name"),
)
#: Titles that no parser, no spreadsheet and no terminal should trip over.
_HOSTILE_TITLES = (
    '=cmd|"/C calc"!A1',
    "@SUM(1+1)*cmd",
    "-2+3",
    "\u202etxt.exe Manager",
    "\u0645\u062f\u064a\u0631 \u0627\u0644\u0645\u0648\u0627\u0631\u062f",
    "HR \U0001f469\u200d\U0001f4bc Lead",
    "Tab\there \x07\x1b[31mred",
    "O'Neil; DROP TABLE contacts;--",
    "Manager, \"Benefits\", 'East'",
    "T" * 5_000,
    "Zero\u200bWidth",
    "\uff26\uff35\uff2c\uff2c Width",
    "Two\nlines",
)
#: Characters that nobody sees in a name: a bell, a space of no width, a turn of the writing direction.
_UNSEEN = ("\x07", "\u200b", "\u202e")
_ROLES = ("BENEFITS", "BILLING", "EXECUTIVE", "HR", "BROKER")
_HALF_YEARS = [date(2016 + n // 2, 1 + n % 2 * 6, 1) for n in range(20)]
_DIRECT = ("", "direct")


@dataclass(frozen=True)
class _Offices:
    """Where the employer groups are on a date, as columns by group. phone: ten digits."""

    line1: Text
    line2: Text
    city: Text
    state: Text
    postal_code: Text
    phone: Text


class Contacts:
    """Every contact of the sample, on any date."""

    def __init__(self, employers: Employers, contacts: int, seed: int) -> None:
        self._employers, self._seed = employers, seed
        self.cast: Cast = make_cast(employers, contacts, seed)
        self.persons = Persons(self.cast, employers, seed)
        self._numbers = np.arange(len(self.cast.person), dtype=np.int64)
        self._system = np.array([g.system for g in employers.groups], dtype=np.int64)[self.cast.group]
        self._ids, self._order = self._contact_ids()
        self._group_ids = pa.array([g.group_id for g in employers.groups], pa.string())
        self._offices = cache(self._make_offices)

    def contact_rows(self, system: int, load_date: LoadDate) -> pa.Table:
        """The contacts that a source system holds on a date."""
        rows = self._rows_of(system, load_date)
        phone, extension = self._phone(rows, load_date)
        columns = {
            "contact_id": pc.take(self._ids, pa.array(rows)),
            **self._name_columns(system, rows, load_date),
            "title": self._title(rows),
            "email": self._email(rows, load_date),
            **self._phone_columns(system, rows, phone, extension),
            **self._address_columns(system, rows, load_date),
            "updated_at": self._updated_at(rows, load_date),
            "is_active": self._is_active(rows, load_date),
        }
        return pa.table(columns)

    def role_rows(self, system: int, load_date: LoadDate) -> pa.Table:
        """The contact roles that a source system holds on a date."""
        cast, number = self.cast, load_date.number
        rows = self._rows_of(system, load_date)
        rows = rows[~cast.trait.is_("no_role")[rows]]
        added = cast.change.is_("role_added") & (cast.change_date > number)
        removed = cast.changed(number, "role_removed")
        ends = removed & (SOURCES[system].name == "heritage_tx")
        second = rows[(cast.second_group[rows] >= 0) & ~added[rows] & ~(removed & ~ends)[rows]]
        flipped = cast.changed(number, "primary_changes")
        both = np.concatenate([rows, second])
        is_second = np.repeat([False, True], [len(rows), len(second)])
        groups = np.where(is_second, cast.second_group[both], cast.group[both])
        group_id = pc.take(self._group_ids, pa.array(groups))
        termination = np.array([d.event_date for d in LOAD_DATES])[np.maximum(cast.change_date[both], 1) - 1]
        return pa.table(
            {
                "contact_id": pc.take(self._ids, pa.array(both)),
                "group_id": where(cast.trait.is_("unknown_group")[both], "UNKNOWN-7", group_id),
                "role_code": words(_ROLES, draw(both * 2 + is_second, "role", self._seed, len(_ROLES))),
                "is_primary": where(is_second ^ flipped[both], "N", "Y"),
                "effective_date": pc.take(pa.array(_HALF_YEARS), pa.array(both % len(_HALF_YEARS))),
                "termination_date": pa.array(termination, pa.date32(), mask=~(ends[both] & is_second)),
            }
        )

    def truth(self, load_date: LoadDate) -> pa.Table:
        """One row for each contact of each system on a date; see `Truth.contacts`."""
        rows = np.flatnonzero(self.cast.present(load_date.number))
        rows = rows[np.lexsort((self._order[rows], self._system[rows]))]
        is_none = self._is_person_case("no_person")[rows]
        person = self.cast.person[rows]
        return pa.table(
            {
                "system": words([s.name for s in SOURCES], self._system[rows]),
                "contact_id": pc.take(self._ids, pa.array(rows)),
                "true_person": pa.array(person, mask=is_none),
                "hard_case": self._hard_case(rows, load_date),
                "email_status": self._email_status(rows, load_date),
                "quarantine_reason": self._picked([reason for _, reason in _NO_PERSONS], "no_person", rows),
            }
        )

    def _rows_of(self, system: int, load_date: LoadDate) -> Ints:
        rows = np.flatnonzero((self._system == system) & self.cast.present(load_date.number))
        return rows[np.argsort(self._order[rows], kind="stable")]

    def _contact_ids(self) -> tuple[Text, Ints]:
        """Each contact's id, and its place among those of its system."""
        number = np.zeros(len(self._numbers), dtype=np.int64)
        for system in range(len(SOURCES)):
            mine = np.flatnonzero(self._system == system)
            number[mine] = Shuffle(len(mine), self._seed).place(np.arange(len(mine), dtype=np.int64)) + 1
        written = []
        for source in SOURCES:
            prefix, _, width = source.contact_form.rstrip("d}").partition("{:0")
            written.append(joined(prefix, numbers_text(number, int(width))))
        return chosen(self._system, *written), number

    def _is_person_case(self, case: str) -> Bools:
        return self.cast.person_case.is_(case)[self.cast.person]

    def _picked(self, values: Sequence[str | None], case: str, rows: Ints) -> Text:
        """The values in turn for the contacts of a rare case, so that all of them come up; null for the others."""
        found = np.flatnonzero(self._is_person_case(case))
        places = np.full(len(self._numbers), -1, dtype=np.int64)
        places[found] = np.arange(len(found)) % len(values)
        return pc.take(pa.array(values, pa.string()), pa.array(places[rows], mask=places[rows] < 0))

    # Names

    def _name_columns(self, system: int, rows: Ints, load_date: LoadDate) -> dict[str, Text]:
        names = self._names(rows, load_date)
        is_none = self._is_person_case("no_person")[rows]
        instead = self._picked([name for name, _ in _NO_PERSONS], "no_person", rows)
        middle = where(self._shows_middle(rows), joined(" ", names.middle), "")
        suffix = where(np.asarray(pc.is_valid(names.suffix)), joined(" ", pc.fill_null(names.suffix, "")), "")
        match SOURCES[system].name:
            case "foundation_ca":
                return {
                    "first_name": where(is_none, None, joined(names.first, middle)),
                    "last_name": where(is_none, instead, joined(names.last, suffix)),
                }
            case "heritage_tx":
                full = joined(names.last, suffix, ", ", names.first, middle)
            case _:
                full = pc.utf8_upper(joined(names.first, middle, " ", names.last, suffix))
        return {"full_name": where(is_none, instead, full)}

    def _names(self, rows: Ints, load_date: LoadDate) -> Names:
        cast, person = self.cast, self.cast.person[rows]
        true = self.persons.names.take(person)
        name = cast.name.take(rows)
        other = pc.take(self.persons.other_last, pa.array(person))
        married = name.is_("married_name") | cast.changed(load_date.number, "renamed")[rows]
        first = rewritten(true.first, name.is_("nickname"), lambda text, at: _nickname(text, int(rows[at])))
        first = rewritten(first, name.is_("typo_in_first_name"), lambda text, at: _typo(text, int(rows[at])))
        first = where(name.is_("initial"), pc.utf8_slice_codeunits(first, 0, 1), first)
        unseen = self._is_person_case("hostile_text")[rows]
        first = rewritten(first, unseen, lambda text, at: text[:2] + _UNSEEN[int(rows[at]) % 3] + text[2:])
        last = rewritten(true.last, name.is_("typo_in_last_name"), lambda text, at: _typo(text, int(rows[at])))
        last = where(married, other, where(name.is_("double_name"), joined(last, "-", other), last))
        swapped = name.is_("swapped_names")
        return Names(where(swapped, last, first), true.middle, where(swapped, first, last), true.suffix)

    def _shows_middle(self, rows: Ints) -> Bools:
        """Some contacts name the middle initial; of the indistinguishable none."""
        cast = self.cast
        some = draw(rows, "shows middle name", self._seed, 100) < 18
        plain = ~cast.name.take(rows).is_("initial", "swapped_names", "double_name")
        alike = cast.pair.is_("father_and_son_unmarked")[cast.person[rows]]
        return (cast.name.take(rows).is_("middle_name") | some) & plain & ~alike

    def _title(self, rows: Ints) -> Text:
        titles = vocabulary().titles
        title = words(titles, draw(self.cast.person[rows], "title", self._seed, len(titles)))
        title = where(draw(rows, "no title", self._seed, 100) < 10, None, title)
        return where(
            self._is_person_case("hostile_text")[rows], self._picked(_HOSTILE_TITLES, "hostile_text", rows), title
        )

    # Mailboxes

    def _email(self, rows: Ints, load_date: LoadDate) -> Text:
        cast = self.cast
        own = pc.take(self.persons.mailboxes.own, pa.array(cast.person[rows]))
        moved = cast.changed(load_date.number, "email_moved")[rows]
        own = where(moved, pc.take(self.persons.mailboxes.moved, pa.array(rows)), own)
        domains = pa.array([g.domain for g in self._employers.groups], pa.string())
        domain = pc.take(domains, pa.array(cast.group[rows]))
        role = joined(words(_ROLE_MAILBOXES, draw(rows, "role mailbox", self._seed, len(_ROLE_MAILBOXES))), "@", domain)
        placeholder = words(_PLACEHOLDERS, draw(rows, "placeholder", self._seed, len(_PLACEHOLDERS)))
        other = pc.take(self.persons.mailboxes.other, pa.array(rows))
        columns = {"": own, "none": None, "role": role, "placeholder": placeholder, "other": other}
        columns["invalid"] = self._spoilt(rows, own)
        kind = self._email_kind(rows, load_date)
        email = chosen(kind, *(columns[name] for name in cast.email.names))
        loud = (self._system[rows] == len(SOURCES) - 1) & (draw(rows, "capitals", self._seed, 2) == 0)
        return where(loud, pc.utf8_upper(email), email)

    def _email_kind(self, rows: Ints, load_date: LoadDate) -> Ints:
        """Places in the names of the email cases, as they are on a date."""
        names = self.cast.email.names
        kind = np.where(self._is_unlinked(rows, load_date), names.index("none"), self.cast.email.case[rows])
        later = self._is_person_case("links_later")[rows] & ~self._is_unlinked(rows, load_date)
        moved = self.cast.changed(load_date.number, "email_moved")[rows]
        kind = np.where(later | moved, names.index(""), kind)
        return np.where(self.cast.changed(load_date.number, "email_gone_bad")[rows], names.index("invalid"), kind)

    def _is_unlinked(self, rows: Ints, load_date: LoadDate) -> Bools:
        """A further contact that says too little before the second date."""
        later = self._is_person_case("links_later")[rows] & (self.cast.copy[rows] > 0)
        return later & (load_date.number < LOAD_DATES[1].number)

    def _spoilt(self, rows: Ints, own: Text) -> Text:
        """Addresses with something wrong, or two in one field."""
        local = pc.replace_substring_regex(own, "@.*", "")
        domain = pc.replace_substring_regex(own, ".*@", "")
        return chosen(
            draw(rows, "spoilt", self._seed, 7),
            joined(local, "@"),
            joined(local, ".", domain),
            joined(own, "; ", local, "2@", domain),
            joined(local, " x@", domain),
            joined(local, "@gmial.com"),
            joined(local, "@@", domain),
            joined(own, ", call instead"),
        )

    def _email_status(self, rows: Ints, load_date: LoadDate) -> Text:
        shared = self.persons.shares_mailbox[self.cast.person[rows]]
        status = {"": where(shared, "shared", "valid"), "other": "valid"}
        columns = (status.get(name, name) for name in self.cast.email.names)
        return chosen(self._email_kind(rows, load_date), *columns)

    # Telephones

    def _phone(self, rows: Ints, load_date: LoadDate) -> tuple[Text, Text]:
        """Ten digits, and the extension."""
        cast, person = self.cast, pa.array(self.cast.person[rows])
        direct = pc.take(self.persons.direct, person)
        other = pc.take(self.persons.other_line, person)
        line = pc.take(self._offices(load_date).phone, pa.array(cast.group[rows]))
        direct = where(cast.changed(load_date.number, "phone_moved")[rows], other, direct)
        columns = {"": direct, "office": line, "office_with_extension": line, "none": None, "other": other}
        on_line = cast.pair.is_("namesakes_at_one_office", "alike_first_names")[cast.person[rows]]
        forced = ~cast.pair.is_("")[cast.person[rows]] | cast.changed(load_date.number, "phone_moved")[rows]
        kind = np.where(forced, 0, cast.phone.case[rows])
        kind = np.where(on_line, cast.phone.names.index("office"), kind)
        kind = np.where(self._is_unlinked(rows, load_date), cast.phone.names.index("none"), kind)
        number = chosen(kind, *(columns[name] for name in cast.phone.names))
        extension = numbers_text(100 + draw(cast.person[rows], "extension", self._seed, 900))
        return number, where(kind == cast.phone.names.index("office_with_extension"), extension, None)

    def _phone_columns(self, system: int, rows: Ints, number: Text, extension: Text) -> dict[str, Text]:
        written = self._written(rows, number, "phone form")
        shown = draw(rows, "shows mobile", self._seed, 100) < 60
        mobile = where(shown, pc.take(self.persons.mobile, pa.array(self.cast.person[rows])), None)
        columns = {"mobile": self._written(rows, mobile, "mobile form")}
        match SOURCES[system].name:
            case "foundation_ca":
                return {"phone": written, "phone_ext": extension} | columns
            case "heritage_tx":
                return {"phone": self._with_extension(rows, written, extension)} | columns
            case _:
                return {"phone": self._with_extension(rows, written, extension)}

    def _with_extension(self, rows: Ints, written: Text, extension: Text) -> Text:
        signs = words((" x", " ext. ", " #", " extension "), draw(rows, "extension form", self._seed, 4))
        has = np.asarray(pc.is_valid(extension))
        return where(has, joined(written, signs, pc.fill_null(extension, "")), written)

    def _written(self, rows: Ints, number: Text, what: str) -> Text:
        """The same number in one of the many ways in which people write it."""
        area, exchange, line = (
            pc.utf8_slice_codeunits(number, start, stop) for start, stop in ((0, 3), (3, 6), (6, 10))
        )
        return chosen(
            draw(rows, what, self._seed, 6),
            joined("(", area, ") ", exchange, "-", line),
            joined(area, "-", exchange, "-", line),
            joined(area, ".", exchange, ".", line),
            number,
            joined("+1 ", area, " ", exchange, " ", line),
            joined("1-", area, "-", exchange, "-", line),
        )

    # Addresses

    def _make_offices(self, load_date: LoadDate) -> _Offices:
        offices = [office(group, load_date) for group in self._employers.groups]
        addresses = [o.address for o in offices]
        columns = (
            [a.line1 for a in addresses],
            [a.line2 for a in addresses],
            [a.city for a in addresses],
            [a.state_code for a in addresses],
            [a.postal_code for a in addresses],
            [o.phone for o in offices],
        )
        return _Offices(*(pa.array(column, pa.string()) for column in columns))

    def _address_columns(self, system: int, rows: Ints, load_date: LoadDate) -> dict[str, Text]:
        cast, groups = self.cast, pa.array(self.cast.group[rows])
        where_now = self._offices(load_date)
        line1, line2, city, state, postal = (
            pc.take(column, groups)
            for column in (where_now.line1, where_now.line2, where_now.city, where_now.state, where_now.postal_code)
        )
        address = cast.address.take(rows)
        moved = cast.changed(load_date.number, "address_moved")[rows]
        home = moved | address.is_("home")
        line1 = where(home, self._home_street(cast.person[rows]), line1)
        line2 = where(home, None, line2)
        spelt = address.is_("spelt_out")
        line1 = where(spelt, _spelt_out(line1), line1)
        line2 = where(spelt, pc.replace_substring_regex(line2, "^Ste ", "Suite "), line2)
        in_one = address.is_("unit_in_line1") & np.asarray(pc.is_valid(line2))
        line1 = where(in_one, joined(line1, ", ", pc.fill_null(line2, "")), line1)
        line2 = where(in_one, None, line2)
        plus4 = joined(postal, "-", numbers_text(1000 + draw(cast.group[rows], "plus 4", self._seed, 8999), 4))
        postal = where(address.is_("zip4") & ~home, plus4, postal)
        names = ("address_line1", "address_line2", "city", "state_code", "postal_code")
        there = ~(address.is_("none") & ~moved)
        columns = dict(zip(names, (line1, line2, city, state, postal), strict=True))
        if system == len(SOURCES) - 1:
            columns = {name: pc.utf8_upper(column) for name, column in columns.items()}
        return {name: where(there, column, None) for name, column in columns.items()}

    def _home_street(self, person: Ints) -> Text:
        street = vocabulary().streets
        return joined(
            numbers_text(100 + draw(person, "house", self._seed, 9_000)),
            " ",
            words(street, draw(person, "street", self._seed, len(street))),
            " ",
            words([kind[0] for kind in vocabulary().street_types], draw(person, "street type", self._seed, 5)),
        )

    # State

    def _updated_at(self, rows: Ints, load_date: LoadDate) -> pa.TimestampArray:
        start = int(datetime(2024, 6, 1, tzinfo=UTC).timestamp())
        seconds = start + draw(rows, "updated", self._seed, 800 * 86_400)
        later = self._is_person_case("links_later")[rows] & (self.cast.copy[rows] > 0)
        date_of_change = np.where(later, LOAD_DATES[1].number, self.cast.change_date[rows])
        happened = (date_of_change > 0) & (date_of_change <= load_date.number)
        moments = np.array([int(d.moment(Slot.DAY).timestamp()) for d in LOAD_DATES], dtype=np.int64)
        seconds = np.where(happened, moments[np.maximum(date_of_change, 1) - 1], seconds)
        return pa.array(seconds * 1_000_000, pa.timestamp("us", tz="UTC"))

    def _is_active(self, rows: Ints, load_date: LoadDate) -> Text:
        gone = self.cast.trait.is_("inactive") | self.cast.changed(load_date.number, "deactivated")
        return where(gone[rows], "N", where(rows % 5 == 0, None, "Y"))

    def _hard_case(self, rows: Ints, load_date: LoadDate) -> Text:
        """Everything special about each contact, in words with a space between."""
        cast, person = self.cast, self.cast.person[rows]
        change = np.where(cast.change_date[rows] <= load_date.number, cast.change.case[rows], 0)
        mailboxes = [f"email_{name}" if name else "" for name in cast.email.names]
        columns = [
            words(names, places)
            for names, places in (
                (cast.pair.names, cast.pair.case[person]),
                (cast.person_case.names, cast.person_case.case[person]),
                (cast.name.names, cast.name.case[rows]),
                (mailboxes, self._email_kind(rows, load_date)),
                (cast.trait.names, cast.trait.case[rows]),
                (cast.change.names, change),
            )
        ]
        # Arrow's own way to leave out nulls loses the rows in which all are null.
        spaced = pc.binary_join_element_wise(*columns, " ")
        return pc.utf8_trim_whitespace(pc.replace_substring_regex(spaced, " +", " "))


def _spelt_out(line1: Text) -> Text:
    for short, long in vocabulary().street_types:
        line1 = pc.replace_substring_regex(line1, f" {short}$", f" {long}")
    return line1


def _nickname(first: str, number: int) -> str:
    """What a person of this name is called; the name itself where there is nothing shorter."""
    short = vocabulary().first_names.get(first) or (first,)
    return short[number % len(short)]


def _typo(name: str, number: int) -> str:
    """A slip of the keyboard: two letters changed over, one left out, or one doubled."""
    at = 1 + number // 3 % max(1, len(name) - 2)
    match number % 3:
        case 0:
            return name[:at] + name[at + 1 : at + 2] + name[at] + name[at + 2 :]
        case 1:
            return name[:at] + name[at + 1 :]
        case _:
            return name[:at] + name[at] + name[at:]
