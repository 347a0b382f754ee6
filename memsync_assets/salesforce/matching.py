"""Which live record each upload row is: by our external id, or by what makes it certainly the same."""

from __future__ import annotations

from collections import Counter, defaultdict

import pyarrow as pa

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce import diff
from memsync_assets.salesforce.mailboxes import NEEDED, shared_mailboxes
from memsync_assets.salesforce.specifications import UploadSpecification


def match_records(mart: Mart, one: UploadSpecification) -> None:
    """Fill record_matches for an object; those of its parents must be there."""
    mart.execute("DELETE FROM record_matches WHERE object_name = @object", {"object": one.object})
    mart.execute(diff.matches(one))
    if one.adopt_by:
        mart.execute(diff.adoptions(one))
    if one.object == "Contact" and NEEDED.issubset(one.adopt_by):
        _adopt_contacts(mart)


def _adopt_contacts(mart: Mart) -> None:
    """Adopt Contacts that are certainly a person's though they spell the name otherwise: one for one, the first."""
    records: dict[str, list[str]] = defaultdict(list)
    claims = Counter[str]()
    for pair in shared_mailboxes(mart):
        if pair.same_name and pair.external_id is None:
            records[pair.person_id].append(pair.record_id)
            claims[pair.record_id] += 1
    if not records:
        return
    known = mart.fetch("SELECT m.external_id FROM record_matches AS m WHERE m.object_name = 'Contact'")
    matched = set(known["external_id"].to_pylist())
    adopted = {person: found[0] for person, found in records.items() if person not in matched and claims[found[0]] == 1}
    mart.append(
        "record_matches",
        pa.table(
            {
                "object_name": pa.array(["Contact"] * len(adopted), pa.string()),
                "external_id": pa.array(adopted.keys(), pa.string()),
                "record_id": pa.array(adopted.values(), pa.string()),
                "is_adopted": pa.array(["Y"] * len(adopted), pa.string()),
            }
        ),
    )
