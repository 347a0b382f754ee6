"""Why a person's contacts are one, and where each value of the golden record comes from."""

from __future__ import annotations

from dataclasses import dataclass

from memsync_assets.mart.engine import Mart
from memsync_assets.settings import MemsyncError

ContactKey = tuple[str, str]


@dataclass(frozen=True)
class ExplainedContact:
    """A contact of the person and the strongest link that made it one of them."""

    contact: ContactKey
    rule_name: str | None
    reason: str


@dataclass(frozen=True)
class ExplainedLink:
    """A rule's evidence between two contacts.

    Attributes:
        refused: why the link was not followed: a decision or a veto keeps contacts of the two sides apart.
        weight: log2 of the odds that they are one, as the model has them; null where it was not asked.
        evidence: the parts of the weight, in words.
    """

    left: ContactKey
    right: ContactKey
    rule_name: str
    reason: str
    refused: str | None
    weight: float | None
    evidence: str | None


@dataclass(frozen=True)
class ExplainedDoubt:
    """A contact of the person and one of another that may be the same, which waits for a decision in the queue."""

    left: ContactKey
    right: ContactKey
    weight: float
    reason: str
    evidence: str


@dataclass(frozen=True)
class ExplainedAttribute:
    """An attribute of the golden record and the contact that it comes from."""

    attribute: str
    contact: ContactKey


@dataclass(frozen=True)
class Explanation:
    """What `memsync explain` shows.

    Attributes:
        person_id: the living id; not the one asked for when that was merged.
        asked_for: the id that was asked for.
        aliases: ids that were merged into this one.
        contacts: every contact of the person.
        links: the rules' links that touch these contacts.
        doubts: pairs of the review queue that touch these contacts, the likeliest first.
        attributes: survivorship by attribute; none for a person of one contact, which has all of it from there.
    """

    person_id: str
    asked_for: str
    aliases: tuple[str, ...]
    contacts: tuple[ExplainedContact, ...]
    links: tuple[ExplainedLink, ...]
    doubts: tuple[ExplainedDoubt, ...]
    attributes: tuple[ExplainedAttribute, ...]


_LINKS = """
SELECT k.left_system, k.left_contact_id, k.right_system, k.right_contact_id, k.rule_name, k.reason,
    r.reason AS refused, s.weight, s.evidence
FROM contact_links AS k
LEFT OUTER JOIN pair_scores AS s ON k.left_number = s.left_number AND k.right_number = s.right_number
LEFT OUTER JOIN refused_links AS r
    ON k.left_system = r.left_system AND k.left_contact_id = r.left_contact_id
    AND k.right_system = r.right_system AND k.right_contact_id = r.right_contact_id
WHERE EXISTS (
    SELECT 1 FROM contact_persons AS p
    WHERE p.person_id = @person_id AND (
        (p.system = k.left_system AND p.contact_id = k.left_contact_id)
        OR (p.system = k.right_system AND p.contact_id = k.right_contact_id)
    )
)
ORDER BY k.tier, k.left_system, k.left_contact_id, k.right_system, k.right_contact_id
"""
_DOUBTS = """
SELECT v.left_system, v.left_contact_id, v.right_system, v.right_contact_id, v.weight, v.reason, v.evidence
FROM review_pairs AS v
WHERE EXISTS (
    SELECT 1 FROM contact_persons AS p
    WHERE p.person_id = @person_id AND (
        (p.system = v.left_system AND p.contact_id = v.left_contact_id)
        OR (p.system = v.right_system AND p.contact_id = v.right_contact_id)
    )
)
ORDER BY v.weight DESC, v.left_system, v.left_contact_id, v.right_system, v.right_contact_id
"""


