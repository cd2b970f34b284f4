"""An object is lost on its way in the simulated lab's physics: the executor's side says so."""

import numpy as np
import pytest
from executor_bench import CELL, PERIOD_S, Bench

pytest.importorskip("mujoco", reason="the simulated lab needs the `sim` extra")

from spatialbot_ros.holding import HoldingCheck
from spatialbot_sim.arm_drive import ArmDrive
from spatialbot_sim.objects import PlacedObject
from spatialbot_sim.tasks import Scene
from spatialbot_sim.world import build_world, settle

CUBE = PlacedObject("cube", "cube", "red", 0.45, 0.0, 0.0)


class LabBench(Bench):
    """The lab's arm and hand do what the executor's arm does, as in the demo's lockstep."""

    def __init__(self):
        super().__init__()
        scene = Scene("test", 0, "-", "-", "-", (CUBE,), ())
        self.world = build_world(scene, CELL)
        settle(self.world)
        self.drive = ArmDrive(self.world)
        self.holding = HoldingCheck()
        self.told = []

    def tick(self, num=1):
        for _ in range(num):
            before_rad, num_grips = self.arm.read_state().q_rad, len(self.grips)
            super().tick()
            if len(self.grips) > num_grips:
                self.drive.hand.command(self.grips[-1])
            now_rad = self.arm.read_state().q_rad
            num_steps = round(PERIOD_S / self.world.model.opt.timestep)
            self.drive.move(before_rad, now_rad, num_steps)
            width_m = float(self.drive.finger_m.sum())
            self.holding.update(self.clock.now_s, self.executor.gripper_closed, width_m)
            self.told += [record.name for record in self.holding.take_records()]

    def go(self, goal_m, closed):
        """One action each tenth of a second, until the tool is there."""
        for _ in range(40):
            way_m = np.asarray(goal_m) - self.executor.T_base_target[:3, 3]
            if np.linalg.norm(way_m) < 0.001:
                break
            self.act(np.clip(way_m, -0.02, 0.02), closed=closed)
            self.tick(5)
        self.tick(20)

    def make_slippery(self):
        """The cube's friction counts, and there is none."""
        model = self.world.model
        its = model.geom_bodyid == self.world.body_ids["cube"]
        model.geom_priority[its] = 1
        model.geom_friction[its] = 1e-5


def test_an_object_that_slips_out_on_the_way_is_told():
    bench = LabBench().connect()
    height_m = CELL.table_top_z_m + CUBE.rest_height_m
    bench.go((CUBE.x_m, CUBE.y_m, height_m), closed=False)
    bench.act(closed=True)
    bench.tick(60)
    assert bench.holding.holding and bench.told == []
    bench.go((CUBE.x_m, CUBE.y_m, height_m + 0.15), closed=True)
    assert bench.world.body_position_m("cube")[2] > height_m + 0.14
    assert bench.holding.holding and bench.told == []
    bench.make_slippery()
    bench.go((CUBE.x_m, CUBE.y_m + 0.12, height_m + 0.15), closed=True)
    assert bench.world.body_position_m("cube")[2] < height_m + 0.05
    assert not bench.holding.holding and bench.told == ["slip"]
