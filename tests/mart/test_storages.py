"""What every engine of the mart does alike: storages, keys, transactions, rows from Arrow and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime

import pyarrow as pa
import pytest

from memsync_assets.mart.engine import Append, KeyViolationError, Mart, Replace, ReplacePartition, Storage, Upsert
from memsync_assets.mart.queries import Query
from memsync_assets.settings import MemsyncError
from tests.mart.conftest import ENGINES

_TABLE = """CREATE TABLE things (
    [name] NVARCHAR(40) COLLATE Latin1_General_BIN2 NOT NULL,
    size INT,
    seen_on DATE,
    seen_at DATETIME2(6),
    share FLOAT,
    note NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_things PRIMARY KEY ([name])
)"""
_GIVEN = "CREATE TABLE given (name NVARCHAR(40) COLLATE Latin1_General_BIN2, size INT)"


@pytest.fixture(params=ENGINES)
def mart(request: pytest.FixtureRequest, open_engine: Callable[[str], Mart]) -> Iterator[Mart]:
    mart = open_engine(request.param)
    mart.execute(_TABLE)
    mart.execute(_GIVEN)
    return mart


def _put(mart: Mart, table: str, *rows: tuple[str, int | None]) -> None:
    mart.append(
        table,
        pa.table(
            {"name": pa.array([r[0] for r in rows], pa.string()), "size": pa.array([r[1] for r in rows], pa.int32())}
        ),
    )


def _things(mart: Mart) -> list[tuple[str, int | None]]:
    rows = mart.fetch("SELECT t.name, t.size FROM things AS t ORDER BY t.name").to_pylist()
    return [(row["name"], row["size"]) for row in rows]


def _query(where: str = "1 = 1", key: tuple[str, ...] = ("name",)) -> Query:
    text = f"-- a header\nWITH g AS (SELECT name, size FROM given)\n\nSELECT g.size, g.name FROM g WHERE {where}"
    return Query("test/things", text, "things", "a thing", key, "tests")


@pytest.mark.parametrize(
    ("storage", "where", "kept"),
    [
        (Replace(), "1 = 1", [("b", 20), ("c", 30)]),
        (Replace(), "1 = 0", []),
        (Upsert(("name",)), "1 = 1", [("A", 0), ("a", 1), ("b", 20), ("c", 30)]),
        (ReplacePartition(("size",)), "g.size = 30", [("A", 0), ("a", 1), ("b", 2), ("c", 30)]),
        (Append(), "g.name = 'c'", [("A", 0), ("a", 1), ("b", 2), ("c", 30)]),
    ],
)
def test_a_storage_keeps_what_it_declares(
    mart: Mart, storage: Storage, where: str, kept: list[tuple[str, int]]
) -> None:
    _put(mart, "things", ("A", 0), ("a", 1), ("b", 2))
    _put(mart, "given", ("b", 20), ("c", 30))
    stored = mart.store(_query(where), storage, {"size": 30})
    assert _things(mart) == kept
    assert stored == sum(row in kept for row in [("b", 20), ("c", 30)])


def test_a_partition_is_replaced_by_what_is_found_for_it_and_no_other(mart: Mart) -> None:
    _put(mart, "things", ("a", 1), ("b", 2), ("c", 1))
    _put(mart, "given", ("d", 1))
    mart.store(_query("g.size = @size"), ReplacePartition(("size",)), {"size": 1})
    assert _things(mart) == [("b", 2), ("d", 1)]


def test_a_query_may_read_the_table_that_it_replaces(mart: Mart) -> None:
    _put(mart, "things", ("a", 1), ("b", 2))
    text = "SELECT t.name, t.size + 1 AS size FROM things AS t"
    mart.store(Query("test/own", text, "things", "a thing", ("name",), "tests"), Replace())
    assert _things(mart) == [("a", 2), ("b", 3)]


def test_a_repeated_key_stores_nothing(mart: Mart) -> None:
    _put(mart, "things", ("a", 1))
    _put(mart, "given", ("b", 1), ("b", 2))
    with pytest.raises(KeyViolationError, match="1 keys"):
        mart.store(_query(), Replace())
    assert _things(mart) == [("a", 1)]
    mart.store(_query("g.size = 1"), Replace())
    assert _things(mart) == [("b", 1)]


def test_a_transaction_is_taken_back_whole(mart: Mart) -> None:
    _put(mart, "things", ("a", 1))
    _put(mart, "given", ("b", 2))

    def change_and_fail() -> None:
        with mart.transaction():
            mart.store(_query(), Replace())
            with mart.transaction():
                _put(mart, "things", ("c", 3))
            assert _things(mart) == [("b", 2), ("c", 3)]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert _things(mart) == [("a", 1)]


def test_a_stream_that_breaks_adds_nothing(mart: Mart) -> None:
    schema = pa.schema({"name": pa.string(), "size": pa.int32()})

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([["a"], pa.array([1], pa.int32())], schema=schema)
        raise OSError("the file ends here")

    rows = pa.RecordBatchReader.from_batches(schema, batches())
    with pytest.raises((OSError, MemsyncError)), mart.transaction():
        mart.append("things", rows)
    assert _things(mart) == []


def test_values_come_back_as_they_went(mart: Mart) -> None:
    rows = {
        "name": ["plain", "0042", "42", "a\\b\"c'd{e},f", "NULL", "über \U0001f600", "x" * 40],
        "size": [1, -(2**31), 2**31 - 1, None, 0, 5, 6],
        "seen_on": [date(2026, 2, 28), date(1800, 1, 1), date(9999, 12, 31), None, None, None, None],
        "seen_at": [datetime(2026, 1, 2, 3, 4, 5, 678901), datetime(1900, 1, 1), *[None] * 5],
        "share": [0.1, -1e-300, 1e300, 1 / 3, None, 0.0, 100.0],
        "note": ["", " padded ", "line\r\none\ttab", "y" * 70_000, None, '"', "a,b\x1fc"],
    }
    types = [pa.string(), pa.int32(), pa.date32(), pa.timestamp("us"), pa.float64(), pa.string()]
    table = pa.table({name: pa.array(values, kind) for (name, values), kind in zip(rows.items(), types, strict=True)})
    assert mart.append("things", table) == 7
    names = ", ".join(f"t.{name}" for name in rows)
    found = mart.fetch(f"SELECT {names} FROM things AS t")
    assert sorted(found.to_pylist(), key=lambda r: r["name"]) == sorted(table.to_pylist(), key=lambda r: r["name"])


def test_parameters_are_bound_and_typed(mart: Mart) -> None:
    given = {
        "t": "Robert'); DROP TABLE things; -- ?",
        "d": date(2026, 2, 28),
        "s": datetime(2026, 1, 2, 3, 4, 5, 678901),
        "n": 2**40,
        "f": 0.1,
        "none": None,
        "unused": "x",
    }
    (row,) = mart.fetch(
        "SELECT @t AS t, @d AS d, @s AS s, @n + 1 AS n, @f AS f, CAST(@none AS DATE) AS none_, @t AS again"
        " FROM (SELECT 1 AS one) AS o WHERE @none IS NULL",
        given,
    ).to_pylist()
    assert row == {
        "t": given["t"],
        "d": given["d"],
        "s": given["s"],
        "n": 2**40 + 1,
        "f": 0.1,
        "none_": None,
        "again": given["t"],
    }


def test_text_orders_and_compares_by_its_bytes(mart: Mart) -> None:
    names = ["b", "B", "a", "A", "é", "Z", "z", "_", "1"]
    _put(mart, "things", *[(name, None) for name in names])
    assert [name for name, _ in _things(mart)] == sorted(names)
    assert mart.fetch("SELECT COUNT(*) AS n FROM things AS t WHERE t.name = 'A'")["n"].to_pylist() == [1]
    assert mart.fetch("SELECT MIN(t.name) AS n FROM things AS t")["n"].to_pylist() == ["1"]
    folded = mart.fetch("SELECT COUNT(*) AS n FROM things AS t WHERE LOWER(t.name) = LOWER(@given)", {"given": "É"})
    assert folded["n"].to_pylist() == [1]


def test_columns_are_told_in_order(mart: Mart) -> None:
    assert list(mart.columns("things")) == ["name", "size", "seen_on", "seen_at", "share", "note"]
    assert mart.columns("no_such_table") == {}


def test_a_sum_of_whole_numbers_is_one(mart: Mart) -> None:
    _put(mart, "things", ("a", 2**31 - 1), ("b", 1))
    found = mart.fetch(
        "SELECT SUM(CAST(t.size AS BIGINT)) AS big, SUM(1) AS small, SUM(CAST(t.size AS FLOAT)) AS broad"
        " FROM things AS t"
    )
    assert found.to_pylist() == [{"big": 2**31, "small": 2, "broad": 2.0**31}]
    assert [field.type for field in found.schema] == [pa.int64(), pa.int64(), pa.float64()]


def test_an_empty_result_keeps_its_columns(mart: Mart) -> None:
    found = mart.fetch("SELECT t.name, t.size, t.seen_on FROM things AS t")
    assert (found.num_rows, found.schema.names) == (0, ["name", "size", "seen_on"])
