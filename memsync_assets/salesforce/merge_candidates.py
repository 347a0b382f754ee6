"""Which Contacts the org holds twice: found in the mart's last snapshot of it. How they are merged is in `merge`.

Certain rules and people's decisions merge by themselves; what another rule finds waits for `memsync review`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from memsync_assets.contacts.decisions import ORG, Verdict, read_decisions
from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce.mailboxes import shared_mailboxes
from memsync_assets.salesforce.specifications import read_specifications
from memsync_assets.settings import MemsyncError, Project

CONTACT = "Contact"
_ONE_PERSON = "one person in the mart"
#: The rule of a pair that a person decided to be one.
DECIDED = "decided by a person"
#: Rules that merge by themselves, where only one Contact of ours can be meant.
_SAME = "same email and name"
_CERTAIN = frozenset({_ONE_PERSON, _SAME})
_OTHER_NAME = "same email, other name"
_LIVE = "salesforce_contact_live"
# Contacts of persons that are now others' aliases, and those of the persons of the upload.
_ALIASES = f"""
SELECT l.record_id, l.external_id
FROM {_LIVE} AS l
INNER JOIN person_ids AS i ON l.external_id = i.person_id
WHERE i.alias_of IS NOT NULL
"""  # noqa: S608
_MASTERS = f"""
SELECT l.external_id, l.record_id
FROM {_LIVE} AS l
INNER JOIN contact_upload AS u ON l.external_id = u.person_id
INNER JOIN person_ids AS i ON i.alias_of = l.external_id
"""  # noqa: S608
_SAME_NAME = f"""
SELECT lm.record_id AS master_id, ll.record_id AS loser_id, 'same name at one account' AS rule_name
FROM {_LIVE} AS lm
INNER JOIN contact_upload AS u ON lm.external_id = u.person_id
INNER JOIN {_LIVE} AS ll
    ON lm.[AccountId] = ll.[AccountId] AND LOWER(u.last_name) = LOWER(ll.[LastName])
    AND LOWER(u.first_name) = LOWER(ll.[FirstName])
WHERE (ll.external_id IS NULL OR NOT EXISTS (SELECT 1 FROM contact_upload AS k WHERE k.person_id = ll.external_id))
    AND (ll.[Email] IS NULL OR u.email IS NULL OR LOWER(ll.[Email]) <> LOWER(u.email))
