"""Identity: which normalized contacts are one person, which person_id that person has, what is true of them.

Rules in sql/contacts/ find the certain links; people's decisions go before them; clustering and person ids are the
pure modules of those names. Everything that depends on each other changes in one transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from memsync_assets.contacts.as_of import date_of_roles
from memsync_assets.contacts.clustering import DECIDED, Clusters, Link, Refused, cluster
from memsync_assets.contacts.decisions import Decision
from memsync_assets.contacts.person_numbers import Ints, Numbering, number_persons
from memsync_assets.contacts.same_name import is_same_name
from memsync_assets.contacts.scoring import score_pairs
from memsync_assets.contacts.text import cut
from memsync_assets.contacts.values import compare_names
from memsync_assets.contacts.vetoes import Marks, veto
from memsync_assets.mart.engine import Mart, Replace
from memsync_assets.mart.queries import read_query
from memsync_assets.settings import MemsyncError, Settings

ContactKey = tuple[str, str]

#: A phone that more surnames or contacts than this have is an office line.
DIRECT_SURNAMES = 2
DIRECT_CONTACTS = 12
#: A value that more contacts than this share makes no candidate pairs.
BLOCK_SIZE = 40
#: A name that at most this many contacts have makes candidate pairs by itself.
RARE_NAME = 6
#: A last name, an initial and a title that at most this many contacts have make candidate pairs.
RARE_TITLE = 12
#: Two contacts of one name at one place are one person when fewer others of the name than this are there by chance:
#: the name's share of all contacts times the contacts of the place.
CHANCE = 0.0008
#: The parameters of the queries that find and judge pairs.
LIMITS = {
    "direct_surnames": DIRECT_SURNAMES,
    "direct_contacts": DIRECT_CONTACTS,
    "block_size": BLOCK_SIZE,
    "rare_name": RARE_NAME,
    "rare_title": RARE_TITLE,
    "chance": CHANCE,
}
_NAMES_OF_CANDIDATES = """
    SELECT
        CASE WHEN a.{0}_key < b.{0}_key THEN a.{0}_key ELSE b.{0}_key END AS left_key,
        CASE WHEN a.{0}_key < b.{0}_key THEN b.{0}_key ELSE a.{0}_key END AS right_key
    FROM candidate_pairs AS p
    INNER JOIN contact_evidence AS a ON p.left_number = a.contact_number
    INNER JOIN contact_evidence AS b ON p.right_number = b.contact_number
    WHERE a.{0}_key <> b.{0}_key
