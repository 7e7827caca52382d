"""An edge device behind an edge device: hub, parent, child, and the unmodified azure-iot-device behind both."""

import signal

import pytest
from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient, Message, MethodResponse
from azure.iot.hub import IoTHubConfigurationManager
from azure.iot.hub.models import CloudToDeviceMethod, ConfigurationContent, Twin, TwinProperties

from conftest import connection_string, manager_for, remove, tell_hub
from test_device import events, host, until
from test_gateway import AGENT, Edge, bodies

PARENT, CHILD = "py-parent", "py-child"
ROUTES = {"up": "FROM /messages/* INTO $upstream"}


@pytest.fixture(scope="module")
def registry():
    return manager_for("iothubowner")


def begin(registry, folder, device_id, *place, parent=None):
    scopes = [parent.scope] if parent else None
    device = registry.create_device_with_sas(
        device_id, None, None, "enabled", iot_edge=True, parent_scopes=scopes
    )
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
    configurations.apply_configuration_on_edge_device(device_id, ConfigurationContent(modules_content=content))
    edge = Edge(folder, *place, parent=parent)
    edge.device_id = device_id
    edge.scope = registry.get_device(device_id).device_scope
    key = device.authentication.symmetric_key.primary_key
    edge.configure(f"HostName={host()};DeviceId={device_id};SharedAccessKey={key}")
    try:
        edge.start()
    except BaseException:
        print(edge.log())
        raise
    return edge


@pytest.fixture(scope="module")
def parent(registry, tmp_path_factory):
    edge = begin(registry, tmp_path_factory.mktemp("parent"), PARENT, "edge1.plant.test", "127.0.0.2")
    yield edge
    edge.stop()
    print(edge.log())
    remove(registry, PARENT)


@pytest.fixture(scope="module")
def child(registry, parent, tmp_path_factory):
    folder = tmp_path_factory.mktemp("child")
    edge = begin(registry, folder, CHILD, "edge2.plant.test", "127.0.0.3", parent=parent)
    yield edge
    edge.stop()
    print(edge.log())
    remove(registry, CHILD)


@pytest.fixture
def clients():
    made = []

    def keep(client):
        made.append(client)
        client.connect()
        return client

    yield keep
    for client in made:
        client.shutdown()


@pytest.fixture
def leaf(registry, child, clients, prefix):
    """A device behind the child."""
    device_id = f"{prefix}-leaf"
    device = registry.create_device_with_sas(device_id, None, None, "enabled", device_scope=child.scope)
    key = device.authentication.symmetric_key.primary_key
    string = f"HostName={host()};DeviceId={device_id};SharedAccessKey={key};GatewayHostName={child.name}"
    client = IoTHubDeviceClient.create_from_connection_string(string, server_verification_cert=child.trust())
    client.device_id = device_id
    yield clients(client)
    remove(registry, device_id)


@pytest.fixture(scope="module")
def module_key(registry, child):
    made = registry.create_module_with_sas(CHILD, "m", None, None, None)
    return made.authentication.symmetric_key.primary_key


@pytest.fixture
def module(child, module_key, clients):
    """A module of the child."""
    string = f"HostName={host()};GatewayHostName={child.name};DeviceId={CHILD};ModuleId=m;SharedAccessKey={module_key}"
    return clients(IoTHubModuleClient.create_from_connection_string(string, server_verification_cert=child.trust()))


def test_the_child_speaks_to_the_hub_by_its_parent_alone(child, registry):
    for name in ("$edgeAgent", "$edgeHub"):
        reported = lambda: registry.get_module_twin(CHILD, name).properties.reported
        until("it reports", lambda: reported().get("lastDesiredVersion"))
    connected = lambda: registry.get_module_twin(PARENT, "$edgeHub").properties.reported.get("clients", {})
    until("it is a client of its parent", lambda: any(CHILD in name for name in connected()))


def test_messages_arrive_from_behind_both(leaf, module):
    for number in range(5):
        message = Message(str(number))
        message.custom_properties["test"] = "nested"
        leaf.send_message(message)
        module.send_message_to_output(Message(str(number)), "out")
    found = events(leaf.device_id, 5)
    assert bodies(found) == list(range(5)) or bodies(found) == [str(number) for number in range(5)]
    found, seen = [], 0
    while len(found) < 5:
        seen += 1
        found = [event for event in events(CHILD, seen) if event.get("moduleId") == "m"]


def test_methods_twins_and_commands_reach_behind_both(leaf, module, registry):
    def answer_by(client):
        def answer(request):
            response = MethodResponse.create_from_method_request(request, 200, {"got": request.payload})
            client.send_method_response(response)

        client.on_method_request_received = answer

    answer_by(leaf)
    answer_by(module)
    call = CloudToDeviceMethod(method_name="m", payload={"a": 1}, response_timeout_in_seconds=30)
    for invoke in (
        lambda: registry.invoke_device_method(leaf.device_id, call),
        lambda: registry.invoke_device_module_method(CHILD, "m", call),
    ):
        result = invoke()
        assert (result.status, result.payload) == (200, {"got": {"a": 1}})

    patches = []
    leaf.on_twin_desired_properties_patch_received = patches.append
    leaf.patch_twin_reported_properties({"a": {"b": 1}})
    reported = lambda: registry.get_twin(leaf.device_id).properties.reported
    until("the hub hears of it", lambda: reported().get("a") == {"b": 1})
    registry.update_twin(leaf.device_id, Twin(properties=TwinProperties(desired={"x": 1})), "*")
    until("the device hears of it", lambda: patches)
    assert patches == [{"x": 1, "$version": 2}]

    heard = []
    leaf.on_message_received = heard.append
    registry.send_c2d_message(leaf.device_id, "do it", {"a": "b"})
    until("the command comes", lambda: heard)
    assert (heard[0].data, heard[0].custom_properties["a"]) == (b"do it", "b")


def test_nothing_is_lost_on_either_way(parent, child, leaf):
    for number in range(20):
        leaf.send_message(str(number))
    tell_hub("stop")
    try:
        for number in range(20, 40):
            leaf.send_message(str(number))
        parent.stop(signal.SIGKILL)
        for number in range(40, 60):
            leaf.send_message(str(number))
        parent.start()
        child.stop(signal.SIGKILL)
        child.start()
        until("the device is back", lambda: leaf.connected)
        for number in range(60, 80):
            leaf.send_message(str(number))
    finally:
        tell_hub("start")
    found = []
    while len(set(bodies(found))) < 80:
        found = events(leaf.device_id, len(found) + 1)
    order = [int(body) for body in dict.fromkeys(bodies(found))]
    assert order == list(range(80)), "everything arrives, in order"
