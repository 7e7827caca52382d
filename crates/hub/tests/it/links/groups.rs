//! Consumer groups: made, listed, removed, and what becomes of who reads in them.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use skerry_amqp::performative::Role;

use super::client::{Receiver, attach, condition};
use crate::world::{World, everywhere};

const GROUPS: &str = "/skerry/v1/eventHubEndpoints/events/ConsumerGroups";

async fn names(world: &World) -> Vec<String> {
    let listed = world.get(GROUPS).await.expect(200);
    let name = |group: &Value| group["name"].as_str().unwrap().to_owned();
    listed["value"].as_array().unwrap().iter().map(name).collect()
}

async fn create(world: &World, name: &str) -> crate::world::Answer {
    world.call(Method::PUT, &format!("{GROUPS}/{name}"), None).await
}

#[test]
fn groups_are_made_listed_and_removed() {
    everywhere(|world| async move {
        assert_eq!(names(&world).await, ["$Default"]);
        world.clock.advance(Duration::from_secs(1));
        let made = create(&world, "Line-1").await.expect(200);
        let expected = json!({"name": "Line-1", "properties": {"created": "2026-01-01T00:00:01Z"}});
        assert_eq!(made, expected);
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(create(&world, "line-1").await.expect(200), expected, "it is there already");
        create(&world, "a").await.expect(200);
        assert_eq!(names(&world).await, ["$Default", "a", "Line-1"]);
        assert_eq!(world.get(&format!("{GROUPS}/LINE-1")).await.expect(200), expected);

        let world = world.reborn();
        assert_eq!(names(&world).await, ["$Default", "a", "Line-1"], "after a restart");
        world.delete(&format!("{GROUPS}/line-1")).await.expect(204);
        world.delete(&format!("{GROUPS}/line-1")).await.refused(404, "OperationNotFound");
        world.get(&format!("{GROUPS}/line-1")).await.refused(404, "OperationNotFound");
        world.delete(&format!("{GROUPS}/$default")).await.refused(400, "ArgumentInvalid");
        create(&world, "-x").await.refused(400, "ArgumentInvalid");
        world.post(GROUPS, json!({})).await.refused(405, "MethodNotAllowed");
        world.post(&format!("{GROUPS}/a"), json!({})).await.refused(405, "MethodNotAllowed");
        assert_eq!(names(&world).await, ["$Default", "a"]);
        let service = world.token("service");
        let uri = format!("{GROUPS}?api-version=2021-04-12");
        world
            .raw(Method::GET, &uri, Vec::new(), &[("authorization", &service)])
            .await
            .refused(401, "IotHubUnauthorizedAccess");
    });
}

#[test]
fn there_are_twenty_at_most_whoever_makes_them_at_the_same_time() {
    everywhere(|world| async move {
        let groups = world.hub.groups().clone();
        let making: Vec<_> = (0..30)
            .map(|number| {
                let groups = groups.clone();
                tokio::spawn(async move { groups.create(&format!("g{number}")).await })
            })
            .collect();
        let mut made = 0;
        for done in making {
            made += usize::from(done.await.unwrap().is_ok());
        }
        assert_eq!((made, groups.all().await.unwrap().len()), (19, 20));
        create(&world, "one-more").await.refused(400, "ArgumentInvalid");
        let there = groups.all().await.unwrap();
        assert_eq!(world.reborn().hub.groups().all().await.unwrap(), there);
        groups.delete(there[1].name.as_str()).await.unwrap();
        create(&world, "one-more").await.expect(200);
    });
}

#[test]
fn who_reads_in_a_group_that_goes_is_told() {
    everywhere(|world| async move {
        create(&world, "a").await.expect(200);
        let address = "hub1/ConsumerGroups/A/Partitions/0";
        let mut reader = Receiver::open(&world, address, attach(Role::Receiver)).await.unwrap();
        let default = "hub1/ConsumerGroups/$Default/Partitions/0";
        let mut other = Receiver::open(&world, default, attach(Role::Receiver)).await.unwrap();
        world.delete(&format!("{GROUPS}/a")).await.expect(204);
        assert_eq!(condition(&reader.fault().await), "amqp:not-found");
        assert!(other.is_quiet().await);
        let fault = Receiver::open(&world, address, attach(Role::Receiver)).await.err().unwrap();
        assert_eq!(condition(&fault), "amqp:not-found");
        create(&world, "a").await.expect(200);
        assert!(Receiver::open(&world, address, attach(Role::Receiver)).await.is_ok());
    });
}
