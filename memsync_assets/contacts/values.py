"""The dictionaries: each distinct raw value is parsed once in its life and joined back by SQL.

A parser that changes raises its VERSION; its dictionary is then parsed anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import pyarrow as pa

from memsync_assets.contacts import addresses, emails, name_comparison, names, phones
from memsync_assets.mart.engine import Mart

_BATCH = 50_000


@dataclass(frozen=True)
class Dictionary:
    """A table of parsed values.

    Attributes:
        table: its name in the mart.
        sources: the tables and columns whose raw values it holds.
        parse: one raw text into a flat frozen dataclass, whose fields are the table's columns.
        version: the parser's.
    """

    table: str
    sources: tuple[tuple[str, str], ...]
    parse: Callable[[str], Any]
    result: type
    version: int


NAMES = Dictionary("name_values", (("contact_values", "name_raw"),), names.parse_name, names.Name, names.VERSION)
EMAILS = Dictionary(
    "email_values", (("contact_values", "email_raw"),), emails.parse_email, emails.Email, emails.VERSION
)
PHONES = Dictionary(
    "phone_values",
    (("contact_values", "phone_raw"), ("contact_values", "mobile_raw"), ("group_values", "phone_raw")),
    phones.parse_phone,
    phones.Phone,
    phones.VERSION,
)
ADDRESSES = Dictionary(
    "address_values",
    (("contact_values", "address_raw"), ("group_values", "address_raw")),
    addresses.parse_address,
    addresses.Address,
    addresses.VERSION,
)
DICTIONARIES = (NAMES, EMAILS, PHONES, ADDRESSES)


def complete(mart: Mart, dictionary: Dictionary) -> int:
    """Parse the raw values that the dictionary does not hold. Returns how many those were."""
    table = dictionary.table
    mart.execute(
        f"DELETE FROM {table} WHERE parser_version <> @version",  # noqa: S608
        {"version": dictionary.version},
    )
    raw = " UNION ".join(f"SELECT v.{c} AS raw_value FROM {t} AS v" for t, c in dictionary.sources)  # noqa: S608
    unseen = mart.fetch(
        f"SELECT DISTINCT r.raw_value FROM ({raw}) AS r WHERE r.raw_value IS NOT NULL"  # noqa: S608
        f" AND NOT EXISTS (SELECT 1 FROM {table} AS t WHERE t.raw_value = r.raw_value)"
    )["raw_value"].to_pylist()
    for start in range(0, len(unseen), _BATCH):
        mart.append(table, _parsed(dictionary, unseen[start : start + _BATCH]))
    return len(unseen)


def _parsed(dictionary: Dictionary, raw_values: Sequence[str]) -> pa.Table:
    results = [dictionary.parse(raw) for raw in raw_values]
    columns: dict[str, pa.Array] = {
        field.name: pa.array([getattr(result, field.name) for result in results], pa.string())
        for field in fields(dictionary.result)
    }
    columns["raw_value"] = pa.array(raw_values, pa.string())
    columns["parser_version"] = pa.array([dictionary.version] * len(results), pa.int32())
    return pa.table(columns)


_COMPARE = {"first": name_comparison.compare_first, "last": name_comparison.compare_last}


def compare_names(mart: Mart, kind: str, pairs: str) -> int:
    """Compare the pairs of name keys that were never compared. Returns how many those were.

    Args:
        mart: the open mart.
        kind: `first` or `last`.
        pairs: a T-SQL SELECT of left_key, right_key, left_key < right_key; repetitions do no harm.
    """
    version = name_comparison.VERSION
    mart.execute("DELETE FROM name_comparisons WHERE parser_version <> @version", {"version": version})
    unseen = mart.fetch(
        f"SELECT DISTINCT p.left_key, p.right_key FROM ({pairs}) AS p"  # noqa: S608
        " WHERE NOT EXISTS (SELECT 1 FROM name_comparisons AS c"
        " WHERE c.kind = @kind AND c.left_key = p.left_key AND c.right_key = p.right_key)",
        {"kind": kind},
    )
    compare = _COMPARE[kind]
    lefts, rights = unseen["left_key"].to_pylist(), unseen["right_key"].to_pylist()
    agreements = [compare(left, right) for left, right in zip(lefts, rights, strict=True)]
    rows = pa.table(
        {
            "kind": pa.array([kind] * len(agreements), pa.string()),
            "left_key": unseen["left_key"],
            "right_key": unseen["right_key"],
            "parser_version": pa.array([version] * len(agreements), pa.int32()),
            "agreement": pa.array(agreements, pa.string()),
        }
    )
    return mart.append("name_comparisons", rows)
