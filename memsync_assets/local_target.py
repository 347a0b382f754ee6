"""The local org for as long as a command runs, where the configuration names it as the target.

The one place outside tests that starts it. A real org, no org, or a local org that runs already is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from memsync_assets.settings import LOCAL_ORG_URL_VARIABLE, MemsyncError, Project


@contextmanager
def local_target(project: Project) -> Iterator[str | None]:
    """Serve the home's local org during the block, if `salesforce.target` is local. Gives its URL.

    Raises:
        MemsyncError: it does not start.
    """
    if project.settings.salesforce.target != "local" or os.environ.get(LOCAL_ORG_URL_VARIABLE):
        yield os.environ.get(LOCAL_ORG_URL_VARIABLE)
        return
    # The server's parts take a second to import; commands that need no org need not wait for them.
    from memsync_assets.local_org.server import LocalOrg

    project.home.make()
    org = LocalOrg(project.home.org)
    try:
        org.start()
    except RuntimeError as error:
        raise MemsyncError(
            f"the local org of {project.home.org} did not start: {error}. If `memsync org serve` has it open, "
            f"stop that, or set {LOCAL_ORG_URL_VARIABLE} to its URL."
        ) from error
    os.environ[LOCAL_ORG_URL_VARIABLE] = org.url
    try:
        yield org.url
    finally:
        del os.environ[LOCAL_ORG_URL_VARIABLE]
        org.stop()
