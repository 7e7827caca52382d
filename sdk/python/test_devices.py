"""Identities of devices: every kind of credential, preconditions, listing and counting."""

import base64

import pytest
from azure.iot.hub.models import Device

KEY_1 = base64.b64encode(b"1" * 32).decode()
KEY_2 = base64.b64encode(b"2" * 32).decode()
SHA1_1, SHA1_2 = "A1" * 20, "B2" * 20
SHA256 = "c3" * 32


def decimal(etag):
    return int(base64.b64decode(etag))


# shows: azure-iot-hub | HTTPS | devices
def test_a_device_has_everything_the_sdk_knows(manager, device_id):
    device = manager.create_device_with_sas(device_id, KEY_1, KEY_2, "enabled", status_reason="new here")
    assert device.device_id == device_id
    assert device.status == "enabled"
    assert device.status_reason == "new here"
    assert device.connection_state == "Disconnected"
    assert device.cloud_to_device_message_count == 0
    assert device.generation_id.isdigit()
    assert decimal(device.etag) > 0
    assert device.authentication.type == "sas"
    assert device.authentication.symmetric_key.primary_key == KEY_1
    assert device.authentication.symmetric_key.secondary_key == KEY_2
    assert device.authentication.x509_thumbprint.primary_thumbprint is None
    assert device.authentication.x509_thumbprint.secondary_thumbprint is None
    assert device.capabilities.iot_edge is False
    assert device.device_scope in (None, "")
    assert device.parent_scopes in (None, [])
    assert device.connection_state_updated_time.year == 1
    assert device.last_activity_time.year == 1
    assert manager.get_device(device_id).as_dict() == device.as_dict()


@pytest.mark.parametrize("absent", [None, ""])
def test_keys_that_are_not_given_are_made(manager, device_id, absent):
    keys = manager.create_device_with_sas(device_id, absent, absent, "enabled").authentication.symmetric_key
    assert len(base64.b64decode(keys.primary_key, validate=True)) == 32
    assert len(base64.b64decode(keys.secondary_key, validate=True)) == 32
    assert keys.primary_key != keys.secondary_key


def test_a_self_signed_device_keeps_its_thumbprints(manager, device_id):
    device = manager.create_device_with_x509(device_id, SHA1_1, SHA256, "enabled")
    assert device.authentication.type == "selfSigned"
    assert device.authentication.x509_thumbprint.primary_thumbprint.lower() == SHA1_1.lower()
    assert device.authentication.x509_thumbprint.secondary_thumbprint.lower() == SHA256
    assert device.authentication.symmetric_key.primary_key is None
    updated = manager.update_device_with_x509(device_id, device.etag, SHA1_2, SHA1_2, "disabled")
    assert updated.authentication.x509_thumbprint.primary_thumbprint.lower() == SHA1_2.lower()
    assert updated.status == "disabled"


def test_a_device_of_an_authority_has_neither_keys_nor_thumbprints(manager, device_id):
    device = manager.create_device_with_certificate_authority(device_id, "enabled")
    assert device.authentication.type == "certificateAuthority"
    assert device.authentication.symmetric_key.primary_key is None
    assert device.authentication.symmetric_key.secondary_key is None
    assert device.authentication.x509_thumbprint.primary_thumbprint is None
    updated = manager.update_device_with_certificate_authority(device_id, device.etag, "disabled")
    assert (updated.status, updated.authentication.type) == ("disabled", "certificateAuthority")


def test_a_device_may_change_its_kind_of_credential(manager, device):
    changed = manager.update_device_with_x509(device.device_id, device.etag, SHA1_1, SHA1_2, "enabled")
    assert changed.authentication.type == "selfSigned"
    back = manager.update_device_with_sas(device.device_id, changed.etag, KEY_1, KEY_2, "enabled")
    assert back.authentication.type == "sas"
    assert back.authentication.symmetric_key.primary_key == KEY_1
    assert back.authentication.x509_thumbprint.primary_thumbprint is None
    assert back.generation_id == device.generation_id


