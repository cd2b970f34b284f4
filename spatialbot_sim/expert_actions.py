"""The actions of the scripted expert alone: no images, no episodes."""

from collections.abc import Iterator

from spatialbot_model.contracts.action_codec import DeltaAction
from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_sim.env import TabletopEnv
from spatialbot_sim.env_options import EnvOptions
from spatialbot_sim.expert import Expert
from spatialbot_sim.tasks import sample_scene

_MAX_STEPS = 400


def expert_episodes(
    cell: Cell, spec: ActionSpec, task: str, seed: int
) -> Iterator[list[DeltaAction]]:
    """The actions of one scene after the other, `seed` upwards; each begins at home.

    Raises:
        UnknownNameError: no such task.
    """
    env, expert = TabletopEnv(cell, spec, EnvOptions(render=False)), Expert(cell, spec)
    while True:
        scene = sample_scene(task, seed)
        env.reset(scene)
        actions: list[DeltaAction] = []
        while len(actions) < _MAX_STEPS:
            action = expert.act(env.privileged_state(), scene)
            if not isinstance(action, DeltaAction):
                break
            env.move(action)
            actions.append(action)
        yield actions
        seed += 1
