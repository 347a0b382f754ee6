"""Opening files that others have written: plain ones only, so that no pipe is waited for and no link is followed."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path


def open_plain(path: Path) -> BufferedReader:
    """Open a file to be read.

    Raises:
        OSError: it is not there, no plain file, or may not be read; strerror says which.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no plain file", str(path))
    return os.fdopen(descriptor, "rb")
