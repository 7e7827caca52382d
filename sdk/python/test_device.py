"""Devices and modules with azure-iot-device, over MQTT and MQTT inside WebSockets."""

import json
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from base64 import b64decode, b64encode
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from hmac import digest
from urllib.parse import quote

import pytest
from azure.iot.device import X509, IoTHubDeviceClient, IoTHubModuleClient, Message, MethodResponse
from azure.iot.device.exceptions import ClientError, CredentialError
from azure.iot.hub.models import CloudToDeviceMethod, Twin, TwinProperties
from msrest.exceptions import HttpOperationError

from conftest import connection_string, packets_lost, provided, restart_hub

PATIENCE = 20


def trust():
    with open(provided("SKERRY_TEST_CA"), encoding="ascii") as file:
        return file.read()


def host():
    return dict(part.split("=", 1) for part in connection_string("service").split(";"))["HostName"]


def until(what, condition):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    pytest.fail("in vain: " + what)


def token(policy="service", ttl=600):
    """A token as an operator's tool makes it."""
    parts = dict(part.split("=", 1) for part in connection_string(policy).split(";"))
    expiry, resource = int(time.time()) + ttl, quote(parts["HostName"], safe="")
    signature = digest(b64decode(parts["SharedAccessKey"]), f"{resource}\n{expiry}".encode(), sha256)
    signature = quote(b64encode(signature), safe="")
    name = parts["SharedAccessKeyName"]
    return f"SharedAccessSignature sr={resource}&sig={signature}&se={expiry}&skn={name}"


def events(device_id, count, source="Telemetry"):
    """The first events of a device and of one source, from the hub's own stream."""
    url = f"https://{host()}/skerry/v1/events?from=oldest&device={device_id}"
    request = urllib.request.Request(url, headers={"authorization": token()})
    context = ssl.create_default_context(cafile=provided("SKERRY_TEST_CA"))
    found = []
    with urllib.request.urlopen(request, context=context, timeout=PATIENCE) as response:
        for line in response:
            if line.strip():
                event = json.loads(line)
                found += [event] if event["source"] == source else []
            if len(found) == count:
                return found
    pytest.fail(f"{len(found)} events instead of {count}")


def string_of(device_id, keys, module_id=None):
    module = f";ModuleId={module_id}" if module_id else ""
    return f"HostName={host()};DeviceId={device_id}{module};SharedAccessKey={keys.primary_key}"


@pytest.fixture
def clients():
    """Makes clients that are shut down with the test."""
    made = []

    def connect(client):
        made.append(client)
        client.connect()
        return client

    yield connect
    for client in made:
        client.shutdown()


@pytest.fixture(params=["device", "module"])
def kind(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["mqtt", "websockets"])
def websockets(request):
    return request.param


@pytest.fixture
def identity(manager, device, kind):
    """Device id, module id and keys of the one under test."""
    if kind == "device":
        return device.device_id, None, device.authentication.symmetric_key
    module = manager.create_module_with_sas(device.device_id, "thermostat", "", None, None)
    return device.device_id, "thermostat", module.authentication.symmetric_key


@pytest.fixture
def client(identity, websockets, clients):
    device_id, module_id, keys = identity
    make = IoTHubModuleClient if module_id else IoTHubDeviceClient
    text = string_of(device_id, keys, module_id)
    return clients(
        make.create_from_connection_string(text, server_verification_cert=trust(), websockets=websockets)
    )


def twin_of(manager, identity):
    device_id, module_id, _ = identity
    return manager.get_module_twin(device_id, module_id) if module_id else manager.get_twin(device_id)


def patch_desired(manager, identity, patch):
    device_id, module_id, _ = identity
    twin = Twin(properties=TwinProperties(desired=patch))
    if module_id:
        manager.update_module_twin(device_id, module_id, twin, "*")
    else:
        manager.update_twin(device_id, twin, "*")