"""


class PersonsHeldError(MemsyncError):
    """A run would change more persons than the configuration allows; nothing was changed."""


@dataclass(frozen=True)
class PersonCounts:
    """What `resolve_persons` did. merged and split count person ids, links the certain links found by rules,
    review the pairs that people should look at."""

    contacts: int
    persons: int
    candidate_pairs: int
    links: int
    refused_links: int
    created: int
    merged: int
    split: int
    retired: int
    revived: int
    decisions_without_contact: int
    review: int


def resolve_persons(
    mart: Mart, settings: Settings, decisions: Sequence[Decision], as_of: date | None = None
) -> PersonCounts:
    """Make persons, contact_persons, person_ids, golden_values, person_roles and review_pairs of normalized_contacts.

    The same contacts, decisions and former persons give the same tables, however often it is run.
    as_of: roles in force on this date make the primary account; None: the loads' latest as-of date.

    Raises:
        PersonsHeldError: more persons would change than settings.identity allows.
    """
    candidates = find_candidates(mart)
    links = mart.store(read_query("contacts/contact_links"), Replace(), LIMITS)
    score_pairs(mart)
    contacts = _read_contacts(mart)
    clusters, unknown = _cluster(mart, decisions, contacts)
    living, vanished = contacts.living()
    if len(vanished):
        for place, number in _read_rekeyed(mart).items():
            living[place] = number
    former, next_number = _read_former(mart)
    numbering = number_persons(_cluster_of(clusters, len(contacts.ids)), living, vanished, former, next_number)
    _hold(numbering, len(np.unique(contacts.before["person_number"])), settings)

    def write() -> tuple[int, int]:
        _write_refused(mart, contacts, clusters.refused)
        _write_contact_persons(mart, contacts, clusters.joined, numbering.person_of)
        _write_ids(mart, contacts.before, numbering)
        _write_priorities(mart, settings)
        mart.store(read_query("contacts/golden_values"), Replace())
        persons = mart.store(read_query("contacts/persons"), Replace())
        mart.store(read_query("contacts/person_roles"), Replace(), {"as_of": date_of_roles(mart, as_of)})
        return persons, _write_review(mart, decisions)

    persons, review = mart.whole(write)
    return PersonCounts(
        contacts=len(contacts.ids),
        persons=persons,
        candidate_pairs=candidates,
        links=links,
        refused_links=len(clusters.refused),
        created=len(numbering.created),
        merged=len(numbering.aliases),
        split=len(numbering.split),
        retired=len(numbering.retired),
        revived=len(numbering.revived),
        decisions_without_contact=unknown,
        review=review,
    )


def find_candidates(mart: Mart) -> int:
    """Make contact_evidence, candidate_pairs and, names compared, judged_pairs. Returns the number of candidates."""
    for query in ("contact_evidence", "contact_numbers", "contact_places", "contact_blocks"):
        mart.store(read_query(f"contacts/{query}"), Replace(), LIMITS)
    pairs = mart.store(read_query("contacts/candidate_pairs"), Replace(), LIMITS)
    for kind in ("first", "last"):
        compare_names(mart, kind, _NAMES_OF_CANDIDATES.format(kind))
    for query in ("pair_names", "judged_pairs"):
        mart.store(read_query(f"contacts/{query}"), Replace(), LIMITS)
    return pairs


@dataclass(frozen=True)
class _Contacts:
    """The contacts of this run, numbered from 1 in the order of their keys; here from 0.

    Attributes:
        systems, ids: their keys.
        before: contact_persons as the last run left it, with the contact's place here (null: it is no more).
    """

    systems: pa.ChunkedArray
    ids: pa.ChunkedArray
    before: pa.Table

    def places_of(self, keys: Iterable[ContactKey]) -> dict[ContactKey, int]:
        """Where contacts are; those that are not there now are left out."""
        wanted = set(keys)
        ids = pa.array(sorted({contact for _, contact in wanted}), pa.string())
        places = np.flatnonzero(pc.is_in(self.ids, ids))
        systems, contacts = (column.take(pa.array(places)).to_pylist() for column in (self.systems, self.ids))
        found = zip(systems, contacts, places.tolist(), strict=True)
        return {(system, contact): place for system, contact, place in found if (system, contact) in wanted}

    def living(self) -> tuple[Ints, Ints]:
        """The number of each contact's person, 0 where it had none; the numbers of contacts that are no more."""
        numbers = self.before["person_number"].to_numpy()
        is_here = np.asarray(pc.is_valid(self.before["place"]))
        living = np.zeros(len(self.ids), dtype=np.int64)
        living[self.before["place"].drop_null().to_numpy()] = numbers[is_here]
        return living, numbers[~is_here]


def _read_contacts(mart: Mart) -> _Contacts:
    keys = mart.fetch("SELECT e.source_system, e.contact_id FROM contact_evidence AS e ORDER BY e.contact_number")
    before = mart.fetch(
        "SELECT p.system, p.contact_id, CAST(SUBSTRING(p.person_id, 2, 35) AS BIGINT) AS person_number,"
        " e.contact_number - 1 AS place FROM contact_persons AS p"
        " LEFT OUTER JOIN contact_evidence AS e ON p.system = e.source_system AND p.contact_id = e.contact_id"
    )
    return _Contacts(keys["source_system"], keys["contact_id"], before)


def _read_former(mart: Mart) -> tuple[dict[int, list[int]], int]:
    """For the contacts that are there now, the numbers they had that do not live; the next free number."""
    former: dict[int, list[int]] = defaultdict(list)
    rows = mart.fetch(
        "SELECT e.contact_number - 1 AS place, CAST(SUBSTRING(f.person_id, 2, 35) AS BIGINT) AS person_number"
        " FROM former_contact_persons AS f"
        " INNER JOIN contact_evidence AS e ON f.system = e.source_system AND f.contact_id = e.contact_id"
    )
    for place, number in zip(rows["place"].to_pylist(), rows["person_number"].to_pylist(), strict=True):
        former[place].append(number)
    last = mart.fetch("SELECT MAX(i.sequence_number) AS last_number FROM person_ids AS i")["last_number"][0]
    return former, (last.as_py() or 0) + 1


_REKEYED = """
SELECT DISTINCT e.contact_number - 1 AS place, CAST(SUBSTRING(p.person_id, 2, 35) AS BIGINT) AS person_number,
    COALESCE(p.first_name, '') AS old_first, p.last_name AS old_last, COALESCE(p.name_suffix, '') AS old_suffix,
    COALESCE(n.first_name, '') AS first_name, n.last_name, COALESCE(n.name_suffix, '') AS name_suffix
FROM contact_evidence AS e
INNER JOIN normalized_contacts AS n ON e.source_system = n.source_system AND e.contact_id = n.contact_id
INNER JOIN persons AS p ON LOWER(e.personal_email) = LOWER(p.email) AND p.email_status = 'valid'
WHERE NOT EXISTS (
        SELECT 1 FROM contact_persons AS c WHERE c.system = e.source_system AND c.contact_id = e.contact_id
    )
    AND NOT EXISTS (
        SELECT 1 FROM contact_persons AS k
        INNER JOIN contact_evidence AS x ON k.system = x.source_system AND k.contact_id = x.contact_id
        WHERE k.person_id = p.person_id
    )
"""


