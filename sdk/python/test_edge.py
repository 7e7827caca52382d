"""Edge devices: their modules set at once, by the configuration manager; and by the device's own token."""

import base64
import hashlib
import hmac
import json
import time
import urllib.parse
import urllib.request

import pytest
from azure.iot.hub import IoTHubConfigurationManager
from azure.iot.hub.models import ConfigurationContent

from conftest import connection_string, provided

HOST = connection_string("iothubowner").split(";")[0].split("=", 1)[1]
AGENT = {"schemaVersion": "1.1", "modules": {"sensor": {"type": "docker", "settings": {"image": "sensor:1"}}}}
HUB = {"schemaVersion": "1.2", "routes": {"up": "FROM /messages/* INTO $upstream"}}


@pytest.fixture(scope="session")
def configurations():
    return IoTHubConfigurationManager.from_connection_string(connection_string("iothubowner"))


def content(**more):
    modules = {
        "$edgeAgent": {"properties.desired": AGENT},
        "$edgeHub": {"properties.desired": HUB},
        "sensor": {"properties.desired": {"interval": 5}},
    }
    return ConfigurationContent(modules_content={**modules, **more})


def desired(manager, device_id, module_id):
    section = manager.get_module_twin(device_id, module_id).properties.desired
    return {key: value for key, value in section.items() if not key.startswith("$")}


# shows: azure-iot-hub | HTTPS | modules of an edge device
def test_modules_are_set(manager, edge, configurations):
    name = edge.device_id
    configurations.apply_configuration_on_edge_device(name, content())
    assert desired(manager, name, "$edgeAgent") == AGENT
    assert desired(manager, name, "$edgeHub") == HUB
    assert desired(manager, name, "sensor") == {"interval": 5}
    sensor = manager.get_module(name, "sensor")
    assert (sensor.managed_by, sensor.authentication.type) == ("iotEdge", "none")
    layer = ConfigurationContent(modules_content={"sensor": {"properties.desired.limits.high": 7}})
    configurations.apply_configuration_on_edge_device(name, layer)
    assert desired(manager, name, "sensor") == {"interval": 5, "limits": {"high": 7}}
    assert desired(manager, name, "$edgeAgent") == AGENT


def test_what_cannot_be_set_is_refused(manager, edge, device, configurations, refused):
    apply = configurations.apply_configuration_on_edge_device
    code = "InvalidConfigurationContent"
    refused(400, code, apply, edge.device_id, content(other={"properties.desire": {}}))
    refused(400, code, apply, edge.device_id, ConfigurationContent(device_content={"properties.desired.a": 1}))
    refused(400, "ArgumentInvalid", apply, device.device_id, content())
    refused(404, "DeviceNotFound", apply, edge.device_id + "-nobody", content())
    assert {module.module_id for module in manager.get_modules(edge.device_id)} == {"$edgeAgent", "$edgeHub"}


def token(key, resource):
    """As the original's identity service makes it: lower case, encoded, for half a minute."""
    resource = urllib.parse.quote(resource.lower(), safe="")
    expiry = int(time.time()) + 30
    signed = hmac.new(base64.b64decode(key), f"{resource}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = urllib.parse.quote(base64.b64encode(signed), safe="")
    return f"SharedAccessSignature sr={resource}&sig={signature}&se={expiry}"


def test_the_runtime_manages_its_modules_with_the_device_s_token(edge):
    name, key = edge.device_id, edge.authentication.symmetric_key.primary_key

    def ask(method, module, body=None, headers=()):
        url = f"https://{HOST}/devices/{name}/modules/{urllib.parse.quote(module, safe='')}"
        request = urllib.request.Request(url + "?api-version=2017-11-08-preview", method=method)
        request.add_header("Authorization", token(key, f"{HOST}/devices/{name}"))
        for header, value in headers:
            request.add_header(header, value)
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, data) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None

    assert provided("SSL_CERT_FILE")
    status, agent = ask("GET", "$edgeAgent")
    assert (status, agent["authentication"]["type"]) == (200, "none")
    keys = {"primaryKey": base64.b64encode(b"1" * 32).decode(), "secondaryKey": base64.b64encode(b"2" * 32).decode()}
    body = {
        "moduleId": "$edgeAgent",
        "managedBy": "iotEdge",
        "deviceId": name,
        "authentication": {"type": "sas", "symmetricKey": keys},
    }
    status, updated = ask("PUT", "$edgeAgent", body, [("If-Match", "*")])
    assert (status, updated["authentication"]["symmetricKey"]) == (200, keys)
    assert updated["generationId"] == agent["generationId"]
    status, made = ask("PUT", "m1", {"moduleId": "m1", "managedBy": "iotEdge", "deviceId": name})
    assert (status, made["managedBy"]) == (200, "iotEdge")
    assert ask("DELETE", "m1", None, [("If-Match", "*")]) == (204, None)
