//! Queries over REST: item types, projections, groups, paging.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use crate::world::{Answer, World, everywhere};

async fn query(world: &World, text: &str) -> Answer {
    world.post("/devices/query", json!({"query": text})).await
}

async fn fleet(world: &World) {
    for n in 0..30 {
        let site = ["oslo", "rome", "lima"][n % 3];
        world.device(&format!("d{n:02}"), json!({"site": site, "n": n, "big": n > 20})).await;
    }
}

#[test]
fn a_query_sees_the_writes_before_it() {
    everywhere(|world| async move {
        for n in 0..20 {
            world.device(&format!("d{n}"), json!({"n": n})).await;
            let found =
                query(&world, &format!("SELECT deviceId FROM devices WHERE tags.n = {n}")).await.expect(200);
            assert_eq!(found, json!([{"deviceId": format!("d{n}")}]));
        }
    });
}

#[test]
fn shapes_and_item_types_are_those_sdks_know() {
    everywhere(|world| async move {
        fleet(&world).await;
        world.put("/devices/d00/modules/m1", json!({})).await.expect(200);
        let twins = query(&world, "select * from devices where tags.site = 'rome' and tags.n < 5").await;
        assert_eq!(twins.header("x-ms-item-type"), Some("Twin"));
        assert_eq!(twins.header("x-ms-continuation"), None);
        let twins = twins.expect(200);
        assert_eq!(twins.as_array().unwrap().len(), 2);
        assert_eq!(twins[0], world.get("/twins/d01").await.expect(200));
        let raw = query(&world, "SELECT DeviceId, tags.n AS N, tags.absent, capabilities.iotEdge, properties.desired.$version FROM devices WHERE deviceId IN ['d03', 'd99']").await;
        assert_eq!(raw.header("x-ms-item-type"), Some("Raw"));
        assert_eq!(raw.expect(200), json!([{"deviceId": "d03", "N": 3, "iotEdge": false, "$version": 1}]));
        let modules =
            query(&world, "SELECT * FROM devices.modules WHERE deviceId in ['d00']").await.expect(200);
        assert_eq!(modules[0]["moduleId"], "m1");
        let jobs = query(&world, "SELECT * FROM devices.jobs").await;
        assert_eq!(jobs.header("x-ms-item-type"), Some("DeviceJob"));
        assert_eq!(jobs.expect(200), json!([]));
        let count = query(&world, "SELECT COUNT() AS n FROM devices WHERE tags.big = true").await.expect(200);
        assert_eq!(count, json!([{"n": 9}]));
        assert_eq!(query(&world, "SELECT COUNT() AS n FROM devices").await.expect(200), json!([{"n": 30}]));
        let groups = query(
            &world,
            "SELECT tags.site AS site, COUNT() AS n, MAX(tags.n) AS most FROM devices GROUP BY tags.site",
        )
        .await;
        assert_eq!(
            groups.expect(200),
            json!([{"site": "lima", "n": 10, "most": 29}, {"site": "oslo", "n": 10, "most": 27}, {"site": "rome", "n": 10, "most": 28}])
        );
        let explorer = "SELECT deviceId as DeviceId, status as Status, lastActivityTime as LastActivityTime, statusUpdatedTime as StatusUpdatedTime, authenticationType as AuthenticationType, cloudToDeviceMessageCount as CloudToDeviceMessageCount, connectionState as ConnectionState, capabilities.iotEdge as IotEdge, modelId as ModelId FROM devices WHERE (capabilities.iotEdge=false AND status='enabled')";
        let row = query(&world, explorer).await.expect(200)[0].clone();
        let never = "0001-01-01T00:00:00Z";
        assert_eq!(
            row,
            json!({"DeviceId": "d00", "Status": "enabled", "LastActivityTime": never, "StatusUpdatedTime": never, "AuthenticationType": "sas", "CloudToDeviceMessageCount": 0, "ConnectionState": "Disconnected", "IotEdge": false, "ModelId": ""})
        );
    });
}