def test_an_update_moves_the_etag_and_the_time_of_the_status(manager, device):
    disabled = manager.update_device_with_sas(
        device.device_id, device.etag, KEY_1, KEY_2, "disabled", status_reason="lost"
    )
    assert (disabled.status, disabled.status_reason) == ("disabled", "lost")
    assert disabled.etag != device.etag
    assert disabled.generation_id == device.generation_id
    assert disabled.status_updated_time.year >= 2024
    enabled = manager.update_device_with_sas(device.device_id, None, KEY_1, KEY_2, "enabled")
    assert enabled.status == "enabled"
    assert enabled.status_reason is None
    assert decimal(enabled.etag) > 0 and enabled.etag != disabled.etag


def test_stale_etags_are_refused_and_change_nothing(manager, device, refused):
    name = device.device_id
    current = manager.update_device_with_sas(name, device.etag, KEY_1, KEY_2, "disabled")
    refused(412, "PreconditionFailed", manager.update_device_with_sas, name, device.etag, KEY_2, KEY_1, "enabled")
    refused(412, "PreconditionFailed", manager.delete_device, name, device.etag)
    assert manager.get_device(name).as_dict() == current.as_dict()
    manager.delete_device(name, current.etag)
    refused(404, "DeviceNotFound", manager.get_device, name)


def test_a_device_is_created_once(manager, device, refused):
    refused(409, "DeviceAlreadyExists", manager.create_device_with_sas, device.device_id, KEY_1, KEY_2, "disabled")
    assert manager.get_device(device.device_id).as_dict() == device.as_dict()


def test_what_is_not_there_is_not_found(manager, device_id, refused):
    refused(404, "DeviceNotFound", manager.get_device, device_id)
    refused(404, "DeviceNotFound", manager.delete_device, device_id)
    refused(404, "DeviceNotFound", manager.update_device_with_sas, device_id, None, KEY_1, KEY_2, "enabled")
    refused(404, "DeviceNotFound", manager.get_twin, device_id)
    refused(404, "DeviceNotFound", manager.get_modules, device_id)


def test_a_device_made_anew_is_another_generation(manager, device):
    manager.delete_device(device.device_id)
    again = manager.create_device_with_sas(device.device_id, None, None, "enabled")
    assert again.generation_id != device.generation_id
    assert again.authentication.symmetric_key.primary_key != device.authentication.symmetric_key.primary_key


@pytest.mark.parametrize("odd", ["-:.+%_#*?!(),=@;$'", "a%2Fb", "UPPER", "q?top=1#f", "x" * 50])
def test_ids_may_hold_every_allowed_character(manager, prefix, odd):
    name = prefix + odd
    assert manager.create_device_with_sas(name, None, None, "enabled").device_id == name
    assert manager.get_device(name).device_id == name
    assert manager.get_twin(name).device_id == name
    manager.delete_device(name)


def test_ids_are_case_sensitive(manager, device, refused):
    refused(404, "DeviceNotFound", manager.get_device, device.device_id.upper())


def test_ids_have_a_length_and_an_alphabet(manager, prefix, refused):
    longest = prefix + "x" * (128 - len(prefix))
    manager.create_device_with_sas(longest, None, None, "enabled")
    manager.delete_device(longest)
    for wrong in [longest + "x", prefix + " ", prefix + "ü", prefix + "{}", prefix + '"', prefix + "&"]:
        refused(400, "ArgumentInvalid", manager.create_device_with_sas, wrong, None, None, "enabled")


def test_the_body_names_the_device_of_the_path(manager, device_id, refused):
    other = Device(device_id=device_id + "-other", status="enabled")
    refused(400, "ArgumentInvalid", manager.protocol.devices.create_or_update_identity, device_id, other)
    refused(404, "DeviceNotFound", manager.get_device, device_id)


