from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from memsync_assets.local_org import ids, rest
from memsync_assets.local_org import schema as schemas
from memsync_assets.local_org.drafts import WriteOptions
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.oauth import ConnectedApp
from memsync_assets.local_org.org import open_org
from memsync_assets.local_org.routing import Answer, Api, Call

CUSTOM = {
    "name": "Plan_Year__c",
    "keyPrefix": "a00",
    "fields": [
        {"name": "Name", "type": "string", "length": 80, "nillable": False, "nameField": True},
        {"name": "Code__c", "type": "string", "length": 10, "externalId": True},
        {"name": "Rate__c", "type": "currency", "precision": 5, "scale": 2},
        {
            "name": "Account__c",
            "type": "reference",
            "referenceTo": ["Account"],
            "relationshipName": "Account__r",
        },
    ],
}


NAMED = [{"name": "Name", "type": "string", "length": 80, "nillable": False, "nameField": True}]


def write(folder: Path, given: object) -> Path:
    path = folder / "schema.json"
    path.write_text(json.dumps(given), encoding="utf-8")
    return path


@pytest.fixture
def api(tmp_path: Path) -> Api:
    """An org whose schema file has one custom object more."""
    given = json.loads(schemas.SAMPLE.read_text(encoding="utf-8"))
    given["sobjects"].append(CUSTOM)
    given["organization"]["IsSandbox"] = False
    path = write(tmp_path, given)
    return Api(open_org(tmp_path / "org.db", schemas.load(path), ConnectedApp()), [rest.ROUTES])


def call(api: Api, method: str, path: str, **record: object) -> Answer:
    return api.handle(Call(method, f"/services/data/v63.0{path}", body=json.dumps(record).encode()))


def test_any_describe_shaped_schema_is_served(api: Api) -> None:
    made = call(api, "POST", "/sobjects/Plan_Year__c", Name="2026", Code__c="a", Rate__c=12.345)
    assert made.status == 201
    assert made.body["id"].startswith("a00")
    assert call(api, "GET", f"/sobjects/Plan_Year__c/{made.body['id']}").body["Rate__c"] == 12.35
    refused = call(api, "POST", "/sobjects/Plan_Year__c", Name="x", Rate__c=1000)
    assert refused.body[0]["errorCode"] == "NUMBER_OUTSIDE_VALID_RANGE"


def test_several_records_of_one_external_id_are_300(api: Api) -> None:
    made = [call(api, "POST", "/sobjects/Plan_Year__c", Name="x", Code__c="twice").body["id"] for _ in range(2)]
    answer = call(api, "PATCH", "/sobjects/Plan_Year__c/Code__c/TWICE", Name="y")
    assert answer.status == 300
    assert sorted(url.rpartition("/")[2] for url in answer.body) == sorted(made)


def test_a_describe_result_is_itself_a_schema(api: Api) -> None:
    described = [call(api, "GET", f"/sobjects/{one.name}/describe").body for one in api.org.schema.sobjects]
    again = schemas.OrgSchema.model_validate({"sobjects": described})
    for one in api.org.schema.sobjects:
        assert again.sobject(one.name).fields == one.fields


def test_the_schema_says_whether_it_is_a_sandbox(api: Api) -> None:
    assert api.org.queries.run("SELECT IsSandbox FROM Organization", "").records[0]["IsSandbox"] is False


def test_a_schema_may_grow_between_two_starts(tmp_path: Path) -> None:
    first = open_org(tmp_path / "org.db", schemas.load(), ConnectedApp())
    first.store.close()
    given = json.loads(schemas.SAMPLE.read_text(encoding="utf-8"))
    (account,) = (one for one in given["sobjects"] if one["name"] == "Account")
    account["fields"].append({"name": "Region__c", "type": "string", "length": 10})
    path = write(tmp_path, given)
    api = Api(open_org(tmp_path / "org.db", schemas.load(path), ConnectedApp()), [rest.ROUTES])
    assert api.org.org_id == first.org_id
    assert call(api, "POST", "/sobjects/Account", Name="x", Region__c="west").status == 201


