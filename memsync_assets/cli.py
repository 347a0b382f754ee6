"""`memsync` on the command line: parses what the user wrote, calls one function, prints what came of it.

Exit codes: 0 all well, 2 wrong use, 3 parity findings beyond tolerance, 4 some load refused, 5 sync failures (the
largest that applies of 5, 4, 3), 1 anything else.
"""

from __future__ import annotations

import getpass
import os
import signal
import subprocess
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
from memsync_assets.local_target import local_target
from memsync_assets.mart.cli import app as mart
from memsync_assets.settings import DEFAULT_CONFIG, PROJECT, Home, MemsyncError, Project, load_settings

app = typer.Typer(
    help="Keeps a health plan's membership data true in Salesforce and in every downstream system.",
    epilog="Try it: `memsync demo`. Then `memsync dev` for the Dagster UI, `memsync plan` for what a sync would do.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.add_typer(local_org, name="org")
app.add_typer(mart, name="mart")
# What is piped or logged is not cut to a terminal's width.
console = Console(width=None if sys.stdout.isatty() else 140)
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
    exact: Annotated[bool, typer.Option("--exact", help="Compare every row, whatever sums of hashes say.")] = False,
) -> None:
    """Take in every new load, run the whole graph once, and exit.

    Exit code: 0 all well, 3 parity findings beyond tolerance, 4 some load refused, 5 sync failures
    or a sync that waits, 1 anything else.

    Example: `memsync run --landing /data/landing --home /var/lib/memsync --plan-only`
    """
    # Dagster takes seconds to import; `memsync --help` need not wait for it.
    from memsync_assets.graph_run import run_graph
    from memsync_assets.run_lock import only_run
    from memsync_assets.run_summary import print_summary, summarize

    if not landing.is_dir():
        raise MemsyncError(f"--landing {landing}: there is no such folder.")
    project = replace(
        _project(home, config, landing), as_of=as_of.date() if as_of else None, plan_only=plan_only, exact=exact
    )
    with only_run(project.home), local_target(project), console.status("starting") as status:
        outcome = run_graph(project, lambda step, state: status.update(f"{escape(step)}: {state}"))
    summary = summarize(project, outcome)
    print_summary(console, summary)
    raise typer.Exit(summary.exit_code)


@app.command()
def demo(
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = DEFAULT_CONFIG,
    members: Annotated[int, typer.Option("--members", min=2_000, help="How many members the sample has.")] = 50_000,
    seed: Annotated[int, typer.Option("--seed", help="Another seed gives another sample.")] = 2026,
) -> None:
    """Show both jobs on sample data: two weeks of loads, a local Salesforce org, every report.

    Nothing is needed beforehand. Run again, it finds everything in agreement and writes nothing.

    Example: `memsync demo --members 200000`
    """
    from memsync_assets.demo import print_demo, run_demo
    from memsync_assets.run_lock import only_run

    project = _project(home, config)
    with only_run(project.home), local_target(project), console.status("starting") as status:
        runs = run_demo(project, members, seed, lambda step, state: status.update(f"{escape(step)}: {state}"))
    print_demo(console, project, runs)


@app.command()
def plan(
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = DEFAULT_CONFIG,
    excel: Annotated[
        Path | None, typer.Option("--excel", help="Also write every change to this .xlsx file.", dir_okay=False)
    ] = None,
) -> None:
    """Plan the sync anew from the mart and the org, and show it. Writes nothing to the org.

    Example: `memsync plan --excel plan.xlsx`
    """
    from memsync_assets.mart.connect import open_mart
    from memsync_assets.run_lock import only_run
    from memsync_assets.salesforce.client import connect
    from memsync_assets.salesforce.plan import make_plan
    from memsync_assets.salesforce.plan_report import print_plan, write_plan_workbook

    project = _project(home, config)
    with only_run(project.home), local_target(project), open_mart(project) as mart:
        with console.status("planning") as status:
            counts = make_plan(mart, project, connect(project), tell=status.update)
            if excel:
                status.update("writing the workbook")
                write_plan_workbook(mart, excel)
        print_plan(console, mart, counts)
        if excel:
            console.print(f"Every change: {escape(str(excel))}", soft_wrap=True)


