"""The review queue: pairs of contacts that no rule is certain of, the likeliest first, for people to decide.

What is decided is written beside the home's mart and holds from the next run on. It names source contacts, not persons,
so that it lasts.
"""

from __future__ import annotations

from dataclasses import dataclass

from memsync_assets.contacts.decisions import (
    MIXED,
    ORG,
    ContactKey,
    decision,
    decision_files,
    is_mixed,
    read_decisions,
    record,
)
from memsync_assets.mart.engine import Mart
from memsync_assets.settings import MemsyncError, Project

#: The Contacts of the org, as its last snapshot has them.
_ORG_CONTACTS = "salesforce_contact_live"
_PAIRS = """
SELECT r.left_system, r.left_contact_id, r.right_system, r.right_contact_id, r.weight, r.reason, r.evidence
FROM review_pairs AS r
ORDER BY r.weight DESC, r.left_system, r.left_contact_id, r.right_system, r.right_contact_id
"""


@dataclass(frozen=True)
class ReviewPair:
    """Two contacts that may be one person.

    Attributes:
        weight: log2 of the odds that they are, as the fixed model has them.
        reason: how their values agree, and what each agreement weighs.
    """

    left: ContactKey
    right: ContactKey
    weight: float
    reason: str


def review_queue(mart: Mart, project: Project) -> list[ReviewPair]:
    """The pairs that wait for a decision, the likeliest first; what was decided since the last run is left out."""
    decided = {(item.left, item.right) for item in read_decisions(project)}
    found = [
        ReviewPair(
            (row["left_system"], row["left_contact_id"]),
            (row["right_system"], row["right_contact_id"]),
            row["weight"],
            f"{row['reason']} ({row['evidence']})",
        )
        for row in mart.fetch(_PAIRS).to_pylist()
    ]
    return [pair for pair in found if tuple(sorted((pair.left, pair.right))) not in decided]


def decide(mart: Mart, project: Project, one: str, other: str, *, same: bool, by: str) -> None:
    """Write down that two contacts, given as SYSTEM/CONTACT_ID, are or are not one person.

    Raises:
        MemsyncError: a contact is not given so or not known, or the pair was decided the other way before.
    """
    item = decision("always_link" if same else "never_link", _key(one), _key(other), by)
    if item.left == item.right:
        raise MemsyncError(f"{one}: a decision names two different contacts.")
    if is_mixed(item.left, item.right):
        raise MemsyncError(f"{one}, {other}: {MIXED}")
    for key in (item.left, item.right):
        _refuse_unknown(mart, key)
    record(decision_files(project)[1], item)


def _refuse_unknown(mart: Mart, key: ContactKey) -> None:
    """A slip of the pen would be a decision that waits for ever for a contact that does not come."""
    system, contact_id = key
    if system == ORG:
        if not mart.columns(_ORG_CONTACTS):
            raise MemsyncError("the Contacts of Salesforce were never read: make a plan first (`memsync plan`).")
        found = mart.fetch(
            f"SELECT l.record_id FROM {_ORG_CONTACTS} AS l WHERE l.record_id = @id",  # noqa: S608
            {"id": contact_id},
        )
    else:
        found = mart.fetch(
            "SELECT c.contact_id FROM source_contacts AS c WHERE c.source_system = @system AND c.contact_id = @id",
            {"system": system, "id": contact_id},
        )
    if found.num_rows == 0:
        where = "in the last snapshot of Salesforce" if system == ORG else "in the source systems"
        raise MemsyncError(f"{system}/{contact_id}: no such contact is known {where}; nothing was decided.")


def _key(text: str) -> ContactKey:
    system, _, contact_id = text.partition("/")
    if not system or not contact_id:
        raise MemsyncError(f"{text}: write a contact as SYSTEM/CONTACT_ID, as `memsync review` shows it.")
    return system, contact_id
