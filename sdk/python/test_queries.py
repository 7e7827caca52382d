"""Queries: whole twins, projections, conditions, aggregates, modules, refusals."""

import pytest
from azure.iot.hub.models import QuerySpecification, Twin, TwinProperties

PLACES = ["north", "south", "south", None, "north"]


@pytest.fixture
def fleet(manager, devices):
    """Five devices: the fourth has no place, the fifth is disabled and has no speed."""
    for number, (name, place) in enumerate(zip(devices, PLACES)):
        tags = {"number": number} if place is None else {"number": number, "place": place}
        desired = TwinProperties(desired={"speed": number * 1.5, "list": ["a", number]})
        manager.update_twin(name, Twin(tags=tags, properties=desired if number < 4 else None))
    manager.update_device_with_sas(devices[4], None, None, None, "disabled")
    return devices


def mine(fleet, condition=None):
    """A condition that keeps to the devices of this test."""
    own = f"STARTSWITH(deviceId, '{fleet[0][:-2]}')"
    return f"{own} AND ({condition})" if condition else own


def numbers(fleet, rows):
    return sorted(fleet.index(row["deviceId"]) for row in rows)


def test_whole_twins_are_what_get_gives(manager, fleet):
    result = manager.query_iot_hub(QuerySpecification(query=f"SELECT * FROM devices WHERE {mine(fleet)}"))
    assert result.type == "Twin"
    assert result.continuation_token is None
    assert sorted(twin.device_id for twin in result.items) == fleet
    for twin in result.items:
        assert twin.as_dict() == manager.get_twin(twin.device_id).as_dict()


# shows: azure-iot-hub | HTTPS | queries
@pytest.mark.parametrize(
    "condition, found",
    [
        ("tags.place = 'south'", [1, 2]),
        ("tags.place != 'south'", [0, 4]),
        ("tags.place <> 'south'", [0, 4]),
        ("NOT is_defined(tags.place)", [3]),
        ("is_defined(tags.place) AND tags.number > 1", [2, 4]),
        ("tags.place IN ['north', 'west']", [0, 4]),
        ("tags.place NIN ['north', 'west']", [1, 2]),
        ("tags.number >= 1 AND tags.number < 3", [1, 2]),
        ("tags.number = 0 OR tags.number = 4", [0, 4]),
        ("NOT (tags.number = 0 OR tags.number = 4)", [1, 2, 3]),
        ("tags.number = '1'", []),
        ("tags.number + 1 = 3", [2]),
        ("properties.desired.speed = 1.5", [1]),
        ("properties.desired.speed = tags.number * 1.5", [0, 1, 2, 3]),
        ("properties.desired.$version = 2", [0, 1, 2, 3]),
        ("properties.desired.list[0] = 'a'", [0, 1, 2, 3]),
        ("ARRAY_CONTAINS(properties.desired.list, 2)", [2]),
        ("status = 'disabled'", [4]),
        ("Status = 'disabled'", [4]),
        ("status = 'enabled'", [0, 1, 2, 3]),
        ("connectionState = 'Connected'", []),
        ("capabilities.iotEdge = true", []),
        ("capabilities.iotEdge = false", [0, 1, 2, 3, 4]),
        ("authenticationType = 'sas' /* all of them */", [0, 1, 2, 3, 4]),
        ("lastActivityTime < '2001-01-01T00:00:00Z'", [0, 1, 2, 3, 4]),
        ("devices.tags.[[place]] = \"south\"", [1, 2]),
        ("tags.Place = 'south'", []),
    ],
)
def test_conditions(fleet, ask, condition, found):
    rows = ask(f"SELECT * FROM devices WHERE {mine(fleet, condition)}")
    assert numbers(fleet, rows) == found


def test_a_condition_on_ids(fleet, ask):
    rows = ask(f"select * from devices where deviceId in ['{fleet[3]}', '{fleet[1]}', 'nobody']")
    assert numbers(fleet, rows) == [1, 3]
    assert numbers(fleet, ask(f"SELECT * FROM devices WHERE deviceId = '{fleet[2]}'")) == [2]


def test_projections_hold_what_was_asked_for(manager, fleet, ask):
    rows = ask(
        "SELECT DeviceId, tags.place, properties.desired.speed AS Speed, status as Status, "
        f"properties.desired.list FROM devices WHERE {mine(fleet)}"
    )
    rows = {row["deviceId"]: row for row in rows}
    assert rows[fleet[1]] == {
        "deviceId": fleet[1],
        "place": "south",
        "Speed": 1.5,
        "Status": "enabled",
        "list": ["a", 1],
    }
    assert rows[fleet[3]] == {"deviceId": fleet[3], "Speed": 4.5, "Status": "enabled", "list": ["a", 3]}
    assert rows[fleet[4]] == {"deviceId": fleet[4], "place": "north", "Status": "disabled"}
    specification = QuerySpecification(query=f"SELECT deviceId FROM devices WHERE {mine(fleet)}")
    result = manager.query_iot_hub(specification)
    assert result.type == "Raw"
    assert sorted(item.device_id for item in result.items) == fleet


