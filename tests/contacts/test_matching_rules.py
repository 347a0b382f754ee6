"""Each certain rule at its edge, and what is left to people."""

from __future__ import annotations

import pytest

from memsync_assets.contacts.decisions import decision
from memsync_assets.contacts.identity import RARE_NAME, find_candidates, resolve_persons
from memsync_assets.contacts.legal_entities import roll_up_legal_entities
from memsync_assets.contacts.normalize import normalize_contacts
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.settings import Settings
from tests.contacts.rows import contact, role, write

Row = dict[str, object]
#: Contacts enough that a name can be rare among them: 5,200 of other names and places.
_GIVEN = ("Anil", "Olga", "Wei", "Rosa", "Juan", "Priya", "Omar", "Ngoc", "Ivan", "Fatima")
_ENDS = ("ake", "over", "ein", "uge", "ish", "ald", "erd", "ind", "old", "und", "arm", "erk", "irt")
_SURNAMES = [f"{a}{b}{c}" for a in ("B", "D", "F", "G", "K", "L", "P", "T") for b in "lrsvz" for c in _ENDS]
_CROWD = [contact(f"b:x{n}", f"{_GIVEN[n % 10]} {_SURNAMES[n // 10]}") for n in range(10 * len(_SURNAMES))]
MAIL = "mary.smith@acme.com"
PHONE = "312-867-5309"


def run(mart: DuckDBMart, settings: Settings, left: Row, right: Row, decisions=(), crowd=False) -> set[str]:
    """The rules that link the two."""
    write(mart, "source_contacts", left, right, *(_CROWD if crowd else ()))
    roll_up_legal_entities(mart)
    normalize_contacts(mart)
    resolve_persons(mart, settings, decisions)
    found = mart.fetch("SELECT rule_name FROM contact_links WHERE left_system = 'a'")
    return set(found["rule_name"].to_pylist())


@pytest.mark.parametrize(
    ("left", "right", "rule"),
    [
        ({"full_name": "Mary Smith", "email": MAIL}, {"full_name": "Smith Mary", "email": MAIL}, "email_and_name"),
        ({"full_name": "Mary Smith", "email": MAIL}, {"full_name": "M Smith", "email": MAIL}, "email_and_initial"),
        (
            {"full_name": "Mary Smith", "email": MAIL},
            {"full_name": "Mary Jones", "email": MAIL},
            "email_and_first_name",
        ),
        ({"full_name": "Mary Smith", "email": MAIL}, {"full_name": "Mayr Smith", "email": MAIL}, "email_and_name"),
        ({"full_name": "Mary Smith"}, {"full_name": "Mayr Smith"}, None),
        ({"full_name": "Mary Smith"}, {"full_name": "Mary Smiht"}, "direct_phone_and_name"),
        ({"full_name": "Mary Smith"}, {"full_name": "M Smith"}, "direct_phone_and_initial"),
        ({"full_name": "Mary Smith"}, {"full_name": "Mary Jones"}, None),
        ({"full_name": "Patrick Smith"}, {"full_name": "Patricia Smith"}, None),
        ({"full_name": "Mary Smith", "email": MAIL}, {"full_name": "Mary Smith", "email": "m.smith@acme.com"}, None),
        ({"full_name": "Mary A Smith"}, {"full_name": "Mary B Smith"}, None),
        ({"full_name": "Mary Smith Sr"}, {"full_name": "Mary Smith Jr"}, None),
        ({"full_name": "Mary Smith Sr"}, {"full_name": "Mary Smith"}, None),
    ],
)
def test_rules(mart: DuckDBMart, settings: Settings, left: Row, right: Row, rule: str | None) -> None:
    shared = {} if "email" in left and rule else {"phone": PHONE}
    one = contact("a:1", "", **shared | left)
    other = contact("b:1", "", **shared | right)
    assert run(mart, settings, one, other) == ({rule} if rule else set())


