//! The figures are those that the manual lists.

use std::collections::BTreeSet;

use serde_json::json;

use super::sim::{Settling, World};

#[tokio::test(start_paused = true)]
async fn every_series_has_the_labels_that_are_listed() {
    let routes = json!({
        "up": "FROM /messages/modules/m/outputs/up INTO $upstream",
        "on": "FROM /messages/modules/m/outputs/on INTO BrokeredEndpoint(\"/modules/other/inputs/in\")",
    });
    let mut world = World::with_routes(&routes);
    ["edge/m", "edge/other"].into_iter().for_each(|id| world.register(id));
    world.start().await;
    let (client, other) = (world.connect("edge/m").await, world.connect("edge/other").await);
    other.subscribe(&[skerry_mqtt::topic::Subscription::Inputs]).await;
    for output in ["up", "on", "nowhere"] {
        client.publish_to(output, "1").await.unwrap();
    }
    client.twin().await;
    client.report(&json!({"x": 1})).await;
    drop(world.try_connect("edge/m", Settling::Complete, skerry_front::device::Proof::Nothing).await);
    world
        .until("they are there", |world| world.hub.count("edge/m") == 1 && !other.letters().is_empty())
        .await;
    drop(other);
    world.hub.go_away();
    world.until("it is lost", |world| world.edge().metrics().contains("offline_count_total{")).await;

    world.hub.come_back();
    world
        .until("it is reached", |world| world.edge().metrics().contains("offline_duration_seconds_count{"))
        .await;

    let listed = skerry_edge_hub::metrics();
    let page = world.edge().metrics();
    let mut told = BTreeSet::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once('{').unwrap();
        let of = |suffix: &str| name.strip_suffix(suffix).unwrap_or(name).to_owned();
        let names = [name.to_owned(), of("_bucket"), of("_sum"), of("_count")];
        let metric = listed.iter().find(|metric| names.contains(&metric.name)).expect(line);
        let common = |label: &&str| {
            !["ms_telemetry", "quantile"].contains(label) && !skerry_edge_hub::COMMON_LABELS.contains(label)
        };
        for label in rest.split("\",").filter_map(|pair| Some(pair.split_once('=')?.0)).filter(common) {
            assert!(metric.labels.contains(&label), "{label} of {line}");
        }
        told.insert(metric.name.clone());
    }
    // What did not happen here, and has no series before it does.
    let silent = [
        "edgehub_messages_unack_total",
        "edgehub_direct_methods_total",
        "edgehub_direct_method_duration_seconds",
        "edgehub_operation_retry_total",
    ];
    let listed = listed.into_iter().map(|metric| metric.name);
    let missing: Vec<String> =
        listed.filter(|name| !told.contains(name) && !silent.contains(&name.as_str())).collect();
    assert_eq!(missing, [] as [&str; 0]);
}