def invoke(manager, identity, name, payload, response=10, connect=0):
    device_id, module_id, _ = identity
    call = CloudToDeviceMethod(
        method_name=name,
        payload=payload,
        response_timeout_in_seconds=response,
        connect_timeout_in_seconds=connect,
    )
    if module_id:
        return manager.invoke_device_module_method(device_id, module_id, call)
    return manager.invoke_device_method(device_id, call)


def answering(client):
    """Answers every method with its name and payload."""
    seen = []

    def answer(request):
        seen.append((request.name, request.payload))
        client.send_method_response(
            MethodResponse.create_from_method_request(request, 207, {"echo": request.payload})
        )

    client.on_method_request_received = answer
    return seen


# shows: azure-iot-device | MQTT, MQTT in WebSockets | messages
def test_messages_arrive_with_every_property(client, identity):
    message = Message('{"t": 21.5}', message_id="m-1", content_encoding="utf-8", content_type="application/json")
    message.correlation_id, message.user_id = "c-1", "u-1"
    message.custom_properties["site & shift"] = "oslo=night/ü+1"
    client.send_message(message)
    event = events(identity[0], 1)[0]
    assert event["body"] == {"t": 21.5}
    assert event["properties"] == {"site & shift": "oslo=night/ü+1"}
    system = event["systemProperties"]
    assert (system["messageId"], system["correlationId"], system["userId"]) == ("m-1", "c-1", "u-1")
    assert (system["contentType"], system["contentEncoding"]) == ("application/json", "utf-8")
    assert event.get("moduleId") == identity[1]
    assert event["authMethod"]["type"] == "sas"


def test_messages_of_the_largest_size_arrive(client, identity):
    client.send_message(Message("x" * (255 * 1024)))
    client.send_message(Message("after"))
    bodies = [event["body"] for event in events(identity[0], 2)]
    assert [len(bodies[0]), bodies[1]] == [255 * 1024, "after"]


# shows: azure-iot-device | MQTT, MQTT in WebSockets | methods
def test_methods_are_answered_in_every_form_of_payload(manager, client, identity):
    seen = answering(client)
    for payload in [None, 7, 2.5, "text ü", True, [], [1, [2]], {}, {"a": {"b": [None]}}]:
        answer = invoke(manager, identity, "echo*it", payload, connect=5)
        # The service SDK sends an empty text for None.
        sent = "" if payload is None else payload
        assert (answer.status, answer.payload) == (207, {"echo": sent})
        assert seen[-1] == ("echo*it", sent)


def test_large_methods_are_answered(manager, client, identity):
    answering(client)
    payload = {"text": "x" * 120_000}
    assert invoke(manager, identity, "echo", payload, connect=5).payload == {"echo": payload}


# shows: azure-iot-device | MQTT, MQTT in WebSockets | twin
def test_twins_are_read_reported_and_told_once(manager, client, identity):
    assert client.get_twin() == {"desired": {"$version": 1}, "reported": {"$version": 1}}
    client.patch_twin_reported_properties({"firmware": "1.2", "deep": {"a": 1, "b": None}})
    client.patch_twin_reported_properties({"deep": {"a": None, "c": [1, None]}})
    reported = twin_of(manager, identity).properties.reported
    assert (reported["firmware"], reported["deep"], reported["$version"]) == ("1.2", {"c": [1, None]}, 3)
    told = []
    client.on_twin_desired_properties_patch_received = told.append
    # The SDK subscribes with the first handler, so the first change may come before that.
    patch_desired(manager, identity, {"speed": 1})
    until("the client listens", lambda: told or patch_desired(manager, identity, {"speed": 1}))
    until("it is quiet", lambda: told[-1]["$version"] == client.get_twin()["desired"]["$version"])
    first = told[-1]["$version"]
    told.clear()
    patch_desired(manager, identity, {"speed": 7, "deep": {"x": 1}})
    patch_desired(manager, identity, {"deep": None})
    until("both are told", lambda: len(told) >= 2)
    assert told == [
        {"speed": 7, "deep": {"x": 1}, "$version": first + 1},
        {"deep": None, "$version": first + 2},
    ]


