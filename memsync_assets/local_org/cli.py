"""`memsync org`: the local org on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memsync_assets.local_org.oauth import ConnectedApp
from memsync_assets.local_org.server import SECRET_VARIABLE
from memsync_assets.local_org.server import serve as run

app = typer.Typer(help="A local Salesforce org over HTTP, for trying things out.", no_args_is_help=True)


@app.callback()
def main() -> None:
    """A local Salesforce org over HTTP, for trying things out."""


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Loopback port; 0 takes a free one.")] = 8750,
    db: Annotated[Path, typer.Option(help="SQLite file of the records; made if missing.")] = Path("local_org.db"),
    schema: Annotated[Path | None, typer.Option(help="Schema file; the sample org's without one.")] = None,
    client_id: Annotated[str, typer.Option(help="The connected app's client id.")] = ConnectedApp.client_id,
    client_secret: Annotated[
        str, typer.Option(envvar=SECRET_VARIABLE, help="The connected app's secret.", show_default=False)
    ] = ConnectedApp.client_secret,
    public_key: Annotated[
        Path | None, typer.Option(help="PEM file that checks assertions of the JWT bearer flow.")
    ] = None,
) -> None:
    """Serve until interrupted; prints one JSON line with the port and the URL."""
    key = public_key.read_text(encoding="ascii") if public_key else None
    run(db, schema, port, ConnectedApp(client_id, client_secret, key))
