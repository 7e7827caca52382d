"""Who may do what: policies, keys, expiry and audience."""

import base64
import time

import pytest
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import QuerySpecification, Twin
from azure.iot.hub.sastoken import SasToken
from conftest import connection_string, manager_for

ALL = ["iothubowner", "service", "device", "registryRead", "registryReadWrite"]
READ = {"iothubowner", "registryRead", "registryReadWrite"}
WRITE = {"iothubowner", "registryReadWrite"}
SERVICE = {"iothubowner", "service"}
QUERY = "SELECT deviceId FROM devices WHERE deviceId = 'nobody'"

CALLS = {
    "get_device": (READ, lambda manager, name: manager.get_device(name)),
    "get_devices": (READ, lambda manager, name: manager.get_devices(1)),
    "get_modules": (READ, lambda manager, name: manager.get_modules(name)),
    "statistics": (READ, lambda manager, name: manager.get_device_registry_statistics()),
    "service_statistics": (READ, lambda manager, name: manager.get_service_statistics()),
    "update_device": (WRITE, lambda manager, name: manager.update_device_with_sas(name, None, "", "", "enabled")),
    "create_module": (WRITE, lambda manager, name: manager.create_module_with_sas(name, "m1", "", "", "")),
    "bulk": (WRITE, lambda manager, name: manager.bulk_create_or_update_devices([])),
    "get_twin": (SERVICE, lambda manager, name: manager.get_twin(name)),
    "update_twin": (SERVICE, lambda manager, name: manager.update_twin(name, Twin(tags={"a": 1}))),
    "replace_twin": (SERVICE, lambda manager, name: manager.replace_twin(name, Twin(tags={"a": 1}))),
    "query": (SERVICE | READ, lambda manager, name: manager.query_iot_hub(QuerySpecification(query=QUERY))),
    "delete_device": (WRITE, lambda manager, name: manager.delete_device(name)),
}


@pytest.mark.parametrize("policy", ALL)
@pytest.mark.parametrize("call", list(CALLS))
def test_each_policy_may_do_what_its_rights_say(manager, device, refused, policy, call):
    allowed, run = CALLS[call]
    before = manager.get_twin(device.device_id).as_dict()
    if policy in allowed:
        run(manager_for(policy), device.device_id)
    else:
        refused(401, "IotHubUnauthorizedAccess", run, manager_for(policy), device.device_id)
        assert manager.get_twin(device.device_id).as_dict() == before


def parts():
    return dict(pair.split("=", 1) for pair in connection_string("iothubowner").split(";"))


def manager_with(**changed):
    text = ";".join(f"{name}={value}" for name, value in (parts() | changed).items())
    return IoTHubRegistryManager.from_connection_string(text)


def test_the_connection_string_is_what_sdks_expect():
    assert set(parts()) == {"HostName", "SharedAccessKeyName", "SharedAccessKey"}
    assert parts()["HostName"] == "hub1.skerry.test"
    assert parts()["SharedAccessKeyName"] == "iothubowner"
    assert len(base64.b64decode(parts()["SharedAccessKey"], validate=True)) == 32


def test_a_wrong_key_opens_nothing(refused):
    other = manager_with(SharedAccessKey=base64.b64encode(b"x" * 32).decode())
    refused(401, "IotHubUnauthorizedAccess", other.get_devices)


def test_an_unknown_policy_opens_nothing(refused):
    refused(401, "IotHubUnauthorizedAccess", manager_with(SharedAccessKeyName="nobody").get_devices)


def test_a_key_of_another_policy_opens_nothing(refused):
    refused(401, "IotHubUnauthorizedAccess", manager_with(SharedAccessKeyName="registryRead").get_devices)


class Fixed:
    """A manager that sends one token, whatever the SDK would make."""

    def __init__(self, token):
        self.manager = manager_for("iothubowner")
        self.headers = {"Authorization": token}

    def get_devices(self):
        return self.manager.protocol.devices.get_devices(1, custom_headers=self.headers)


def token(host=None, ttl=3600):
    found = parts()
    return str(SasToken(host or found["HostName"], found["SharedAccessKey"], found["SharedAccessKeyName"], ttl))


def test_a_token_ends_after_its_skew(refused):
    assert Fixed(token()).get_devices() is not None
    assert Fixed(token(ttl=-60)).get_devices() is not None
    refused(401, "IotHubUnauthorized", Fixed(token(ttl=-3600)).get_devices)


def test_a_token_is_for_one_hub(refused):
    refused(401, "IotHubUnauthorizedAccess", Fixed(token("hub2.skerry.test")).get_devices)
    assert Fixed(token("HUB1.skerry.test")).get_devices() is not None
    assert Fixed(token("hub1.skerry.test/devices/query")).get_devices() is not None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: "Bearer abc",
        lambda text: "Basic abc",
        lambda text: "SharedAccessSignature",
        lambda text: text.replace("sig=", "sig=A"),
        lambda text: text.replace("skn=iothubowner", ""),
        lambda text: text.replace("se=", "se=9"),
        lambda text: text.replace("sr=", "sr=x"),
        lambda text: text.split("&se=")[0],
        lambda text: text + "&se=" + str(int(time.time()) + 999),
    ],
)
def test_a_spoilt_token_opens_nothing(refused, spoil):
    refused(401, "IotHubUnauthorizedAccess", Fixed(spoil(token())).get_devices)


def test_a_device_key_does_not_open_the_registry(manager, device, refused):
    key = device.authentication.symmetric_key.primary_key
    own = str(SasToken(f"hub1.skerry.test/devices/{device.device_id}", key))
    refused(401, "IotHubUnauthorizedAccess", Fixed(own).get_devices)
    call = manager.protocol.devices.get_twin
    refused(401, "IotHubUnauthorizedAccess", call, device.device_id, custom_headers={"Authorization": own})


def test_an_edge_device_manages_its_own_modules(manager, edge, device, refused):
    """What the identity service of an edge device does."""
    key = edge.authentication.symmetric_key.primary_key
    headers = {"Authorization": str(SasToken(f"hub1.skerry.test/devices/{edge.device_id}", key))}
    modules = manager.protocol.modules
    listed = modules.get_modules_on_device(edge.device_id, custom_headers=headers)
    assert {module.module_id for module in listed} == {"$edgeAgent", "$edgeHub"}
    made = modules.create_or_update_identity(edge.device_id, "m1", {"deviceId": edge.device_id, "moduleId": "m1"}, custom_headers=headers)
    assert made.authentication.type == "sas"
    modules.delete_identity(edge.device_id, "m1", if_match="*", custom_headers=headers)
    refused(401, "IotHubUnauthorizedAccess", modules.get_modules_on_device, device.device_id, custom_headers=headers)
