"""`memsync` on the command line: parses what the user wrote, calls one function, prints what came of it.

Exit codes: 0 all well, 2 wrong use, 3 parity findings beyond tolerance, 4 some load refused, 5 sync failures (the
largest that applies of 5, 4, 3), 1 anything else.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from memsync_assets import __version__
from memsync_assets.local_org.cli import app as local_org
from memsync_assets.settings import DEFAULT_CONFIG, PROJECT, Home, MemsyncError, Project, load_settings

app = typer.Typer(
    help="Keeps a health plan's membership data true in Salesforce and in every downstream system.",
    epilog="Try it: `memsync demo`. Then `memsync dev` for the Dagster UI, `memsync plan` for what a sync would do.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.add_typer(local_org, name="org")
console = Console()
errors = Console(stderr=True)

HomeOption = Annotated[
    Path, typer.Option("--home", envvar="MEMSYNC_HOME", help="The folder that holds all of memsync's state.")
]
ConfigOption = Annotated[
    Path, typer.Option("--config", envvar="MEMSYNC_CONFIG", help="The configuration file.", dir_okay=False)
]
DEFAULT_HOME = PROJECT / ".memsync"


def _project(home: Path, config: Path, landing: Path | None = None) -> Project:
    where = Home(home.resolve())
    return Project(load_settings(config), where, (landing or where.root / "landing").resolve(), config)


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"memsync {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version_wanted: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    landing: Annotated[Path, typer.Option("--landing", help="The folder where loads land.", file_okay=False)],
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = DEFAULT_CONFIG,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="Compare membership on this date."),
    ] = None,
    plan_only: Annotated[bool, typer.Option("--plan-only", help="Plan the sync and write nothing to the org.")] = False,
) -> None:
    """Take in every new load, run the whole graph once, and exit.

    Exit code: 0 all well, 3 parity findings beyond tolerance, 4 some load refused, 5 sync failures,
    1 anything else.

    Example: `memsync run --landing /data/landing --home /var/lib/memsync --plan-only`
    """
    # Dagster takes seconds to import; `memsync --help` need not wait for it.
    from memsync_assets.graph_run import run_graph
    from memsync_assets.run_summary import print_summary, summarize

    if not landing.is_dir():
        raise MemsyncError(f"--landing {landing}: there is no such folder.")
    project = replace(_project(home, config, landing), as_of=as_of.date() if as_of else None, plan_only=plan_only)
    with console.status("starting") as status:
        outcome = run_graph(project, lambda step, state: status.update(f"{escape(step)}: {state}"))
    summary = summarize(project, outcome)
    print_summary(console, summary)
    raise typer.Exit(summary.exit_code)


@app.command()
def export(
    table: Annotated[str, typer.Argument(help="A table of the mart, e.g. discrepancies.")],
    file: Annotated[Path, typer.Argument(help="Where to: .parquet or .csv by its ending.")],
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Write a table of the mart to a file that only you can read (mode 0600).

    Example: `memsync export membership_counts counts.csv`
    """
    from memsync_assets.mart.connect import open_mart
    from memsync_assets.mart.export import export_table

    with open_mart(_project(home, config)) as mart:
        rows = export_table(mart, table, file)
    console.print(f"{rows:,} rows of {table} in {escape(str(file))}")


@app.command()
def dev(
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = DEFAULT_CONFIG,
    port: Annotated[int, typer.Option("--port", help="Where the UI listens.")] = 3000,
) -> None:
    """Start the Dagster UI with sensors and schedules on, until you stop it with Ctrl-C."""
    from memsync_assets.automation.instance import prepare_instance

    project = _project(home, config)
    project.landing.mkdir(parents=True, exist_ok=True)
    prepare_instance(project.home)
    os.environ |= {
        "MEMSYNC_HOME": str(project.home.root),
        "MEMSYNC_CONFIG": str(project.config.resolve()),
        "MEMSYNC_LANDING": str(project.landing),
    }
    console.print(f"Loads that land in {escape(str(project.landing))} start runs. UI: http://127.0.0.1:{port}")
    dagster = Path(sys.executable).with_name("dagster")
    os.execv(dagster, ["dagster", "dev", "-w", str(PROJECT / "workspace.yaml"), "-h", "127.0.0.1", "-p", str(port)])


def main() -> None:
    """The entry point: a user's mistake is one line on standard error and exit code 2, never a traceback."""
    try:
        app()
    except MemsyncError as error:
        errors.print(f"[red]memsync:[/red] {escape(str(error))}")
        sys.exit(2)
