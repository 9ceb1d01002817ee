"""What the bench measures with, as far as it needs no Kafka: sizes, sums, events, /proc, the guard."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from bench import cpu, events, guard, table
from bench.experiments import throughput
from bench.guard import Count
from bench.results import Results, Run, Spread, summed_up
from bench.session import Order
from bench.systems import base
from bench.systems.base import Workload
from bench.systems.distributary.system import config_of
from streams import headers, settings
from streams.codec import Decoder
from streams.destinations import Audience, configured
from streams.flight import Record
from streams.letters import Letters
from streams.route import Router
from streams.topics import Names
from tests.flow.post import Post


def a_run(system: str = "distributary", cpu_s: float = 2.0, **fields: object) -> Run:
    known = {"events": 1000, "wall_s": 4.0, "broker_cpu_s": 1.0, "sink_cpu_s": 0.5, "rss_mb": 100.0}
    return Run(system=system, workload="deliver", cpu_s=cpu_s, **known | fields)  # type: ignore[arg-type]


# -- events --------------------------------------------------------------------------------------


def test_an_event_is_json_of_the_promised_size_and_says_its_number() -> None:
    event = orjson.loads(events.value(7))

    assert event["messageId"] == events.event_id(7)
    assert event["userId"] == events.key(7).decode()
    assert 620 <= len(events.value(7)) <= 660
    assert len(events.value(7)) == len(events.value(4_000_000))


def test_the_time_of_sending_changes_nothing_else_of_an_event() -> None:
    stamped = events.sent_at(events.value(7), 1_790_000_000_123_456_789)

    assert len(stamped) == len(events.value(7))
    event = orjson.loads(stamped)
    assert event["properties"].pop("sentAtNs") == "1790000000123456789"
    plain = orjson.loads(events.value(7))
    del plain["properties"]["sentAtNs"]
    assert event == plain


async def test_what_is_preloaded_is_what_our_router_writes(tmp_path: Path) -> None:
    """Else DELIVER would measure records that nobody ever has."""
    task = a_task(tmp_path)
    known = settings.parse(json.dumps(config_of(task)), env={})
    post, names = Post(), Names.of(known)
    router = Router(Decoder(), Audience(configured(known)), Letters(post, names.dlq), names)
    await router.route([Record(task.inbound, 3, 1, 0, events.key(7), events.value(7), ())])

    [written] = post.on(task.deliver[0])
    assert written.value == events.value(7)
    assert written.key == events.key(7)
    routed = [*events.routed_headers(task.inbound, 7), headers.addressed("d0")]
    assert list(written.headers) == routed


def a_task(folder: Path) -> base.Task:
    return base.Task(
        Workload.DELIVER, "127.0.0.1:1", "b.", "b.events", ("b.deliver.d0",), "b.delay.2s", "b.attempts", 2.0,
        ("http://127.0.0.1:1/d0",), "b.workers", 50, folder,
    )  # fmt: skip


@pytest.mark.parametrize("delay_s", [2.0, 600.0, 3600.0])
@pytest.mark.parametrize("workload", [Workload.DELIVER, Workload.RETRY, Workload.END_TO_END, Workload.ROUTE])
def test_the_config_of_every_task_is_a_valid_one(workload: Workload, delay_s: float, tmp_path: Path) -> None:
    task = replace(a_task(tmp_path), workload=workload, delay_s=delay_s)

    known = settings.parse(json.dumps(config_of(task)), env={})

    assert known.retry.tiers == (delay_s,)


# -- sizes ---------------------------------------------------------------------------------------


def test_a_run_is_sized_by_the_systems_pace() -> None:
    load = throughput.size(4_000, Workload.DELIVER, Order(seconds=5.0))

    assert load.count == 26_000
    assert load.warm == 6_000


def test_an_end_to_end_event_is_as_many_deliveries_as_there_are_destinations() -> None:
    load = throughput.size(4_000, Workload.END_TO_END, Order(seconds=5.0))

    assert load.count == 5_200


@pytest.mark.parametrize("pace", [1, 100, 3_777, 10_000_000])
def test_every_destination_gets_the_same_number_and_there_is_something_to_count(pace: int) -> None:
    load = throughput.size(pace, Workload.DELIVER, Order())

    assert load.count % 5 == 0
    assert 0 < load.warm < load.count <= throughput.MOST


# -- sums ----------------------------------------------------------------------------------------


def test_runs_are_summed_up_as_median_and_range() -> None:
    [one] = summed_up([a_run(cpu_s=2.0), a_run(cpu_s=4.0), a_run(cpu_s=1.0)])

    assert one.per_cpu_s == Spread(500.0, 250.0, 1000.0)
    assert one.runs == 3


def test_a_failed_run_counts_for_nothing_but_is_told() -> None:
    [one] = summed_up([a_run(), a_run(events=0, fault="a process ended with status 1", ok=False)])

    assert one.runs == 1
    assert one.per_cpu_s.median == 500.0
    assert one.faults == ("a process ended with status 1",)


def test_a_system_that_never_commits_keeps_its_figures_and_the_mark() -> None:
    [one] = summed_up([a_run(fault="12 records were never committed")])

    assert one.runs == 1
    assert one.faults == ("12 records were never committed",)


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    results = Results(versions={"distributary": "0.1.0"}, runs=[a_run()])
    results.add("memory", delayed=0, rss_mb=100.0)

    results.write(tmp_path / "results.json")

    assert Results.read(tmp_path / "results.json") == results


def test_a_table_ranks_systems_and_says_how_many_times_faster_we_are() -> None:
    runs = [a_run("slow", cpu_s=20.0), a_run(cpu_s=2.0)]
    results = Results(titles={"slow": "Slow one", "distributary": "Ours"}, runs=runs)

    text = table._throughput(results, Workload.DELIVER)

    ours, theirs = text.splitlines()[4:6]
    assert ours.startswith("| Ours | 500 | 1.00x |")
    assert theirs.startswith("| Slow one | 50 | 10.00x |")


# -- /proc ---------------------------------------------------------------------------------------

BUSY = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\ntime.sleep(60)"


def test_cpu_time_is_that_of_a_process_and_its_children() -> None:
    """A shell that waits, and a child that has worked for 0.3 s."""
    with subprocess.Popen(["/bin/sh", "-c", f"{sys.executable} -c '{BUSY}' & wait"]) as parent:
        try:
            until = time.monotonic() + 20
            while (used := cpu.usage([parent.pid])).cpu_s < 0.25 and time.monotonic() < until:
                time.sleep(0.02)
            family = cpu.family([parent.pid])
        finally:
            for pid in cpu.family([parent.pid]):
                os.kill(pid, 9)

    assert len(family) == 2
    assert 0.25 <= used.cpu_s < 2
    assert used.rss_mb > 1


def test_what_is_gone_has_used_nothing() -> None:
    with subprocess.Popen(["/bin/true"]) as process:
        process.wait()

    assert cpu.usage([process.pid]) == cpu.Usage(0.0, 0.0)


def test_a_process_may_be_called_anything() -> None:
    fields = cpu.stat_fields("17 (a) R (b) S 1 2 3 4 5 6 7 8 9 10 11 12 13")

    assert fields[0] == "S"


# -- guard ---------------------------------------------------------------------------------------

BEFORE = {"decide": Count(200.0, 10.0, {"retry.decide": 150.0}), "tiny": Count(10.0, 1.0, {})}


def test_a_scene_that_grew_by_more_than_a_tenth_is_named_with_the_function_that_did_it() -> None:
    now = {**BEFORE, "decide": Count(230.0, 10.0, {"retry.decide": 179.0})}

    assert guard.grown(now, BEFORE) == ["decide: 280 per event, 250 before (retry.decide +29)"]


def test_calls_into_c_count_as_well() -> None:
    now = {**BEFORE, "decide": Count(200.0, 16.0, {})}

    assert guard.grown(now, BEFORE) == ["decide: 280 per event, 250 before"]


@pytest.mark.parametrize("count", [Count(218.0, 10.0, {}), Count(100.0, 5.0, {})])
def test_a_little_more_is_let_pass_and_less_is_welcome(count: Count) -> None:
    assert guard.grown({**BEFORE, "decide": count, "tiny": Count(14.0, 2.0, {})}, BEFORE) == []


def test_a_scene_without_a_baseline_or_without_a_count_is_told() -> None:
    now = {"decide": BEFORE["decide"], "fresh": Count(1.0, 1.0, {})}

    assert guard.grown(now, BEFORE) == ["fresh is new", "tiny is gone"]


def test_instructions_are_counted_and_not_the_time_they_take() -> None:
    def counted(times: int) -> int:
        with guard.Tally() as tally:
            sum(number * 2 for number in range(times))
        return sum(tally.opcodes.values())

    assert counted(100) == counted(100)
    assert counted(1000) > 5 * counted(100)
