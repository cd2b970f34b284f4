"""What is to be learned at the control steps of one episode: for each one or more instructions.

The first row of a step is the instruction that the robot followed, its label the recorded answer;
the others are what a demonstrator would have done for other instructions in the same state.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_codec import (
    DeltaAction,
    Finished,
    parse_action_text,
)
from spatialbot_model.contracts.action_spec import NUM_BINS
from spatialbot_model.contracts.waypoints import to_bins
from spatialbot_model.data.episode_index import EpisodeIndex
from spatialbot_model.data.mirroring import (
    mirror_y_m,
    mirrored_bins,
    mirrored_instruction,
    mirrored_poses,
)
from spatialbot_model.data.samples import answer_of
from spatialbot_model.training.waypoints import hindsight_waypoints

GRIPPER = 6
NO_BIN = -1
"""In place of the seven bins where the instruction has ended."""


@dataclass(frozen=True, slots=True, eq=False)
class ActionRows:
    """R rows of one or more episodes.

    Attributes:
        steps: (R,) int64 number of the step in its episode, ascending.
        labels: (R, 7) int64 bins, `NO_BIN` where nothing is left to do.
        waypoints: (R, 2, 4) float32 bins as real numbers.
        known: (R, 2) bool.
        instructions: R of them.
    """

    steps: NDArray[np.int64]
    labels: NDArray[np.int64]
    waypoints: NDArray[np.float32]
    known: NDArray[np.bool_]
    instructions: tuple[str, ...]


class _Row(NamedTuple):
    step: int
    bins: NDArray[np.int64]
    poses: NDArray[np.float32]
    known: NDArray[np.bool_]
    instruction: str


def action_rows(episode: EpisodeIndex, *, mirrored: bool = False) -> ActionRows:
    """The rows of all steps, those of a step together.

    Args:
        mirrored: as they are in the scene's mirror image.

    Raises:
        ActionParseError: an annotation's answer is none.
        ConfigurationError: the episode's camera sees no mirrored scene.
    """
    labels = np.stack([_bins(answer_of(episode, step)) for step in range(len(episode))])
    hindsight = hindsight_waypoints(episode.step_states, labels[:, GRIPPER] > NUM_BINS // 2)
    annotated = dict(_annotated(episode))
    rows: list[_Row] = []
    for step, instruction in enumerate(episode.instructions):
        own = _Row(step, labels[step], hindsight.poses[step], hindsight.known[step], instruction)
        others: list[_Row] = []
        for row in annotated.get(step, ()):
            if row.instruction == instruction:
                # what the demonstrator intends is more exact than what came of it
                own = own._replace(poses=row.poses, known=row.known)
            else:
                others.append(row)
        rows += [own, *others]
    bins = np.stack([row.bins for row in rows])
    poses = np.stack([row.poses for row in rows])
    instructions = tuple(row.instruction for row in rows)
    if mirrored:
        bins = mirrored_bins(bins)
        poses = mirrored_poses(poses, mirror_y_m(episode.T_base_camera))
        instructions = tuple(mirrored_instruction(text) for text in instructions)
    return ActionRows(
        np.array([row.step for row in rows], np.int64),
        bins,
        to_bins(poses),
        np.stack([row.known for row in rows]),
        instructions,
    )


def _annotated(episode: EpisodeIndex) -> Iterator[tuple[int, list[_Row]]]:
    notes, spec = episode.annotations, episode.metadata.spec
    for step in np.unique(notes.steps).tolist():
        found = []
        for number in np.flatnonzero(notes.steps == step).tolist():
            poses = notes.waypoints[number]
            known = np.isfinite(poses).all(axis=-1)
            bins = _bins(parse_action_text(notes.texts[number], spec))
            asked = notes.instructions[number]
            found.append(_Row(step, bins, np.nan_to_num(poses), known, asked))
        yield step, found


def _bins(answer: DeltaAction | Finished) -> NDArray[np.int64]:
    if isinstance(answer, DeltaAction):
        return np.array(answer.bins, np.int64)
    return np.full(GRIPPER + 1, NO_BIN, np.int64)
