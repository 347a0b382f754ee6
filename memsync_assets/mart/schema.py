"""The mart's schema: `sql/schema/` applied file by file, each once, so that an older mart migrates itself.

A file that has been released is never edited: a change is a further file.
"""

from __future__ import annotations

from memsync_assets.mart.engine import Mart
from memsync_assets.mart.queries import SQL
from memsync_assets.settings import MemsyncError

#: What is applied is remembered here.
VERSIONS = """\
CREATE TABLE schema_versions (
    version NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_schema_versions PRIMARY KEY (version)
)"""


def migrate(mart: Mart) -> list[str]:
    """Apply the schema files that this mart has not seen, in order, each in one transaction.

    Returns:
        The names of the files that were applied.

    Raises:
        MemsyncError: the mart was made by a newer memsync.
    """
    if not mart.columns("schema_versions"):
        with mart.transaction():
            mart.execute(VERSIONS)
    applied = set(mart.fetch("SELECT version FROM schema_versions")["version"].to_pylist())
    files = {path.stem: path for path in sorted((SQL / "schema").glob("*.sql"))}
    if unknown := sorted(applied - files.keys()):
        raise MemsyncError(f"the mart has the schema {unknown[-1]}, made by a newer memsync. Update memsync.")
    pending = [version for version in files if version not in applied]
    for version in pending:
        with mart.transaction():
            mart.execute(files[version].read_text(encoding="utf-8"))
            mart.execute("INSERT INTO schema_versions (version) VALUES (@version)", {"version": version})
    return pending
