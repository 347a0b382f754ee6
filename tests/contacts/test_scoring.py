"""The fixed model: what it weighs, and that its weights depend on nothing but the pair."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pytest

from memsync_assets.contacts.explanation import explain, format_explanation
from memsync_assets.contacts.identity import resolve_persons
from memsync_assets.contacts.legal_entities import roll_up_legal_entities
from memsync_assets.contacts.normalize import normalize_contacts
from memsync_assets.contacts.scoring import COMPARISONS, MODEL, score
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.settings import Settings
from tests.contacts.rows import contact, write

PAIR: dict[str, object] = {
    "first_names": "same",
    "last_names": "same",
    "middle_names": "missing",
    "titles": "missing",
    "mailboxes": "missing",
    "telephones": "missing",
    "places": "none",
    "systems": "different",
    "tf_namesakes": 3.0,
}


def pairs(*differences: dict[str, object], is_linked: str = "N") -> pa.Table:
    rows = [
        PAIR | difference | {"left_number": 1, "right_number": n, "namesakes": 0, "is_linked": is_linked}
        for n, difference in enumerate(differences, 2)
    ]
    return pa.Table.from_pylist(rows)


def weights(*differences: dict[str, object]) -> list[float]:
    return score(pairs(*differences), -1000)["weight"].to_pylist()


@pytest.mark.parametrize(
    ("stronger", "weaker"),
    [
        ({"mailboxes": "same"}, {"mailboxes": "different"}),
        ({"mailboxes": "different"}, {"mailboxes": "two of one domain"}),
        ({"telephones": "same direct"}, {"telephones": "of one area"}),
        ({"telephones": "of one area"}, {"telephones": "of two areas"}),
        ({"titles": "same"}, {"titles": "different"}),
        ({"middle_names": "same"}, {"middle_names": "missing"}),
        ({"last_names": "same"}, {"last_names": "different"}),
        ({"tf_namesakes": 0.001}, {"tf_namesakes": 2.0}),
        ({"places": "same", "tf_namesakes": 0.0001}, {"places": "none", "tf_namesakes": 5.0}),
    ],
)
def test_what_speaks_for_one_person_weighs_more(stronger: dict[str, object], weaker: dict[str, object]) -> None:
    more, less = weights(stronger, weaker)
    assert more > less


def test_a_weight_depends_on_its_pair_alone() -> None:
    alone = weights({"mailboxes": "same"})
    assert weights({"mailboxes": "same"}, {"tf_namesakes": 900.0}, {"titles": "same"})[0] == alone[0]


def test_the_evidence_adds_up_to_the_weight() -> None:
    scores = score(pairs({"telephones": "same direct", "places": "same", "tf_namesakes": 0.01}), -1000).to_pylist()
    parts = [float(part) for part in re.findall(r"[+-]\d+\.\d", scores[0]["evidence"])]
    assert len(parts) == len(COMPARISONS) + 1
    assert sum(parts) == pytest.approx(scores[0]["weight"], abs=0.05 * len(parts))
    assert "telephones same direct" in scores[0]["evidence"]


def test_only_likely_and_linked_pairs_are_kept() -> None:
    unlikely = {"last_names": "different", "tf_namesakes": 500.0}
    assert score(pairs(unlikely), 0).num_rows == 0
    assert score(pairs(unlikely, is_linked="Y"), 0).num_rows == 1
    assert score(pairs(unlikely).slice(0, 0), 0).num_rows == 0


def test_the_model_is_whole() -> None:
    model = json.loads(MODEL.read_text(encoding="utf-8"))
    by_name = {one["output_column_name"]: one["comparison_levels"] for one in model["comparisons"]}
    assert set(by_name) == {*COMPARISONS, "namesakes"}
    for name in COMPARISONS:
        *seen, unseen = by_name[name]
        assert unseen["sql_condition"] == "ELSE"
        for probability in ("m_probability", "u_probability"):
            assert sum(level[probability] for level in seen) == pytest.approx(1, abs=1e-6)


def test_a_pair_for_people_is_explained(mart: DuckDBMart, settings: Settings) -> None:
    left = contact("a:1", "Mary Smith", email="mary@gmail.com", phone="312-867-5309")
    right = contact("b:1", "M Smith", email="m.smith@acme.com", phone="312-867-5309")
    write(mart, "source_contacts", left, right)
    roll_up_legal_entities(mart)
    normalize_contacts(mart)
    resolve_persons(mart, settings, ())
    (person,) = mart.fetch("SELECT person_id FROM contact_persons WHERE system = 'a'")["person_id"].to_pylist()
    (doubt,) = explain(mart, person).doubts
    assert (doubt.left, doubt.right) == (("a", "1"), ("b", "1"))
    text = format_explanation(explain(mart, person))
    assert f"weight {doubt.weight:.1f} (" in text
    assert "telephones same direct" in text


def test_a_link_is_explained_with_its_weight(mart: DuckDBMart, settings: Settings) -> None:
    values = {"email": "mary.smith@acme.com", "phone": "312-867-5309"}
    write(mart, "source_contacts", contact("a:1", "Mary Smith", **values), contact("b:1", "Mary Smith", **values))
    roll_up_legal_entities(mart)
    normalize_contacts(mart)
    resolve_persons(mart, settings, ())
    rows = mart.fetch("SELECT person_id, score FROM contact_persons").to_pylist()
    (link,) = explain(mart, rows[0]["person_id"]).links
    assert link.weight is not None
    assert link.weight > 10
    assert {row["score"] for row in rows} == {link.weight}
    assert "mailboxes same" in format_explanation(explain(mart, rows[0]["person_id"]))
