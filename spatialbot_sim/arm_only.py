"""franky-sim's FR3 without its hand and what is only drawn: a model for other simulators."""

import xml.etree.ElementTree as ET
from pathlib import Path

import franky_sim

from spatialbot_model.contracts.errors import SimulationError

_ASSETS = Path(franky_sim.__file__).parent / "assets"


def write_arm_only_mjcf(path: Path) -> None:
    """Write a MuJoCo model of the bare arm; its meshes stay where franky-sim has them.

    Raises:
        SimulationError: franky-sim's model is another than that of the pinned version.
    """
    root = ET.parse(_ASSETS / "fr3.xml").getroot()
    for tag in ("actuator", "tendon", "equality", "contact", "keyframe", "sensor"):
        for element in root.findall(tag):
            root.remove(element)
    hand = root.find(".//body[@name='fr3_link7']/body[@name='hand']")
    link7 = root.find(".//body[@name='fr3_link7']")
    compiler, asset = root.find("compiler"), root.find("asset")
    if hand is None or link7 is None or compiler is None or asset is None:
        raise SimulationError(
            f"{_ASSETS / 'fr3.xml'} has no hand below fr3_link7; is franky-sim 1.0.4 as pinned?"
        )
    link7.remove(hand)
    for body in root.iter("body"):
        for geom in body.findall("geom"):
            if geom.get("class") == "visual":
                body.remove(geom)
    for mesh in asset.findall("mesh"):
        if not str(mesh.get("name")).startswith("link") or "_coll" not in str(mesh.get("name")):
            asset.remove(mesh)
    compiler.set("meshdir", str(_ASSETS / "meshes"))
    path.write_text(ET.tostring(root, encoding="unicode"), encoding="utf-8")
