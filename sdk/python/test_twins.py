"""Twins of devices and modules: merge, replace, versions, metadata and limits."""

import base64

import pytest
from azure.iot.hub.models import Twin, TwinProperties


def patch(tags=None, desired=None):
    return Twin(tags=tags, properties=TwinProperties(desired=desired) if desired is not None else None)


def plain(section):
    return {key: value for key, value in section.items() if not key.startswith("$")}


@pytest.fixture(params=["device", "module"])
def face(request, manager, device):
    """The same calls for the twin of a device and of a module."""
    if request.param == "device":
        return Face(manager.get_twin, manager.update_twin, manager.replace_twin, (device.device_id,))
    manager.create_module_with_sas(device.device_id, "m1", "", None, None)
    call = (manager.get_module_twin, manager.update_module_twin, manager.replace_module_twin)
    return Face(*call, (device.device_id, "m1"))


class Face:
    def __init__(self, get, update, replace, names):
        self.names = names
        self.get = lambda: get(*names)
        self.update = lambda *rest: update(*names, *rest)
        self.replace = lambda *rest: replace(*names, *rest)


def test_a_fresh_twin(face, manager, device):
    twin = face.get()
    assert twin.device_id == device.device_id
    assert twin.module_id == (face.names[1] if len(face.names) > 1 else None)
    assert twin.version == 2
    assert base64.b64decode(twin.etag) == (1).to_bytes(8, "big")
    assert twin.status == "enabled"
    assert twin.status_reason is None
    assert twin.connection_state == "Disconnected"
    assert twin.cloud_to_device_message_count == 0
    assert twin.authentication_type == "sas"
    assert twin.x509_thumbprint.primary_thumbprint is None
    assert twin.last_activity_time.year == 1
    assert twin.tags in (None, {})
    for section in (twin.properties.desired, twin.properties.reported):
        assert plain(section) == {}
        assert section["$version"] == 1
        assert section["$metadata"]["$lastUpdated"].startswith("20")


def test_the_twin_of_a_device_carries_its_identity(manager, edge):
    twin = manager.get_twin(edge.device_id)
    assert twin.device_etag == edge.etag
    assert twin.capabilities.iot_edge is True
    assert twin.device_scope == edge.device_scope
    assert twin.parent_scopes == []


# shows: azure-iot-hub | HTTPS | twins
def test_updates_merge_and_null_removes(face):
    first = face.update(patch({"site": {"building": 1, "floor": 2}}, {"speed": 10, "mode": "slow", "list": [1, 2]}))
    assert first.tags == {"site": {"building": 1, "floor": 2}}
    assert plain(first.properties.desired) == {"speed": 10, "mode": "slow", "list": [1, 2]}
    assert first.properties.desired["$version"] == 2
    second = face.update(patch({"site": {"floor": None, "room": "b"}}, {"mode": None, "list": [3]}))
    assert second.tags == {"site": {"building": 1, "room": "b"}}
    assert plain(second.properties.desired) == {"speed": 10, "list": [3]}
    assert second.properties.desired["$version"] == 3
    assert second.version > first.version
    assert second.etag != first.etag
    assert second.properties.reported["$version"] == 1
    assert face.get().as_dict() == second.as_dict()


def test_a_section_that_is_not_sent_is_not_touched(face):
    face.update(patch({"a": 1}, {"b": 2}))
    only_tags = face.update(patch({"c": 3}))
    assert only_tags.tags == {"a": 1, "c": 3}
    assert only_tags.properties.desired["$version"] == 2
    only_desired = face.update(patch(None, {"d": 4}))
    assert only_desired.tags == {"a": 1, "c": 3}
    assert plain(only_desired.properties.desired) == {"b": 2, "d": 4}


def test_replacing_leaves_nothing_behind(face):
    face.update(patch({"a": 1, "b": {"c": 2}}, {"x": 1, "y": 2}))
    replaced = face.replace(patch({"b": {"d": 3}}, {"z": 3}))
    assert replaced.tags == {"b": {"d": 3}}
    assert plain(replaced.properties.desired) == {"z": 3}
    assert set(replaced.properties.desired["$metadata"]) - {"$lastUpdated", "$lastUpdatedVersion"} == {"z"}
    assert replaced.properties.desired["$version"] == 3
    assert face.get().as_dict() == replaced.as_dict()


def test_metadata_mirrors_the_tree(face):
    face.update(patch(None, {"a": {"b": 1, "c": [1, {"d": 2}]}}))
    twin = face.update(patch(None, {"a": {"b": 2}}))
    metadata = twin.properties.desired["$metadata"]
    assert metadata["$lastUpdatedVersion"] == 3
    assert metadata["a"]["$lastUpdatedVersion"] == 3
    assert metadata["a"]["b"]["$lastUpdatedVersion"] == 3
    assert metadata["a"]["c"]["$lastUpdatedVersion"] == 2
    assert set(metadata["a"]["c"]) == {"$lastUpdated", "$lastUpdatedVersion"}
    assert metadata["a"]["b"]["$lastUpdated"] >= metadata["a"]["c"]["$lastUpdated"]
    assert twin.properties.desired["a"] == {"b": 2, "c": [1, {"d": 2}]}


