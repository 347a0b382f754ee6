"""What a driver's error means, told without the values of rows that servers quote in their messages."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyodbc

from memsync_assets.mart.engine import MartInterruptedError, MartRefusedError
from memsync_assets.settings import MemsyncError

#: SQLSTATEs of a connection that is lost or not made in time, or of a server that ends or begins.
_LOST = ("08", "57P01", "57P02", "57P03", "HYT00", "HYT01")
#: SQLSTATEs of a transaction that the server gave up for another's sake: deadlock, serialization.
_GIVEN_UP = ("40001", "40P01", "40002")
#: SQL Server's own numbers, where a driver gives no better SQLSTATE: 1205 deadlock; 1222 lock timeout; and Azure SQL's
#: for a database that is too busy.
_GIVEN_UP_NUMBERS = re.compile(r"\((1205|1222|10928|10929|40501|49918|49919|49920)\)")
#: Azure SQL's for a database that moves to another machine.
_LOST_NUMBERS = re.compile(r"\((40197|40613)\)")
#: psqlODBC says these with HY000 when the server is killed under it.
_LOST_TEXT = re.compile(
    r"server closed the connection|terminating connection|communication link failure|"
    r"(read from|write to) the server failed",
    re.IGNORECASE,
)
#: Microsoft's driver says this with the SQLSTATE of every timeout.
_NOT_REACHED = re.compile(r"login timeout expired", re.IGNORECASE)
#: A server that is there and will not have us, which waiting does not change; one that starts or stops says otherwise.
_TURNED_AWAY = re.compile(
    r"does not exist|authentication failed|no pg_hba\.conf entry|not permitted to log in|login failed", re.IGNORECASE
)
#: Classes whose messages name objects and permissions of the schema, and never a value of a row.
_WITHOUT_VALUES = ("42", "28", "3D", "3F", "IM", "01", "08", "HYT")
#: SQL Server says 42000 of very much; of these of its errors, no message quotes a value: syntax, names, types,
#: collations, permissions, options of the session, transactions.
_SQL_SERVERS_WITHOUT_VALUES = re.compile(
    r"\((102|105|155|156|195|207|208|209|229|230|262|297|300|319|402|468|916|1033|1088|1934|2705|2714|2760|3902|3903"
    r"|4060|4104|8117|8120|8155|8156|8180|8711|10738|15151)\)"
)
#: A text that is too long: SQL Server 2019 and later say for which column, and what the text was.
_TOO_LONG = re.compile(r"in table '([^']+)', column '([^']+)'.*\(2628\)", re.DOTALL)
_CONSTRAINT = re.compile(r"\b(?:pk|uq|fk|ck)_[a-z_]+", re.IGNORECASE)
_SECRET = re.compile(r"(?i)(pwd|password)\s*=\s*(\{[^}]*\}|[^;]*)")
_MEANING = {
    "22": "a value does not fit its column or its type",
    "23": "a row breaks a key or a NOT NULL of its table",
    "53": "the server has no more room, memory or connections",
}


@dataclass(frozen=True)
class Known:
    """An error of ours. connection_lost: the connection that it came from is of no more use."""

    error: MemsyncError
    connection_lost: bool


def readable(error: pyodbc.Error) -> Known:
    """A driver's error as one of ours, without values."""
    state = str(error.args[0]) if error.args else "HY000"
    message = str(error.args[1]) if len(error.args) > 1 else ""
    if state == "08001" and _TURNED_AWAY.search(message):
        return Known(MartRefusedError(f"the mart's server refused the connection: {_told(state, message)}"), True)
    if state == "08001" or _NOT_REACHED.search(message):
        return Known(MartInterruptedError(f"the mart's server cannot be reached: {_told(state, message)}"), True)
    if state.startswith(_LOST) or _LOST_TEXT.search(message) or _LOST_NUMBERS.search(message):
        text = "the mart's server went away. Nothing of this transaction is stored: run again."
        return Known(MartInterruptedError(f"{text} (SQLSTATE {state})"), True)
    if state.startswith(_GIVEN_UP) or _GIVEN_UP_NUMBERS.search(message):
        text = "the mart's server gave this transaction up for another's sake. Nothing of it is stored: run again."
        return Known(MartInterruptedError(f"{text} (SQLSTATE {state})"), False)
    return Known(MartRefusedError(f"the mart's server refused: {_told(state, message)} (SQLSTATE {state})"), False)


def _told(state: str, message: str) -> str:
    if state.startswith(_WITHOUT_VALUES) and (state != "42000" or _SQL_SERVERS_WITHOUT_VALUES.search(message)):
        return _SECRET.sub(r"\1=…", " ".join(message.split()))[:400]
    if too_long := _TOO_LONG.search(message):
        return f"a text is too long for {too_long[1]}, column {too_long[2]}"
    meaning = next((text for start, text in _MEANING.items() if state.startswith(start)), "see the server's own log")
    constraint = _CONSTRAINT.search(message)
    return f"{meaning} ({constraint[0]})" if constraint else meaning