@app.command()
def apply(
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = DEFAULT_CONFIG,
    approve: Annotated[
        str | None,
        typer.Option(
            "--approve", help="Apply without asking: the hash of the plan as `memsync plan` shows it, or its start."
        ),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="First plan anew, with what Salesforce refused before.")
    ] = False,
) -> None:
    """Carry out the plan that was made last. Asks on a terminal; elsewhere it needs `--approve PLAN_HASH`.

    Exit code: 0 all changes succeeded, 5 some failed or were not sent, 2 the plan was not approved or is not the last
    one.

    Examples: `memsync apply`, `memsync apply --approve 3f6c12ab90de`, `memsync apply --retry-failed`
    """
    from memsync_assets.mart.connect import open_mart
    from memsync_assets.run_lock import only_run
    from memsync_assets.salesforce.apply import apply_plan
    from memsync_assets.salesforce.client import connect
    from memsync_assets.salesforce.gate import refuse_after_loss
    from memsync_assets.salesforce.plan import make_plan
    from memsync_assets.salesforce.plan_report import ask_for_approval, print_plan, print_results

    project = _project(home, config)
    with only_run(project.home), local_target(project), open_mart(project) as mart:
        refuse_after_loss(mart)
        org = connect(project)
        if org is None:
            raise MemsyncError("salesforce.target is none: there is no org to write to.")
        if retry_failed:
            print_plan(console, mart, make_plan(mart, project, org, retry_failed=True))
        approved = approve or ask_for_approval(console, mart)
        with console.status("looking at the org") as status:
            counts = apply_plan(mart, project, org, approved, tell=status.update)
        print_results(console, counts)
    raise typer.Exit(5 if counts.failed or counts.skipped else 0)


@app.command()
def merge(
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = DEFAULT_CONFIG,
    approve: Annotated[
        list[str] | None,
        typer.Option("--approve", help="Also make this merge: one that failed, was undone or is held. Repeatable."),
    ] = None,
    undo: Annotated[str | None, typer.Option("--undo", help="Take this merge back instead.")] = None,
) -> None:
    """Merge Contacts that the org holds twice: what certain rules found, and what people decided by `memsync review`.

    What is merged is kept beforehand, so that `--undo` restores both records, for as long as the loser is in
    Salesforce's recycle bin (15 days). Run `memsync plan` and `memsync apply` afterwards.

    Exit code: 0 all merges succeeded, 5 some failed or were not made.

    Examples: `memsync merge`, `memsync merge --approve MERGE_ID`, `memsync merge --undo MERGE_ID`
    """
    from memsync_assets.mart.connect import open_mart
    from memsync_assets.run_lock import only_run
    from memsync_assets.salesforce.client import connect
    from memsync_assets.salesforce.gate import refuse_after_loss
    from memsync_assets.salesforce.merge import find_merges, merge_duplicates, undo_merge
    from memsync_assets.salesforce.plan import make_plan
    from memsync_assets.salesforce.plan_report import print_merges

    project = _project(home, config)
    with (
        only_run(project.home),
        local_target(project),
        open_mart(project) as mart,
        console.status("looking at the org"),
    ):
        org = connect(project)
        if org is None:
            raise MemsyncError("salesforce.target is none: there is no org to merge in.")
        if undo:
            undo_merge(mart, project, org, undo)
            console.print(f"{escape(undo)}: undone")
            raise typer.Exit
        refuse_after_loss(mart)
        make_plan(mart, project, org)
        counts = merge_duplicates(mart, project, org, approve or [])
        print_merges(console, counts, find_merges(mart, project))
    raise typer.Exit(5 if counts.failed or counts.skipped_because else 0)


@app.command()
def report(
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = DEFAULT_CONFIG,
    as_of: Annotated[
        datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], help="A date that was compared; the latest without it."),
    ] = None,
) -> None:
    """Write the workbook and the page of every reconciliation again, from what the mart holds.

    Example: `memsync report --as-of 2026-11-20`
    """
    from memsync_assets.mart.connect import open_mart
    from memsync_assets.parity.report.writing import write_reports

    project = _project(home, config)
    with open_mart(project) as mart:
        reports = write_reports(mart, project, as_of.date() if as_of else None)
    if not reports:
        raise MemsyncError("nothing has been compared yet: take loads in with `memsync run` first.")
    for one in reports:
        console.print(f"Report: {escape(str(one.workbook))}", soft_wrap=True)
        console.print(f"Report: {escape(str(one.page))}", soft_wrap=True)


