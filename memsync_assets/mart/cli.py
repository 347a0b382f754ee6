"""`memsync mart`: what a database administrator needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memsync_assets.mart.script import deployment_script
from memsync_assets.settings import DEFAULT_CONFIG, load_settings

app = typer.Typer(no_args_is_help=True, help="What a database administrator needs.")


@app.callback()
def _mart() -> None:
    """What a database administrator needs."""


@app.command()
def script(
    config: Annotated[
        Path, typer.Option("--config", help="The configuration, which may ask for columnstores.", dir_okay=False)
    ] = DEFAULT_CONFIG,
) -> None:
    """Print the deployment on SQL Server: schema, tables, roles with grants, a stored procedure for each query.

    Example: `memsync mart script > memsync.sql`
    """
    typer.echo(deployment_script(columnstore=load_settings(config).mart.columnstore), nl=False)