def test_twins_of_the_largest_size(manager, client, identity):
    patch = {f"k{at}": "x" * 4000 for at in range(8)}
    client.patch_twin_reported_properties(patch)
    assert client.get_twin()["reported"]["k7"] == "x" * 4000
    with pytest.raises(ClientError):
        client.patch_twin_reported_properties({"more": "x" * 4000})
    with pytest.raises(ClientError):
        client.patch_twin_reported_properties({"a.b": 1})
    assert client.connected


def test_a_token_is_renewed_and_nothing_is_forgotten(manager, device, clients):
    """The SDK connects anew with a new token two minutes before the old one ends, and subscribes to
    nothing again."""
    keys = device.authentication.symmetric_key
    identity = (device.device_id, None, keys)
    client = clients(
        IoTHubDeviceClient.create_from_connection_string(
            string_of(device.device_id, keys), server_verification_cert=trust(), sastoken_ttl=123
        )
    )
    answering(client)
    assert invoke(manager, identity, "echo", 1, connect=5).status == 207
    connected = lambda: [
        event["properties"]["opType"] for event in events(device.device_id, 3, "deviceConnectionStateEvents")
    ]
    assert connected() in (
        ["deviceConnected", "deviceDisconnected", "deviceConnected"],
        ["deviceConnected", "deviceConnected", "deviceDisconnected"],
    )
    assert invoke(manager, identity, "echo", 2, connect=10).status == 207
    client.send_message(Message("after"))
    assert events(device.device_id, 1)[0]["body"] == "after"


def test_a_restart_of_the_hub_is_survived_with_all_subscriptions(manager, identity, client):
    answering(client)
    told = []
    client.on_twin_desired_properties_patch_received = told.append
    assert invoke(manager, identity, "echo", 1, connect=5).status == 207
    client.send_message(Message("before"))
    restart_hub()
    client.send_message(Message("after"))
    assert [event["body"] for event in events(identity[0], 2)] == ["before", "after"]
    assert invoke(manager, identity, "echo", 2, connect=20).status == 207
    patch_desired(manager, identity, {"again": True})
    until("changes are told", lambda: any(patch.get("again") for patch in told))


def test_lost_packets_cost_a_connection_and_no_message(manager, device, clients):
    text = string_of(device.device_id, device.authentication.symmetric_key)
    client = clients(
        IoTHubDeviceClient.create_from_connection_string(
            text, server_verification_cert=trust(), keep_alive=2, connection_retry_interval=1
        )
    )
    client.send_message(Message("before"))
    state = lambda: manager.get_twin(device.device_id).connection_state
    with ThreadPoolExecutor(5) as pool:
        with packets_lost():
            sends = [pool.submit(client.send_message, Message(f"meanwhile {at}")) for at in range(5)]
            until("both ends give up", lambda: state() == "Disconnected" and not client.connected)
            assert not any(send.done() and send.exception() is None for send in sends)
        for send in sends:
            assert send.result(timeout=PATIENCE) is None
    client.send_message(Message("after"))
    assert state() == "Connected"
    bodies = [event["body"] for event in events(device.device_id, 7)]
    assert bodies[0] == "before" and bodies[-1] == "after"
    assert sorted(bodies[1:-1]) == [f"meanwhile {at}" for at in range(5)]


def command(device_id, body, headers):
    """A message to a device, as operators' tools send it."""
    request = urllib.request.Request(
        f"https://{host()}/devices/{device_id}/messages/deviceBound?api-version=2020-09-30",
        data=body,
        headers={"authorization": token(), "content-type": "text/plain", **headers},
    )
    context = ssl.create_default_context(cafile=provided("SKERRY_TEST_CA"))
    assert urllib.request.urlopen(request, context=context, timeout=PATIENCE).status == 204


