"""Modules and devices behind `skerry edge`, with the unmodified azure-iot-device."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time

import pytest
from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient, Message, MethodResponse
from azure.iot.hub import IoTHubConfigurationManager
from azure.iot.hub.models import CloudToDeviceMethod, ConfigurationContent, Twin, TwinProperties

from conftest import connection_string, manager_for, provided, remove, tell_hub
from test_device import events, host, until

NAME = "edge1.plant.test"
ADDRESS = "127.0.0.2"
EDGE = "py-gateway"
# What the edge's hub speaks to its own.
UPSTREAM = os.environ.get("SKERRY_TEST_UPSTREAM", "Mqtt")
AGENT = {
    "schemaVersion": "1.1",
    "runtime": {"type": "docker", "settings": {}},
    "systemModules": {
        name: {"type": "docker", "status": "running", "restartPolicy": "always", "settings": {"image": f"{name}:1"}}
        for name in ("edgeAgent", "edgeHub")
    },
    "modules": {},
}
AGENT["systemModules"]["edgeHub"]["env"] = {"UpstreamProtocol": {"value": UPSTREAM}}
ROUTES = {
    "up": "FROM /messages/* WHERE NOT IS_DEFINED(only) INTO $upstream",
    "across": 'FROM /messages/modules/m1/outputs/out WHERE level = "high" INTO BrokeredEndpoint("/modules/m2/inputs/in")',
}


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Edge:
    """An edge device beside the hub, without a container engine."""

    def __init__(self, folder, name=NAME, address=ADDRESS, parent=None):
        self.folder, self.name, self.address, self.parent = folder, name, address, parent
        self.process = None

    def configure(self, string):
        config = self.folder / "config.toml"
        parent, root = "", provided("SKERRY_TEST_CA")
        if self.parent:
            parent, root = f'parent_hostname = "{self.parent.name}"\n', str(self.folder / "parent.pem")
            (self.folder / "parent.pem").write_text(self.parent.trust())
        config.write_text(
            f'hostname = "{self.name}"\n{parent}'
            f'[provisioning]\nsource = "manual"\nconnection_string = "{string}"\n'
            f'[moby_runtime]\nuri = "unix://{self.folder}/no-engine.sock"\nnetwork = "azure-iot-edge"\n'
            f'[skerry]\nhub_ca_cert = "file://{root}"\nedge_hub_listen = ["{self.address}"]\n'
        )
        self.iotedge("config", "apply", "-c", str(config))

    def iotedge(self, *arguments):
        places = ["--data", str(self.folder / "data"), "--sockets", str(self.folder / "run")]
        subprocess.run(
            [os.environ["SKERRY_BIN"], "iotedge", *places, *arguments], check=True, stdin=subprocess.DEVNULL
        )

    def start(self):
        log = open(self.folder / "edge.log", "a", encoding="utf-8")
        self.process = subprocess.Popen(
            [
                os.environ["SKERRY_BIN"], "edge", "run", "--config", str(self.folder / "config.toml"),
                "--data", str(self.folder / "data"), "--sockets", str(self.folder / "run"), "--metrics", "off",
            ],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
        )
        until("the edge is there", self.is_open)

    def is_open(self):
        assert self.process.poll() is None, self.log()
        with socket.socket() as probe:
            return probe.connect_ex((self.address, 8883)) == 0

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        assert self.process.wait(timeout=30) == (0 if how == signal.SIGTERM else -how), self.log()

    def log(self):
        return (self.folder / "edge.log").read_text()

    def trust(self):
        connection = UnixConnection(str(self.folder / "run" / "workload.sock"))
        connection.request("GET", "/trust-bundle?api-version=2019-01-30")
        return json.loads(connection.getresponse().read())["certificate"]


@pytest.fixture(scope="module")
def registry():
    return manager_for("iothubowner")


@pytest.fixture(scope="module")
def gateway(registry, tmp_path_factory):
    device = registry.create_device_with_sas(EDGE, None, None, "enabled", iot_edge=True)
    content = {
        "$edgeAgent": {"properties.desired": AGENT},
        "$edgeHub": {
            "properties.desired": {
                "schemaVersion": "1.1",
                "routes": ROUTES,
                "storeAndForwardConfiguration": {"timeToLiveSecs": 7200},
            }
        },
    }
    configurations = IoTHubConfigurationManager.from_connection_string(connection_string("iothubowner"))
    configurations.apply_configuration_on_edge_device(EDGE, ConfigurationContent(modules_content=content))
    edge = Edge(tmp_path_factory.mktemp("gateway"))
    edge.scope = registry.get_device(EDGE).device_scope
    key = device.authentication.symmetric_key.primary_key
    edge.configure(f"HostName={host()};DeviceId={EDGE};SharedAccessKey={key}")
    edge.start()
    yield edge
    edge.stop()
    print(edge.log())
    remove(registry, EDGE)


@pytest.fixture
def clients():
    """Makes clients that are shut down with the test."""
    made = []

    def keep(client):
        made.append(client)
        client.connect()
        return client

    yield keep
    for client in made:
        client.shutdown()


@pytest.fixture
def module(registry, gateway, clients, monkeypatch, tmp_path):
    """A module as it is debugged: everything about its edge stands in the environment."""
    ca = tmp_path / "edge-ca.pem"
    ca.write_text(gateway.trust())

    def connect(name, **options):
        try:
            made = registry.get_module(EDGE, name)
        except Exception:
            made = registry.create_module_with_sas(EDGE, name, None, None, None)
        key = made.authentication.symmetric_key.primary_key
        string = f"HostName={host()};GatewayHostName={NAME};DeviceId={EDGE};ModuleId={name};SharedAccessKey={key}"
        monkeypatch.setenv("EdgeHubConnectionString", string)
        monkeypatch.setenv("EdgeModuleCACertificateFile", str(ca))
        return clients(IoTHubModuleClient.create_from_edge_environment(**options))

    return connect


@pytest.fixture
def leaf(registry, gateway, clients, prefix):
    """A device behind the edge."""
    made = []

    def connect(name="leaf", **options):
        device_id = f"{prefix}-{name}"
        device = registry.create_device_with_sas(
            device_id, None, None, "enabled", device_scope=gateway.scope
        )
        made.append(device_id)
        key = device.authentication.symmetric_key.primary_key
        string = f"HostName={host()};DeviceId={device_id};SharedAccessKey={key};GatewayHostName={NAME}"
        client = IoTHubDeviceClient.create_from_connection_string(
            string, server_verification_cert=gateway.trust(), **options
        )
        client.device_id = device_id
        return clients(client)

    yield connect
    for device_id in made:
        remove(registry, device_id)


def bodies(found):
    return [event["body"] for event in found]


# shows: azure-iot-device | MQTT, MQTT in WebSockets | messages through an edge
@pytest.mark.parametrize("websockets", [False, True])
def test_what_a_module_sends_arrives_at_the_hub(module, websockets):
    name = f"up{int(websockets)}"
    client = module(name, websockets=websockets)
    for number in range(5):
        message = Message(json.dumps({"n": number}), content_type="application/json", content_encoding="utf-8")
        message.custom_properties["test"] = name
        client.send_message_to_output(message, "out")
    mine = lambda: [event for event in events(EDGE, 1 + seen["count"]) if event.get("moduleId") == name]
    seen = {"count": 0}
    found = []
    while len(found) < 5:
        found = mine()
        seen["count"] += 1
    assert bodies(found) == [{"n": number} for number in range(5)]


# shows: azure-iot-device | MQTT | messages from module to module
def test_messages_go_from_module_to_module_by_a_route(module):
    receiver, sender = module("m2"), module("m1")
    heard = []
    receiver.on_message_received = heard.append
    for level in ("low", "high"):
        message = Message(json.dumps({"level": level}))
        message.custom_properties["level"] = level
        message.custom_properties["only"] = "here"
        sender.send_message_to_output(message, "out")
    until("the message comes", lambda: heard)
    time.sleep(0.3)
    (message,) = heard
    assert (message.input_name, json.loads(message.data)) == ("in", {"level": "high"})
    assert message.custom_properties["level"] == "high"


def test_a_module_calls_methods_of_modules_and_of_devices(module, leaf):
    caller, target, device = module("caller"), module("target"), leaf()

    def answer_by(client, name):
        def answer(request):
            payload = {"by": name, "name": request.name, "got": request.payload}
            client.send_method_response(MethodResponse.create_from_method_request(request, 201, payload))

        client.on_method_request_received = answer

    answer_by(target, "target")
    answer_by(device, "leaf")
    for answer, to in (
        (caller.invoke_method({"methodName": "m", "payload": [1]}, EDGE, "target"), "target"),
        (caller.invoke_method({"methodName": "m", "payload": [1]}, device.device_id), "leaf"),
    ):
        assert (answer["status"], answer["payload"]) == (201, {"by": to, "name": "m", "got": [1]})


# shows: azure-iot-device | MQTT | methods through an edge
def test_the_hub_calls_methods_through_the_gateway(module, leaf, registry):
    for client, invoke in (
        (module("called"), lambda call: registry.invoke_device_module_method(EDGE, "called", call)),
        (device := leaf(), lambda call: registry.invoke_device_method(device.device_id, call)),
    ):

        def answer(request, client=client):
            client.send_method_response(
                MethodResponse.create_from_method_request(request, 200, {"got": request.payload})
            )

        client.on_method_request_received = answer
        call = CloudToDeviceMethod(method_name="m", payload={"a": 1}, response_timeout_in_seconds=20)
        result = invoke(call)
        assert (result.status, result.payload) == (200, {"got": {"a": 1}})


# shows: azure-iot-device | MQTT | twin through an edge
def test_twins_through_the_gateway(module, leaf, registry):
    device = leaf()
    patches = []
    device.on_twin_desired_properties_patch_received = patches.append
    assert device.get_twin()["reported"]["$version"] == 1
    device.patch_twin_reported_properties({"a": {"b": 1}})
    reported = lambda: registry.get_twin(device.device_id).properties.reported
    until("the hub hears of it", lambda: reported().get("a") == {"b": 1})
    registry.update_twin(device.device_id, Twin(properties=TwinProperties(desired={"x": 1})), "*")
    until("the device hears of it", lambda: patches)
    assert patches == [{"x": 1, "$version": 2}]
    assert device.get_twin()["desired"]["x"] == 1


# shows: azure-iot-device | MQTT | commands through an edge
def test_commands_reach_a_device_behind_the_edge(leaf, registry):
    device = leaf()
    heard = []
    device.on_message_received = heard.append
    registry.send_c2d_message(device.device_id, "do it", {"a": "b"})
    until("the command comes", lambda: heard)
    assert (heard[0].data, heard[0].custom_properties["a"]) == (b"do it", "b")


def test_everything_goes_on_without_the_hub(gateway, module, leaf, registry):
    device, receiver, sender = leaf("away"), module("m2"), module("m1")
    device.get_twin()
    heard = []
    receiver.on_message_received = heard.append
    tell_hub("stop")
    try:
        for number in range(20):
            device.send_message(str(number))
        device.patch_twin_reported_properties({"offline": True})
        assert device.get_twin()["reported"]["offline"] is True
        message = Message("local")
        message.custom_properties["level"] = "high"
        message.custom_properties["only"] = "here"
        sender.send_message_to_output(message, "out")
        until("modules talk to each other", lambda: heard)
        gateway.stop(signal.SIGKILL)
        gateway.start()
        until("the device is back", lambda: device.connected)
        for number in range(20, 40):
            device.send_message(str(number))
    finally:
        tell_hub("start")
    found = []
    while len(set(bodies(found))) < 40:
        found = events(device.device_id, len(found) + 1)
    order = [int(body) for body in dict.fromkeys(bodies(found))]
    assert order == list(range(40)), "everything arrives, in order"
    reported = lambda: registry.get_twin(device.device_id).properties.reported
    until("what was reported arrives", lambda: reported().get("offline"))
