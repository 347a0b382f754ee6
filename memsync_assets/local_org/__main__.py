"""`python -m memsync_assets.local_org`: serve an org."""

import typer

from memsync_assets.local_org.cli import serve

typer.run(serve)
