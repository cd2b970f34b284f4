"""Pick and place: ``ros2 launch spatialbot_ros pick_place.launch.py``.

``--show-args`` lists the arguments. The nodes come from `spatialbot_ros.bringup`.
"""

import shlex

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.actions import Shutdown as ShutdownAll
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

from spatialbot_model.contracts.resources import find_resource
from spatialbot_ros.bringup import PICK_PLACE_ARGUMENTS, pick_place_nodes, supervisor_command

_DISCOVERY = "ROS_AUTOMATIC_DISCOVERY_RANGE"


def generate_launch_description() -> LaunchDescription:
    """Declare every argument of the table; the nodes follow once their values are known."""
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(
                    argument.name,
                    default_value=argument.default_text,
                    description=argument.description,
                    choices=argument.choices or None,
                )
                for argument in PICK_PLACE_ARGUMENTS
            ),
            SetEnvironmentVariable(
                "FASTDDS_DEFAULT_PROFILES_FILE", str(find_resource("config/fastdds.xml"))
            ),
            # on this machine only; whoever wants the network says so in the environment
            SetEnvironmentVariable(
                _DISCOVERY, EnvironmentVariable(_DISCOVERY, default_value="LOCALHOST")
            ),
            OpaqueFunction(function=_start_nodes),
        ]
    )


def _start_nodes(context: LaunchContext) -> list[Node]:
    values = {
        argument.name: LaunchConfiguration(argument.name).perform(context)
        for argument in PICK_PLACE_ARGUMENTS
    }
    return [
        Node(
            package=spec.package,
            executable=spec.executable,
            name=spec.name,
            namespace=spec.namespace,
            parameters=[
                {
                    # a URDF would be read as YAML otherwise
                    name: ParameterValue(value, value_type=type(value))
                    for name, value in spec.parameters.items()
                }
            ],
            arguments=list(spec.arguments),
            output="screen",
            # launch's own respawn would also repeat what cannot work
            prefix=shlex.join(supervisor_command()) if spec.respawn else None,
            on_exit=ShutdownAll(reason=f"{spec.name} ended"),
        )
        for spec in pick_place_nodes(values)
    ]
