"""Finding loads in the landing folder. Reads manifests only, never the mart and never a data file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from memsync_assets.landing.manifest import MANIFEST, MAX_BYTES


@dataclass(frozen=True, order=True)
class FoundLoad:
    """A folder with a manifest.

    Attributes:
        system: the name of the system's folder.
        load_id: the name of the load's folder.
        folder: where it is.
        content_hash: SHA-256 of the manifest, which holds the SHA-256 of every file: it tells revisions apart.
    """

    system: str
    load_id: str
    folder: Path
    content_hash: str

    @property
    def name(self) -> str:
        """How people are told of it."""
        return f"{self.system}/{self.load_id}"


def scan(landing: Path, system: str) -> list[FoundLoad]:
    """The loads of one system whose manifest is there, in the order in which they apply."""
    return sorted(load for folder in _folders(landing / system) if (load := _found(system, folder)))


def scan_all(landing: Path) -> list[FoundLoad]:
    """The loads of every system, by system and in the order in which they apply."""
    return [load for folder in _folders(landing) for load in scan(landing, folder.name)]


def _folders(parent: Path) -> list[Path]:
    """Folders proper: no hidden ones (half-copied by some tools), no links to elsewhere."""
    if not parent.is_dir():
        return []
    return sorted(
        path for path in parent.iterdir() if path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
    )


def _found(system: str, folder: Path) -> FoundLoad | None:
    try:
        with (folder / MANIFEST).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError):
        return None
    return FoundLoad(system, folder.name, folder, hashlib.sha256(content).hexdigest())
