"""Quarantine: a refused load, moved out of the landing folder whole, with the reason beside its files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from memsync_assets.landing.discovery import FoundLoad
from memsync_assets.landing.findings import Finding, as_json, counts

REASON = "reason.json"


def quarantined_at(folder: Path, system: str, load_id: str, content_hash: str) -> Path:
    """Where a load lies below the quarantine folder, once it was refused."""
    return folder / system / f"{load_id}.{content_hash[:8]}"


def quarantine(load: FoundLoad, folder: Path, findings: Sequence[Finding], refused_at: datetime) -> Path:
    """Move a load below the quarantine folder, its reason.json written first. Returns where it is now.

    Killed before the move, the load is still in the landing folder and is refused again by the next run. The
    same content refused twice lies there once.
    """
    reason = {
        "system": load.system,
        "load_id": load.load_id,
        "refused_at": refused_at.isoformat(timespec="seconds"),
        "counts": counts(findings),
        "findings": as_json(findings),
    }
    target = quarantined_at(folder, load.system, load.load_id, load.content_hash)
    target.parent.mkdir(parents=True, exist_ok=True)
    (load.folder / REASON).write_text(json.dumps(reason, indent=1), encoding="utf-8")
    if target.exists():
        shutil.rmtree(target)
    try:
        load.folder.rename(target)
    except OSError:  # another file system: a copy under a hidden name appears whole, or not at all
        partial = target.with_name(f".{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(load.folder, partial, symlinks=True)
        os.replace(partial, target)
        shutil.rmtree(load.folder)
    return target