def test_the_explorers_list(fleet, ask):
    rows = ask(
        "SELECT deviceId as DeviceId, status as Status, lastActivityTime as LastActivityTime, "
        "statusUpdatedTime as StatusUpdatedTime, authenticationType as AuthenticationType, "
        "cloudToDeviceMessageCount as CloudToDeviceMessageCount, connectionState as ConnectionState, "
        "capabilities.iotEdge as IotEdge, modelId as ModelId FROM devices "
        f"WHERE (capabilities.iotEdge=false AND status='disabled') AND {mine(fleet)}"
    )
    assert len(rows) == 1
    assert rows[0]["DeviceId"] == fleet[4]
    assert rows[0]["Status"] == "disabled"
    assert rows[0]["AuthenticationType"] == "sas"
    assert rows[0]["CloudToDeviceMessageCount"] == 0
    assert rows[0]["ConnectionState"] == "Disconnected"
    assert rows[0]["IotEdge"] is False
    assert rows[0]["StatusUpdatedTime"] > "2024"
    assert rows[0]["LastActivityTime"].startswith("0001-01-01T00:00:00")


def test_aggregates(fleet, ask):
    rows = ask(
        "SELECT COUNT() AS devices, SUM(tags.number) AS sum, AVG(properties.desired.speed) AS mean, "
        f"MIN(tags.number) AS least, MAX(properties.desired.speed) AS most FROM devices WHERE {mine(fleet)}"
    )
    assert rows == [{"devices": 5, "sum": 10, "mean": 2.25, "least": 0, "most": 4.5}]
    assert ask(f"SELECT COUNT() AS n FROM devices WHERE {mine(fleet, 'tags.number > 99')}") == [{"n": 0}]


def test_groups(fleet, ask):
    rows = ask(
        "SELECT tags.place AS place, COUNT() AS n, MAX(tags.number) AS last FROM devices "
        f"WHERE {mine(fleet)} GROUP BY tags.place"
    )
    rows.sort(key=lambda row: row.get("place", ""))
    assert rows == [
        {"n": 1, "last": 3},
        {"place": "north", "n": 2, "last": 4},
        {"place": "south", "n": 2, "last": 2},
    ]


def test_top(fleet, ask):
    rows = ask(f"SELECT TOP 2 deviceId FROM devices WHERE {mine(fleet)}")
    assert len(rows) == 2
    assert len(ask(f"SELECT TOP 3 deviceId FROM devices WHERE {mine(fleet)}", page_size=1)) == 3


def test_modules(manager, fleet, edge, ask):
    for name, place in [("m1", "lid"), ("m2", "base")]:
        manager.create_module_with_sas(fleet[0], name, "", None, None)
        manager.update_module_twin(fleet[0], name, Twin(tags={"place": place}))
    result = manager.query_iot_hub(
        QuerySpecification(query=f"SELECT * FROM devices.modules WHERE deviceId in ['{fleet[0]}']")
    )
    assert result.type == "Twin"
    assert sorted(twin.module_id for twin in result.items) == ["m1", "m2"]
    for twin in result.items:
        assert twin.as_dict() == manager.get_module_twin(fleet[0], twin.module_id).as_dict()
    rows = ask(
        "SELECT devices.modules.moduleId, tags.place FROM devices.modules "
        f"WHERE devices.modules.tags.place = 'lid' AND deviceId = '{fleet[0]}'"
    )
    assert rows == [{"moduleId": "m1", "place": "lid"}]
    rows = ask(f"SELECT moduleId FROM devices.modules WHERE deviceId = '{edge.device_id}'")
    assert sorted(row["moduleId"] for row in rows) == ["$edgeAgent", "$edgeHub"]
    rows = ask("select deviceId from devices.modules where moduleId = '$edgeAgent'")
    assert edge.device_id in [row["deviceId"] for row in rows]


def test_children_of_an_edge_device(manager, edge, device_id, ask):
    manager.create_device_with_sas(device_id, None, None, "enabled", device_scope=edge.device_scope)
    rows = ask(f"select deviceId from devices where array_contains(parentScopes, '{edge.device_scope}')")
    assert rows == [{"deviceId": device_id}]
    rows = ask(f"SELECT deviceId, deviceScope FROM devices WHERE deviceId = '{edge.device_id}'")
    assert rows == [{"deviceId": edge.device_id, "deviceScope": edge.device_scope}]


def test_what_was_written_is_found_at_once(manager, device, ask):
    for number in range(20):
        manager.update_twin(device.device_id, Twin(tags={"n": number}))
        rows = ask(f"SELECT tags.n FROM devices WHERE tags.n = {number} AND deviceId = '{device.device_id}'")
        assert rows == [{"n": number}]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT",
        "SELEKT * FROM devices",
        "SELECT * FROM things",
        "SELECT * FROM devices WHERE",
        "SELECT * FROM devices WHERE tags.a = ",
        "SELECT * FROM devices WHERE tags.a = 'open",
        "SELECT * FROM devices; DROP TABLE devices",
        "SELECT * FROM devices WHERE FROBNICATE(tags.a)",
        "SELECT * FROM devices WHERE " + "(" * 500 + "true" + ")" * 500,
        "SELECT * FROM devices WHERE deviceId = '" + "x" * 8192 + "'",
        "SELECT tags.a, COUNT() AS n FROM devices",
    ],
    ids=lambda text: text[:40],
)
def test_queries_that_are_none_are_refused(manager, refused, text):
    refusal = refused(400, "ArgumentInvalid", manager.query_iot_hub, QuerySpecification(query=text))
    assert len(refusal.text) > 10
