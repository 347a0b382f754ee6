"""One run at a home at a time: what changes the mart over several steps, or the org, holds the home for all of them.

The mart itself has one writer at a time, but a run opens it step by step. Commands that only read wait for a step to
end and need no lock. The lock ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from memsync_assets.mart.engine import MartBusyError
from memsync_assets.settings import Home


@contextmanager
def only_run(home: Home) -> Iterator[None]:
    """Hold the home to the end of the block.

    Raises:
        MartBusyError: another command holds it.
    """
    home.make()
    with (home.root / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MartBusyError(
                f"another memsync command works on {home.root}. Wait for it to end, or stop it."
            ) from None
        yield
