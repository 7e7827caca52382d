"""Commands sent with azure-iot-hub, over AMQP and its WebSockets, and received over MQTT."""

import threading

import pytest
from azure.iot.device import IoTHubDeviceClient
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.protocol.iot_hub_gateway_service_ap_is import IotHubGatewayServiceAPIs  # noqa: F401
from uamqp import TransportType

from conftest import connection_string, provided


@pytest.fixture(params=[TransportType.Amqp, TransportType.AmqpOverWebsocket], ids=["amqp", "websocket"])
def sender(request):
    login = dict(part.split("=", 1) for part in connection_string("service").split(";"))
    assert login["SharedAccessKeyName"] == "service"
    return IoTHubRegistryManager(connection_string("service"), transport_type=request.param)


def listening(device):
    login = dict(part.split("=", 1) for part in connection_string("service").split(";"))
    key = device.authentication.symmetric_key.primary_key
    text = f"HostName={login['HostName']};DeviceId={device.device_id};SharedAccessKey={key}"
    client = IoTHubDeviceClient.create_from_connection_string(
        text, server_verification_cert=open(provided("SKERRY_TEST_CA")).read()
    )
    return client


# shows: azure-iot-hub | AMQP, AMQP in WebSockets | commands
def test_a_command_arrives_with_its_properties(device, sender):
    client = listening(device)
    arrived, received = [], threading.Event()

    def take(message):
        arrived.append(message)
        received.set()

    client.on_message_received = take
    client.connect()
    properties = {
        "messageId": "m-1",
        "correlationId": "c-1",
        "contentType": "text/plain",
        "contentEncoding": "utf-8",
        "site": "oslo",
    }
    sender.send_c2d_message(device.device_id, "open the window", properties=properties)
    assert received.wait(20)
    client.shutdown()
    (message,) = arrived
    assert message.data == b"open the window"
    assert message.message_id == "m-1"
    assert message.correlation_id == "c-1"
    assert message.content_type == "text/plain"
    assert message.content_encoding == "utf-8"
    assert message.custom_properties["site"] == "oslo"


def test_a_command_to_nobody_is_refused(sender):
    with pytest.raises(Exception):
        sender.send_c2d_message("nobody-at-all", "to whom")
