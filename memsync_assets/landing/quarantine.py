"""Quarantine: a refused load, moved out of the landing folder whole, with the reason beside its files.

Nothing is written below the landing folder, where others write: all is put together on the quarantine's side.
"""

from __future__ import annotations

import filecmp
import itertools
import json
import os
import shutil
import stat
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from memsync_assets.landing.discovery import FoundLoad
from memsync_assets.landing.findings import Finding, as_json, counts
from memsync_assets.landing.manifest import MANIFEST
from memsync_assets.landing.plain_files import open_plain

REASON = "reason.json"


def quarantined_at(folder: Path, system: str, load_id: str, content_hash: str) -> Path:
    """Where a load lies below the quarantine folder, once it was refused."""
    return folder / system / f"{load_id}.{content_hash[:8]}"


def quarantine(load: FoundLoad, folder: Path, findings: Sequence[Finding], refused_at: datetime) -> Path:
    """Move a load below the quarantine folder, with its reason.json. Returns where it is now.

    Killed before its end, the load is still in the landing folder and is refused again by the next run. The same
    files refused twice lie there once; other files under the same manifest get a number. A load that cannot be
    removed from the landing folder stays there, too.
    """
    reason = {
        "system": load.system,
        "load_id": load.load_id,
        "refused_at": refused_at.isoformat(timespec="seconds"),
        "counts": counts(findings),
        "findings": as_json(findings),
    }
    name = quarantined_at(folder, load.system, load.load_id, load.content_hash)
    partial = name.with_name(f".{name.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    whole = _keep(load.folder, partial)
    (partial / REASON).write_text(json.dumps(reason, indent=1), encoding="utf-8")
    target = _place(name, partial)
    if target.exists():
        shutil.rmtree(target)
    partial.rename(target)
    if whole:
        _remove(load.folder)
    return target


def _keep(source: Path, target: Path) -> bool:
    """The files and folders of a load; links, pipes and devices hold nothing of it. False: a file may not be read."""
    try:
        paths = list(source.iterdir())
    except OSError:
        return False
    whole = True
    for path in paths:
        if path.name == REASON:
            continue  # ours takes its place
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            (target / path.name).mkdir()
            whole &= _keep(path, target / path.name)
        elif stat.S_ISREG(mode):
            whole &= _keep_file(path, target / path.name)
    return whole


def _keep_file(path: Path, target: Path) -> bool:
    try:
        os.link(path, target, follow_symlinks=False)
        return True
    except OSError:  # another file system, or another owner
        pass
    try:
        source = open_plain(path)
    except OSError:
        return False
    with source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy)
    return True


def _place(name: Path, files: Path) -> Path:
    """The first place that is free or has the same files."""
    numbered = (name.with_name(f"{name.name}.{number}") for number in itertools.count(2))
    return next(place for place in itertools.chain([name], numbered) if not place.exists() or _same(place, files))


def _same(left: Path, right: Path) -> bool:
    names = _names(left)
    return names == _names(right) and all(filecmp.cmp(left / name, right / name, shallow=False) for name in names)


def _names(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.name != REASON}


def _remove(folder: Path) -> None:
    """Without its manifest, what cannot be removed is no load."""
    try:
        (folder / MANIFEST).unlink()
    except OSError:  # a folder, or a file system, that only others may write to
        return
    shutil.rmtree(folder, ignore_errors=True)
