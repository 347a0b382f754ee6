"""Source contacts into normalized contacts and quarantined contacts: every one is in exactly one of them."""

from __future__ import annotations

from dataclasses import dataclass

from memsync_assets.contacts.values import DICTIONARIES, compare_names, complete
from memsync_assets.mart.engine import Mart, Replace
from memsync_assets.mart.queries import read_query

#: A mailbox under more distinct names than this is shared without a closer look.
MANY_NAMES = 8

_FIRST_NAMES_OF_ONE_EMAIL = f"""
    SELECT a.first_key AS left_key, b.first_key AS right_key
    FROM (
        SELECT DISTINCT e.email, n.first_key
        FROM contact_values AS v
        INNER JOIN name_values AS n ON v.name_raw = n.raw_value
        INNER JOIN email_values AS e ON v.email_raw = e.raw_value
        WHERE n.last_key IS NOT NULL AND e.email_status = 'valid' AND e.email IN (
            SELECT e2.email
            FROM contact_values AS v2
            INNER JOIN name_values AS n2 ON v2.name_raw = n2.raw_value
            INNER JOIN email_values AS e2 ON v2.email_raw = e2.raw_value
            WHERE n2.last_key IS NOT NULL AND e2.email_status = 'valid'
            GROUP BY e2.email
            HAVING COUNT(DISTINCT CONCAT(n2.first_key, ' ', n2.last_key)) BETWEEN 2 AND {MANY_NAMES}
        )
    ) AS a
    INNER JOIN (
        SELECT DISTINCT e.email, n.first_key
        FROM contact_values AS v
        INNER JOIN name_values AS n ON v.name_raw = n.raw_value
        INNER JOIN email_values AS e ON v.email_raw = e.raw_value
        WHERE n.last_key IS NOT NULL AND e.email_status = 'valid'
    ) AS b ON a.email = b.email AND a.first_key < b.first_key
"""  # noqa: S608


@dataclass(frozen=True)
class NormalizationCounts:
    """What `normalize_contacts` did. values_parsed: by dictionary, the values never seen before."""

    contacts: int
    groups: int
    normalized: int
    quarantined: int
    values_parsed: dict[str, int]


def normalize_contacts(mart: Mart) -> NormalizationCounts:
    """Make normalized_contacts and quarantined_contacts from source_contacts, normalized_groups from employer_groups.

    The three change together.
    """
    contacts = mart.store(read_query("contacts/contact_values"), Replace())
    groups = mart.store(read_query("contacts/group_values"), Replace())
    parsed = {dictionary.table: complete(mart, dictionary) for dictionary in DICTIONARIES}
    compare_names(mart, "first", _FIRST_NAMES_OF_ONE_EMAIL)

    def store() -> tuple[int, int]:
        normalized = mart.store(read_query("contacts/normalized_contacts"), Replace(), {"many_names": MANY_NAMES})
        quarantined = mart.store(read_query("contacts/quarantined_contacts"), Replace())
        mart.store(read_query("contacts/normalized_groups"), Replace())
        return normalized, quarantined

    normalized, quarantined = mart.whole(store)
    return NormalizationCounts(contacts, groups, normalized, quarantined, parsed)


def contacts_lost(mart: Mart) -> int:
    """Source contacts that are neither of a person nor in quarantine, or in both; 0 when nothing is lost."""
    rows = mart.fetch(
        "SELECT COUNT(*) AS lost FROM source_contacts AS c"
        " LEFT OUTER JOIN contact_persons AS p"
        " ON c.source_system = p.system AND c.contact_id = p.contact_id"
        " LEFT OUTER JOIN quarantined_contacts AS q"
        " ON c.source_system = q.source_system AND c.contact_id = q.contact_id"
        " WHERE (p.person_id IS NULL AND q.reason IS NULL) OR (p.person_id IS NOT NULL AND q.reason IS NOT NULL)"
    )
    return int(rows["lost"][0].as_py())