def _read_rekeyed(mart: Mart) -> dict[int, int]:
    """New contacts that are certainly a person all of whose contacts are gone, and the number of that person.

    A source that gives a contact another key would make another person of it otherwise, and a second Contact.
    """
    found: dict[int, int] = {}
    for row in mart.fetch(_REKEYED).to_pylist():
        before = (row["old_first"], f"{row['old_last']} {row['old_suffix']}".strip())
        now = (row["first_name"], f"{row['last_name']} {row['name_suffix']}".strip())
        if is_same_name(before, now):
            found[row["place"]] = min(row["person_number"], found.get(row["place"], row["person_number"]))
    return found


def _read_links(mart: Mart) -> list[Link[int]]:
    rows = mart.fetch(
        "SELECT k.left_number - 1 AS left_place, k.right_number - 1 AS right_place, k.tier, k.rule_name, k.reason,"
        " s.weight FROM contact_links AS k"
        " LEFT OUTER JOIN pair_scores AS s ON k.left_number = s.left_number AND k.right_number = s.right_number"
    )
    return [Link(*values) for values in zip(*(column.to_pylist() for column in rows.columns), strict=True)]


_MARKS = """
SELECT e.contact_number - 1 AS place, e.first_key, e.middle_key, e.last_key, e.suffix_key,
    COALESCE(e.personal_email, '') AS email, COALESCE(e.email_domain, '') AS domain
FROM contact_evidence AS e
WHERE e.contact_number IN (
    SELECT k.left_number FROM contact_links AS k UNION SELECT k.right_number FROM contact_links AS k
)
"""
_MARKS_OF_ONE = _MARKS[: _MARKS.index("WHERE")] + "WHERE e.contact_number = @number"


def _read_marks(mart: Mart, decided: Iterable[Link[int]]) -> dict[int, Marks]:
    """What tells the contacts of rules' and people's links from others."""

    def read(sql: str, bound: Mapping[str, int] | None = None) -> dict[int, Marks]:
        places, *marks = (column.to_pylist() for column in mart.fetch(sql, bound).columns)
        return dict(zip(places, map(Marks, *marks), strict=True))

    found = read(_MARKS)
    for place in sorted({side for link in decided for side in (link.left, link.right)} - found.keys()):
        found |= read(_MARKS_OF_ONE, {"number": place + 1})
    return found


def _cluster(mart: Mart, decisions: Sequence[Decision], contacts: _Contacts) -> tuple[Clusters[int], int]:
    """People's decisions before vetoes and rules. A decision on a contact that is not there now waits for it."""
    places = contacts.places_of(key for item in decisions for key in (item.left, item.right))
    known = [d for d in decisions if d.left in places and d.right in places]
    # The names of people who decide are free text, and a reason has room for so much.
    decided = [
        Link(
            places[d.left],
            places[d.right],
            DECIDED,
            "always_link",
            cut(f"decided by {d.decided_by or 'a person'}", 400),
        )
        for d in known
        if d.verdict == "always_link"
    ]
    never = [(places[d.left], places[d.right]) for d in known if d.verdict == "never_link"]
    marks = _read_marks(mart, decided)
    clusters = cluster([*decided, *_read_links(mart)], never, lambda left, right: veto(marks[left], marks[right]))
    return clusters, len(decisions) - len(known)


def _cluster_of(clusters: Clusters[int], count: int) -> Ints:
    """The smallest contact of each contact's cluster."""
    of = np.arange(count, dtype=np.int64)
    linked = np.fromiter(clusters.cluster_of, np.int64, len(clusters.cluster_of))
    of[linked] = np.fromiter(clusters.cluster_of.values(), np.int64, len(linked))
    return of