def explain(mart: Mart, person_id: str) -> Explanation:
    """Explain one person.

    Raises:
        MemsyncError: no person ever had this id, or the person has no contact any more.
    """
    living = living_id(mart, person_id)
    bound = {"person_id": living}
    contacts = mart.fetch(
        "SELECT p.system, p.contact_id, p.rule_name, p.reason FROM contact_persons AS p"
        " WHERE p.person_id = @person_id ORDER BY p.system, p.contact_id",
        bound,
    ).to_pylist()
    if not contacts:
        raise MemsyncError(f"{person_id}: this person has no contact any more; its id is kept and never given again.")
    aliases = mart.fetch(
        "SELECT i.person_id FROM person_ids AS i WHERE i.alias_of = @person_id ORDER BY i.person_id", bound
    )
    attributes = mart.fetch(
        "SELECT g.attribute, g.system, g.contact_id FROM golden_values AS g"
        " WHERE g.person_id = @person_id ORDER BY g.attribute",
        bound,
    ).to_pylist()
    return Explanation(
        person_id=living,
        asked_for=person_id,
        aliases=tuple(aliases["person_id"].to_pylist()),
        contacts=tuple(ExplainedContact((r["system"], r["contact_id"]), r["rule_name"], r["reason"]) for r in contacts),
        links=tuple(
            ExplainedLink(
                (r["left_system"], r["left_contact_id"]),
                (r["right_system"], r["right_contact_id"]),
                r["rule_name"],
                r["reason"],
                r["refused"],
                r["weight"],
                r["evidence"],
            )
            for r in mart.fetch(_LINKS, bound).to_pylist()
        ),
        doubts=tuple(
            ExplainedDoubt(
                (r["left_system"], r["left_contact_id"]),
                (r["right_system"], r["right_contact_id"]),
                r["weight"],
                r["reason"],
                r["evidence"],
            )
            for r in mart.fetch(_DOUBTS, bound).to_pylist()
        ),
        attributes=tuple(ExplainedAttribute(r["attribute"], (r["system"], r["contact_id"])) for r in attributes),
    )


def living_id(mart: Mart, person_id: str) -> str:
    """The id that a person has now: an alias leads to the person that it was merged into.

    Raises:
        MemsyncError: no person ever had this id.
    """
    identifier = person_id
    while True:
        found = mart.fetch("SELECT i.alias_of FROM person_ids AS i WHERE i.person_id = @id", {"id": identifier})
        if found.num_rows == 0:
            raise MemsyncError(f"{person_id}: no person has or had this id. `memsync export persons` lists them.")
        alias = found["alias_of"][0].as_py()
        if alias is None:
            return identifier
        identifier = alias


def format_explanation(explanation: Explanation) -> str:
    """The explanation as lines of text: contacts, evidence, survivorship."""
    lines = [f"person {explanation.person_id}"]
    if explanation.asked_for != explanation.person_id:
        lines[0] += f" ({explanation.asked_for} was merged into it)"
    if explanation.aliases:
        lines.append(f"  merged into it: {', '.join(explanation.aliases)}")
    lines.append("contacts")
    lines += [f"  {_contact(one.contact)}: {one.rule_name or 'alone'}: {one.reason}" for one in explanation.contacts]
    lines.append("evidence")
    lines += [
        f"  {_contact(one.left)} and {_contact(one.right)}: {one.rule_name}: {one.reason}"
        f"{f' (refused: {one.refused})' if one.refused else ''}{_weight(one.weight, one.evidence)}"
        for one in explanation.links
    ]
    if explanation.doubts:
        lines.append("waiting for a decision")
    lines += [
        f"  {_contact(one.left)} and {_contact(one.right)}: {one.reason}{_weight(one.weight, one.evidence)}"
        for one in explanation.doubts
    ]
    lines.append("golden record" if explanation.attributes else "golden record: all of it from the only contact")
    lines += [f"  {one.attribute} from {_contact(one.contact)}" for one in explanation.attributes]
    return "\n".join(lines)


def _weight(weight: float | None, evidence: str | None) -> str:
    return "" if weight is None else f"; weight {weight:.1f} ({evidence})"


def _contact(key: ContactKey) -> str:
    return f"{key[0]}/{key[1]}"
