"""Training and the robot ask the model in the same tokens and show it the same pixels."""

from pathlib import Path

import numpy as np
import pytest
import synthetic_episode as synthetic
import torch
from scripted_bag import Step, write_bag

from spatialbot_model.contracts.history import FrameHistory
from spatialbot_model.contracts.types import CameraIntrinsics, Observation, RgbdFrame
from spatialbot_model.data.cache import CacheOptions
from spatialbot_model.data.prompts import answer_text, sample_prompt
from spatialbot_model.data.samples import EpisodeDataset
from spatialbot_model.inference.checkpoints import create_checkpoint
from spatialbot_model.inference.engine import Engine
from spatialbot_model.inference.options import EngineOptions
from spatialbot_model.inference.session import StepRequest
from spatialbot_model.inference.stage_clock import StageClock

CAMERA = CameraIntrinsics(
    synthetic.WIDTH, synthetic.HEIGHT, synthetic.WIDTH, synthetic.WIDTH,
    synthetic.WIDTH / 2, synthetic.HEIGHT / 2,
)  # fmt: skip
STEPS = [
    *(Step(k, (k, 50, 50, 50, 50, 50, 0)) for k in range(5)),
    Step(5, None, "The robot has finished."),
]


def served(instruction: str) -> list[Observation]:
    """What the VLA node shows its policy while the episode is recorded."""
    history, observations = FrameHistory(), []
    for k in range(6):
        history.push(
            RgbdFrame(synthetic.stamp_of(k), synthetic.color_of(k), synthetic.depth_of(k), CAMERA)
        )
        observations.append(Observation(history.frames(), instruction, np.eye(4)))
    return observations


@pytest.fixture(scope="module", params=["causal", "parallel"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    model, processor = create_checkpoint(
        "tiny",
        folder,
        seed=0,
        action_spec=synthetic.SPEC,
        parallel_actions=request.param == "parallel",
    )
    return Engine(model, processor, EngineOptions(device="cpu"))


@pytest.mark.parametrize("form", ["bag", "cached"])
def test_ids_and_pixels_are_the_same_in_training_and_on_the_robot(
    engine: Engine, tmp_path: Path, form: str
) -> None:
    processor = engine.processor
    write_bag(tmp_path / "e", STEPS)
    cache = None
    if form == "cached":
        cache = CacheOptions(tmp_path / "cache", processor.image_settings)
    dataset = EpisodeDataset.open(tmp_path / "e", cache=cache)
    if form == "cached":
        assert dataset.build_cache() == 1
    observations = served(synthetic.METADATA.instruction)
    assert len(dataset) == len(observations)
    for sample, observation in zip(dataset, observations, strict=True):
        request = StepRequest(engine.session(), observation)
        asked = engine._action_prompt(request, StageClock(torch.device("cpu")))
        images, conversation = sample_prompt(sample, processor)
        row = processor(images, conversation, for_generation=False)
        assert tuple(row["input_ids"][0, : len(asked)].tolist()) == asked
        assert (row["targets"][0, : len(asked) - 1] == -100).all()
        shown = engine.prompt_images(observation)
        assert [(i.role, i.age) for i in images] == [(i.role, i.age) for i in shown]
        assert torch.equal(row["pixel_values"], processor.pixel_values(shown))
        # and what is learned is the answer, nothing else
        rendered = processor.render(conversation, [i.age for i in images], for_generation=False)
        reply = rendered.ids[rendered.supervised]
        assert processor.decode(reply.tolist()) == answer_text(sample.answer, processor.action_form)
    assert processor.decode(reply.tolist()) == "The robot has finished."
