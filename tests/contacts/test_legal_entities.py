from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from memsync_assets.contacts.legal_entities import Unit, normalized_tax_id, roll_up, roll_up_legal_entities
from memsync_assets.mart.duckdb_mart import DuckDBMart
from tests.contacts.rows import write


def unit(key: str, parent: str | None = None, tax_id: str | None = None) -> dict[str, object]:
    return {
        "source_system": key[0],
        "org_unit_id": key[2:],
        "parent_org_unit_id": parent,
        "org_unit_name": f"Unit {key}",
        "tax_id": tax_id,
    }


def group(key: str, org_unit: str | None) -> dict[str, object]:
    return {"source_system": key[0], "group_id": key[2:], "group_name": key, "org_unit_id": org_unit}


def test_groups_belong_to_the_root_and_what_is_broken_is_reported(mart: DuckDBMart) -> None:
    write(
        mart, "org_units",
        unit("a:root", tax_id="12-3456780"), unit("a:mid", "root"), unit("a:leaf", "mid"),
        unit("b:same", tax_id="123456780"),
        unit("a:plain"),
        unit("a:loop1", "loop2"), unit("a:loop2", "loop1"), unit("a:into_loop", "loop1"),
        unit("a:self", "self"),
        unit("a:orphan", "nowhere"), unit("a:below_orphan", "orphan"),
        unit("b:twin1", tax_id="98-1111110"), unit("b:twin2", tax_id="981111110"),
    )  # fmt: skip
    write(
        mart, "employer_groups",
        group("a:1", "leaf"), group("b:1", "same"), group("a:2", "plain"), group("a:3", "into_loop"),
        group("a:4", "below_orphan"), group("a:5", None), group("a:6", "unheard"), group("b:2", "twin2"),
    )  # fmt: skip
    counts = roll_up_legal_entities(mart)
    rows = mart.fetch("SELECT * FROM group_legal_entities").to_pylist()
    assert {f"{r['source_system']}:{r['group_id']}": r["legal_entity_id"] or r["problem"] for r in rows} == {
        "a:1": "TAX:123456780",
        "b:1": "TAX:123456780",
        "a:2": "a:plain",
        "a:3": "cycle",
        "a:4": "orphan",
        "a:5": "no_org_unit",
        "a:6": "unknown_org_unit",
        "b:2": "TAX:981111110",
    }
    assert counts.unit_problems == {"cycle": 4, "orphan": 2, "two_roots": 2}
    assert (counts.legal_entities, counts.groups_without_legal_entity) == (3, 4)


def test_placeholder_tax_ids_join_nothing() -> None:
    assert [normalized_tax_id(t) for t in ("00-0000000", "12-3456789", "", None, "n/a", "12345")] == [None] * 6


@given(st.dictionaries(st.integers(0, 12), st.none() | st.integers(0, 14), max_size=13))
@settings(max_examples=300, deadline=None)
def test_any_tree_ends_and_each_unit_has_a_root_or_a_problem(parents: dict[int, int | None]) -> None:
    units = {("a", str(k)): Unit(None if parent is None else str(parent), "u", None) for k, parent in parents.items()}
    found = roll_up(units)
    for key, this in units.items():
        assert (key in found.roots) != (key in found.problems)
        if key in found.roots:
            assert units[found.roots[key]].parent is None
            if this.parent is not None:
                assert found.roots[key] == found.roots["a", this.parent]
