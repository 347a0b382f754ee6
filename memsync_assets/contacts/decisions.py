"""People's decisions on identity: a CSV file that names source records, not persons, so that they last over runs.

Decisions on Contacts that the org holds twice stand in the same file, with the system `salesforce` and record ids.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from memsync_assets.settings import MemsyncError, Project

ContactKey = tuple[str, str]
Verdict = Literal["always_link", "never_link"]

#: Stands for the org where a decision is on two of its Contacts.
ORG: Final = "salesforce"
FILE_NAME = "identity_decisions.csv"
MIXED = "a Contact of Salesforce can only be decided with another one."
COLUMNS = ("decision", "left_system", "left_contact_id", "right_system", "right_contact_id", "decided_by", "note")


@dataclass(frozen=True, order=True)
class Decision:
    """Two source contacts that are, or are not, one person. left < right."""

    left: ContactKey
    right: ContactKey
    verdict: Verdict
    decided_by: str = ""
    note: str = ""


def decision(verdict: Verdict, one: ContactKey, other: ContactKey, decided_by: str = "", note: str = "") -> Decision:
    """A decision with its contacts in order."""
    left, right = sorted((one, other))
    return Decision(left, right, verdict, decided_by, note)


def decision_files(project: Project) -> tuple[Path, Path]:
    """Where decisions are read from: beside the configuration, and in the home (where `memsync review` writes)."""
    return project.config.parent / FILE_NAME, project.home.root / FILE_NAME


def read_decisions(project: Project, of: Literal["sources", "salesforce"] = "sources") -> tuple[Decision, ...]:
    """Every decision of the project on source contacts, or on Contacts of the org, in order.

    Raises:
        MemsyncError: a line is not a decision, or two decisions on one pair disagree.
    """
    found = [d for path in decision_files(project) if path.is_file() for d in _read_file(path)]
    return tuple(d for d in consistent(found) if (d.left[0] == ORG) == (of == ORG))


def consistent(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """The decisions in order, each pair once.

    Raises:
        MemsyncError: a pair is both always_link and never_link.
    """
    by_pair: dict[tuple[ContactKey, ContactKey], Decision] = {}
    for item in decisions:
        first = by_pair.setdefault((item.left, item.right), item)
        if first.verdict != item.verdict:
            raise MemsyncError(
                f"{FILE_NAME}: {item.left} and {item.right} are decided both always_link and never_link. Remove one."
            )
    return tuple(sorted(by_pair.values()))


def _read_file(path: Path) -> list[Decision]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := sorted(set(COLUMNS[:5]) - set(reader.fieldnames or ())):
                raise MemsyncError(f"{path}: the header lacks {', '.join(missing)}.")
            return [_read_row(path, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MemsyncError(f"{path}: cannot be read as CSV in UTF-8 ({error}).") from error


def _read_row(path: Path, line: int, row: dict[str, str | None]) -> Decision:
    values = {name: (row.get(name) or "").strip() for name in COLUMNS}
    if values["decision"] not in get_args(Verdict):
        raise MemsyncError(f"{path}, line {line}, column decision: must be always_link or never_link.")
    if empty := [name for name in COLUMNS[1:5] if not values[name]]:
        raise MemsyncError(f"{path}, line {line}, column {empty[0]}: is empty; a decision names two source contacts.")
    one = (values["left_system"], values["left_contact_id"])
    other = (values["right_system"], values["right_contact_id"])
    if one == other:
        raise MemsyncError(f"{path}, line {line}: a decision names two different source contacts.")
    if is_mixed(one, other):
        raise MemsyncError(f"{path}, line {line}: {MIXED}")
    verdict: Verdict = "always_link" if values["decision"] == "always_link" else "never_link"
    return decision(verdict, one, other, values["decided_by"], values["note"])


def is_mixed(one: ContactKey, other: ContactKey) -> bool:
    """Whether only one of the two is a Contact of the org."""
    return (one[0] == ORG) != (other[0] == ORG)


def record(path: Path, item: Decision) -> None:
    """Add a decision to a file, creating it with its header.

    Raises:
        MemsyncError: the file decides the pair the other way already.
    """
    known = _read_file(path) if path.is_file() else []
    if len(consistent([*known, item])) == len(consistent(known)):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if not known and file.tell() == 0:
            writer.writerow(COLUMNS)
        writer.writerow([item.verdict, *item.left, *item.right, item.decided_by, item.note])
