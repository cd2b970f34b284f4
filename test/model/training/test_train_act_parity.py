"""What training computes of cached features is what the engine answers with on the robot."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import synthetic_episode as synthetic
import torch
from scripted_bag import Note, Step, write_bag

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.conversation import Conversation, Message
from spatialbot_model.contracts.types import Observation
from spatialbot_model.data.prompts import answer_text
from spatialbot_model.data.samples import EpisodeDataset
from spatialbot_model.inference.checkpoints import create_checkpoint
from spatialbot_model.inference.engine import Engine
from spatialbot_model.inference.options import EngineOptions
from spatialbot_model.inference.stage_clock import StageClock
from spatialbot_model.inference.token_model import Limits, Pass
from spatialbot_model.inference.vision_cache import VisionCache
from spatialbot_model.training.action_data import ActionData, ActionDataOptions
from spatialbot_model.training.action_objective import ActionObjective, ActionObjectiveOptions
from spatialbot_model.training.features import FeatureStore, build_features

NO_NOISE = ActionDataOptions(position_noise_m=0.0, width_noise_m=0.0)
STEPS = [
    *(Step(k, (40 + k, 50, 50, 50, 50, 50, 100 * (k > 2))) for k in range(5)),
    Step(5, None, "The robot has finished."),
]


@pytest.fixture(scope="module", params=["mini", "mini-rgb"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    folder = tmp_path_factory.mktemp("model") / "mini"
    model, processor = create_checkpoint(request.param, folder, action_spec=synthetic.SPEC)
    # random queries and embeddings, so that an order or place that is wrong shows
    with torch.no_grad():
        for weight in (
            model.action_queries.embedding.weight,
            model.image_embedding.position.weight,
        ):
            weight.normal_(generator=torch.Generator().manual_seed(1))
    return Engine(model, processor, EngineOptions(device="cpu"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> EpisodeDataset:
    return EpisodeDataset.open(write_bag(tmp_path_factory.mktemp("bags") / "one", STEPS))


def make_data(engine: Engine, dataset: EpisodeDataset, folder: Path) -> ActionData:
    store = FeatureStore(engine.model, engine.processor, folder)
    build_features(store, dataset.episodes)
    return ActionData(dataset, engine.processor, store, NO_NOISE)


def trained(engine: Engine, data: ActionData, indices: list[int]) -> torch.Tensor:
    """(R, 7, 101) of the rows that act, as the objective sees them."""
    model, batch = engine.model, data.batch(indices, seed=0)
    layers, text = ActionObjective().hidden_states(model, batch)
    hidden = layers[-1]
    asked = hidden[batch["input_ids"][:, text] == model.config.action_query_token_id]
    queries = model.config.waypoint_queries + 7
    state = batch["robot_state"].repeat_interleave(batch["rows_per_picture"], dim=0)
    state = state[batch["action_bins"][:, 0] >= 0]
    asked = asked.reshape(-1, queries, hidden.shape[-1])
    asked = model.action_queries.action_states(asked, state)
    first = model.config.first_action_token_id
    return (asked @ model.get_output_embeddings().weight[first : first + 101].T).softmax(-1)


def answered(engine: Engine, dataset: EpisodeDataset, index: int) -> torch.Tensor:
    """(7, 101) of the engine's pass over image tokens, prompt and the answer's queries."""
    model, processor, sample = engine.model, engine.processor, dataset[index]
    observation = Observation(sample.frames, sample.instruction, np.eye(4), sample.robot)
    tokens = engine._images.observation_tokens(
        observation, VisionCache(), Limits(), StageClock(torch.device("cpu"))
    )
    asked = processor.action_conversation(sample.instruction, processor.frame_roles * 4)
    answer = Message("assistant", answer_text(DeltaAction((50,) * 7), "tokens"))
    ages = [age for age in range(4) for _ in processor.frame_roles]
    ids, _ = processor.training_ids(
        Conversation((*asked.messages, answer), asked.image_roles), ages
    )
    until = 1 + int(np.flatnonzero(ids == model.config.action_query_token_id)[-1])
    asking = Pass(tuple(ids[:until].tolist()), 0, num_logits=9, num_queries=9)
    engine._tokens.begin([tokens], until, [engine._images.robot_state(observation)])
    logits = engine._tokens.run([asking])[0]
    assert logits is not None
    first = model.config.first_action_token_id
    return logits[-7:, first : first + 101].softmax(-1)


@torch.no_grad()
def test_the_same_bins_are_as_likely(
    engine: Engine, dataset: EpisodeDataset, tmp_path: Path
) -> None:
    data = make_data(engine, dataset, tmp_path)
    assert len(data) == len(dataset) == 6
    for index, expected in zip((4, 1), trained(engine, data, [4, 1]), strict=True):
        # features are kept in half precision
        torch.testing.assert_close(answered(engine, dataset, index), expected, atol=1e-3, rtol=0.02)


def test_other_instructions_do_not_change_an_answer(
    engine: Engine, dataset: EpisodeDataset, tmp_path: Path
) -> None:
    texts = ("put the ball on the large board", "take the cup", "lift it", "turn round", "stop")
    done = "The robot has finished."
    notes = [Note(frame, text, done) for frame in (1, 4) for text in texts[: frame + 1]]
    annotated = EpisodeDataset.open(write_bag(tmp_path / "notes", STEPS, notes=notes))
    data = make_data(engine, annotated, tmp_path)
    batch = data.batch([4, 0, 1], seed=0)
    assert batch["rows_per_picture"].tolist() == [4, 1, 3]
    assert batch["action_bins"][:, 0].tolist() == [44, -1, -1, -1, 40, 41, -1, -1]
    again = data.batch([4], seed=1)
    assert not torch.equal(again["input_ids"], data.batch([4], seed=2)["input_ids"])
    found = trained(engine, data, [4, 0, 1])
    alone = trained(engine, make_data(engine, dataset, tmp_path), [4, 0, 1])
    torch.testing.assert_close(found[[0, 1, 2]], alone, atol=1e-4, rtol=0.01)


def test_labels_and_weights(engine: Engine, dataset: EpisodeDataset, tmp_path: Path) -> None:
    data = make_data(engine, dataset, tmp_path)
    batch = data.batch(range(6), seed=0)
    assert batch["action_bins"][:, 0].tolist() == [40, 41, 42, 43, 44, -1]
    assert batch["robot_state"].isfinite().all()
    weights = data.weights()
    assert weights[5] == NO_NOISE.finish_weight
    commanded = batch["robot_state"][:5, 10] > 0.5
    told = batch["action_bins"][:5, 6] > 50
    switched = (told != commanded).numpy()
    assert switched.any() and not switched.all()
    assert (weights[:5][switched] == NO_NOISE.gripper_weight).all()
    assert (weights[:5][~switched] == 1.0).all()


def test_a_batch_depends_on_its_seed_alone(
    engine: Engine, dataset: EpisodeDataset, tmp_path: Path
) -> None:
    make_data(engine, dataset, tmp_path)
    store = FeatureStore(engine.model, engine.processor, tmp_path)
    data = ActionData(dataset, engine.processor, store)
    one, same, other = (data.batch([0, 3], seed)["robot_state"] for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_loss_falls_and_gradients_reach_every_part(
    engine: Engine, dataset: EpisodeDataset, tmp_path: Path
) -> None:
    model = copy.deepcopy(engine.model)
    model.vision_tower.requires_grad_(False)
    data, objective = make_data(engine, dataset, tmp_path), ActionObjective()
    batch = data.batch(range(6), seed=0)
    optimizer = torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad], lr=1e-3
    )
    losses = []
    for _ in range(12):
        loss, metrics = objective(model, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    silent = [
        name
        for name, weight in model.named_parameters()
        if weight.requires_grad and (weight.grad is None or not weight.grad.abs().sum())
    ]
    # no state of this episode is unknown, and it never holds anything
    assert set(silent) <= {
        "state_embedding.unknown",
        *(f"action_queries.waypoint_head.{name}" for name in ("weight", "bias")),
    }
    assert losses[-1] < 0.7 * losses[0]
    assert {"bin_error/dx", "bin_error/gripper", "loss_text"} <= set(metrics)


def test_a_grounding_stage_asks_for_places_and_words_only(
    engine: Engine, dataset: EpisodeDataset, tmp_path: Path
) -> None:
    options = ActionObjectiveOptions(action_weight=0.0)
    batch = make_data(engine, dataset, tmp_path).batch(range(6), seed=0)
    # an episode that never holds anything has no places: give it some
    batch["waypoint_known"][:] = True
    with torch.no_grad():
        loss, metrics = ActionObjective(options)(engine.model, batch)
        acting, _ = ActionObjective(replace(options, action_weight=1.0))(engine.model, batch)
    parts = {"text": 0.2, "waypoint": 1.0, "waypoint_middle": 0.5}
    assert float(loss) == pytest.approx(
        sum(weight * float(metrics[f"loss_{name}"]) for name, weight in parts.items()), rel=1e-4
    )
    assert float(acting - loss) == pytest.approx(float(metrics["loss_action"]), rel=1e-4)