@pytest.mark.parametrize("key", ["no base64!", base64.b64encode(b"short").decode(), base64.b64encode(b"x" * 65).decode()])
def test_keys_that_cannot_sign_are_refused(manager, device_id, refused, key):
    refused(400, "ArgumentInvalid", manager.create_device_with_sas, device_id, key, KEY_2, "enabled")


@pytest.mark.parametrize("thumbprint", ["zz" * 20, "a1" * 19, "a1" * 21])
def test_thumbprints_that_are_none_are_refused(manager, device_id, refused, thumbprint):
    refused(400, "ArgumentInvalid", manager.create_device_with_x509, device_id, thumbprint, None, "enabled")


def test_an_unknown_status_is_refused(manager, device_id, refused):
    refused(400, "ArgumentInvalid", manager.create_device_with_sas, device_id, None, None, "asleep")


def test_an_edge_device_has_a_scope_and_its_system_modules(manager, edge):
    assert edge.capabilities.iot_edge is True
    prefix, digits = edge.device_scope.rsplit("-", 1)
    assert prefix == "ms-azure-iot-edge://" + edge.device_id
    assert digits.isdigit()
    assert edge.parent_scopes == []
    modules = {module.module_id: module for module in manager.get_modules(edge.device_id)}
    assert set(modules) == {"$edgeAgent", "$edgeHub"}
    for module in modules.values():
        assert module.managed_by == "iotEdge"
        assert module.authentication.type == "none"
        assert module.device_id == edge.device_id


def test_a_leaf_below_an_edge_device_shares_its_scope(manager, edge, device_id):
    leaf = manager.create_device_with_sas(device_id, None, None, "enabled", device_scope=edge.device_scope)
    assert leaf.capabilities.iot_edge is False
    assert leaf.device_scope == edge.device_scope
    assert leaf.parent_scopes == [edge.device_scope]
    free = manager.update_device_with_sas(device_id, leaf.etag, KEY_1, KEY_2, "enabled", device_scope="")
    assert free.device_scope in (None, "")
    assert free.parent_scopes in (None, [])


def test_an_edge_device_below_another_keeps_its_own_scope(manager, edge, device_id):
    child = manager.create_device_with_sas(
        device_id, None, None, "enabled", iot_edge=True, parent_scopes=edge.device_scope
    )
    assert child.parent_scopes == [edge.device_scope]
    assert child.device_scope.startswith(f"ms-azure-iot-edge://{device_id}-")


def test_a_scope_of_nobody_is_refused(manager, device_id, refused):
    scope = "ms-azure-iot-edge://nobody-1"
    refused(400, "InvalidDeviceScope", manager.create_device_with_sas, device_id, None, None, "enabled", device_scope=scope)


def test_devices_are_listed(manager, devices):
    listed = {device.device_id: device for device in manager.get_devices()}
    assert set(devices) <= set(listed)
    one = listed[devices[0]]
    assert one.as_dict() == manager.get_device(devices[0]).as_dict()
    assert len(manager.get_devices(2)) == 2
    assert len(manager.get_devices(1000)) == len(listed)


@pytest.mark.parametrize("number", [0, 1001])
def test_a_listing_out_of_range_is_one_of_a_thousand(manager, devices, number):
    """The SDK documents: any value outside the range of 1-1000 is considered to be 1000."""
    listed = {device.device_id for device in manager.get_devices(number)}
    assert set(devices) <= listed


def test_statistics_count_devices_by_status(manager, prefix):
    before = manager.get_device_registry_statistics()
    manager.create_device_with_sas(prefix + "-on", None, None, "enabled")
    manager.create_device_with_sas(prefix + "-off", None, None, "disabled")
    after = manager.get_device_registry_statistics()
    assert after.total_device_count == before.total_device_count + 2
    assert after.enabled_device_count == before.enabled_device_count + 1
    assert after.disabled_device_count == before.disabled_device_count + 1
    manager.delete_device(prefix + "-on")
    manager.delete_device(prefix + "-off")
    assert manager.get_device_registry_statistics().as_dict() == before.as_dict()
    assert manager.get_service_statistics().connected_device_count == 0
