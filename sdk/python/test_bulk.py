"""Up to a hundred identities in one call, each with a result of its own."""

import base64

import pytest
from azure.iot.hub.models import (
    AuthenticationMechanism,
    DeviceCapabilities,
    ExportImportDevice,
    PropertyContainer,
    SymmetricKey,
)
from conftest import Refusal, remove
from msrest.exceptions import DeserializationError, HttpOperationError

KEY_1 = base64.b64encode(b"1" * 32).decode()
KEY_2 = base64.b64encode(b"2" * 32).decode()


def item(device_id, mode, **named):
    sas = AuthenticationMechanism(type="sas", symmetric_key=SymmetricKey(primary_key=KEY_1, secondary_key=KEY_2))
    named.setdefault("authentication", sas)
    named.setdefault("status", "enabled")
    return ExportImportDevice(id=device_id, import_mode=mode, **named)


@pytest.fixture
def ids(manager, prefix):
    names = [f"{prefix}-{number}" for number in range(4)]
    yield names
    for name in names:
        remove(manager, name)


# shows: azure-iot-hub | HTTPS | devices in bulk
def test_create_update_delete(manager, ids, refused):
    done = manager.bulk_create_or_update_devices([item(name, "create") for name in ids])
    assert done.is_successful is True
    assert done.errors == [] and done.warnings == []
    for name in ids:
        device = manager.get_device(name)
        assert device.status == "enabled"
        assert device.authentication.symmetric_key.primary_key == KEY_1

    done = manager.bulk_create_or_update_devices([item(name, "update", status="disabled") for name in ids])
    assert done.is_successful is True
    assert {manager.get_device(name).status for name in ids} == {"disabled"}

    done = manager.bulk_create_or_update_devices([item(name, "delete") for name in ids])
    assert done.is_successful is True
    for name in ids:
        refused(404, "DeviceNotFound", manager.get_device, name)


def test_each_item_fails_for_itself(manager, ids):
    manager.bulk_create_or_update_devices([item(ids[0], "create")])
    before = manager.get_device(ids[0]).as_dict()
    result = manager.bulk_create_or_update_devices(
        [
            item(ids[0], "create", status="disabled"),
            item(ids[1], "create"),
            item(ids[2], "update"),
            item(ids[3], "delete"),
        ]
    )
    assert result.is_successful is False
    errors = {error.device_id: error for error in result.errors}
    assert set(errors) == {ids[0], ids[2], ids[3]}
    assert errors[ids[0]].error_code == "DeviceAlreadyExists"
    assert errors[ids[2]].error_code == "DeviceNotFound"
    assert errors[ids[3]].error_code == "DeviceNotFound"
    assert errors[ids[0]].operation.lower() == "create"
    assert errors[ids[2]].operation.lower() == "update"
    assert errors[ids[3]].operation.lower() == "delete"
    for error in errors.values():
        assert error.error_status
        assert error.module_id is None
    assert manager.get_device(ids[0]).as_dict() == before
    assert manager.get_device(ids[1]).device_id == ids[1]


def test_a_failed_batch_is_told_as_400(manager, ids):
    raw = manager.protocol.bulk_registry.update_registry([item(ids[0], "update")], raw=True)
    assert raw.response.status_code == 400
    assert raw.response.json()["isSuccessful"] is False


def test_etags_guard_updates_and_deletions(manager, ids):
    manager.bulk_create_or_update_devices([item(name, "create") for name in ids[:2]])
    old = manager.get_device(ids[0]).etag
    done = manager.bulk_create_or_update_devices([item(ids[0], "updateIfMatchETag", e_tag=old, status="disabled")])
    assert done.is_successful is True
    result = manager.bulk_create_or_update_devices(
        [
            item(ids[0], "updateIfMatchETag", e_tag=old, status="enabled"),
            item(ids[1], "deleteIfMatchETag", e_tag="*"),
        ]
    )
    assert result.is_successful is False
    assert [(error.device_id, error.error_code) for error in result.errors] in [
        [(ids[0], "PreconditionFailed")],
        [(ids[0], "EtagDoesNotMatch")],
    ]
    assert manager.get_device(ids[0]).status == "disabled"
    result = manager.bulk_create_or_update_devices([item(ids[0], "deleteIfMatchETag", e_tag=old)])
    assert result.is_successful is False
    assert manager.get_device(ids[0]).status == "disabled"