"""  # noqa: S608
_OF_PAIR = f"""
SELECT l.record_id, u.person_id
FROM {_LIVE} AS l
LEFT OUTER JOIN contact_upload AS u ON l.external_id = u.person_id
WHERE l.record_id IN (@one, @other)
"""  # noqa: S608


@dataclass(frozen=True)
class Candidate:
    """Two Contacts that may be one person: the master, which carries our external id, and what would go into it.

    Attributes:
        certain: whether it is merged without a further question.
    """

    master_id: str
    loser_id: str
    rule_name: str
    certain: bool = False

    @property
    def merge_id(self) -> str:
        """Names the pair, always the same."""
        return hashlib.sha256(f"{self.master_id} {self.loser_id}".encode()).hexdigest()[:12]


def find_candidates(mart: Mart, project: Project) -> list[Candidate]:
    """The pairs in the last snapshot, without those that a person decided to be two.

    A loser that could go into several masters is certain of none, unless a person decided for one.

    Raises:
        MemsyncError: the snapshot was never taken, or lacks a field.
    """
    contact = read_specifications(project).of(CONTACT)
    if missing := {"Email", "FirstName", "LastName", "AccountId"} - set(mart.columns(contact.live_table)):
        raise MemsyncError(f"merging needs the live values of {', '.join(sorted(missing))}: make a plan first.")
    decided = _decided(project)
    by_loser: dict[str, dict[str, str]] = defaultdict(dict)
    for master, loser, rule in chain(_found(mart), _found_by_people(mart, decided)):
        if decided.get(frozenset((master, loser))) != "never_link":
            by_loser[loser].setdefault(master, rule)
    return [one for loser, rules in sorted(by_loser.items()) for one in _judged(loser, rules, decided)]


def _judged(loser: str, rule_of: Mapping[str, str], decided: Mapping[frozenset[str], Verdict]) -> Sequence[Candidate]:
    said = sorted(master for master in rule_of if decided.get(frozenset((master, loser))) == "always_link")
    if said:
        return [Candidate(said[0], loser, DECIDED, certain=True)]
    alone = len(rule_of) == 1
    return [Candidate(master, loser, rule, alone and rule in _CERTAIN) for master, rule in sorted(rule_of.items())]


def _decided(project: Project) -> dict[frozenset[str], Verdict]:
    return {frozenset((one.left[1], one.right[1])): one.verdict for one in read_decisions(project, of=ORG)}


def _found(mart: Mart) -> Iterator[tuple[str, str, str]]:
    """Master, loser, rule; the strongest rule of a pair first."""
    alias_of = _pairs(mart, "SELECT i.person_id, i.alias_of FROM person_ids AS i WHERE i.alias_of IS NOT NULL")
    masters = _pairs(mart, _MASTERS)
    for loser, person in sorted(_pairs(mart, _ALIASES).items()):
        while person in alias_of:
            person = alias_of[person]
        if person in masters:
            yield masters[person], loser, _ONE_PERSON
    for pair in shared_mailboxes(mart):
        if pair.master_id is not None:
            yield pair.master_id, pair.record_id, _SAME if pair.same_name else _OTHER_NAME
    for row in mart.fetch(_SAME_NAME).to_pylist():
        yield row["master_id"], row["loser_id"], row["rule_name"]


def _found_by_people(mart: Mart, decided: Mapping[frozenset[str], Verdict]) -> Iterator[tuple[str, str, str]]:
    for pair, verdict in decided.items():
        # One that was merged since, or whose person is another now, is none any more.
        with suppress(MemsyncError):
            if verdict == "always_link":
                yield (*_master_and_loser(mart, *pair), DECIDED)


def refuse_unmergeable(mart: Mart, one: str, other: str) -> None:
    """Refuse a decision that two Contacts, given as salesforce/ID, are one, if no merge could come of it.

    Decisions on others are not looked at.

    Raises:
        MemsyncError: they cannot be merged; see `_master_and_loser`.
    """
    prefix = f"{ORG}/"
    if one.startswith(prefix) and other.startswith(prefix) and mart.columns(_LIVE):
        _master_and_loser(mart, one.removeprefix(prefix), other.removeprefix(prefix))


def _master_and_loser(mart: Mart, one: str, other: str) -> tuple[str, str]:
    """Which of two Contacts that are one person, by their ids, goes into the other.

    Raises:
        MemsyncError: not exactly one of the two is a Contact of a person of the mart, so that they cannot be merged.
    """
    person_of = _pairs(mart, _OF_PAIR, {"one": one, "other": other})
    if unknown := sorted({one, other} - person_of.keys()):
        raise MemsyncError(f"salesforce/{unknown[0]}: no such Contact is known in the last snapshot of Salesforce.")
    loser, master = sorted((one, other), key=lambda record: person_of[record] is not None)
    if person_of[master] is None:
        raise MemsyncError(
            f"salesforce/{one}, salesforce/{other}: neither is a Contact of a person of the source systems, and memsync"
            " merges only into those. Merge them in Salesforce."
        )
    if person_of[loser] is not None:
        raise MemsyncError(
            f"salesforce/{one}, salesforce/{other}: they are two persons of the source systems,"
            f" {person_of[master]} and {person_of[loser]}. Decide that their source contacts are one person;"
            " `memsync explain` names them."
        )
    return master, loser


def _pairs(mart: Mart, sql: str, bound: Mapping[str, str] | None = None) -> dict[str, str]:
    rows = mart.fetch(sql, bound)
    return dict(zip(*(rows.column(place).to_pylist() for place in range(2)), strict=True))
