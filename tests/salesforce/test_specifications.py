"""Upload specifications: what is wrong is said with file, line and key, before anything is sent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from memsync_assets.salesforce.specifications import read_specifications
from memsync_assets.settings import DEFAULT_CONFIG, Home, MemsyncError, Project, load_settings
from tests.salesforce.scene import Scene
from tests.salesforce.test_sync import all_went_well, small


@pytest.fixture
def own(tmp_path: Path) -> Project:
    """A project with its own copy of the configuration, to be spoilt."""
    shutil.copytree(DEFAULT_CONFIG.parent, tmp_path / "config")
    config = tmp_path / "config" / DEFAULT_CONFIG.name
    return Project(load_settings(config), Home(tmp_path), tmp_path, config)


def spoil(project: Project, name: str, old: str, new: str) -> None:
    path = project.config.parent / "upload_specifications" / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_ones_that_come_with_memsync_are_in_order_of_their_parents(own: Project) -> None:
    assert [one.object for one in read_specifications(own)] == ["Account", "Contact", "AccountContactRelation"]


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("contact.yaml", "column: first_name", "colum: first_name", "line 8: fields.FirstName: there is no key colum"),
        ("contact.yaml", "column: title}", "column: title, null: 1}", "line 10: fields.Title"),
        ("contact.yaml", "when_null: keep", "when_null: leave", "line 7: fields.AccountId.when_null"),
        ("contact.yaml", "column: email}", 'column: "email; DROP"}', "line 11: fields.Email.column"),
        ("contact.yaml", "action: deactivate", "action: forget", "line 24: removed.action"),
        ("contact.yaml", "adopt_by: [Email", "adopt_by: [Fax", "line 22: adopt_by: Fax is not among the fields"),
        (
            "contact.yaml",
            "references: Account,",
            "references: Lead,",
            "line 7: fields.AccountId.references: Lead has no",
        ),
        (
            "contact.yaml",
            "object: Contact",
            "object: Account",
            "line 2: object: Account has an upload specification already",
        ),
        ("contact.yaml", "fields:", "fields: [", "line 8: is not YAML"),
        ("contact.yaml", "LastName:", "FirstName:", "line 9: fields.FirstName: is there twice"),
        ("account.yaml", "references: Account", "references: Contact", "fields: objects refer to each other: "),
        (
            "account.yaml",
            "  set: {Membership_Status__c: Inactive}",
            "",
            "line 20: removed.set: deactivate needs fields",
        ),
    ],
)
def test_a_mistake_is_named_with_file_line_and_key(own: Project, name: str, old: str, new: str, said: str) -> None:
    spoil(own, name, old, new)
    with pytest.raises(MemsyncError) as caught:
        read_specifications(own)
    assert name in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("contact.yaml", "MobilePhone:", "CellPhone:", "line 15: fields.CellPhone: the org's Contact has no field"),
        (
            "account_contact_relation.yaml",
            "object: AccountContactRelation",
            "object: Relation__c",
            "account_contact_relation.yaml: line 3: object: the org has no object Relation__c",
        ),
        (
            "account_contact_relation.yaml",
            "object: AccountContactRelation",
            "object: accountcontactrelation",
            "line 3: object: the org spells it AccountContactRelation",
        ),
        ("contact.yaml", "MobilePhone:", "mobilephone:", "the org's Contact has no field mobilephone (is MobilePhone"),
        (
            "contact.yaml",
            "field: Person_Id__c",
            "field: person_id__c",
            "no field person_id__c (is Person_Id__c meant?)",
        ),
        (
            "contact.yaml",
            "field: Person_Id__c",
            "field: Department",
            "line 4: external_id.field: Department is no External ID",
        ),
        ("contact.yaml", "MailingCity:", "MailingAddress:", "line 17: fields.MailingAddress: cannot be written"),
        ("contact.yaml", ", references: Account,", ",", "line 7: fields.AccountId: is a reference; name its object"),
        (
            "account_contact_relation.yaml",
            "account_key, references: Account, owned: false",
            "account_key, references: Account",
            "line 8: fields.AccountId: can be written only when the record is made",
        ),
        (
            "account_contact_relation.yaml",
            "BROKER: Broker",
            "BROKER: Agent",
            "line 19: fields.Roles.values.BROKER: 'Agent' is none",
        ),
        (
            "account_contact_relation.yaml",
            "StartDate: {column: start_date}",
            "StartDate: {column: relation_key}",
            "line 22: fields.StartDate.column: 3 values of account_contact_relation_upload.relation_key are no date",
        ),
        (
            "account_contact_relation.yaml",
            'set: {IsActive: "false"}',
            'set: {IsActive: "no"}',
            "line 30: removed.set.IsActive: 'no' is no boolean",
        ),
        ("account.yaml", "table: account_upload", "table: accounts", "line 3: table: the mart has no table accounts"),
        (
            "account.yaml",
            "column: tax_id",
            "column: taxes",
            "line 16: fields.Tax_Id__c.column: account_upload has no column taxes",
        ),
    ],
)
def test_what_does_not_fit_the_org_or_the_mart_is_said_before_anything_is_sent(
    scene: Scene, own: Project, name: str, old: str, new: str, said: str
) -> None:
    spoil(own, name, old, new)
    scene.project = Project(scene.project.settings, scene.project.home, scene.project.landing, own.config)
    with pytest.raises(MemsyncError) as caught:
        small(scene).plan()
    assert said in str(caught.value)


def test_nothing_is_planned_for_the_relations_of_a_contact_that_is_deleted(scene: Scene, own: Project) -> None:
    old = "  action: deactivate\n  set: {Membership_Status__c: Inactive}"
    spoil(own, "contact.yaml", old, "  action: delete")
    scene.project = Project(scene.project.settings, scene.project.home, scene.project.landing, own.config)
    small(scene).sync()
    for table in ("persons", "person_roles"):
        scene.do(f"DELETE FROM {table} WHERE person_id = 'P1'")
    assert scene.plan().records == {"Contact delete": 1}
    assert all_went_well(scene.apply())
    assert len(scene.rows("SELECT Id FROM AccountContactRelation")) == 1
    assert scene.plan().changes == 0
