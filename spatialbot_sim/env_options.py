"""How the tabletop environment runs."""

from dataclasses import dataclass

from spatialbot_model.contracts.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class EnvOptions:
    """How the environment runs.

    Attributes:
        max_step_translation_m, max_step_rotation_rad, max_lead_m, max_lead_rad: the bounds of
            the robot's safety envelope on steps and on the lead of the target.
        max_speed_m_s, max_speed_rad_s: a way that would need more takes longer.
        stretch: the reference takes this many control periods to the target.
        response_lag_s: how late the arm answers.
        command_period_s: how often joint targets are computed.
        timestep_s: of the physics; a whole share of the command period.
        depth_noise: False gives exact depth.
        render: False leaves out the images, for experiments on motion; `step` then answers
            with images of zeros.
    """

    max_step_translation_m: float = 0.035
    max_step_rotation_rad: float = 0.18
    max_lead_m: float = 0.08
    max_lead_rad: float = 0.35
    max_speed_m_s: float = 0.35
    max_speed_rad_s: float = 1.8
    stretch: float = 1.1
    response_lag_s: float = 0.065
    command_period_s: float = 0.02
    timestep_s: float = 0.001
    depth_noise: bool = True
    render: bool = True

    def __post_init__(self) -> None:
        ticks = self.command_period_s / self.timestep_s
        if not (0.0 < self.timestep_s <= 0.002 and abs(ticks - round(ticks)) < 1e-9):
            raise ConfigurationError(
                f"timestep is {self.timestep_s} s; expected at most 0.002 s and a whole share of"
                f" the command period of {self.command_period_s} s"
            )
