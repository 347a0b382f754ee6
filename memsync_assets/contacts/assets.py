"""Contacts in the graph: legal entities, normalized contacts, persons."""

from collections.abc import Iterator
from dataclasses import asdict

import dagster as dg

from memsync_assets.contacts.decisions import read_decisions
from memsync_assets.contacts.identity import resolve_persons
from memsync_assets.contacts.legal_entities import roll_up_legal_entities
from memsync_assets.contacts.normalize import normalize_contacts
from memsync_assets.mart.asset_metadata import table_results, table_spec
from memsync_assets.mart.connect import open_mart
from memsync_assets.settings import Project

_GROUP = "contacts"
_LEGAL_ENTITIES = ("legal_entities", "group_legal_entities")
_NORMALIZED = ("normalized_contacts", "quarantined_contacts")
_PERSONS = ("persons", "contact_persons", "person_roles", "review_pairs")


@dg.multi_asset(
    name="roll_up_legal_entities",
    specs=[
        table_spec(
            _GROUP,
            "legal_entities",
            ["org_units", "employer_groups"],
            "Legal entities: what the trees of organizational units roll up to, one row each.",
        ),
        table_spec(
            _GROUP,
            "group_legal_entities",
            ["org_units", "employer_groups"],
            "The legal entity of each employer group, or why there is none (cycle, orphan, two roots).",
        ),
    ],
)
def legal_entities(project: dg.ResourceParam[Project]) -> Iterator[dg.MaterializeResult[None]]:
    """Roll organizational units up to legal entities."""
    with open_mart(project) as mart:
        counts = roll_up_legal_entities(mart)
        yield from table_results(mart, _LEGAL_ENTITIES, asdict(counts))


@dg.multi_asset(
    name="normalize_contacts",
    specs=[
        table_spec(
            _GROUP,
            "normalized_contacts",
            ["source_contacts"],
            "Source contacts with every value parsed: E.164 phones, USPS addresses, email status, names in parts.",
        ),
        table_spec(
            _GROUP,
            "quarantined_contacts",
            ["source_contacts"],
            "Source contacts that cannot be used, with the reason. Nothing is lost: a check counts it.",
        ),
    ],
)
def normalized_contacts(project: dg.ResourceParam[Project]) -> Iterator[dg.MaterializeResult[None]]:
    """Parse the values of contacts; each distinct value once in its life."""
    with open_mart(project) as mart:
        counts = normalize_contacts(mart)
        yield from table_results(mart, _NORMALIZED, asdict(counts))


@dg.multi_asset(
    name="resolve_persons",
    specs=[
        table_spec(
            _GROUP,
            "persons",
            ["normalized_contacts"],
            "The golden record of each person: one row for the human behind contacts of several systems and groups.",
        ),
        table_spec(
            _GROUP,
            "contact_persons",
            ["normalized_contacts"],
            "Which person each contact is, and the rule, score or decision that says so.",
        ),
        table_spec(
            _GROUP,
            "person_roles",
            ["normalized_contacts", "source_contact_roles"],
            "A person's roles at employer groups; at most one of a person's groups is primary.",
        ),
        table_spec(
            _GROUP,
            "review_pairs",
            ["normalized_contacts"],
            "The review queue: pairs of contacts that may be one person, though no rule is certain of it. Decide them"
            " with `memsync review`.",
        ),
    ],
)
def persons(project: dg.ResourceParam[Project]) -> Iterator[dg.MaterializeResult[None]]:
    """Resolve contacts to persons with a persistent person_id."""
    with open_mart(project) as mart:
        counts = resolve_persons(mart, project.settings, read_decisions(project), project.as_of)
        yield from table_results(mart, _PERSONS, asdict(counts))


ASSETS = (legal_entities, normalized_contacts, persons)
