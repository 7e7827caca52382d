"""Files through the link that the hub gives, with the storage SDK as back ends and devices use it."""

import base64
import hashlib
import hmac
import os
import time
import urllib.parse

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.iot.device import IoTHubDeviceClient
from azure.storage.blob import BlobBlock, BlobClient, ContentSettings, ExponentialRetry

from conftest import connection_string, provided, restart_hub

MIB = 1024 * 1024
VERSION = {"api-version": "2021-04-12"}


def parts_of(text):
    return dict(part.split("=", 1) for part in text.split(";"))


HOST = parts_of(connection_string("service"))["HostName"]


def token(resource, key, policy=None):
    resource = urllib.parse.quote(resource, safe="")
    expiry = int(time.time()) + 600
    tag = hmac.new(base64.b64decode(key), f"{resource}\n{expiry}".encode(), hashlib.sha256).digest()
    signature = urllib.parse.quote(base64.b64encode(tag), safe="")
    name = f"&skn={policy}" if policy else ""
    return f"SharedAccessSignature sr={resource}&sig={signature}&se={expiry}{name}"


class Device:
    """The device's side of the protocol, which the Python SDK leaves to its user but for the link."""

    def __init__(self, device):
        self.id = device.device_id
        key = device.authentication.symmetric_key.primary_key
        self.headers = {"Authorization": token(f"{HOST}/devices/{self.id}", key)}

    def post(self, path, body):
        address = f"https://{HOST}/devices/{self.id}/files{path}"
        return requests.post(address, params=VERSION, json=body, headers=self.headers, timeout=30)

    def begin(self, name):
        answer = self.post("", {"blobName": name})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def complete(self, link, success=True):
        told = {"correlationId": link["correlationId"], "isSuccess": success, "statusCode": 200}
        return self.post("/notifications", {**told, "statusDescription": "OK"})


def blob_of(link, **options):
    blob = urllib.parse.quote(link["blobName"], safe="")
    address = f"https://{link['hostName']}/{link['containerName']}/{blob}{link['sasToken']}"
    return BlobClient.from_blob_url(address, retry_policy=ExponentialRetry(retry_total=0), **options)


@pytest.fixture
def sender(device):
    return Device(device)


@pytest.mark.parametrize(
    "length, options",
    [
        (0, {}),
        (1, {}),
        (100_000, {}),
        (5 * MIB, {"max_single_put_size": MIB, "max_block_size": MIB}),
        (20 * MIB + 12_345, {"max_single_put_size": 4 * MIB, "max_block_size": 4 * MIB}),
        (20 * MIB, {}),
    ],
)
def test_a_file_comes_back_as_it_was_written(sender, length, options):
    link = sender.begin("dir with spaces/ü%23#?.bin")
    assert link["hostName"] == HOST
    content = os.urandom(length)
    blob = blob_of(link, max_single_get_size=4 * MIB, max_chunk_get_size=4 * MIB, **options)
    blob.upload_blob(content, overwrite=True, max_concurrency=3)
    assert blob.download_blob(max_concurrency=3).readall() == content
    assert blob.get_blob_properties().size == length
    assert sender.complete(link).status_code == 204
    assert sender.complete(link).status_code == 204


# shows: azure-iot-device | HTTPS | files
def test_the_device_sdk_asks_for_a_link_and_says_how_it_went(device):
    key = device.authentication.symmetric_key.primary_key
    with open(provided("SKERRY_TEST_CA"), encoding="ascii") as file:
        trust = file.read()
    string = f"HostName={HOST};DeviceId={device.device_id};SharedAccessKey={key}"
    client = IoTHubDeviceClient.create_from_connection_string(string, server_verification_cert=trust)
    client.connect()
    link = client.get_storage_info_for_blob("from the SDK.txt")
    blob_of(link).upload_blob(b"hello")
    client.notify_blob_upload_status(link["correlationId"], True, 200, "OK")
    client.shutdown()
    assert blob_of(link).download_blob().readall() == b"hello"
    assert Device(device).complete(link).status_code == 204, "it is known to have ended"


def test_sums_are_checked_on_the_way_there_and_back(sender):
    blob = blob_of(sender.begin("summed"), max_single_put_size=MIB, max_block_size=MIB)
    content = os.urandom(3 * MIB)
    blob.upload_blob(content, overwrite=True, validate_content=True)
    assert blob.download_blob(validate_content=True).readall() == content
    with pytest.raises(HttpResponseError) as raised:
        blob.stage_block("1", b"hello", headers={"Content-MD5": base64.b64encode(bytes(16)).decode()})
    assert (raised.value.status_code, raised.value.error_code) == (400, "Md5Mismatch")


def test_what_is_said_of_a_blob_is_kept(sender):
    blob = blob_of(sender.begin("described"))
    settings = ContentSettings(content_type="text/csv", content_encoding="identity", cache_control="no-cache")
    blob.upload_blob(b"a,b", content_settings=settings, metadata={"site": "oslo"})
    properties = blob.get_blob_properties()
    assert properties.metadata == {"site": "oslo"}
    assert properties.content_settings.content_type == "text/csv"
    assert properties.content_settings.content_encoding == "identity"
    assert properties.content_settings.cache_control == "no-cache"
    assert properties.content_settings.content_md5 == hashlib.md5(b"a,b").digest()
    assert properties.blob_type == "BlockBlob" and properties.creation_time and properties.last_modified
    with pytest.raises(ResourceExistsError):
        blob.upload_blob(b"again")
    assert blob.download_blob(offset=2, length=1).readall() == b"b"


def test_blocks_that_were_answered_outlive_a_restart(sender):
    link = sender.begin("blocks")
    blob = blob_of(link)
    blob.stage_block("1", b"one")
    blob.stage_block("2", b"two")
    with pytest.raises(ResourceNotFoundError):
        blob.get_blob_properties()
    restart_hub()
    blob = blob_of(link)
    committed, waiting = blob.get_block_list("all")
    assert (committed, [(block.id, block.size) for block in waiting]) == ([], [("1", 3), ("2", 3)])
    blob.commit_block_list([BlobBlock("2"), BlobBlock("1")])
    assert blob.download_blob().readall() == b"twoone"
    committed, waiting = blob.get_block_list("all")
    assert ([block.id for block in committed], waiting) == (["2", "1"], [])
    with pytest.raises(HttpResponseError) as raised:
        blob.commit_block_list([BlobBlock("3")])
    assert raised.value.error_code == "InvalidBlockList"
    assert sender.complete(link).status_code == 204


def test_a_link_is_for_its_blob_and_does_not_delete(sender):
    link = sender.begin("mine")
    blob_of(link).upload_blob(b"x")
    with pytest.raises(HttpResponseError) as raised:
        blob_of({**link, "blobName": f"{sender.id}/other"}).upload_blob(b"x")
    assert (raised.value.status_code, raised.value.error_code) == (403, "AuthenticationFailed")
    with pytest.raises(HttpResponseError) as raised:
        blob_of(link).delete_blob()
    assert (raised.value.status_code, raised.value.error_code) == (403, "AuthorizationPermissionMismatch")
    assert "the link allows only rw" in str(raised.value)


def test_an_upload_that_was_not_written_is_not_told_as_one(sender):
    answer = sender.complete(sender.begin("nothing"))
    assert answer.status_code == 400
    assert answer.headers["iothub-errorcode"] == "InvalidStorageEndpointOrBlob"
