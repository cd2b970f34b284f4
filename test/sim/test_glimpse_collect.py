"""Glimpses as collected: complete, the same whoever works, and refused where they make no sense."""

import pytest
from list_sink import ListSink, TellingSink

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.glimpse import GLIMPSE_VARIANT, reason_of
from spatialbot_sim.collect import Job
from spatialbot_sim.collect_pool import CollectorRecipe, run_jobs
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.glimpse_collect import GlimpseCollector, GlimpseOptions

SPEC = ActionSpec()
BLIND = EnvOptions(render=False)
TASK = "pick_place"


def test_a_glimpse_is_complete(cell) -> None:
    sink = ListSink()
    options = GlimpseOptions(num_steps=3, num_instructions=3, env=BLIND)
    result = GlimpseCollector(cell, SPEC, options, sink).run(Job(TASK, 0))
    assert result.success and result.steps == len(sink.records) == 3
    assert sink.started[0].variant == options.variant == GLIMPSE_VARIANT
    assert [record.sequence for record in sink.records] == [1, 2, 3]
    assert [record.annotations[0].text for record in sink.records] == [
        record.text for record in sink.records
    ]
    ((label, reason, stop_ns),) = sink.ended
    assert (label, reason) == ("success", reason_of(result.moment)) and result.moment
    assert stop_ns == sink.records[-1].frame.stamp_ns


def test_who_works_and_in_what_order_changes_nothing(cell) -> None:
    options = GlimpseOptions(num_steps=2, num_instructions=3, env=BLIND)
    recipe = CollectorRecipe(cell, SPEC, options, TellingSink)
    jobs = [Job(TASK, seed) for seed in range(6)]

    def collected(jobs, num_workers) -> dict[Job, str]:
        return {r.job: r.folder for r in run_jobs(recipe, jobs, num_workers=num_workers)}

    alone = collected(jobs, 1)
    assert len(set(alone.values())) == len(jobs)
    assert collected(jobs[::-1], 1) == alone
    assert collected(jobs, 2) == alone


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="steps"):
        GlimpseOptions(num_steps=0)
    with pytest.raises(ConfigurationError, match="instructions"):
        GlimpseOptions(num_instructions=-1)
