"""The whole graph over loads that this project did not generate: what comes out, the exit codes, nothing leaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from memsync_assets import cli
from memsync_assets.automation.instance import open_instance
from memsync_assets.definitions import build_definitions
from memsync_assets.landing.systems import landed_systems
from memsync_assets.mart.connect import open_mart
from memsync_assets.mart.engine import Mart
from memsync_assets.settings import Home, MemsyncError, Project, Reconciliation, Scope, Settings
from tests.landing.landed import Landing, member

#: Values of members and contacts that must be nowhere but in the mart and the reports.
SECRETS = ("SECRETMEMBER7", "Zzyzxson", "zzyzx.q@acmehealth.com", "2135550147", "77 Zzyzx")
EXPORTED = {
    "membership_counts": {"reconciliation", "as_of", "downstream_system", "level", "variance_pct", "in_flight"},
    "discrepancies": {"source_group_id", "downstream_group_id", "source_state_code", "in_flight"},
    "discrepancy_ledger": {"opened_on", "due_on", "owner"},
    "persons": {"person_id"},
    "contact_persons": {"system", "contact_id", "person_id", "rule_name", "score", "reason"},
    "quarantined_contacts": {"contact_id", "reason"},
    "review_pairs": {"left_contact_id", "right_contact_id", "weight", "reason"},
    "sync_plan": {"before_value", "after_value", "reason"},
    "salesforce_sync_results": {"status"},
}


def write_source(landing: Landing, load_id: str = "2026-11-20", members: int = 3) -> None:
    contact = {
        "contact_id": "C1",
        "full_name": "Quentin Zzyzxson",
        "email": "zzyzx.q@acmehealth.com",
        "phone": "213-555-0147",
        "address_line1": "77 Zzyzx Road",
        "city": "Los Angeles",
        "state_code": "CA",
        "postal_code": "90012",
    }
    landing.write(
        "source_a",
        load_id,
        {
            "members": [member(f"SECRETMEMBER{7 + n}", changed_at="2026-11-01T00:00:00") for n in range(members)],
            "groups": [{"group_id": "G1", "group_name": "Acme", "org_unit_id": "U1", "ihm_indicator": "Y"}],
            "org_units": [{"org_unit_id": "U1", "org_unit_name": "Acme Holdings"}],
            "contacts": [contact, {"contact_id": "C2", "full_name": ""}],
            "contact_roles": [{"contact_id": "C1", "group_id": "G1", "role_code": "BENEFITS"}],
        },
    )


def write_downstream(landing: Landing, load_id: str = "2026-11-20", members: int = 3) -> None:
    rows = [{"source_system": "source_a", **member(f"SECRETMEMBER{7 + n}")} for n in range(members)]
    landing.write("claims", load_id, {"members": rows}, ending="parquet", columns=["source_system", *member("x")])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "memsync.yaml"
    path.write_text("reconciliations: {ihm: {scope: {flagged: true}}}\n")
    return path


def run(landing: Landing, config: Path, *more: str) -> Result:
    where = ["--landing", str(landing.project.landing), "--home", str(landing.project.home.root)]
    return CliRunner().invoke(cli.app, ["run", *where, "--config", str(config), *more])


def test_loads_that_agree_end_well_and_every_table_is_exported(landing: Landing, config: Path, tmp_path: Path) -> None:
    write_source(landing)
    write_downstream(landing)
    ended = run(landing, config)
    assert ended.exit_code == 0, ended.output
    for table, columns in EXPORTED.items():
        file = tmp_path / f"{table}.parquet"
        where = ["--home", str(landing.project.home.root), "--config", str(config)]
        done = CliRunner().invoke(cli.app, ["export", table, str(file), *where])
        assert done.exit_code == 0, done.output
        assert columns <= set(pq.read_table(file).column_names)
    assert pq.read_table(tmp_path / "persons.parquet").num_rows == 1
    assert pq.read_table(tmp_path / "quarantined_contacts.parquet").num_rows == 1


def test_findings_end_with_3_and_agreement_closes_them(landing: Landing, config: Path) -> None:
    write_source(landing)
    write_downstream(landing, members=2)
    assert run(landing, config).exit_code == 3
    write_downstream(landing, "2026-11-21", members=3)
    assert run(landing, config).exit_code == 0
    assert landing.rows("SELECT status, closed_because FROM discrepancy_ledger") == [("closed", "agrees")]


def test_a_difference_that_cancels_out_still_ends_with_3(landing: Landing, config: Path) -> None:
    write_source(landing)
    rows = [{"source_system": "source_a", **member(name)} for name in ("SECRETMEMBER7", "SECRETMEMBER8", "other")]
    landing.write("claims", "2026-11-20", {"members": rows})
    assert run(landing, config).exit_code == 3


def test_a_refused_load_ends_with_4_and_the_rest_goes_on(landing: Landing, config: Path) -> None:
    write_source(landing)
    landing.write("claims", "2026-11-20", {"members": [{"source_system": "source_a", **member("1", state_code="ZZ")}]})
    assert run(landing, config).exit_code == 4
    assert landing.rows("SELECT COUNT(*) FROM source_members") == [(3,)]
    assert list(landing.project.home.quarantine.rglob("reason.json"))


def test_the_first_load_of_a_system_that_cannot_be_read_is_refused_and_the_rest_goes_on(
    landing: Landing, config: Path
) -> None:
    write_source(landing)
    for system in ("newcomer", "my system"):
        folder = landing.project.landing / system / "2026-11-20"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text('{"con')
    ended = run(landing, config)
    assert ended.exit_code == 4, ended.output
    assert "newcomer/2026-11-20" in ended.output
    assert str(landing.project.home.quarantine) in ended.output
    assert landing.rows("SELECT COUNT(*) FROM source_members") == [(3,)]
    assert len(list(landing.project.home.quarantine.rglob("reason.json"))) == 2
    assert run(landing, config).exit_code == 0


def test_a_system_that_is_named_and_not_known_ends_with_1_and_a_refused_one_with_4(
    landing: Landing, config: Path
) -> None:
    write_source(landing)
    write_downstream(landing)
    config.write_text("reconciliations: {ihm: {scope: {flagged: true}, downstream_systems: [claims, billing]}}\n")
    ended = run(landing, config)
    assert ended.exit_code == 1
    assert "downstream_systems: billing is no downstream system; there are claims" in ended.output
    assert landing.rows("SELECT COUNT(*) FROM membership_counts") == [(3,)]
    landing.write("billing", "1", {"members": [{"source_system": "source_a", **member("1", state_code="ZZ")}]})
    assert run(landing, config).exit_code == 4


def test_systems_whose_names_differ_in_signs_only_are_two(landing: Landing, config: Path) -> None:
    for system in ("a-b", "a_b", "a.b"):
        write_downstream(landing) if system == "a.b" else landing.write(system, "1", {"members": [member("1")]})
        landing.write(f"to-{system}", "1", {"members": [{"source_system": "a_b", **member("1")}]})
    assert run(landing, config).exit_code == 0
    assert landing.rows("SELECT COUNT(DISTINCT source_system) FROM source_members") == [(2,)]
    assert landing.rows("SELECT COUNT(DISTINCT downstream_system) FROM downstream_members") == [(4,)]


def test_a_step_that_fails_says_why(landing: Landing, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEMSYNC_SALESFORCE_CLIENT_ID", raising=False)
    config.write_text(f"{config.read_text()}salesforce: {{target: org, domain: acme.my}}\n")
    write_source(landing)
    ended = run(landing, config)
    assert ended.exit_code == 1
    assert "failed sync_plan: " in ended.output
    assert "MEMSYNC_SALESFORCE_CLIENT_ID" in ended.output


def test_a_home_that_was_there_is_closed_to_all_but_its_owner(landing: Landing, config: Path) -> None:
    landing.project.home.root.mkdir(mode=0o755)
    write_source(landing)
    assert run(landing, config).exit_code == 0
    assert landing.project.home.root.stat().st_mode & 0o777 == 0o700


def test_wrong_use_is_refused_without_a_traceback(landing: Landing, config: Path, tmp_path: Path) -> None:
    with pytest.raises(MemsyncError, match="there is no such folder"):
        cli.run(tmp_path / "nowhere", home=tmp_path / "h", config=config)
    assert CliRunner().invoke(cli.app, ["run"]).exit_code == 2
    assert CliRunner().invoke(cli.app, ["run", "--as-of", "20.11.2026"]).exit_code == 2


def test_an_as_of_date_is_compared_instead_of_the_latest(landing: Landing, config: Path) -> None:
    write_source(landing)
    write_downstream(landing, members=2)
    assert run(landing, config, "--as-of", "2025-06-01").exit_code == 0
    assert landing.rows("SELECT COUNT(*) FROM discrepancies") == [(0,)]


def test_nothing_of_members_or_contacts_is_in_events_logs_or_output(landing: Landing, config: Path) -> None:
    write_source(landing)
    write_downstream(landing, members=2)
    landing.write("claims", "2026-11-21", {"members": [{"source_system": "source_a", **member("SECRETMEMBER7")}] * 2})
    landing.write("source_a", "2026-11-21", {"members": [member("SECRETMEMBER7", effective_date="Zzyzxson")]})
    ended = run(landing, config)
    kept = [path.read_bytes() for path in landing.project.home.dagster.rglob("*") if path.is_file()]
    assert any(b"membership_counts" in content for content in kept), "the events are not where this test looks"
    for secret in SECRETS:
        assert secret not in ended.output
        assert not any(secret.encode() in content for content in kept)


@pytest.fixture
def graph(landing: Landing) -> Iterator[tuple[dg.Definitions, dg.DagsterInstance]]:
    write_source(landing)
    write_downstream(landing, members=2)
    with open_instance(landing.project.home) as instance:
        yield build_definitions(landing.project, landed_systems(landing.project)), instance


def tables(project: Project) -> dict[str, list[str]]:
    with open_mart(project) as mart:
        return {table: sorted(map(str, rows_of(mart, table))) for table in EXPORTED}


def rows_of(mart: Mart, table: str) -> list[dict[str, object]]:
    rows = mart.fetch(f"SELECT * FROM {table}")
    return rows.drop_columns([name for name in rows.column_names if name == "finished_at"]).to_pylist()


def test_every_asset_can_be_made_again_by_hand_with_the_same_result(
    landing: Landing, config: Path, graph: tuple[dg.Definitions, dg.DagsterInstance]
) -> None:
    run(landing, config)
    before = tables(landing.project)
    definitions, instance = graph
    job = definitions.resolve_implicit_global_asset_job_def()
    loads = {key for key in definitions.resolve_asset_graph().materializable_asset_keys if key.path[0] == "loads"}
    steps = {tuple(sorted(one.keys)) for one in definitions.resolve_asset_graph().assets_defs if one.is_executable}
    for keys in sorted(steps):
        if keys and not set(keys) & loads:
            made = job.execute_in_process(instance=instance, asset_selection=list(keys))
            assert made.success, keys
    assert tables(landing.project) == before


def test_nothing_is_written_to_salesforce_when_something_upstream_is_lost(
    landing: Landing, config: Path, graph: tuple[dg.Definitions, dg.DagsterInstance]
) -> None:
    run(landing, config)
    with open_mart(landing.project) as mart:
        mart.execute("DELETE FROM source_members WHERE member_id = 'SECRETMEMBER7'")
    definitions, instance = graph
    refused = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, asset_selection=[dg.AssetKey("salesforce_sync_results")], raise_on_error=False
    )
    assert not refused.success
    (failure,) = [event for event in refused.all_events if event.is_step_failure]
    assert "nothing is written to Salesforce" in str(failure.step_failure_data.error)


def test_count_parity_warns_within_tolerance_and_fails_beyond_it(landing: Landing) -> None:
    write_source(landing, members=10)
    write_downstream(landing, members=9)
    severities = {}
    for members in (0, 1):
        block = Reconciliation.model_validate(
            {"scope": {"flagged": True}, "levels": ["source"], "tolerance": {"source": {"members": members}}}
        )
        home = Home(landing.project.home.root.with_name(f"home{members}"))
        project = replace(landing.project, settings=Settings(reconciliations={"ihm": block}), home=home)
        severities[members] = severity_of_count_parity(project)
    assert severities == {0: dg.AssetCheckSeverity.ERROR, 1: dg.AssetCheckSeverity.WARN}


def test_counts_that_agree_while_members_differ_warn(landing: Landing) -> None:
    write_source(landing, members=10)
    names = [*(f"SECRETMEMBER{7 + n}" for n in range(9)), "other"]
    landing.write("claims", "2026-11-20", {"members": [{"source_system": "source_a", **member(n)} for n in names]})
    check = count_parity(landing.project)
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.metadata["ihm: variance"].value == 0
    assert check.metadata["ihm: findings"].value == 2
    assert check.description == "ihm: 0 of 1 cells beyond tolerance, 0 within; net 0, gross 2"


def severity_of_count_parity(project: Project) -> dg.AssetCheckSeverity:
    check = count_parity(project)
    assert not check.passed
    assert check.metadata["ihm: variance"].value == 1
    return check.severity


def count_parity(project: Project) -> dg.AssetCheckEvaluation:
    from memsync_assets.graph_run import run_graph

    run_graph(project, lambda step, state: None)
    definitions = build_definitions(project, landed_systems(project))
    with open_instance(project.home) as instance:
        made = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(n) for n in ("reconciliation_scope", "membership_counts", "discrepancies")],
        )
    (check,) = [e for e in made.get_asset_check_evaluations() if e.check_name == "count_parity_claims_source"]
    return check


def test_the_scope_of_a_configuration_is_a_union() -> None:
    scope = Scope.model_validate({"flagged": True, "more_than_members": 5000, "groups": [["a", "G1"]]})
    assert scope.groups == (("a", "G1"),)