def feedback():
    """A batch of feedback, taken; none after a while."""
    base = f"https://{host()}/messages/serviceBound/feedback"
    context = ssl.create_default_context(cafile=provided("SKERRY_TEST_CA"))
    call = lambda method, path: urllib.request.urlopen(
        urllib.request.Request(
            base + path + "?api-version=2020-09-30", method=method, headers={"authorization": token()}
        ),
        context=context,
        timeout=PATIENCE,
    )
    with call("GET", "") as response:
        if response.status == 204:
            return []
        records, lock = json.loads(response.read()), response.headers["etag"].strip('"')
    assert call("DELETE", "/" + lock).status == 204
    return records


# shows: azure-iot-device | MQTT, MQTT in WebSockets | commands
def test_commands_arrive_with_every_property_and_are_done(manager, device, websockets, clients):
    device_id, keys = device.device_id, device.authentication.symmetric_key
    headers = {
        "iothub-messageid": "m-" + device_id,
        "iothub-correlationid": "c-1",
        "iothub-ack": "full",
        "iothub-app-site": "oslo north",
        "iothub-contenttype": "text/plain",
        "iothub-contentencoding": "utf-8",
    }
    # It waits for a device that was never there.
    command(device_id, b"before", {})
    client = clients(
        IoTHubDeviceClient.create_from_connection_string(
            string_of(device_id, keys), server_verification_cert=trust(), websockets=websockets
        )
    )
    got = []
    client.on_message_received = got.append
    command(device_id, "während".encode(), headers)
    until("both arrive", lambda: len(got) == 2)
    assert [message.data for message in got] == [b"before", "während".encode()]
    message = got[1]
    assert (message.message_id, message.correlation_id, message.ack) == ("m-" + device_id, "c-1", "full")
    assert message.custom_properties == {"site": "oslo north"}
    assert (message.content_type, message.content_encoding) == ("text/plain", "utf-8")
    until("they are done", lambda: manager.get_twin(device_id).cloud_to_device_message_count == 0)
    records = until("its sender is told", feedback)
    told = [record for record in records if record["originalMessageId"] == "m-" + device_id]
    assert [(record["statusCode"], record["deviceId"]) for record in told] == [("Success", device_id)]
    # Subscriptions outlive the connection and the hub.
    client.disconnect()
    command(device_id, b"meanwhile", {})
    restart_hub()
    client.connect()
    until("it arrives", lambda: len(got) == 3)
    assert got[2].data == b"meanwhile"


def test_the_newest_connection_has_the_identity(manager, device, clients):
    keys = device.authentication.symmetric_key
    text = string_of(device.device_id, keys)
    older = clients(
        IoTHubDeviceClient.create_from_connection_string(
            text, server_verification_cert=trust(), connection_retry=False, auto_connect=False
        )
    )
    newer = clients(IoTHubDeviceClient.create_from_connection_string(text, server_verification_cert=trust()))
    until("the older one is cut off", lambda: not older.connected)
    newer.send_message(Message("mine"))
    assert events(device.device_id, 1)[0]["body"] == "mine"
    assert manager.get_twin(device.device_id).connection_state == "Connected"


def test_who_cannot_prove_itself_is_refused(manager, device, devices, clients):
    keys = device.authentication.symmetric_key
    for text in [
        string_of(devices[0], keys),
        string_of(device.device_id + "-nobody", keys),
        string_of(device.device_id, keys, "no-module"),
    ]:
        make = IoTHubModuleClient if "ModuleId" in text else IoTHubDeviceClient
        client = make.create_from_connection_string(text, server_verification_cert=trust())
        with pytest.raises(CredentialError):
            clients(client)


