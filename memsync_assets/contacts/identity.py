"""Identity: which normalized contacts are one person, which person_id that person has, what is true of them.

Rules in sql/contacts/ find the certain links; people's decisions go before them; clustering and person ids are the
pure modules of those names. Everything that depends on each other changes in one transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from memsync_assets.contacts.clustering import Clusters, Link, cluster
from memsync_assets.contacts.decisions import Decision
from memsync_assets.contacts.person_ids import Assignment, assign
from memsync_assets.contacts.values import compare_names
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
#: Two contacts of one name at one place are one person when fewer others of the name than this are there by chance:
#: the name's share of all contacts times the contacts of the place.
CHANCE = 0.0008

#: A pair of this weight (log2 of the odds) or more is worth a look by people.
REVIEW_WEIGHT = 4
#: The parameters of the queries that find and judge pairs.
LIMITS = {
    "direct_surnames": DIRECT_SURNAMES,
    "direct_contacts": DIRECT_CONTACTS,
    "block_size": BLOCK_SIZE,
    "rare_name": RARE_NAME,
    "chance": CHANCE,
    "review_weight": REVIEW_WEIGHT,
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


def resolve_persons(mart: Mart, settings: Settings, decisions: Sequence[Decision]) -> PersonCounts:
    """Make persons, contact_persons, person_ids, golden_values, person_roles and review_pairs from normalized_contacts.

    The same contacts, decisions and former persons give the same tables, however often it is run.

    Raises:
        PersonsHeldError: more persons would change than settings.identity allows.
    """
    candidates = find_candidates(mart)
    links = mart.store(read_query("contacts/contact_links"), Replace(), LIMITS)
    contacts = _fetch_keys(mart, "SELECT n.source_system, n.contact_id FROM normalized_contacts AS n")
    clusters, unknown = _cluster(_read_links(mart), decisions, set(contacts))
    members = _members(contacts, clusters.cluster_of)
    living, former, next_number = _read_ids(mart)
    assignment = assign(members, living, former, next_number)
    _hold(assignment, len(set(living.values())), settings)
    with mart.transaction():
        _write_refused(mart, clusters.refused)
        _write_contact_persons(mart, members, clusters.joined, assignment)
        _write_ids(mart, living, assignment)
        _write_priorities(mart, settings)
        mart.store(read_query("contacts/golden_values"), Replace())
        persons = mart.store(read_query("contacts/persons"), Replace())
        mart.store(read_query("contacts/person_roles"), Replace())
        review = _write_review(mart, decisions)
    return PersonCounts(
        contacts=len(contacts),
        persons=persons,
        candidate_pairs=candidates,
        links=links,
        refused_links=len(clusters.refused),
        created=len(assignment.created),
        merged=len(assignment.aliases),
        split=len(assignment.split),
        retired=len(assignment.retired),
        revived=len(assignment.revived),
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
    mart.store(read_query("contacts/judged_pairs"), Replace(), LIMITS)
    return pairs


def _fetch_keys(mart: Mart, sql: str) -> list[ContactKey]:
    rows = mart.fetch(sql)
    return sorted(zip(*(rows.column(i).to_pylist() for i in range(2)), strict=True))


def _read_links(mart: Mart) -> list[Link[ContactKey]]:
    rows = mart.fetch(
        "SELECT k.left_system, k.left_contact_id, k.right_system, k.right_contact_id, k.tier, k.rule_name, k.reason"
        " FROM contact_links AS k"
    )
    columns = [rows.column(i).to_pylist() for i in range(rows.num_columns)]
    return [
        Link((ls, lc), (rs, rc), tier, rule, reason)
        for ls, lc, rs, rc, tier, rule, reason in zip(*columns, strict=True)
    ]


def _cluster(
    links: Iterable[Link[ContactKey]], decisions: Sequence[Decision], contacts: set[ContactKey]
) -> tuple[Clusters[ContactKey], int]:
    """People's decisions before the rules. A decision on a contact that is not there now waits for it."""
    known = [d for d in decisions if d.left in contacts and d.right in contacts]
    decided = [
        Link(d.left, d.right, 0, "always_link", f"decided by {d.decided_by or 'a person'}")
        for d in known
        if d.verdict == "always_link"
    ]
    never = [(d.left, d.right) for d in known if d.verdict == "never_link"]
    return cluster([*decided, *links], never), len(decisions) - len(known)


