"""A node keeps nothing under a name that rclpy's own Node uses.

One that kept its settings as ``_parameters`` died of the first ``ros2 param get``.
"""

import ast
from pathlib import Path

import pytest
import rclpy
from rclpy.node import Node

NODES = Path(__file__).resolve().parents[3] / "spatialbot_ros/nodes"
# calls its base
MAY_OVERRIDE = {("VlaNode", "destroy_node")}


@pytest.fixture(scope="module")
def taken():
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node("names", context=context)
    yield {*dir(node), *vars(node)} - set(dir(object))
    node.destroy_node()
    rclpy.shutdown(context=context)


def own_names(node_class):
    for part in ast.walk(node_class):
        if isinstance(part, ast.FunctionDef):
            yield part.name
        if isinstance(part, ast.Attribute) and isinstance(part.ctx, ast.Store):
            yield part.attr


NODE_CLASSES = {
    part.name: part
    for path in sorted(NODES.glob("*.py"))
    for part in ast.parse(path.read_text(encoding="utf-8")).body
    if isinstance(part, ast.ClassDef) and "Node" in {getattr(b, "id", "") for b in part.bases}
}


def test_the_nodes_are_found():
    assert {"ExecutorNode", "VlaNode", "RecorderNode", "TeleopNode", "CameraNode"} <= set(
        NODE_CLASSES
    )


@pytest.mark.parametrize("name", NODE_CLASSES)
def test_no_node_hides_what_rclpy_needs(name, taken):
    own = {(name, word) for word in own_names(NODE_CLASSES[name]) if not word.startswith("__")}
    assert not {(name, word) for _, word in own if word in taken} - MAY_OVERRIDE
