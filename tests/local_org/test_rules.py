from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from memsync_assets.local_org import schema as schemas
from memsync_assets.local_org.drafts import Saved, WriteOptions
from memsync_assets.local_org.oauth import ConnectedApp
from memsync_assets.local_org.org import Org, open_org

RULES = {
    "validationRules": [
        {
            "sobject": "Contact",
            "condition": "Email = null AND Phone = null",
            "errorMessage": "An email or a phone is needed.",
            "errorField": "Email",
        }
    ],
    "duplicateRules": [
        {"name": "Same email", "sobject": "Contact", "fields": ["LastName", "Email"], "action": "alert"},
        {"name": "Same mobile", "sobject": "Contact", "fields": ["MobilePhone"], "action": "block"},
    ],
}


@pytest.fixture
def ruled(tmp_path: Path) -> Org:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(json.loads(schemas.SAMPLE.read_text(encoding="utf-8")) | RULES), encoding="utf-8")
    return open_org(tmp_path / "org.db", schemas.load(path), ConnectedApp())


def create(org: Org, *rows: dict[str, Any], allow: bool = False) -> list[str | None]:
    options = WriteOptions(org.user_id, allow_duplicates=allow)
    return codes(org.records.create(org.schema.sobject("Contact"), rows, options))


def codes(saved: list[Saved]) -> list[str | None]:
    return [one.error.code if one.error else None for one in saved]


def test_a_broken_validation_rule_refuses_its_record_alone(ruled: Org) -> None:
    rows = [{"LastName": name, "Phone": phone} for name, phone in (("a", "1"), ("b", None), ("c", "3"))]
    assert create(ruled, *rows) == [None, "FIELD_CUSTOM_VALIDATION_EXCEPTION", None]
    names = ruled.store.connection.execute('SELECT "LastName" FROM "Contact" ORDER BY 1').fetchall()
    assert names == [("a",), ("c",)]


def test_a_validation_rule_holds_for_updates_too(ruled: Org) -> None:
    contact = ruled.schema.sobject("Contact")
    options = WriteOptions(ruled.user_id)
    (made,) = ruled.records.create(contact, [{"LastName": "a", "Phone": "1"}], options)
    saved = ruled.records.update(contact, [{"Id": made.record_id, "Phone": None}], options)
    assert codes(saved) == ["FIELD_CUSTOM_VALIDATION_EXCEPTION"]
    assert ruled.store.by_ids(contact, [str(made.record_id)])[str(made.record_id)]["Phone"] == "1"


def test_a_duplicate_is_found_among_records_and_within_the_batch(ruled: Org) -> None:
    one, other = {"LastName": "Doe", "Email": "a@b.co"}, {"LastName": "DOE", "Email": "A@b.co"}
    assert create(ruled, one) == [None]
    assert create(ruled, other) == ["DUPLICATES_DETECTED"]
    twins = {"LastName": "Roe", "Email": "r@b.co"}
    assert create(ruled, twins, twins) == [None, "DUPLICATES_DETECTED"]


def test_the_header_overrides_an_alert_but_not_a_block(ruled: Org) -> None:
    alert = {"LastName": "Doe", "Email": "a@b.co"}
    block = {"LastName": "Roe", "Phone": "1", "MobilePhone": "2"}
    assert create(ruled, alert, block) == [None, None]
    assert create(ruled, alert, block, allow=True) == [None, "DUPLICATES_DETECTED"]


def test_an_update_is_no_duplicate_of_itself(ruled: Org) -> None:
    contact = ruled.schema.sobject("Contact")
    options = WriteOptions(ruled.user_id)
    row = {"LastName": "Doe", "Email": "a@b.co"}
    (made,) = ruled.records.create(contact, [row], options)
    assert codes(ruled.records.update(contact, [{"Id": made.record_id, **row}], options)) == [None]


def test_a_blank_makes_no_duplicate(ruled: Org) -> None:
    row = {"LastName": "Doe", "Phone": "1"}
    assert create(ruled, row, row) == [None, None]
