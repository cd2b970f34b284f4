"""The bare arm for other simulators: it compiles, it has seven joints, and nothing hangs on it."""

import mujoco

from spatialbot_ros.configuration import load_cell
from spatialbot_ros.fr3_kinematics import frames
from spatialbot_sim.arm_only import write_arm_only_mjcf


def test_the_bare_arm_is_the_arm(tmp_path):
    path = tmp_path / "arm.xml"
    write_arm_only_mjcf(path)
    model = mujoco.MjModel.from_xml_path(str(path))
    assert [model.joint(k).name for k in range(model.njnt)] == [
        f"fr3_joint{k}" for k in range(1, 8)
    ]
    assert model.nu == 0 and model.neq == 0
    data = mujoco.MjData(model)
    home_rad = load_cell().home_joints_rad
    data.qpos[:7] = home_rad
    mujoco.mj_kinematics(model, data)
    ours = frames(home_rad).T_base_link[6]
    theirs = data.body("fr3_link7")
    assert abs(theirs.xpos - ours[:3, 3]).max() < 1e-3
    assert abs(theirs.xmat.reshape(3, 3) - ours[:3, :3]).max() < 1e-3
