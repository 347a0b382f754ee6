"""A load that lands starts one run, once; its revision starts another; a broken one is refused and shown."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from memsync_assets.automation.sensors import LOADS_A_TICK
from memsync_assets.definitions import build_definitions
from memsync_assets.landing.systems import landed_systems
from tests.landing.landed import Landing, member


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as instance:
        yield instance


class Watch:
    """The landing sensor over a landing folder, as the daemon would evaluate it."""

    def __init__(self, landing: Landing, instance: dg.DagsterInstance) -> None:
        self.landing = landing
        self.instance = instance
        self.definitions = build_definitions(landing.project, landed_systems(landing.project))

    def tick(self) -> list[dg.RunRequest]:
        repository = self.definitions.get_repository_def()
        context = dg.build_sensor_context(
            instance=self.instance, repository_def=repository, resources={"project": self.landing.project}
        )
        result = repository.get_sensor_def("landed_loads")(context)
        if isinstance(result, dg.SkipReason):
            return []
        assert isinstance(result, dg.SensorResult)
        for request in result.dynamic_partitions_requests or []:
            assert isinstance(request, dg.AddDynamicPartitionsRequest)
            self.instance.add_dynamic_partitions(request.partitions_def_name, list(request.partition_keys))
        return list(result.run_requests or [])

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=list(request.asset_selection or []),
            partition_key=request.partition_key,
            tags=dict(request.tags),
            raise_on_error=False,
        )


@pytest.fixture
def watch(landing: Landing, instance: dg.DagsterInstance) -> Watch:
    landing.write("a", "2026-11-20", {"members": [member("1")]})
    return Watch(landing, instance)


def test_a_load_starts_one_run_once(watch: Watch) -> None:
    (request,) = watch.tick()
    assert request.run_key.startswith(f"a/{request.partition_key}/")
    assert dg.AssetKey("salesforce_sync_results") in (request.asset_selection or [])
    assert dg.AssetKey("ihm_discrepancy_report") in (request.asset_selection or [])
    assert watch.tick() == []


def test_a_folder_without_manifest_is_no_load_yet(watch: Watch) -> None:
    watch.tick()
    (watch.landing.project.landing / "a" / "2026-11-21").mkdir()
    assert watch.tick() == []


def test_a_revision_starts_another_run(watch: Watch) -> None:
    (first,) = watch.tick()
    watch.landing.write("a", "2026-11-20", {"members": [member("1"), member("2")]})
    (second,) = watch.tick()
    assert second.run_key != first.run_key


def test_the_run_takes_the_load_in_and_everything_after_it(watch: Watch) -> None:
    (request,) = watch.tick()
    assert watch.run(request).success
    assert watch.landing.rows("SELECT member_id FROM source_members") == [("1",)]


def test_the_run_of_a_downstream_load_compares_and_leaves_salesforce_alone(watch: Watch) -> None:
    row = {"source_system": "a", **member("1")}
    watch.landing.write("claims", "2026-11-20", {"members": [row]})
    watch.definitions = build_definitions(watch.landing.project, landed_systems(watch.landing.project))
    (request,) = [one for one in watch.tick() if one.tags["memsync/system"] == "claims"]
    assert dg.AssetKey("salesforce_sync_results") not in (request.asset_selection or [])
    assert watch.run(request).success
    assert watch.landing.rows("SELECT member_id FROM downstream_members") == [("1",)]


def test_a_broken_load_is_refused_and_shown_and_the_next_goes_on(watch: Watch) -> None:
    watch.landing.write("a", "2026-11-21", {"members": [member("1"), member("1")]})
    good, broken = watch.tick()
    assert watch.run(good).success
    refused = watch.run(broken)
    assert not refused.success
    (failure,) = [event for event in refused.all_events if event.is_step_failure]
    assert "2026-11-21 is refused" in str(failure.step_failure_data.error)
    assert watch.landing.rows("SELECT COUNT(*) FROM source_members") == [(1,)]
    assert watch.tick() == []


def test_a_refused_load_that_lands_again_as_it_should_have_been_is_run_again(watch: Watch) -> None:
    folder = watch.landing.write("a", "2026-11-21", {"members": [member("1"), member("2")]})
    data = (folder / "members.csv").read_bytes()
    (folder / "members.csv").write_bytes(data[:-9])
    (folder / "manifest.json").touch()
    _, broken = watch.tick()
    assert not watch.run(broken).success
    assert watch.tick() == []
    folder.mkdir()
    (folder / "members.csv").write_bytes(data)
    watch.landing.write("a", "2026-11-21", {"members": [member("1"), member("2")]})
    (again,) = watch.tick()
    assert again.partition_key == broken.partition_key
    assert again.run_key != broken.run_key
    assert watch.run(again).success
    assert watch.landing.rows("SELECT COUNT(*) FROM source_members") == [(2,)]
    assert watch.tick() == []


def test_a_backlog_is_spread_over_ticks(watch: Watch) -> None:
    for number in range(LOADS_A_TICK + 3):
        watch.landing.write("a", f"2026-12-{number + 1:02d}", {"members": [member("1")]})
    assert [len(watch.tick()) for _ in range(3)] == [LOADS_A_TICK, 4, 0]


def test_a_system_that_the_graph_does_not_know_waits_for_a_reload(watch: Watch) -> None:
    watch.tick()
    watch.landing.write("newcomer", "2026-11-21", {"members": [member("1")]})
    assert watch.tick() == []
    watch.definitions = build_definitions(watch.landing.project, landed_systems(watch.landing.project))
    assert [request.tags["memsync/system"] for request in watch.tick()] == ["newcomer"]


def test_the_weekly_schedule_covers_parity(watch: Watch) -> None:
    repository = watch.definitions.get_repository_def()
    schedule = repository.get_schedule_def("weekly_ihm")
    assert schedule.execution_timezone == "America/Chicago"
    keys = repository.get_job(schedule.job_name).asset_layer.executable_asset_keys
    assert {dg.AssetKey("membership_counts"), dg.AssetKey("ihm_discrepancy_report")} <= keys