def certificate(folder, name, subject, *options):
    """A certificate as openssl makes it; its files and its thumbprints."""
    key, file = folder / (name + ".key"), folder / (name + ".pem")
    run = lambda *words: subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True).stdout
    if "v1" in options:
        request = folder / (name + ".csr")
        run("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", subject, "-out", request)
        run("x509", "-req", "-in", request, "-signkey", key, "-days", 30, "-out", file)
        assert b"Version: 1 " in run("x509", "-in", file, "-noout", "-text")
    else:
        run("req", "-x509", *options, "-nodes", "-keyout", key, "-subj", subject, "-days", 30, "-out", file)
    print_of = lambda kind: run("x509", "-in", file, "-noout", "-fingerprint", "-" + kind).split(b"=")[1]
    return X509(str(file), str(key)), {
        kind: print_of(kind).decode().strip().replace(":", "") for kind in ["sha1", "sha256"]
    }


def x509_client(x509, device_id, websockets=False, module_id=None):
    more = {"server_verification_cert": trust(), "websockets": websockets}
    if module_id:
        return IoTHubModuleClient.create_from_x509_certificate(x509, host(), device_id, module_id, **more)
    return IoTHubDeviceClient.create_from_x509_certificate(x509, host(), device_id, **more)


# shows: azure-iot-device | MQTT, MQTT in WebSockets | certificate by its thumbprint
@pytest.mark.parametrize("kind_of_print", ["sha1", "sha256"])
def test_certificates_prove_by_their_thumbprint(
    manager, device_id, clients, tmp_path, websockets, kind_of_print
):
    rsa = ["-newkey", "rsa:2048"]
    elliptic = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    first, first_prints = certificate(tmp_path, "first", "/CN=anything", "v1")
    second, second_prints = certificate(tmp_path, "second", "/CN=else", *elliptic)
    stranger, _ = certificate(tmp_path, "stranger", "/CN=" + device_id, *rsa)
    manager.create_device_with_x509(
        device_id, first_prints[kind_of_print], second_prints[kind_of_print], "enabled"
    )
    for x509, text in [(first, "by the first"), (second, "by the second")]:
        client = clients(x509_client(x509, device_id, websockets))
        client.send_message(Message(text))
        client.disconnect()
    seen = events(device_id, 2)
    assert [event["body"] for event in seen] == ["by the first", "by the second"]
    assert seen[0]["authMethod"]["type"] == "x509"
    with pytest.raises(CredentialError):
        clients(x509_client(stranger, device_id, websockets))


def test_certificates_prove_over_https_too(manager, device_id, tmp_path):
    own, prints = certificate(tmp_path, "own", "/CN=own", "v1")
    other, _ = certificate(tmp_path, "other", "/CN=own", "v1")
    manager.create_device_with_x509(device_id, prints["sha256"], prints["sha256"], "enabled")
    url = f"https://{host()}/devices/{device_id}/messages/events?api-version=2020-09-30"

    def send(x509):
        context = ssl.create_default_context(cafile=provided("SKERRY_TEST_CA"))
        context.load_cert_chain(x509.certificate_file, x509.key_file)
        request = urllib.request.Request(url, data=b"by HTTPS", method="POST")
        return urllib.request.urlopen(request, context=context, timeout=PATIENCE).status

    assert send(own) == 204
    with pytest.raises(urllib.error.HTTPError) as raised:
        send(other)
    assert raised.value.code == 401
    assert events(device_id, 1)[0]["authMethod"]["type"] == "x509"


