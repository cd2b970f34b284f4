"""Fast DDS ignores a profile that it cannot read; this notices."""

from xml.etree import ElementTree

from spatialbot_model.contracts.resources import find_resource

NAMESPACE = "{http://www.eprosima.com}"
COLOR_IMAGE_BYTES = 640 * 480 * 3


def test_an_image_is_one_message_and_several_fit_into_the_segment() -> None:
    root = ElementTree.parse(find_resource("config/fastdds.xml")).getroot()
    assert root.tag == f"{NAMESPACE}dds"
    transports = {
        transport.findtext(f"{NAMESPACE}transport_id"): transport
        for transport in root.iter(f"{NAMESPACE}transport_descriptor")
    }
    used = {element.text for element in root.iter(f"{NAMESPACE}transport_id")}
    assert used == set(transports)
    kinds = {transport.findtext(f"{NAMESPACE}type"): transport for transport in transports.values()}
    assert set(kinds) == {"SHM", "UDPv4"}
    shared = kinds["SHM"]
    assert int(shared.findtext(f"{NAMESPACE}maxMessageSize")) > COLOR_IMAGE_BYTES
    assert int(shared.findtext(f"{NAMESPACE}segment_size")) > 16 * COLOR_IMAGE_BYTES
    (participant,) = root.iter(f"{NAMESPACE}participant")
    assert participant.get("is_default_profile") == "true"
    assert participant.findtext(f".//{NAMESPACE}useBuiltinTransports") == "false"
