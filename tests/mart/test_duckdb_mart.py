"""The embedded mart between processes: one writer, and kill -9 at any moment leaves a table as before or as after."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.engine import MartBusyError

#: Stores a result, tells that it stands where the argument says, and waits there for its end.
_STORES = """
import sys
from contextlib import closing
from pathlib import Path
from memsync_assets.mart.duckdb_mart import DuckDBMart
from memsync_assets.mart.engine import Replace
from memsync_assets.mart.queries import Query

def wait():
    print("here", flush=True)
    sys.stdin.read()

mart = DuckDBMart(Path(sys.argv[1]))
query = Query("t", "SELECT g.name FROM given AS g", "things", "", ("name",), "")
with mart.transaction():
    mart.store(query, Replace())
    mart.execute("DELETE FROM given")
    if sys.argv[2] == "before the commit":
        wait()
wait()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A mart with the things a and b; c to z are given."""
    path = tmp_path / "mart.duckdb"
    mart = DuckDBMart(path)
    mart.execute("CREATE TABLE things (name NVARCHAR(40) NOT NULL)")
    mart.execute("CREATE TABLE given (name NVARCHAR(40))")
    mart.append("things", pa.table({"name": ["a", "b"]}))
    mart.append("given", pa.table({"name": list("cdefghijklmnopqrstuvwxyz")}))
    mart.close()
    return path


def _names(mart: DuckDBMart, table: str) -> str:
    return "".join(sorted(mart.fetch(f"SELECT t.name FROM {table} AS t")["name"].to_pylist()))


@pytest.mark.parametrize(
    ("moment", "things", "given"),
    [("before the commit", "ab", "cdefghijklmnopqrstuvwxyz"), ("after the commit", "cdefghijklmnopqrstuvwxyz", "")],
)
def test_a_killed_memsync_leaves_tables_as_before_or_as_after(path: Path, moment: str, things: str, given: str) -> None:
    arguments = [sys.executable, "-c", _STORES, str(path), moment]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        process.kill()
    mart = DuckDBMart(path)
    assert (_names(mart, "things"), _names(mart, "given")) == (things, given)
    mart.close()


def test_a_second_process_is_turned_away_while_the_first_has_the_mart_open(path: Path) -> None:
    arguments = [sys.executable, "-c", _STORES, str(path), "before the commit"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        with pytest.raises(MartBusyError, match="another memsync process"):
            DuckDBMart(path)
        process.communicate(b"")
    mart = DuckDBMart(path)
    assert _names(mart, "given") == ""
    mart.close()


def test_no_progress_bar_is_drawn_into_what_a_process_prints(tmp_path: Path) -> None:
    with closing(DuckDBMart(tmp_path / "mart.duckdb")) as mart, closing(mart.beside()) as beside:
        for one in (mart, beside):
            shown = one.fetch("SELECT current_setting('enable_progress_bar') AS shown")
            assert shown["shown"].to_pylist() == [False]
