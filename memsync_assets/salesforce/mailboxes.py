"""Contacts of the org that write from a person's own mailbox, and whether their names, too, are the person's.

Names are compared as identity compares them, by their parsed keys: `Bob Smithers` is `Robert Smithers`, `Jose Nunez`
is `José Núñez`, `Mary A. Kowal` is `Mary Kowal`. All names and personal mailboxes of a person's source contacts count.
"""

from __future__ import annotations

from dataclasses import dataclass

from memsync_assets.contacts.same_name import is_same_name
from memsync_assets.mart.engine import Mart

_LIVE = "salesforce_contact_live"
NEEDED = frozenset({"Email", "FirstName", "LastName"})
# Contacts without an external id of a living person, and not about to get one.
_SHARED = f"""
WITH mailboxes AS (
    SELECT p.person_id, LOWER(p.email) AS email FROM persons AS p WHERE p.email_status = 'valid'
    UNION ALL
    SELECT c.person_id, LOWER(n.email) AS email
    FROM contact_persons AS c
    INNER JOIN normalized_contacts AS n ON c.system = n.source_system AND c.contact_id = n.contact_id
    WHERE n.email_status = 'valid'
),

names AS (
    SELECT p.person_id, p.first_name, p.last_name, p.name_suffix FROM persons AS p
    UNION ALL
    SELECT c.person_id, n.first_name, n.last_name, n.name_suffix
    FROM contact_persons AS c
    INNER JOIN normalized_contacts AS n ON c.system = n.source_system AND c.contact_id = n.contact_id
)

SELECT DISTINCT
    m.person_id, l.record_id, l.external_id, lm.record_id AS master_id,
    COALESCE(l.[FirstName], '') AS org_first, COALESCE(l.[LastName], '') AS org_last,
    COALESCE(n.first_name, '') AS first_name, n.last_name, COALESCE(n.name_suffix, '') AS name_suffix
FROM {_LIVE} AS l
INNER JOIN mailboxes AS m ON LOWER(l.[Email]) = m.email
INNER JOIN names AS n ON m.person_id = n.person_id
LEFT OUTER JOIN {_LIVE} AS lm ON m.person_id = lm.external_id
WHERE (l.external_id IS NULL OR NOT EXISTS (SELECT 1 FROM persons AS k WHERE k.person_id = l.external_id))
    AND NOT EXISTS (
        SELECT 1 FROM record_matches AS a
        WHERE a.object_name = 'Contact' AND a.record_id = l.record_id AND a.is_adopted = 'Y'
    )
"""  # noqa: S608


@dataclass(frozen=True, order=True)
class SharedMailbox:
    """A person and a Contact of the org with a personal mailbox in common.

    Attributes:
        external_id: of the Contact: null, or one of a person who is no more.
        master_id: the Contact that carries the person's id; None: there is none.
        same_name: whether the names fit as well, so that they are certainly one.
    """

    person_id: str
    record_id: str
    external_id: str | None
    master_id: str | None
    same_name: bool


def shared_mailboxes(mart: Mart) -> list[SharedMailbox]:
    """Each person and Contact with a personal mailbox in common, in order; not those that are matched already."""
    fits: dict[tuple[str, str, str | None, str | None], bool] = {}
    for row in mart.fetch(_SHARED).to_pylist():
        pair = (row["person_id"], row["record_id"], row["external_id"], row["master_id"])
        ours = (row["first_name"], f"{row['last_name']} {row['name_suffix']}".strip())
        fits[pair] = fits.get(pair, False) or is_same_name(ours, (row["org_first"], row["org_last"]))
    found = [SharedMailbox(*pair, same_name) for pair, same_name in fits.items()]
    return sorted(found, key=lambda one: (one.person_id, one.record_id))