def test_values_come_back_as_they_went(face):
    desired = {
        "int": -7,
        "large": 4503599627370495,
        "small": -4503599627370496,
        "float": 0.125,
        "true": True,
        "text": "käse \U0001f9c0 \"quoted\" \\ / \n",
        "empty": "",
        "nested": {"deep": {"deeper": [[], {}, [None, 1.5, "x"]]}},
        "with-dash": 1,
        "with#hash": 2,
        "ünïcödé": 3,
    }
    assert plain(face.update(patch(None, desired)).properties.desired) == desired
    assert plain(face.get().properties.desired) == desired
    assert plain(face.replace(patch(None, desired)).properties.desired) == desired


def test_etags_guard_updates(face, refused):
    old = face.get().etag
    new = face.update(patch({"a": 1}), old)
    assert new.etag != old
    refused(412, "PreconditionFailed", face.update, patch({"a": 2}), old)
    refused(412, "PreconditionFailed", face.replace, patch({"a": 2}), old)
    assert face.get().as_dict() == new.as_dict()
    assert face.replace(patch({"a": 3}), new.etag).tags == {"a": 3}
    assert face.update(patch({"a": 4}), "*").tags == {"a": 4}
    assert face.update(patch({"a": 5})).tags == {"a": 5}


def test_a_whole_twin_that_was_read_may_be_sent_back(face):
    """Tools change one member of what they read and send everything."""
    face.update(patch({"a": 1}, {"x": {"y": 1}}))
    twin = face.get()
    twin.tags["b"] = 2
    twin.properties.desired["x"]["y"] = 2
    twin.properties.reported["made up"] = 1
    twin.status = "disabled"
    updated = face.update(twin, twin.etag)
    assert updated.tags == {"a": 1, "b": 2}
    assert plain(updated.properties.desired) == {"x": {"y": 2}}
    assert plain(updated.properties.reported) == {}
    assert updated.status == "enabled"


@pytest.mark.parametrize(
    "tags, desired",
    [
        ({"a.b": 1}, None),
        ({"a b": 1}, None),
        ({"$a": 1}, None),
        ({"a\u0001": 1}, None),
        (None, {"a.b": 1}),
        (None, {"deep": {"a$b": 1}}),
        (None, {"k" * 1025: 1}),
        (None, {"text": "x" * 4097}),
        (None, {"large": 4503599627370496}),
        (None, {"small": -4503599627370497}),
        ({"many": {str(number): "x" * 1000 for number in range(9)}}, None),
        (None, {str(number): "x" * 4000 for number in range(9)}),
    ],
    ids=lambda value: None,
)
def test_what_does_not_fit_is_refused_and_changes_nothing(face, refused, tags, desired):
    before = face.update(patch({"kept": 1}, {"kept": 2}))
    refused(400, "ArgumentInvalid", face.update, patch(tags, desired))
    refused(400, "ArgumentInvalid", face.replace, patch(tags, desired))
    assert face.get().as_dict() == before.as_dict()


def test_ten_levels_of_objects_are_deep_enough(face, refused):
    """The documented example: tags.one.two.three. … .ten.property is the deepest that is allowed."""

    def nested(objects):
        value = {"property": "value"}
        for _ in range(objects):
            value = {"n": value}
        return value

    assert plain(face.update(patch(None, nested(10))).properties.desired) == nested(10)
    assert face.update(patch(nested(10))).tags == nested(10)
    refused(400, "ArgumentInvalid", face.replace, patch(None, nested(11)))
    refused(400, "ArgumentInvalid", face.replace, patch(nested(11)))


def test_sections_fill_up_to_their_limits(face):
    tags = {"t": "x" * 4000, "u": "x" * 4000}
    desired = {f"d{number}": "x" * 4000 for number in range(8)}
    twin = face.update(patch(tags, desired))
    assert twin.tags == tags
    assert plain(twin.properties.desired) == desired


def test_twins_of_nobody(manager, device, prefix, refused):
    nobody = prefix + "-nobody"
    refused(404, "DeviceNotFound", manager.update_twin, nobody, patch({"a": 1}))
    refused(404, "DeviceNotFound", manager.replace_twin, nobody, patch({"a": 1}))
    refused(404, "ModuleNotFound", manager.get_module_twin, device.device_id, "m9")
    refused(404, "ModuleNotFound", manager.update_module_twin, device.device_id, "m9", patch({"a": 1}))


def test_the_twins_of_a_device_and_its_module_are_two(manager, device):
    manager.create_module_with_sas(device.device_id, "m1", "", None, None)
    manager.update_twin(device.device_id, patch({"of": "device"}))
    manager.update_module_twin(device.device_id, "m1", patch({"of": "module"}))
    assert manager.get_twin(device.device_id).tags == {"of": "device"}
    assert manager.get_module_twin(device.device_id, "m1").tags == {"of": "module"}


def test_a_twin_outlives_an_update_of_its_identity(manager, device):
    before = manager.update_twin(device.device_id, patch({"a": 1}, {"b": 2}))
    manager.update_device_with_sas(device.device_id, device.etag, None, None, "disabled", status_reason="why")
    twin = manager.get_twin(device.device_id)
    assert twin.tags == {"a": 1}
    assert plain(twin.properties.desired) == {"b": 2}
    assert (twin.status, twin.status_reason) == ("disabled", "why")
    assert twin.device_etag != before.device_etag
