"""The policy port: Observation -> PolicyStep.

Everything that can answer with SpatialBot's text is a policy: the model in this process, a
model behind a server, or the classical baseline. A policy is used from one thread.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatialbot_model.contracts.action_spec import ActionSpec
from spatialbot_model.contracts.cell import Cell
from spatialbot_model.contracts.types import Observation, PolicyStep


@dataclass(frozen=True, slots=True)
class PolicyConfig:
    """What every policy is made from.

    Attributes:
        action_spec: what the robot's action bins mean; a policy made for another meaning
            raises `ActionSpecMismatchError` when it is created.
        cell: where robot, table and camera stand.
        checkpoint: folder or name of the weights, empty for policies without any.
        device: where weights are put: auto, cpu, cuda or cuda:N.
        num_threads: of a model on the CPU; 0 = as many as there are cores.
        max_depth_queries: rounds of the depth tool that a model may take per step.
        timeout_s: a step that takes longer raises `PolicyTimeoutError`.
        url: of the policy server, ws://host:port or wss://host:port.
        ssh: user@host[:port] of a machine to reach the server through; empty = directly.
        token_file: file with the server's token; empty for servers on loopback.
        ca_file: PEM certificates to trust with wss://; empty = those of the system.
        allow_unencrypted: reach a server on another machine with neither TLS nor ssh.
    """

    action_spec: ActionSpec
    cell: Cell
    checkpoint: str = ""
    device: str = "auto"
    num_threads: int = 0
    max_depth_queries: int = 3
    timeout_s: float = 2.0
    url: str = ""
    ssh: str = ""
    token_file: str = ""
    ca_file: str = ""
    allow_unencrypted: bool = False


class Policy(Protocol):
    """Turns what the camera sees and an instruction into one answer per control step."""

    def start(self, instruction: str) -> None:
        """Begin an instruction; forgets everything about the one before.

        The gripper is at the cell's home pose, open, when the first step is asked for.

        Raises:
            UnreadableInstructionError: says what could be read instead.
        """
        ...

    def step(self, observation: Observation) -> PolicyStep:
        """Answer one control step.

        Raises:
            PolicyTimeoutError, PolicyConnectionError: no answer this time; the arm holds and the
                caller may ask again with a newer observation.
            PolicyError: no answer can be given; the instruction ends and the arm holds.
        """
        ...

    def close(self) -> None:
        """Release models, connections and threads; allowed more than once."""
        ...


def resumes_from_frames(policy: Policy) -> bool:
    """Whether a fresh policy of this kind can go on in the middle of an instruction.

    True for a policy with a true attribute `resumes_from_frames`: it remembers nothing of an
    instruction but the frames it is shown, so that it may be started again wherever the arm
    stands, and an answer that got lost does no harm. False for all others, such as one that adds
    up its own motions.
    """
    return bool(getattr(policy, "resumes_from_frames", False))


def relocate(policy: Policy, tool_position_m: NDArray[np.float64]) -> None:
    """Tell a policy where the tool is after a person has moved it during an instruction.

    Calls a method `relocate` of policies that add up their own motions; all others look at the
    frames anyway.

    Args:
        tool_position_m: (3,) measured tool centre point in the base frame.
    """
    method = getattr(policy, "relocate", None)
    if method is not None:
        method(tool_position_m)
