"""A module as people write it with azure-iot-device: everything about its edge comes from its container."""

import json
import time

from azure.iot.device import IoTHubModuleClient, Message, MethodResponse

client = IoTHubModuleClient.create_from_edge_environment()


def answer(request):
    payload = {"by": "python", "got": request.payload}
    client.send_method_response(MethodResponse.create_from_method_request(request, 200, payload))


def report(patch):
    client.patch_twin_reported_properties({"took": {key: patch[key] for key in patch if not key.startswith("$")}})


client.on_method_request_received = answer
client.on_twin_desired_properties_patch_received = report
client.connect()
print("connected", flush=True)
number = 0
while True:
    message = Message(json.dumps({"machine": {"by": "python", "number": number}}))
    message.content_type, message.content_encoding = "application/json", "utf-8"
    try:
        client.send_message_to_output(message, "out")
        number += 1
    except Exception as error:  # While its edge is away; the SDK comes back by itself.
        print("error", error, flush=True)
    time.sleep(0.5)