@pytest.mark.parametrize("son", ["George Carteret Jr", "G Carteret Jr"])
def test_father_and_son_at_one_place_and_phone_are_for_people(mart: DuckDBMart, settings: Settings, son: str) -> None:
    write(mart, "source_contact_roles", role("a:1", "G1"), role("a:2", "G1"))
    father, child = (contact(f"a:{n}", name, phone=PHONE) for n, name in enumerate(("George Carteret", son), 1))
    assert run(mart, settings, father, child) == set()
    assert mart.fetch("SELECT COUNT(*) AS pairs FROM review_pairs")["pairs"].to_pylist() == [1]


def test_a_name_that_is_rare_at_a_place_is_one_person(mart: DuckDBMart, settings: Settings) -> None:
    left = contact("a:1", "Mary Smith", address_line1="12 Oak St", city="Chicago", state_code="IL", postal_code="60601")
    right = left | {"source_system": "b"}
    assert run(mart, settings, left, right, crowd=True) == {"rare_name_and_place"}
    assert run(mart, settings, left, right | {"postal_code": "60602"}, crowd=True) == set()


def test_what_no_rule_is_certain_of_is_for_people_until_they_decide(mart: DuckDBMart, settings: Settings) -> None:
    left = contact("a:1", "Mary Smith", email="mary@gmail.com", phone=PHONE)
    right = contact("b:1", "M Smith", email="m.smith@acme.com", phone=PHONE)
    assert run(mart, settings, left, right) == set()
    (pair,) = mart.fetch("SELECT * FROM review_pairs").to_pylist()
    assert (pair["left_contact_id"], pair["right_contact_id"]) == ("1", "1")
    assert pair["reason"] == "first names: initial; last names: same; other personal email; same direct phone"
    for verdict in ("never_link", "always_link"):
        run(mart, settings, left, right, decisions=[decision(verdict, ("a", "1"), ("b", "1"))])
        assert mart.fetch("SELECT * FROM review_pairs").num_rows == 0


def pairs_of(mart: DuckDBMart, *contacts: Row, roles: tuple[Row, ...] = ()) -> set[tuple[str, str]]:
    """The candidate pairs among contacts, by their ids."""
    write(mart, "source_contacts", *contacts)
    write(mart, "source_contact_roles", *roles)
    roll_up_legal_entities(mart)
    normalize_contacts(mart)
    find_candidates(mart)
    found = mart.fetch(
        "SELECT a.contact_id AS left_id, b.contact_id AS right_id FROM candidate_pairs AS p"
        " INNER JOIN contact_evidence AS a ON p.left_number = a.contact_number"
        " INNER JOIN contact_evidence AS b ON p.right_number = b.contact_number"
    )
    return set(zip(found["left_id"].to_pylist(), found["right_id"].to_pylist(), strict=True))


def test_of_many_of_one_name_those_of_one_title_are_candidates(mart: DuckDBMart) -> None:
    many = [contact(f"a:{n}", "Mary Smith", title=f"Manager {n}") for n in range(RARE_NAME + 1)]
    twin = contact("a:x", "Mary Smith", title="MANAGER 3")
    assert pairs_of(mart, *many) == set()
    assert pairs_of(mart, *many, twin) == {("3", "x")}
    nickname = contact("a:x", "Molly Smith", title="Manager 3")
    assert pairs_of(mart, *many, nickname) == {("3", "x")}


def test_a_mail_domain_tells_whose_employee_writes(mart: DuckDBMart) -> None:
    namesakes = [contact(f"b:{n}", "Mary Smith") for n in range(RARE_NAME + 1)]
    colleagues = [contact(f"a:c{n}", f"{name} Jones", email=f"{name}@acme.com") for n, name in enumerate(_GIVEN[:3])]
    known = contact("a:home", "Mary Smith")
    moved = contact("a:moved", "Mary Smith", email="mary.smith@acme.com")
    roles = (*(role(f"a:c{n}", "G1") for n in range(3)), role("a:home", "G1"), role("a:moved", "G2"))
    found = pairs_of(mart, *namesakes, *colleagues, known, moved, roles=roles)
    assert ("home", "moved") in found
    (pair,) = mart.fetch("SELECT place_contacts FROM judged_pairs WHERE place_contacts IS NOT NULL").to_pylist()
    assert pair["place_contacts"] == 5  # three colleagues and these two
