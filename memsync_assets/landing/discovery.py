"""Finding loads in the landing folder. Reads manifests only, never the mart and never a data file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from memsync_assets.landing.manifest import MANIFEST, read_manifest


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


@dataclass(frozen=True)
class Unreadable:
    """What may be a load, or a folder of loads, and cannot be looked into; the others go on without it."""

    name: str
    reason: str


def scan(landing: Path, system: str) -> list[FoundLoad]:
    """The loads of one system whose manifest is there, in the order in which they apply."""
    return sorted(found for found in _system(landing / system) if isinstance(found, FoundLoad))


def scan_all(landing: Path) -> list[FoundLoad]:
    """The loads of every system, by system and in the order in which they apply."""
    return survey(landing)[0]


def unreadable(landing: Path) -> list[Unreadable]:
    """What the scans leave out and somebody should be told of."""
    return survey(landing)[1]


def survey(landing: Path) -> tuple[list[FoundLoad], list[Unreadable]]:
    """Both by one scan, which reads every manifest."""
    found = list(_landing(landing))
    loads = sorted(one for one in found if isinstance(one, FoundLoad))
    return loads, [one for one in found if isinstance(one, Unreadable)]


def _landing(landing: Path) -> Iterator[FoundLoad | Unreadable]:
    try:
        systems = _folders(landing)
    except OSError as error:
        yield Unreadable(landing.name, f"the landing folder: {error.strerror}")
        return
    for system in systems:
        yield from _system(system)


def _system(system: Path) -> Iterator[FoundLoad | Unreadable]:
    try:
        folders = _folders(system)
    except OSError as error:
        yield Unreadable(system.name, f"the system's folder: {error.strerror}")
        return
    for folder in folders:
        try:
            content = read_manifest(folder)
        except FileNotFoundError:
            continue
        except OSError as error:
            yield Unreadable(f"{system.name}/{folder.name}", f"{MANIFEST}: {error.strerror}")
        else:
            yield FoundLoad(system.name, folder.name, folder, hashlib.sha256(content).hexdigest())


def _folders(parent: Path) -> list[Path]:
    """Folders proper: no hidden ones (half-copied by some tools), no links to elsewhere."""
    if not parent.is_dir():
        return []
    return sorted(
        path for path in parent.iterdir() if path.is_dir() and not path.is_symlink() and not path.name.startswith(".")
    )