def test_short_schemas_load_with_what_every_org_has(tmp_path: Path) -> None:
    """No key prefix, no User, no Organization, no relations; a reference to what is not described is kept."""
    fields = [
        {"name": "LastName", "type": "string", "length": 80, "nillable": False},
        {"name": "AccountId", "type": "reference", "referenceTo": ["Account"], "relationshipName": "Account"},
        {"name": "OwnerId", "type": "reference", "referenceTo": ["Group", "User"], "relationshipName": "Owner"},
        {"name": "PlanId", "type": "reference", "referenceTo": ["Plan"], "relationshipName": "Plan"},
    ]
    path = write(tmp_path, {"sobjects": [{"name": "Contact", "fields": fields}, {"name": "Account", "fields": NAMED}]})
    api = Api(open_org(tmp_path / "org.db", schemas.load(path), ConnectedApp()), [rest.ROUTES])
    owner = call(api, "POST", "/sobjects/Account", Name="x").body["id"]
    assert call(api, "POST", "/sobjects/Contact", LastName="x", AccountId=owner).status == 201
    (found,) = api.org.queries.run("SELECT Account.Name, Owner.Name FROM Contact", "").records
    assert (found["Account"]["Name"], found["Owner"]["Name"]) == ("x", "Local Admin")
    with pytest.raises(OrgError, match="INVALID_FIELD"):
        api.org.queries.run("SELECT Plan.Name FROM Contact", "")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], 'must hold an object with a list "sobjects"'),
        ({"sobjects": [{"name": "A"}]}, "sobjects / A: an object needs a name and a list of fields"),
        (
            {"sobjects": [{"name": "A", "fields": [{"name": "F", "type": "textarea", "length": "long"}]}]},
            "sobjects / A / fields / F / length: Input should be a valid integer",
        ),
        ({"sobjects": [{"name": "A", "fields": NAMED}, {"name": "a", "fields": NAMED}]}, "the same object: a"),
        ({"sobjects": [{"name": n, "keyPrefix": "a00", "fields": NAMED} for n in "AB"]}, "the same keyPrefix: a00"),
        (
            {"sobjects": [], "duplicateRules": [{"name": "r", "sobject": "User", "fields": ["Shoe__c"]}]},
            "duplicate rule 'r': User has no field Shoe__c",
        ),
        (
            {"sobjects": [], "validationRules": [{"sobject": "B", "condition": "x = 1", "errorMessage": "m"}]},
            "validation rule 'm': there is no object B",
        ),
    ],
)
def test_a_wrong_schema_says_what_is_wrong_and_where(tmp_path: Path, given: object, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        schemas.load(write(tmp_path, given))


def test_a_case_sensitive_key_tells_cases_apart(tmp_path: Path) -> None:
    key = {"name": "Code__c", "type": "string", "length": 9, "unique": True, "externalId": True, "caseSensitive": True}
    path = write(tmp_path, {"sobjects": [{"name": "Plan__c", "fields": [key]}]})
    org = open_org(tmp_path / "org.db", schemas.load(path), ConnectedApp())
    plan = org.schema.sobject("Plan__c")
    rows = [{"Code__c": code} for code in ("a", "A")]
    for created in (True, False):
        saved = org.records.upsert(plan, plan.field("Code__c"), rows, WriteOptions(org.user_id))
        assert [(one.error, one.created) for one in saved] == [(None, created)] * 2
    (refused,) = org.records.create(plan, rows[:1], WriteOptions(org.user_id))
    assert refused.error is not None
    assert refused.error.code == "DUPLICATE_VALUE"


def test_an_id_keeps_its_identity_in_any_case() -> None:
    made = ids.make("001", 62**5 + 12345)
    assert ids.canonical(made.lower(), "Id") == ids.canonical(made.upper(), "Id") == made
    assert ids.canonical(made[:15], "Id") == made
    assert ids.canonical("0015000000VALDt", "Id") == "0015000000VALDtAAP"
    for wrong in ("", "0015000000VALD", "0015000000VALDt!!!", None, 5):
        with pytest.raises(OrgError, match="MALFORMED_ID"):
            ids.canonical(wrong, "Id")
