"""Pages of a query: each row once, whatever happens between two pages."""

import pytest
from azure.iot.hub.models import QuerySpecification, Twin
from conftest import restart_hub


@pytest.fixture
def page(manager, prefix):
    """One page of the devices of a test: their ids, and where to go on."""

    def next_page(continuation=None, size=2, what="*"):
        text = f"SELECT {what} FROM devices WHERE STARTSWITH(deviceId, '{prefix}')"
        result = manager.query_iot_hub(QuerySpecification(query=text), continuation, size)
        assert result.continuation_token != ""
        return [item.device_id for item in result.items], result.continuation_token

    return next_page


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100, 5000])
@pytest.mark.parametrize("what", ["*", "deviceId"])
def test_each_device_comes_once(devices, page, size, what):
    found, continuation, pages = [], None, 0
    while pages == 0 or continuation:
        names, continuation = page(continuation, size, what)
        assert len(names) <= size
        found += names
        pages += 1
        assert pages <= 6
    assert sorted(found) == devices
    assert len(found) == len(set(found))


def test_a_page_can_be_asked_for_again(devices, page):
    first, continuation = page()
    assert page(continuation) == page(continuation)
    assert page(continuation)[0] != first


def test_what_comes_and_goes_between_pages_does_not_disturb(manager, devices, page):
    first, continuation = page()
    manager.delete_device(first[-1])
    manager.update_twin(devices[-1], Twin(tags={"changed": True}))
    found = list(first)
    while continuation:
        names, continuation = page(continuation)
        found += names
    assert sorted(found) == devices


def test_pages_go_on_after_a_restart(devices, page):
    first, continuation = page()
    assert continuation
    restart_hub()
    found = list(first)
    while continuation:
        names, continuation = page(continuation)
        found += names
    assert sorted(found) == devices


def test_modules_come_in_pages(manager, device):
    for number in range(5):
        manager.create_module_with_sas(device.device_id, f"m{number}", "", None, None)
    specification = QuerySpecification(
        query=f"SELECT * FROM devices.modules WHERE deviceId = '{device.device_id}'"
    )
    for size in (1, 2):
        found, continuation, more = [], None, True
        while more:
            result = manager.query_iot_hub(specification, continuation, size)
            assert len(result.items) <= size
            found += [item.module_id for item in result.items]
            continuation = result.continuation_token
            more = continuation is not None
        assert sorted(found) == [f"m{number}" for number in range(5)]


def test_groups_come_in_pages(manager, devices, prefix, ask):
    for number, name in enumerate(devices):
        manager.update_twin(name, Twin(tags={"group": number}))
    text = f"SELECT tags.group AS g, COUNT() AS n FROM devices WHERE STARTSWITH(deviceId, '{prefix}') GROUP BY tags.group"
    for size in (1, 2, 100):
        rows = ask(text, page_size=size)
        assert sorted(row["g"] for row in rows) == list(range(5))
        assert {row["n"] for row in rows} == {1}


def test_a_continuation_of_another_query_is_refused(manager, devices, page, refused):
    _, continuation = page()
    other = QuerySpecification(query="SELECT * FROM devices WHERE tags.a = 1")
    refused(400, "ArgumentInvalid", manager.query_iot_hub, other, continuation, 2)


@pytest.mark.parametrize("made_up", ["nonsense", "AAAA", "e30="])
def test_a_continuation_that_was_never_given_is_refused(manager, refused, made_up):
    specification = QuerySpecification(query="SELECT * FROM devices")
    refused(400, "ArgumentInvalid", manager.query_iot_hub, specification, made_up, 2)
