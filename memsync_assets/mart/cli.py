"""`memsync mart`: what a database administrator needs."""

from __future__ import annotations

import typer

from memsync_assets.mart.script import deployment_script

app = typer.Typer(no_args_is_help=True, help="What a database administrator needs.")


@app.callback()
def _mart() -> None:
    """What a database administrator needs."""


@app.command()
def script() -> None:
    """Print the deployment on SQL Server: schema, tables, roles with grants, a stored procedure for each query."""
    typer.echo(deployment_script(), nl=False)