async fn walk(world: &World, text: &str, size: &str, mut between: impl AsyncFnMut(usize)) -> Vec<Value> {
    let (mut rows, mut token, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let mut headers = vec![("x-ms-max-item-count", size)];
        if let Some(token) = &token {
            headers.push(("x-ms-continuation", token));
        }
        let page =
            world.call_with(Method::POST, "/devices/query", Some(json!({"query": text})), &headers).await;
        let next = page.header("x-ms-continuation").map(str::to_owned);
        rows.extend(page.expect(200).as_array().unwrap().iter().cloned());
        pages += 1;
        assert!(pages < 1000, "the walk does not end");
        match next {
            Some(next) => token = Some(next),
            None => return rows,
        }
        between(pages).await;
    }
}

#[test]
fn pages_hold_every_survivor_exactly_once() {
    everywhere(|world| async move {
        fleet(&world).await;
        let world = &world;
        let between = async |page: usize| {
            // Behind the walk, ahead of it, and at its very edge.
            world.delete(&format!("/devices/d{:02}", page * 2)).await;
            world.device(&format!("d{:02}x", page * 2), json!({})).await;
            world.delete(&format!("/devices/d{:02}", 29 - page)).await;
        };
        let rows = walk(world, "SELECT deviceId FROM devices", "3", between).await;
        let mut seen = BTreeMap::<String, usize>::new();
        for row in &rows {
            *seen.entry(row["deviceId"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert!(seen.values().all(|times| *times == 1), "{seen:?}");
        for device in world.get("/devices").await.expect(200).as_array().unwrap() {
            let id = device["deviceId"].as_str().unwrap();
            assert!(id.len() > 3 || seen.contains_key(id), "{id} survived and was not shown");
        }
    });
}

#[test]
fn the_last_page_has_no_continuation() {
    everywhere(|world| async move {
        fleet(&world).await;
        for (size, pages) in [("10", 3), ("30", 1), ("29", 2), ("1000000", 1), ("-1", 1), ("abc", 1)] {
            let mut count = 1;
            let rows = walk(&world, "SELECT * FROM devices", size, async |_| count += 1).await;
            assert_eq!((rows.len(), count), (30, pages), "page size {size}");
        }
        assert_eq!(walk(&world, "SELECT TOP 7 deviceId FROM devices", "3", async |_| ()).await.len(), 7);
        assert_eq!(walk(&world, "SELECT TOP 0 deviceId FROM devices", "3", async |_| ()).await.len(), 0);
        let groups = "SELECT tags.n AS n, COUNT() AS c FROM devices GROUP BY tags.n";
        let rows = walk(&world, groups, "4", async |_| ()).await;
        assert_eq!(
            rows.iter().map(|row| row["n"].as_u64().unwrap()).collect::<Vec<_>>(),
            (0..30).collect::<Vec<_>>()
        );
    });
}

#[test]
fn foreign_tokens_and_bad_queries_are_refused() {
    everywhere(|world| async move {
        fleet(&world).await;
        let first = world
            .call_with(
                Method::POST,
                "/devices/query",
                Some(json!({"query": "SELECT * FROM devices"})),
                &[("x-ms-max-item-count", "1")],
            )
            .await;
        let token = first.header("x-ms-continuation").unwrap().to_owned();
        let other = Some(json!({"query": "SELECT * FROM devices.modules"}));
        world
            .call_with(Method::POST, "/devices/query", other.clone(), &[("x-ms-continuation", &token)])
            .await
            .refused(400, "ArgumentInvalid");
        world
            .call_with(Method::POST, "/devices/query", other, &[("x-ms-continuation", "forged")])
            .await
            .refused(400, "ArgumentInvalid");
        for bad in [
            "",
            "SELECT",
            "SELECT * FROM things",
            "SELECT * FROM devices WHERE",
            "SELECT * FROM devices ORDER BY deviceId",
            "DROP TABLE documents; --",
        ] {
            let refused = query(&world, bad).await;
            let text = refused.body["Message"].as_str().unwrap().to_owned();
            assert!(text.contains("line 1, column"), "{text}");
            refused.refused(400, "ArgumentInvalid");
        }
        world.post("/devices/query", json!({})).await.refused(400, "IotHubFormatError");
        world.post("/devices/query", json!({"query": 1})).await.refused(400, "IotHubFormatError");
        query(&world, &format!("SELECT * FROM devices WHERE {}", "(".repeat(8000)))
            .await
            .refused(400, "ArgumentInvalid");
    });
}
