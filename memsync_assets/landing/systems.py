"""Which systems there are: those of the configuration, and those that have landed a load."""

from __future__ import annotations

from memsync_assets.landing.discovery import scan_all
from memsync_assets.landing.manifest import ManifestError, parse_manifest, read_manifest
from memsync_assets.landing.validation import told_role
from memsync_assets.mart.engine import Mart
from memsync_assets.quiet_duckdb import connect
from memsync_assets.settings import Project, Role


def landed_systems(project: Project) -> dict[str, Role]:
    """Every system by name, with its role. Reads manifests and file headers, never the mart.

    A system of which no load tells the role, or none can be read, is taken for a source: its loads are refused, and
    seen to be.
    """
    told: dict[str, Role] = {name: system.role for name, system in project.settings.systems.items()}
    untold: dict[str, Role] = {}
    with connect() as connection:
        for load in scan_all(project.landing):
            if load.system in told:
                continue
            untold[load.system] = "source"
            try:
                role = told_role(connection, load.folder, parse_manifest(read_manifest(load.folder)))
            except (ManifestError, OSError):
                continue
            if role:
                told[load.system] = role
    return untold | told


def applied_systems(mart: Mart) -> dict[str, Role]:
    """The systems that the mart holds loads of, even where the landing folder has been emptied."""
    rows = mart.fetch("SELECT DISTINCT system, role FROM loads ORDER BY system, role").to_pylist()
    return {row["system"]: row["role"] for row in rows}
