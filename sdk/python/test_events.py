"""Events read with azure-eventhub, on AMQP's port and inside WebSockets."""

import json
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
from azure.eventhub import CheckpointStore, EventHubConsumerClient, TransportType
from azure.eventhub.exceptions import AuthenticationError
from azure.iot.device import IoTHubDeviceClient, Message

from conftest import connection_string, provided, restart_hub

PATIENCE = 40


def parts(policy="service"):
    return dict(part.split("=", 1) for part in connection_string(policy).split(";"))


def endpoint(policy="service"):
    login = parts(policy)
    host = login["HostName"]
    return (
        f"Endpoint=sb://{host}/;SharedAccessKeyName={login['SharedAccessKeyName']};"
        f"SharedAccessKey={login['SharedAccessKey']};EntityPath={host.split('.')[0]}"
    )


def consumer(transport=TransportType.Amqp, group="$Default", policy="service", **more):
    return EventHubConsumerClient.from_connection_string(
        endpoint(policy),
        consumer_group=group,
        transport_type=transport,
        connection_verify=provided("SKERRY_TEST_CA"),
        retry_backoff_factor=0.1,
        **{"load_balancing_interval": 1, **more},
    )


@pytest.fixture(params=[TransportType.Amqp, TransportType.AmqpOverWebsocket], ids=["amqp", "websocket"])
def transport(request):
    return request.param


class Reader:
    """Receives in a thread of its own; what came from one device, by partition."""

    def __init__(self, client, device_id, **options):
        self.client, self.device_id = client, device_id
        self.events, self.errors, self.options = [], [], options
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        self.client.receive(on_event=self.take, on_error=self.note, **self.options)

    def note(self, context, error):
        self.errors.append(error)

    def take(self, context, event):
        if event is None:
            return
        annotations = event.system_properties
        if annotations.get(b"iothub-connection-device-id", b"").decode() != self.device_id:
            return
        if annotations[b"iothub-message-source"] == b"Telemetry":
            self.events.append((context.partition_id, event))
            if getattr(self, "checkpoints", False):
                context.update_checkpoint(event)

    def until(self, count):
        end = time.monotonic() + PATIENCE
        while len(self.events) < count:
            assert time.monotonic() < end, (count, [event for _, event in self.events], self.errors)
            time.sleep(0.05)

    def close(self):
        self.client.close()
        self.thread.join(PATIENCE)

    def bodies(self):
        return [json.loads(event.body_as_str()) for _, event in self.events]


def device_client(device):
    host = parts()["HostName"]
    text = f"HostName={host};DeviceId={device.device_id};SharedAccessKey={device.authentication.symmetric_key.primary_key}"
    return IoTHubDeviceClient.create_from_connection_string(text, server_verification_cert=open(provided("SKERRY_TEST_CA")).read())


def send(device, numbers):
    client = device_client(device)
    client.connect()
    for number in numbers:
        message = Message(json.dumps({"n": number}), content_encoding="utf-8", content_type="application/json")
        message.message_id = f"m-{number}"
        message.custom_properties["site"] = "oslo"
        client.send_message(message)
    client.shutdown()


def test_what_there_is(transport):
    with consumer(transport) as client:
        facts = client.get_eventhub_properties()
        assert facts["eventhub_name"] == parts()["HostName"].split(".")[0]
        assert facts["partition_ids"] == ["0", "1", "2", "3"]
        for partition in facts["partition_ids"]:
            found = client.get_partition_properties(partition)
            assert found["id"] == partition
            assert found["is_empty"] == (found["last_enqueued_sequence_number"] == -1)


# shows: azure-eventhub | AMQP, AMQP in WebSockets | events
def test_events_come_whole_and_from_any_place_on(device, transport):
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    send(device, range(3))
    reader = Reader(consumer(transport), device.device_id, starting_position="-1")
    reader.until(3)
    reader.close()
    assert reader.bodies() == [{"n": 0}, {"n": 1}, {"n": 2}]
    partition, first = reader.events[0]
    assert first.message_id == "m-0"
    assert first.content_type == "application/json"
    assert first.properties == {b"site": b"oslo"}
    assert first.system_properties[b"iothub-connection-auth-generation-id"].decode() == device.generation_id
    assert abs(first.enqueued_time - datetime.now(timezone.utc)) < timedelta(minutes=1)
    places = [
        (before, False, [0, 1, 2]),
        (first.offset, False, [1, 2]),
        (first.offset, True, [0, 1, 2]),
        (first.sequence_number, False, [1, 2]),
        (first.sequence_number, True, [0, 1, 2]),
    ]
    # Inside WebSockets the SDK takes its time, and what it asks for is the same.
    if transport == TransportType.AmqpOverWebsocket:
        places = places[:2]
    for position, inclusive, expected in places:
        again = Reader(
            consumer(transport),
            device.device_id,
            partition_id=partition,
            starting_position=position,
            starting_position_inclusive=inclusive,
        )
        again.until(len(expected))
        again.close()
        assert [body["n"] for body in again.bodies()] == expected, position