def test_certificates_let_files_in(manager, device_id, tmp_path):
    own, prints = certificate(tmp_path, "own", "/CN=own", "v1")
    other, _ = certificate(tmp_path, "other", "/CN=own", "v1")
    manager.create_device_with_x509(device_id, prints["sha256"], prints["sha256"], "enabled")
    with pytest.raises(ClientError):
        x509_client(other, device_id).get_storage_info_for_blob("report.txt")
    client = x509_client(own, device_id)
    link = client.get_storage_info_for_blob("report.txt")
    place = f"{link['hostName']}/{link['containerName']}/{quote(link['blobName'])}{link['sasToken']}"
    request = urllib.request.Request(
        "https://" + place, data=b"all is well", method="PUT", headers={"x-ms-blob-type": "BlockBlob"}
    )
    context = ssl.create_default_context(cafile=provided("SKERRY_TEST_CA"))
    assert urllib.request.urlopen(request, context=context, timeout=PATIENCE).status == 201
    client.notify_blob_upload_status(link["correlationId"], True, 200, "done")
    request = urllib.request.Request(
        f"https://{host()}/skerry/v1/files/{device_id}/report.txt", headers={"authorization": token("iothubowner")}
    )
    with urllib.request.urlopen(request, context=context, timeout=PATIENCE) as response:
        assert response.read() == b"all is well"
    client.shutdown()


def test_a_certificate_is_no_proof_for_who_has_a_key(device, clients, tmp_path):
    x509, _ = certificate(tmp_path, "own", "/CN=" + device.device_id, "-newkey", "rsa:2048")
    with pytest.raises(CredentialError):
        clients(x509_client(x509, device.device_id))


# shows: azure-iot-hub | HTTPS | methods
def test_a_method_of_who_is_not_there_is_told(manager, device, client, identity):
    client.disconnect()
    with pytest.raises(HttpOperationError) as raised:
        invoke(manager, identity, "echo", 1)
    assert raised.value.response.status_code == 404
    body = json.loads(json.loads(raised.value.response.text)["Message"])
    assert body["errorCode"] == 404103


def test_a_method_that_is_not_answered_times_out(manager, client, identity):
    silent = threading.Event()
    client.on_method_request_received = lambda request: silent.set()
    with pytest.raises(HttpOperationError) as raised:
        invoke(manager, identity, "echo", 1, response=5, connect=5)
    assert silent.is_set()
    assert raised.value.response.status_code == 504
    assert json.loads(json.loads(raised.value.response.text)["Message"])["errorCode"] == 504101


