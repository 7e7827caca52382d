"""What every test needs: managers for each policy, ids of its own, and devices that go away again.

All tests of a run share one hub, so none may count devices without naming its own.
"""

import json
import os
import subprocess
import uuid
from contextlib import contextmanager

import pytest
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import QuerySpecification
from msrest.exceptions import HttpOperationError


def provided(name):
    if name not in os.environ:
        pytest.exit(f"{name} is not set: these tests need a hub, run them with `cargo xtask test`", 1)
    return os.environ[name]


def connection_string(policy):
    return provided("SKERRY_TEST_CS_" + policy.upper())


def manager_for(policy):
    return IoTHubRegistryManager.from_connection_string(connection_string(policy))


@pytest.fixture(scope="session")
def manager():
    return manager_for("iothubowner")


@pytest.fixture
def prefix():
    """The beginning of ids that belong to one test."""
    return "py-" + uuid.uuid4().hex[:12]


@pytest.fixture
def device_id(manager, prefix):
    """An id for a device; the device goes away with the test."""
    yield prefix
    remove(manager, prefix)


@pytest.fixture
def device(manager, device_id):
    return manager.create_device_with_sas(device_id, None, None, "enabled")


@pytest.fixture
def devices(manager, prefix):
    """Five devices, in the order of their ids."""
    ids = [f"{prefix}-{number}" for number in range(5)]
    for one in ids:
        manager.create_device_with_sas(one, None, None, "enabled")
    yield ids
    for one in ids:
        remove(manager, one)


@pytest.fixture
def edge(manager, prefix):
    """An edge device."""
    edge_id = prefix + "-edge"
    yield manager.create_device_with_sas(edge_id, None, None, "enabled", iot_edge=True)
    remove(manager, edge_id)


def remove(manager, device_id):
    try:
        manager.delete_device(device_id)
    except HttpOperationError as error:
        assert error.response.status_code == 404, error.response.text


def tell_hub(what):
    subprocess.run(["sh", provided("SKERRY_TEST_HUB"), what], check=True, stdin=subprocess.DEVNULL)


def restart_hub():
    tell_hub("restart")


@contextmanager
def packets_lost():
    """No packet of MQTT arrives meanwhile, in either direction."""
    tell_hub("cut")
    try:
        yield
    finally:
        tell_hub("mend")


class Refusal:
    """What the hub said when it refused."""

    def __init__(self, response):
        self.status = response.status_code
        self.headers = response.headers
        body = json.loads(response.text)
        assert set(body) == {"Message", "ExceptionMessage"}, body
        code, self.text = body["Message"].split(";", 1)
        assert code.startswith("ErrorCode:"), body
        self.code = code[len("ErrorCode:") :]
        assert self.text.strip(), body
        # C# compares the body with the header, Node takes what follows the first semicolon.
        assert self.headers["iothub-errorcode"] == self.code
        assert ";" not in self.text and "errorcode" not in self.text.lower()
        assert body["ExceptionMessage"].startswith("Tracking ID:"), body
        assert self.headers["Content-Type"] == "application/json; charset=utf-8"
        assert self.headers["x-ms-request-id"]


@pytest.fixture
def refused():
    """Calls, and gives the refusal after checking its status and code."""

    def check(status, code, call, *arguments, **named):
        with pytest.raises(HttpOperationError) as raised:
            call(*arguments, **named)
        refusal = Refusal(raised.value.response)
        assert (refusal.status, refusal.code) == (status, code), refusal.text
        return refusal

    return check


@pytest.fixture
def ask(manager):
    """The rows of a query, page by page, as JSON: the SDK's own type drops what is no twin."""

    def rows(text, page_size=None):
        found, continuation = [], None
        while True:
            raw = manager.protocol.query.get_twins(
                QuerySpecification(query=text), continuation, page_size, None, True
            )
            page = raw.response.json()
            assert page_size is None or len(page) <= page_size
            found += page
            continuation = raw.headers["x-ms-continuation"]
            if continuation is None:
                return found

    return rows