def _person_ids(numbers: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The persistent ids of the persons with these numbers: P and ten digits or more; null for null."""
    return pc.binary_join_element_wise("P", pc.utf8_lpad(pc.cast(numbers, pa.string()), 10, "0"), "")


def _hold(numbering: Numbering, persons: int, settings: Settings) -> None:
    changed = len(numbering.aliases) + len(numbering.split) + len(numbering.retired)
    limit = settings.identity
    if changed > limit.minimum_persons and changed > limit.changed_share * persons:
        raise PersonsHeldError(
            f"identity: {changed} of {persons} persons would be merged, split or retired, more than"
            f" identity.changed_share = {limit.changed_share} allows. Look at the loads and the decisions;"
            " raise identity.changed_share for one run if the change is meant."
        )


def _write_refused(mart: Mart, contacts: _Contacts, refused: Sequence[Refused[int]]) -> None:
    sides = (
        pa.array([one.link.left for one in refused], pa.int64()),
        pa.array([one.link.right for one in refused], pa.int64()),
    )
    (left, right) = ((contacts.systems.take(side), contacts.ids.take(side)) for side in sides)
    mart.execute("DELETE FROM refused_links")
    mart.append(
        "refused_links",
        pa.table(
            {
                "left_system": left[0],
                "left_contact_id": left[1],
                "right_system": right[0],
                "right_contact_id": right[1],
                "rule_name": pa.array([one.link.rule_name for one in refused], pa.string()),
                "reason": pa.array([one.why for one in refused], pa.string()),
            }
        ),
    )


def _write_contact_persons(mart: Mart, contacts: _Contacts, joined: Sequence[Link[int]], person_of: Ints) -> None:
    """Each contact with the strongest link that joined it."""
    why = np.full(len(person_of), -1, dtype=np.int64)
    for number in range(len(joined) - 1, -1, -1):
        why[joined[number].left] = why[joined[number].right] = number
    links = pa.array(why, mask=why < 0)
    reasons = pa.array([link.reason for link in joined], pa.string()).take(links)
    mart.execute("DELETE FROM contact_persons")
    mart.append(
        "contact_persons",
        pa.table(
            {
                "system": contacts.systems,
                "contact_id": contacts.ids,
                "person_id": _person_ids(pa.array(person_of)),
                "rule_name": pa.array([link.rule_name for link in joined], pa.string()).take(links),
                "score": pa.array([link.weight for link in joined], pa.float64()).take(links),
                "reason": pc.fill_null(reasons, "no other contact is this person"),
            }
        ),
    )


def _write_review(mart: Mart, decisions: Sequence[Decision]) -> int:
    """The review queue without the pairs that somebody decided never to be one. Returns how many pairs it has."""
    mart.store(read_query("contacts/review_pairs"), Replace(), LIMITS)
    for item in decisions:
        if item.verdict == "never_link":
            left, right = item.left, item.right
            mart.execute(
                "DELETE FROM review_pairs WHERE left_system = @ls AND left_contact_id = @lc"
                " AND right_system = @rs AND right_contact_id = @rc",
                {"ls": left[0], "lc": left[1], "rs": right[0], "rc": right[1]},
            )
    return int(mart.fetch("SELECT COUNT(*) AS pairs FROM review_pairs")["pairs"][0].as_py())


_REVIVE = """
DELETE FROM former_contact_persons WHERE EXISTS (
    SELECT 1 FROM person_id_changes AS c
    WHERE c.person_id = former_contact_persons.person_id AND c.alias_of IS NULL
)
"""
_CHANGE_ALIASES = """
UPDATE person_ids
SET alias_of = (SELECT c.alias_of FROM person_id_changes AS c WHERE c.person_id = person_ids.person_id)
WHERE EXISTS (SELECT 1 FROM person_id_changes AS c WHERE c.person_id = person_ids.person_id)
"""


def _write_ids(mart: Mart, before: pa.Table, numbering: Numbering) -> None:
    aliases: dict[int, int | None] = {**dict.fromkeys(numbering.revived), **numbering.aliases}
    changed = sorted(aliases)
    survivors = pa.array([aliases[number] for number in changed], pa.int64())
    mart.execute("DELETE FROM person_id_changes")
    mart.append(
        "person_id_changes",
        pa.table({"person_id": _person_ids(pa.array(changed, pa.int64())), "alias_of": _person_ids(survivors)}),
    )
    mart.execute(_REVIVE)
    mart.execute(_CHANGE_ALIASES)
    gone = pa.array(sorted(numbering.aliases.keys() | numbering.retired), pa.int64())
    former = before.filter(pc.is_in(before["person_number"], gone))
    mart.append(
        "former_contact_persons",
        pa.table(
            {
                "person_id": _person_ids(former["person_number"]),
                "system": former["system"],
                "contact_id": former["contact_id"],
            }
        ),
    )
    mart.append(
        "person_ids",
        pa.table(
            {"person_id": _person_ids(pa.array(numbering.created)), "sequence_number": pa.array(numbering.created)}
        ),
    )


def _write_priorities(mart: Mart, settings: Settings) -> None:
    systems = mart.fetch("SELECT DISTINCT n.source_system FROM normalized_contacts AS n")["source_system"]
    names = sorted(systems.to_pylist())
    mart.execute("DELETE FROM system_priorities")
    mart.append(
        "system_priorities",
        pa.table(
            {
                "system": pa.array(names, pa.string()),
                "priority": pa.array([settings.priority(name) for name in names], pa.int32()),
            }
        ),
    )
