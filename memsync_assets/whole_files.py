"""Files that appear whole, and on the disk, or not at all; for their owner only where nothing else is asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Members' data is for the file's owner.
PRIVATE = 0o600
#: As the process's umask has it.
COMMON = 0o666


@contextmanager
def whole_file(path: Path, mode: int = PRIVATE) -> Iterator[Path]:
    """Gives the path of an empty file beside `path` to be written; it takes that name at the end of the block.

    What a failed block has written is removed; what a kill has left is begun anew.
    """
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode))
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