def _members(
    contacts: Iterable[ContactKey], cluster_of: Mapping[ContactKey, ContactKey]
) -> dict[ContactKey, list[ContactKey]]:
    members: dict[ContactKey, list[ContactKey]] = defaultdict(list)
    for contact in contacts:
        members[cluster_of.get(contact, contact)].append(contact)
    return members


def person_id(number: int) -> str:
    """The persistent id of the person with this number."""
    return f"P{number:010d}"


def _number(identifier: str) -> int:
    return int(identifier[1:])


def _read_ids(mart: Mart) -> tuple[dict[ContactKey, int], dict[ContactKey, list[int]], int]:
    """The number of each contact's person, the numbers each contact had that do not live, the next free number."""
    rows = mart.fetch("SELECT p.system, p.contact_id, p.person_id FROM contact_persons AS p")
    living = {
        (system, contact): _number(identifier)
        for system, contact, identifier in zip(*(rows.column(i).to_pylist() for i in range(3)), strict=True)
    }
    former: dict[ContactKey, list[int]] = defaultdict(list)
    for row in mart.fetch("SELECT f.system, f.contact_id, f.person_id FROM former_contact_persons AS f").to_pylist():
        former[row["system"], row["contact_id"]].append(_number(row["person_id"]))
    last = mart.fetch("SELECT MAX(i.sequence_number) AS last_number FROM person_ids AS i")["last_number"][0]
    return living, former, (last.as_py() or 0) + 1


def _hold(assignment: Assignment, persons: int, settings: Settings) -> None:
    changed = len(assignment.aliases) + len(assignment.split) + len(assignment.retired)
    limit = settings.identity
    if changed > limit.minimum_persons and changed > limit.changed_share * persons:
        raise PersonsHeldError(
            f"identity: {changed} of {persons} persons would be merged, split or retired, more than"
            f" identity.changed_share = {limit.changed_share} allows. Look at the loads and the decisions;"
            " raise identity.changed_share for one run if the change is meant."
        )


def _write_refused(mart: Mart, refused: Sequence[Link[ContactKey]]) -> None:
    mart.execute("DELETE FROM refused_links")
    _append(
        mart,
        "refused_links",
        ("left_system", "left_contact_id", "right_system", "right_contact_id", "rule_name", "reason"),
        [(*link.left, *link.right, link.rule_name, link.reason) for link in refused],
    )


def _write_contact_persons(
    mart: Mart,
    members: Mapping[ContactKey, Sequence[ContactKey]],
    joined: Iterable[Link[ContactKey]],
    assignment: Assignment,
) -> None:
    """Each contact with the strongest link that joined it."""
    why: dict[ContactKey, Link[ContactKey]] = {}
    for link in joined:
        why.setdefault(link.left, link)
        why.setdefault(link.right, link)
    rows = []
    for key, contacts in members.items():
        identifier = person_id(assignment.person_of[key])
        for contact in contacts:
            found = why.get(contact)
            rule, reason = (found.rule_name, found.reason) if found else (None, "no other contact is this person")
            rows.append((*contact, identifier, rule, reason))
    mart.execute("DELETE FROM contact_persons")
    _append(mart, "contact_persons", ("system", "contact_id", "person_id", "rule_name", "reason"), rows)


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


def _write_ids(mart: Mart, living: Mapping[ContactKey, int], assignment: Assignment) -> None:
    gone = assignment.aliases.keys() | assignment.retired
    for number in sorted(assignment.revived):
        mart.execute("DELETE FROM former_contact_persons WHERE person_id = @id", {"id": person_id(number)})
        mart.execute("UPDATE person_ids SET alias_of = NULL WHERE person_id = @id", {"id": person_id(number)})
    for number, survivor in sorted(assignment.aliases.items()):
        mart.execute(
            "UPDATE person_ids SET alias_of = @survivor WHERE person_id = @id",
            {"survivor": person_id(survivor), "id": person_id(number)},
        )
    _append(
        mart,
        "former_contact_persons",
        ("person_id", "system", "contact_id"),
        sorted((person_id(number), *contact) for contact, number in living.items() if number in gone),
    )
    created = sorted(assignment.created)
    rows = pa.table(
        {
            "person_id": pa.array(map(person_id, created), pa.string()),
            "sequence_number": pa.array(created, pa.int64()),
        }
    )
    mart.append("person_ids", rows)


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


def _append(mart: Mart, table: str, columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> None:
    values = list(zip(*rows, strict=True)) or [()] * len(columns)
    mart.append(table, pa.table({c: pa.array(v, pa.string()) for c, v in zip(columns, values, strict=True)}))
