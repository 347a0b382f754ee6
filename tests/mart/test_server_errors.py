"""What SQL Server's and psqlODBC's errors become; the messages are those of the drivers."""

from __future__ import annotations

import pyodbc
import pytest

from memsync_assets.mart.engine import MartInterruptedError, MartRefusedError
from memsync_assets.mart.server_errors import readable

_MS = "[{state}] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]{text} (SQLExecDirectW)"


def _error(state: str, text: str) -> pyodbc.Error:
    return pyodbc.Error(state, _MS.format(state=state, text=text))


@pytest.mark.parametrize(
    ("state", "text", "lost"),
    [
        ("40001", "Transaction (Process ID 52) was deadlocked on lock resources. (1205)", False),
        ("42000", "Transaction (Process ID 52) was deadlocked on lock resources. (1205)", False),
        ("40P01", "ERROR: deadlock detected", False),
        ("42000", "The service is currently busy. Retry the request after 10 seconds. (40501)", False),
        ("HY000", "Database 'm' on server 's' is not currently available. Please retry the connection. (40613)", True),
        ("08S01", "Communication link failure (0)", True),
        ("HYT00", "Login timeout expired (0)", True),
        ("57P01", "FATAL: terminating connection due to administrator command", True),
        ("HY000", "server closed the connection unexpectedly", True),
        ("08001", "FATAL: the database system is not yet accepting connections", True),
    ],
)
def test_what_passes_by_itself_is_run_again(state: str, text: str, lost: bool) -> None:
    known = readable(_error(state, text))
    assert isinstance(known.error, MartInterruptedError)
    assert known.connection_lost == lost


def test_a_server_that_does_not_answer_cannot_be_reached_and_did_not_go_away() -> None:
    known = readable(_error("HYT00", "Login timeout expired (0)"))
    assert "cannot be reached: " in str(known.error)
    assert "Login timeout expired" in str(known.error)


@pytest.mark.parametrize(
    ("state", "text", "told"),
    [
        (
            "23000",
            "Violation of PRIMARY KEY constraint 'pk_source_members'. Cannot insert duplicate key in object"
            " 'memsync.source_members'. The duplicate key value is (policy, SECRET, 2026-01-01). (2627)",
            "pk_source_members",
        ),
        ("22018", "Conversion failed when converting the nvarchar value 'SECRET' to data type int. (245)", "not fit"),
        ("42000", "String or binary data would be truncated. Truncated value: 'SECRET'. (2628)", "server's own log"),
        (
            "42000",
            "String or binary data would be truncated in table 'm.memsync.loads', column 'system'."
            " Truncated value: 'SECRET'. (2628)",
            "too long for m.memsync.loads, column system",
        ),
        ("42000", 'Cannot resolve the collation conflict between "A" and "B" in the equal to operation. (468)', "468"),
        ("22001", "String or binary data would be truncated. Truncated value: 'SECRET'. (2628)", "not fit"),
        ("42000", "The SELECT permission was denied on the object 'loads', schema 'memsync'. (229)", "permission"),
        ("42S02", "Invalid object name 'loads'. (208)", "Invalid object name 'loads'"),
        ("28000", "Login failed for user 'CORP\\memsync'. (18456)", "Login failed"),
        ("08001", 'connection failed: FATAL: password authentication failed for user "m"', "authentication failed"),
    ],
)
def test_a_refusal_tells_what_to_mend_and_no_value(state: str, text: str, told: str) -> None:
    error = readable(_error(state, text)).error
    assert isinstance(error, MartRefusedError)
    assert told in str(error)
    assert "SECRET" not in str(error)