@app.command()
def review(
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = DEFAULT_CONFIG,
    same: Annotated[
        tuple[str, str] | None, typer.Option("--same", help="These two contacts are one person.", metavar="ONE OTHER")
    ] = None,
    different: Annotated[
        tuple[str, str] | None, typer.Option("--different", help="These two are not.", metavar="ONE OTHER")
    ] = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many pairs to show.")] = 20,
) -> None:
    """Show the pairs of contacts that no rule is certain of, the likeliest first, and decide them.

    First those of the source systems: a decision holds from the next run on, against every rule; look at a pair's
    contacts with `memsync explain`. Then the Contacts that Salesforce may hold twice, as the last plan saw them: those
    that are the same are merged by `memsync merge`.

    Examples: `memsync review --top 50`, `memsync review --same foundation_ca/C0000012 heritage_tx/00000340`,
    `memsync review --different salesforce/003A1 salesforce/003B2`
    """
    from memsync_assets.contacts.review import decide, review_queue
    from memsync_assets.mart.connect import open_mart
    from memsync_assets.salesforce.merge import find_merges
    from memsync_assets.salesforce.merge_candidates import refuse_unmergeable
    from memsync_assets.salesforce.plan_report import print_waiting
    from memsync_assets.salesforce.plan_state import find_plan

    project = _project(home, config)
    with open_mart(project) as mart:
        for pair, is_same in ((same, True), (different, False)):
            if pair:
                if is_same:
                    refuse_unmergeable(mart, *pair)
                decide(mart, project, *pair, same=is_same, by=getpass.getuser())
                console.print(f"decided: {escape(pair[0])} and {escape(pair[1])}")
        queue = review_queue(mart, project)
        merges = find_merges(mart, project) if find_plan(mart) else []
    console.print(f"{len(queue):,} pairs wait for a decision")
    for one in queue[:top]:
        contacts = f"{'/'.join(one.left)} {'/'.join(one.right)}"
        console.print(f"{one.weight:6.1f}  {escape(contacts)}  {escape(one.reason)}", soft_wrap=True)
    print_waiting(console, merges, top)


@app.command()
def explain(
    person_id: Annotated[str, typer.Argument(help="A person_id, also one that was merged away.")],
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Show why the contacts of a person are one: rules, decisions, and where each attribute comes from.

    Example: `memsync explain P0000000042`
    """
    from memsync_assets.contacts.explanation import explain as explain_person
    from memsync_assets.contacts.explanation import format_explanation
    from memsync_assets.mart.connect import open_mart

    with open_mart(_project(home, config)) as mart:
        console.print(escape(format_explanation(explain_person(mart, person_id))), soft_wrap=True)


@app.command()
def doctor(
    home: HomeOption = DEFAULT_HOME,
    config: ConfigOption = DEFAULT_CONFIG,
    landing: Annotated[Path | None, typer.Option("--landing", help="The folder where loads land.")] = None,
) -> None:
    """Look at everything that a run needs, and say what is missing and how to get it.

    Exit code: 0 a run can begin, 1 something is missing.
    """
    from memsync_assets.doctor import examine

    well = True
    for finding in examine(_project(home, config, landing)):
        well &= finding.ok
        mark = "[green]ok[/green]     " if finding.ok else "[red]missing[/red]"
        console.print(f"{mark} {finding.about}: {escape(finding.text)}", soft_wrap=True)
    raise typer.Exit(0 if well else 1)


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
    from memsync_assets.mart.export import export_table, refuse_without_mart

    project = _project(home, config)
    refuse_without_mart(project)
    with open_mart(project) as mart:
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
    project.home.make()
    project.landing.mkdir(parents=True, exist_ok=True)
    prepare_instance(project.home)
    os.environ |= {
        "MEMSYNC_HOME": str(project.home.root),
        "MEMSYNC_CONFIG": str(project.config.resolve()),
        "MEMSYNC_LANDING": str(project.landing),
    }
    console.print(f"Loads that land in {escape(str(project.landing))} start runs. UI: http://127.0.0.1:{port}")
    workspace = str(PROJECT / "workspace.yaml")
    dagster = [
        str(Path(sys.executable).with_name("dagster")),
        "dev",
        "-w",
        workspace,
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
    ]
    # A shell that starts us in the background has SIGINT ignored, which Dagster would inherit and never end.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    with local_target(project), subprocess.Popen(dagster) as ui:
        # Ctrl-C reaches Dagster by itself, a SIGTERM does not. It stops its own processes, which takes a while.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: ui.terminate())
        code = ui.wait()
    raise typer.Exit(code)


def main() -> None:
    """The entry point: a user's mistake is one line on standard error and an exit code, never a traceback."""
    # What memsync writes holds members' data, or may: it is its owner's alone.
    os.umask(0o077)
    try:
        app()
    except MemsyncError as error:
        errors.print(f"[red]memsync:[/red] {escape(str(error))}")
        sys.exit(error.exit_code)