def test_without_a_mode_it_is_create_or_update(manager, ids):
    assert manager.bulk_create_or_update_devices([item(ids[0], None)]).is_successful
    assert manager.bulk_create_or_update_devices([item(ids[0], None, status="disabled")]).is_successful
    assert manager.bulk_create_or_update_devices([item(ids[1], "createOrUpdate")]).is_successful
    assert manager.get_device(ids[0]).status == "disabled"
    assert manager.get_device(ids[1]).status == "enabled"


def test_twins_come_along(manager, ids):
    properties = PropertyContainer(desired={"speed": 3})
    done = manager.bulk_create_or_update_devices([item(ids[0], "create", tags={"site": "a"}, properties=properties)])
    assert done.is_successful is True
    twin = manager.get_twin(ids[0])
    assert twin.tags == {"site": "a"}
    assert twin.properties.desired["speed"] == 3
    done = manager.bulk_create_or_update_devices(
        [item(ids[0], "updateTwin", tags={"site": "b", "floor": 2}, properties=PropertyContainer(desired={"on": True}))]
    )
    assert done.is_successful is True
    twin = manager.get_twin(ids[0])
    assert twin.tags["site"] == "b" and twin.tags["floor"] == 2
    assert twin.properties.desired["on"] is True


def test_modules_are_made_in_bulk(manager, ids):
    manager.bulk_create_or_update_devices([item(ids[0], "create")])
    done = manager.bulk_create_or_update_devices(
        [item(ids[0], "create", module_id="m1"), item(ids[0], "create", module_id="m2")]
    )
    assert done.is_successful is True
    assert {module.module_id for module in manager.get_modules(ids[0])} == {"m1", "m2"}
    result = manager.bulk_create_or_update_devices([item(ids[0], "create", module_id="m1")])
    assert [(error.device_id, error.module_id) for error in result.errors] == [(ids[0], "m1")]
    assert result.errors[0].error_code == "ModuleAlreadyExistsOnDevice"


def test_edge_devices_are_made_in_bulk(manager, ids):
    done = manager.bulk_create_or_update_devices(
        [item(ids[0], "create", capabilities=DeviceCapabilities(iot_edge=True))]
    )
    assert done.is_successful is True
    assert manager.get_device(ids[0]).device_scope.startswith(f"ms-azure-iot-edge://{ids[0]}-")
    assert len(manager.get_modules(ids[0])) == 2


def whole_batch_refused(manager, items):
    """The SDK reads every 400 as a result of items, so what refuses the batch is read by hand."""
    try:
        raw = manager.protocol.bulk_registry.update_registry(items, raw=True)
        return Refusal(raw.response)
    except (HttpOperationError, DeserializationError) as error:
        return Refusal(error.response)


def test_one_device_twice_is_refused_whole(manager, ids, refused):
    refusal = whole_batch_refused(manager, [item(ids[0], "create"), item(ids[1], "create"), item(ids[0], "create")])
    assert (refusal.status, refusal.code) == (400, "DeviceDefinedMultipleTimes")
    refused(404, "DeviceNotFound", manager.get_device, ids[0])
    refused(404, "DeviceNotFound", manager.get_device, ids[1])


def test_a_hundred_are_taken_and_one_more_is_not(manager, prefix, ask):
    names = [f"{prefix}-{number:03}" for number in range(101)]
    refusal = whole_batch_refused(manager, [item(name, "create") for name in names])
    assert (refusal.status, refusal.code) == (400, "ArgumentInvalid")
    assert ask(f"SELECT deviceId FROM devices WHERE STARTSWITH(deviceId, '{prefix}')") == []
    assert manager.bulk_create_or_update_devices([item(name, "create") for name in names[:100]]).is_successful
    rows = ask(f"SELECT deviceId FROM devices WHERE STARTSWITH(deviceId, '{prefix}')")
    assert sorted(row["deviceId"] for row in rows) == names[:100]
    assert manager.bulk_create_or_update_devices([item(name, "delete") for name in names[:100]]).is_successful
    assert ask(f"SELECT deviceId FROM devices WHERE STARTSWITH(deviceId, '{prefix}')") == []


def test_an_unknown_mode_is_refused(manager, ids):
    refusal = whole_batch_refused(manager, [item(ids[0], "upsert")])
    assert (refusal.status, refusal.code) == (400, "ArgumentInvalid")
