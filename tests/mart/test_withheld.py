"""An error of the embedded mart quotes no value of a row."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.engine import MartRefusedError, Replace
from memsync_assets.mart.queries import Query

SECRET = "SECRETMEMBER7"
SELECT = "SELECT CAST(m.member_id AS INT) AS member_id FROM members AS m"
QUERY = Query("test/members", SELECT, "numbers", "a member", (), "a conversion that fails")


@pytest.mark.parametrize(
    "work",
    [
        lambda mart: mart.fetch(SELECT),
        lambda mart: mart.execute(f"INSERT INTO numbers (member_id) {SELECT}"),
        lambda mart: mart.append("numbers", pa.table({"member_id": [SECRET]})),
        lambda mart: mart.append("members", pa.table({"member_id": pa.array([None], pa.string())})),
        lambda mart: mart.store(QUERY, Replace()),
    ],
)
def test_values_are_withheld(work: Callable[[DuckDBMart], object]) -> None:
    mart = DuckDBMart()
    mart.execute("CREATE TABLE members (member_id NVARCHAR(100) NOT NULL)")
    mart.execute("CREATE TABLE numbers (member_id INT)")
    mart.append("members", pa.table({"member_id": [SECRET]}))
    with pytest.raises(MartRefusedError, match="withheld") as refused:
        work(mart)
    assert SECRET not in str(refused.value)
    assert refused.value.__suppress_context__
    mart.close()
