"""Kills a piece of work with SIGKILL at its n-th step, in a process of its own."""

from __future__ import annotations

import gc
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from memsync_assets.salesforce.client import Org

Step = tuple[Any, str]


def killed_at(step: int, work: Callable[[], None], steps: Sequence[Step]) -> bool:
    """Do the work in a child process that dies just before its n-th step; False when it came to its end before.

    Steps are calls of the functions named, and whatever writes to the org. What is known just after one is what is
    known just before the next.
    """
    child = os.fork()
    if child == 0:
        try:
            # What earlier tests left must not be collected here: its threads are not in this process.
            gc.freeze()
            _die_at(step, steps)
            work()
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0
    return False


def _die_at(step: int, steps: Sequence[Step]) -> None:
    seen = 0

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **given: Any) -> Any:
            nonlocal seen
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **given)

        return call

    for owner, name in steps:
        setattr(owner, name, counted(getattr(owner, name)))
    plain, writes = Org.call, counted(Org.call)

    def call(self: Org, method: str, path: str, **given: Any) -> Any:
        return (plain if method == "GET" else writes)(self, method, path, **given)

    Org.call = call  # type: ignore[method-assign]
