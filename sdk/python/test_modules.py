"""Identities of modules, and the two that an edge device brings."""

import base64

import pytest

KEY_1 = base64.b64encode(b"1" * 32).decode()
KEY_2 = base64.b64encode(b"2" * 32).decode()
SHA1_1, SHA1_2 = "a1" * 20, "b2" * 20


def create(manager, device, module_id="m1"):
    return manager.create_module_with_sas(device.device_id, module_id, "me", KEY_1, KEY_2)


# shows: azure-iot-hub | HTTPS | modules
def test_a_module_has_everything_the_sdk_knows(manager, device):
    module = create(manager, device)
    assert (module.device_id, module.module_id, module.managed_by) == (device.device_id, "m1", "me")
    assert module.authentication.type == "sas"
    assert module.authentication.symmetric_key.primary_key == KEY_1
    assert module.authentication.symmetric_key.secondary_key == KEY_2
    assert module.connection_state == "Disconnected"
    assert module.cloud_to_device_message_count == 0
    assert module.generation_id and module.etag
    assert manager.get_module(device.device_id, "m1").as_dict() == module.as_dict()
    assert [one.as_dict() for one in manager.get_modules(device.device_id)] == [module.as_dict()]


def test_keys_of_a_module_are_made(manager, device):
    module = manager.create_module_with_sas(device.device_id, "m1", "", "", "")
    keys = module.authentication.symmetric_key
    assert len(base64.b64decode(keys.primary_key, validate=True)) == 32
    assert keys.primary_key != keys.secondary_key


def test_modules_with_certificates(manager, device):
    name = device.device_id
    module = manager.create_module_with_x509(name, "signed", "me", SHA1_1, SHA1_2)
    assert module.authentication.type == "selfSigned"
    assert module.authentication.x509_thumbprint.secondary_thumbprint.lower() == SHA1_2
    module = manager.update_module_with_x509(name, "signed", "me", module.etag, SHA1_2, SHA1_1)
    assert module.authentication.x509_thumbprint.primary_thumbprint.lower() == SHA1_2
    module = manager.create_module_with_certificate_authority(name, "issued", "me")
    assert module.authentication.type == "certificateAuthority"
    module = manager.update_module_with_certificate_authority(name, "issued", "you", module.etag)
    assert module.managed_by == "you"


def test_an_update_needs_the_present_etag(manager, device, refused):
    name = device.device_id
    module = create(manager, device)
    updated = manager.update_module_with_sas(name, "m1", "you", module.etag, KEY_2, KEY_1)
    assert updated.managed_by == "you"
    assert updated.authentication.symmetric_key.primary_key == KEY_2
    assert updated.etag != module.etag
    stale = module.etag
    refused(412, "PreconditionFailed", manager.update_module_with_sas, name, "m1", "me", stale, KEY_1, KEY_2)
    refused(412, "PreconditionFailed", manager.delete_module, name, "m1", stale)
    assert manager.get_module(name, "m1").as_dict() == updated.as_dict()
    assert manager.update_module_with_sas(name, "m1", "any", None, KEY_1, KEY_2).managed_by == "any"
    manager.delete_module(name, "m1")
    refused(404, "ModuleNotFound", manager.get_module, name, "m1")


def test_a_module_is_created_once_and_on_a_device(manager, device, prefix, refused):
    create(manager, device)
    refused(409, "ModuleAlreadyExistsOnDevice", create, manager, device)
    refused(404, "ModuleNotFound", manager.get_module, device.device_id, "m2")
    refused(404, "ModuleNotFound", manager.delete_module, device.device_id, "m2")
    nobody = prefix + "-nobody"
    refused(404, "DeviceNotFound", manager.create_module_with_sas, nobody, "m1", "", KEY_1, KEY_2)


def test_modules_go_with_their_device(manager, device, refused):
    first = create(manager, device)
    manager.delete_device(device.device_id)
    refused(404, "DeviceNotFound", manager.get_modules, device.device_id)
    manager.create_device_with_sas(device.device_id, None, None, "enabled")
    assert manager.get_modules(device.device_id) == []
    assert create(manager, device).generation_id != first.generation_id


def test_a_device_has_fifty_modules_at_most(manager, device, refused):
    for number in range(50):
        create(manager, device, f"m{number}")
    refused(413, "TooManyModulesOnDevice", create, manager, device, "m50")
    assert len(manager.get_modules(device.device_id)) == 50
    manager.delete_module(device.device_id, "m0")
    create(manager, device, "m50")


@pytest.mark.parametrize("module_id", ["$edgeAgent", "$edgeHub"])
def test_system_modules_stay(manager, edge, refused, module_id):
    code = "SystemModuleModifyUnauthorizedAccess"
    refused(401, code, manager.delete_module, edge.device_id, module_id)
    assert manager.get_module(edge.device_id, module_id).module_id == module_id


def test_module_ids_have_an_alphabet(manager, device, refused):
    odd = "-:.+%_#*?!(),=@;$'"
    assert create(manager, device, odd).module_id == odd
    assert manager.get_module(device.device_id, odd).module_id == odd
    refused(400, "ArgumentInvalid", create, manager, device, "a b")
    refused(400, "ArgumentInvalid", create, manager, device, "x" * 129)