class Knowing(Reader):
    """Notes what is known of the last event of a partition, too."""

    def take(self, context, event):
        if event is not None:
            self.known = [*getattr(self, "known", []), context.last_enqueued_event_properties]
        super().take(context, event)


def test_what_is_known_of_the_last_event_comes_with_each(device):
    send(device, [1])
    options = {"starting_position": "-1", "track_last_enqueued_event_properties": True}
    reader = Knowing(consumer(), device.device_id, **options)
    reader.until(1)
    reader.close()
    for facts in reader.known:
        assert facts["sequence_number"] >= 0
        assert facts["offset"] is not None
        assert abs(facts["enqueued_time"] - datetime.now(timezone.utc)) < timedelta(minutes=5)


class Checkpoints(CheckpointStore):
    """In memory: partitions with their owners, and how far they are read."""

    def __init__(self):
        self.lock, self.owners, self.marks = threading.Lock(), {}, {}

    def list_ownership(self, fully_qualified_namespace, eventhub_name, consumer_group, **kwargs):
        with self.lock:
            return [dict(owner) for owner in self.owners.values()]

    def claim_ownership(self, ownership_list, **kwargs):
        claimed = []
        with self.lock:
            for wanted in ownership_list:
                known = self.owners.get(wanted["partition_id"])
                if known is not None and known["etag"] != wanted.get("etag"):
                    continue
                owner = {**wanted, "etag": str(time.monotonic_ns()), "last_modified_time": time.time()}
                self.owners[wanted["partition_id"]] = owner
                claimed.append(dict(owner))
        return claimed

    def update_checkpoint(self, checkpoint, **kwargs):
        with self.lock:
            self.marks[checkpoint["partition_id"]] = dict(checkpoint)

    def list_checkpoints(self, fully_qualified_namespace, eventhub_name, consumer_group, **kwargs):
        with self.lock:
            return [dict(mark) for mark in self.marks.values()]


class Resuming(Reader):
    checkpoints = True


def test_a_reader_goes_on_behind_its_checkpoint(device):
    store = Checkpoints()
    quick = {"checkpoint_store": store}
    send(device, range(5))
    first = Resuming(consumer(**quick), device.device_id, starting_position="-1")
    first.until(5)
    first.close()
    send(device, range(5, 8))
    restart_hub()
    second = Resuming(consumer(**quick), device.device_id, starting_position="-1")
    second.until(3)
    time.sleep(1)
    second.close()
    assert [body["n"] for body in first.bodies()] == [0, 1, 2, 3, 4]
    assert [body["n"] for body in second.bodies()] == [5, 6, 7]


def test_several_readers_share_the_partitions():
    store = Checkpoints()
    readers = []
    for number in range(2):
        client = consumer(
            checkpoint_store=store,
            partition_ownership_expiration_interval=10,
        )
        reader = Reader(client, "nobody", starting_position="@latest")
        readers.append(reader)
    end = time.monotonic() + PATIENCE
    while True:
        owned = {}
        for owner in store.list_ownership("", "", ""):
            owned.setdefault(owner["owner_id"], set()).add(owner["partition_id"])
        if sorted(len(ids) for ids in owned.values()) == [2, 2]:
            break
        assert time.monotonic() < end, (owned, [reader.errors for reader in readers])
        time.sleep(0.2)
    for reader in readers:
        reader.close()


def test_the_higher_owner_level_wins(transport):
    quiet = {"partition_id": "0", "starting_position": "@latest"}
    low = Reader(consumer(transport, retry_total=0), "nobody", owner_level=1, **quiet)
    time.sleep(1.5)
    high = Reader(consumer(transport), "nobody", owner_level=2, **quiet)
    end = time.monotonic() + PATIENCE
    while not low.errors:
        assert time.monotonic() < end
        time.sleep(0.1)
    text = str(low.errors[0]).lower()
    assert "stolen" in text or "epoch" in text, text
    assert high.errors == []
    low.close()
    high.close()


def test_a_group_that_is_not_there_is_not_found():
    reader = Reader(consumer(group="nobody", retry_total=0), "nobody", partition_id="0", starting_position="-1")
    end = time.monotonic() + PATIENCE
    while not reader.errors:
        assert time.monotonic() < end
        time.sleep(0.1)
    reader.close()
    assert "not-found" in str(reader.errors[0]).lower() or "nobody" in str(reader.errors[0]), reader.errors


def test_a_policy_that_may_not_is_refused():
    with consumer(policy="registryRead", retry_total=0) as client:
        with pytest.raises(AuthenticationError):
            client.get_eventhub_properties()


def test_events_come_on_after_a_restart(device):
    reader = Reader(consumer(), device.device_id, starting_position="-1")
    send(device, range(3))
    reader.until(3)
    restart_hub()
    send(device, range(3, 6))
    reader.until(6)
    reader.close()
    assert [body["n"] for body in reader.bodies()] == [0, 1, 2, 3, 4, 5]
