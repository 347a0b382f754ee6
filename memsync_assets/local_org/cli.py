"""`memsync org`: the local org on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from memsync_assets.local_org.oauth import ConnectedApp

app = typer.Typer(help="A local Salesforce org over HTTP, for trying things out.", no_args_is_help=True)


@app.callback()
def main() -> None:
    """A local Salesforce org over HTTP, for trying things out."""


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Loopback port; 0 takes a free one.")] = 8750,
    db: Annotated[
        Path, typer.Option(help="SQLite file of the records; made if missing, kept afterwards.", dir_okay=False)
    ] = Path("local_org.db"),
    schema: Annotated[
        Path | None,
        typer.Option(
            help='JSON file whose "sobjects" are describe results; the sample org\'s objects and fields without one.',
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    client_id: Annotated[str, typer.Option(help="The connected app's client id.")] = ConnectedApp.client_id,
    client_secret: Annotated[
        str, typer.Option(envvar="MEMSYNC_LOCAL_ORG_SECRET", help="The connected app's secret.", show_default=False)
    ] = ConnectedApp.client_secret,
    public_key: Annotated[
        Path | None,
        typer.Option(help="PEM public key that checks assertions of the JWT bearer flow.", exists=True, dir_okay=False),
    ] = None,
    until_eof: Annotated[
        bool, typer.Option("--until-eof", help="Also end where standard input ends: with the process that started it.")
    ] = False,
) -> None:
    """Serve a Salesforce org on this machine until interrupted (Ctrl-C).

    Prints one JSON line with its port and URL. Clients log in at URL/services/oauth2/token by client credentials
    (memsync-demo, memsync-demo-secret) or by JWT bearer as admin@local-org.example, and use REST, Bulk API 2.0
    and SOAP merge as they would with Salesforce. Nothing listens beyond 127.0.0.1.

    Faults on order: POST a list such as [{"kind": "status", "status": 503, "times": 2}] to URL/control/faults;
    GET shows those to come, DELETE takes them back. Kinds: status, delay, cut, expire, charset, lock, limit,
    duplicates, job_fails, slow_job.

    Examples:

    `memsync org serve --port 8750 --db org.db`

    `curl -d grant_type=client_credentials -d client_id=memsync-demo -d client_secret=memsync-demo-secret
    http://127.0.0.1:8750/services/oauth2/token`
    """
    # The server's parts take a second to import; `--help` need not wait for them.
    from memsync_assets.local_org.server import CannotServeError
    from memsync_assets.local_org.server import serve as run

    key = public_key.read_text(encoding="ascii", errors="replace") if public_key else None
    try:
        connected = ConnectedApp(client_id, client_secret, key)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--public-key") from None
    try:
        run(db, schema, port, connected, until_eof=until_eof)
    except CannotServeError as error:
        typer.echo(f"memsync: {error}", err=True)
        raise typer.Exit(2) from None
