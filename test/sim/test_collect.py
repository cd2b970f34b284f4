"""Collection: what a sink is given, what is kept, and that nothing depends on who works."""

import numpy as np
import pytest
from list_sink import ListSink

from spatialbot_model.contracts.action_codec import FINISHED_TEXT, parse_action_text
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import (
    ConfigurationError,
    MissingDependencyError,
    UnknownNameError,
)
from spatialbot_sim.collect import CollectOptions, Collector, Job
from spatialbot_sim.collect_pool import CollectorRecipe, run_jobs
from spatialbot_sim.drivers import EXPERT_SOURCE, NOISE_SOURCE
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.expert_noise import NoiseOptions

SPEC = ActionSpec()
BLIND = EnvOptions(render=False)


def collect(cell, sink, job=None, **options):
    collector = Collector(cell, SPEC, CollectOptions(env=BLIND, **options), sink)
    return collector.run(job or Job("pick_place", 0))


def test_an_episode_is_complete(cell) -> None:
    sink = ListSink()
    result = collect(cell, sink)
    assert result.success and result.first_success and result.folder == "kept"
    assert [label for label, *_ in sink.ended] == ["success"]
    assert [record.sequence for record in sink.records] == [*range(1, result.steps + 1), 0]
    stamps = [record.frame.stamp_ns for record in sink.records]
    assert np.all(np.diff(stamps) == 100_000_000)
    assert sink.started[0].start_ns == stamps[0] and sink.ended[0][2] == stamps[-1]
    *steps, last = sink.records
    assert last.action is None and last.text == FINISHED_TEXT
    for record in steps:
        assert record.source == EXPERT_SOURCE
        assert parse_action_text(record.text, SPEC) == record.action


def test_noise_is_executed_and_the_experts_answer_kept(cell) -> None:
    sink = ListSink()
    result = collect(cell, sink, noise=NoiseOptions())
    steps = sink.records[:-1]
    disturbed = [r for r in steps if parse_action_text(r.text, SPEC) != r.action]
    assert disturbed and len(disturbed) == result.tally.num_noise
    assert {record.source for record in disturbed} == {NOISE_SOURCE}
    assert {r.source for r in steps if r not in disturbed} == {EXPERT_SOURCE}


def test_a_failed_scene_is_tried_again_and_dropped(cell) -> None:
    sink = ListSink()
    result = collect(cell, sink, noise=NoiseOptions(), max_steps=5, attempts=2)
    assert not result.success and result.num_attempts == 2 and result.folder == ""
    assert result.reason
    assert (len(sink.started), sink.discarded, sink.ended) == (2, 2, [])


def test_a_failed_scene_is_kept_when_asked_for(cell) -> None:
    sink = ListSink()
    result = collect(cell, sink, noise=NoiseOptions(), max_steps=5, attempts=2, keep_failures=True)
    assert result.folder == "kept" and sink.discarded == 1
    ((label, reason, _),) = sink.ended
    assert label == "failure" and reason == result.reason


def test_without_noise_nothing_is_tried_twice(cell) -> None:
    sink = ListSink()
    assert collect(cell, sink, max_steps=5).num_attempts == 1


def test_what_is_there_is_left_alone(cell) -> None:
    sink = ListSink(there="somewhere")
    result = collect(cell, sink)
    assert result.skipped and result.folder == "somewhere" and not sink.started


def test_an_interruption_leaves_nothing(cell) -> None:
    class Interrupted(ListSink):
        def write(self, record):
            raise KeyboardInterrupt

    sink = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        collect(cell, sink)
    assert sink.discarded == 1


def test_processes_come_to_the_same_results(cell) -> None:
    recipe = CollectorRecipe(cell, SPEC, CollectOptions(noise=NoiseOptions(), env=BLIND))
    jobs = [Job("pick_place", seed) for seed in range(4)]

    def collected(num_workers):
        results = run_jobs(recipe, jobs, num_workers=num_workers)
        return {r.job: (r.success, r.steps, r.tally.num_noise, r.num_attempts) for r in results}

    alone = collected(1)
    assert set(alone) == set(jobs)
    assert collected(2) == alone


def test_unusable_requests_are_refused(cell) -> None:
    recipe = CollectorRecipe(cell, SPEC, CollectOptions())
    with pytest.raises(ConfigurationError, match="workers"):
        run_jobs(recipe, [], num_workers=0)
    with pytest.raises(UnknownNameError, match="local, ray"):
        run_jobs(recipe, [], engine="slurm")
    with pytest.raises(ConfigurationError, match="max_steps"):
        CollectOptions(max_steps=0)


def test_ray_does_the_same(cell) -> None:
    recipe = CollectorRecipe(cell, SPEC, CollectOptions(env=BLIND, max_steps=3))
    jobs = [Job("pick_place", seed) for seed in range(2)]
    try:
        import ray  # noqa: F401
    except ImportError:
        with pytest.raises(MissingDependencyError, match="pip install ray"):
            list(run_jobs(recipe, jobs, engine="ray"))
        return
    results = list(run_jobs(recipe, jobs, num_workers=1, engine="ray"))
    assert {r.job for r in results} == set(jobs)
    assert all(r.steps == 3 for r in results)