class Authority:
    """A certificate authority as openssl makes one, and what it signs."""

    def __init__(self, folder, name, parent=None):
        self.folder, self.name = folder, name
        self.key, self.file = folder / (name + ".key"), folder / (name + ".pem")
        self.parent = parent
        if parent is None:
            self.run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key)(
                "-subj", "/CN=" + name, "-days", 30, "-out", self.file
            )
        else:
            parent.sign(name, "/CN=" + name, "basicConstraints=critical,CA:TRUE")

    @staticmethod
    def run(*words):
        def more(*others):
            subprocess.run(["openssl", *map(str, words + others)], check=True, capture_output=True)

        return more

    def sign(self, name, subject, extension=None):
        """A certificate below this one: its file with the chain up to the root, and its key."""
        key, request = self.folder / (name + ".key"), self.folder / (name + ".csr")
        file = self.folder / (name + ".pem")
        self.run("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key)("-subj", subject, "-out", request)
        words = ["x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-CAcreateserial"]
        if extension:
            extensions = self.folder / (name + ".ext")
            extensions.write_text(extension)
            words += ["-extfile", extensions]
        self.run(*words)("-days", 30, "-out", file)
        return file, key

    def device(self, name):
        """What a device of this name shows, or a module of device/module: its certificate and those between
        it and the root."""
        file, key = self.sign(name.replace("/", "-"), "/CN=" + name.replace("/", "\\/"))
        chain, issuer = file.read_text(), self
        while issuer.parent is not None:
            chain, issuer = chain + issuer.file.read_text(), issuer.parent
        file.write_text(chain)
        return X509(str(file), str(key))


def administer(method, path, body=None, headers=None):
    request = urllib.request.Request(
        f"https://{host()}/skerry/v1/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"authorization": token("iothubowner"), "content-type": "application/json", **(headers or {})},
    )
    context = ssl.create_default_context(cafile=provided("SKERRY_TEST_CA"))
    with urllib.request.urlopen(request, context=context, timeout=PATIENCE) as response:
        text = response.read()
        return json.loads(text) if text else None


# shows: azure-iot-device | MQTT, MQTT in WebSockets | certificate by an authority
def test_certificates_prove_by_who_signed_them(manager, device_id, clients, tmp_path, websockets):
    root = Authority(tmp_path, "root")
    middle = Authority(tmp_path, "middle", root)
    x509 = middle.device(device_id)
    manager.create_device_with_certificate_authority(device_id, "enabled")
    name = "certificates/" + device_id
    with pytest.raises(CredentialError):
        clients(x509_client(x509, device_id, websockets))
    administer("PUT", name, {"certificate": root.file.read_text()})
    # Registered is not proven.
    with pytest.raises(CredentialError):
        clients(x509_client(x509, device_id, websockets))
    code = administer("POST", name + "/generateVerificationCode")["properties"]["verificationCode"]
    proof, _ = root.sign("proof", "/CN=" + code)
    assert administer("POST", name + "/verify", {"certificate": proof.read_text()})["properties"]["isVerified"]
    client = clients(x509_client(x509, device_id, websockets))
    client.send_message(Message("signed"))
    assert events(device_id, 1)[0]["authMethod"]["type"] == "x509"
    # The name in the certificate is the only one that it proves.
    with pytest.raises(CredentialError):
        clients(x509_client(middle.device("somebody-else"), device_id, websockets))
    # Nobody comes in any more when the authority is gone, and who is in has to leave.
    administer("DELETE", name)
    until("the device is cut off", lambda: not client.connected)


def test_modules_prove_by_certificates_too(manager, device, clients, tmp_path, websockets):
    device_id = device.device_id
    own, prints = certificate(tmp_path, "own", "/CN=anything", "v1")
    manager.create_module_with_x509(device_id, "printed", "", prints["sha1"], prints["sha256"])
    root = Authority(tmp_path, "root")
    administer("PUT", "certificates/" + device_id, {"certificate": root.file.read_text(), "isVerified": True})
    manager.create_module_with_certificate_authority(device_id, "signed", "")
    shown = {"printed": own, "signed": root.device(device_id + "/signed")}
    for at, (module_id, x509) in enumerate(shown.items()):
        client = clients(x509_client(x509, device_id, websockets, module_id))
        client.patch_twin_reported_properties({"by": module_id})
        assert client.get_twin()["reported"]["by"] == module_id
        client.send_message(Message("by certificate"))
        event = events(device_id, at + 1)[at]
        assert (event["moduleId"], event["authMethod"]["scope"]) == (module_id, "module")
        assert event["authMethod"]["type"] == "x509"
    # A certificate of another name is none, be it that of the module's own device.
    for wrong in [root.device(device_id), root.device(device_id + "/printed")]:
        with pytest.raises(CredentialError):
            clients(x509_client(wrong, device_id, websockets, "signed"))
    administer("DELETE", "certificates/" + device_id)
    # Else it is cut off in the middle of its shutdown, which the SDK does not stand.
    until("the module is cut off", lambda: not client.connected)


def test_a_device_cannot_sign_for_another(manager, device_id, clients, tmp_path):
    root = Authority(tmp_path, "root")
    administer("PUT", "certificates/" + device_id, {"certificate": root.file.read_text(), "isVerified": True})
    manager.create_device_with_certificate_authority(device_id, "enabled")
    thief = Authority(tmp_path, "thief", root)
    thief.file, thief.key = root.sign("thief", "/CN=thief", "basicConstraints=CA:FALSE")
    with pytest.raises(CredentialError):
        clients(x509_client(thief.device(device_id), device_id))
    client = clients(x509_client(root.device(device_id), device_id))
    client.send_message(Message("mine"))
    administer("DELETE", "certificates/" + device_id)
    until("the device is cut off", lambda: not client.connected)
