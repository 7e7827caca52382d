//! What waits lies on the disk: it is given back at once, and what the disk damages is told.

use std::time::Duration;

use serde_json::json;
use skerry_mqtt::topic::Subscription;
use tokio::time::sleep;

use super::sim::{Store, World};

#[tokio::test(start_paused = true)]
async fn a_damaged_file_costs_what_is_damaged_and_is_told() {
    let mut world = World::new().on_files();
    world.register("a");
    world.start().await;
    let client = world.connect("a").await;
    world.hub.go_away();
    client.publish_all(0..500).await;
    drop(client);
    world.stop().await;
    // Something that is read on the way, while the process runs: not its end, which a crash could have cut off.
    world.start().await;
    let client = world.connect("a").await;
    client.publish_all(500..510).await;
    drop(client);
    world.stop().await;
    let Store::Files { folder, .. } = &world.store else { panic!("it lies in files") };
    let mut files: Vec<_> = walk(folder.path());
    files.sort_by_key(|file| std::fs::metadata(file).unwrap().len());
    let largest = files.pop().unwrap();
    let mut bytes = std::fs::read(&largest).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[written / 2] ^= 0xff;
    std::fs::write(&largest, bytes).unwrap();
    world.start().await;
    world.hub.come_back();
    sleep(Duration::from_secs(60)).await;
    let client = world.connect("a").await;
    client.publish(510).await.unwrap();
    world.until("the newest is there", |world| world.hub.letters("a").contains(&"510".to_owned())).await;
    let numbers: Vec<u64> = world.hub.letters("a").iter().map(|body| body.parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert!((300..511).contains(&numbers.len()), "{} are there", numbers.len());
    let metrics = world.edge().metrics();
    let told = metrics.lines().find(|line| line.starts_with("edgehub_store_damaged_total")).unwrap();
    assert!(!told.ends_with(" 0"), "{told}");
    client.publish_all(511..600).await;
    world.until("the rest is there", |world| world.hub.letters("a").contains(&"599".to_owned())).await;
}

#[tokio::test(start_paused = true)]
async fn queues_that_are_quiet_do_not_keep_what_went_through_the_others() {
    let to = |module: &str| {
        format!("FROM /messages/modules/rare/* INTO BrokeredEndpoint(\"/modules/{module}/inputs/in\")")
    };
    let routes = json!({
        "up": "FROM /messages/modules/busy/* INTO $upstream",
        "later": {"route": "FROM /messages/modules/rare/outputs/never INTO $upstream", "priority": 9},
        "idle": to("idle"),
        "away": to("away"),
    });
    // Files of 4 MB, and far from full.
    let mut world = World::with_routes(&routes).on_files_of(64 << 20);
    let [busy, rare, idle] = ["busy", "rare", "idle"].map(|module| format!("edge/{module}"));
    [&busy, &rare, &idle, "edge/away"].into_iter().for_each(|id| world.register(id));
    world.start().await;
    let idle = world.connect(&idle).await;
    idle.subscribe(&[Subscription::Inputs]).await;
    let busy = world.connect(&busy).await;
    for first in (0..20_000).step_by(1000) {
        busy.publish_batch(first..first + 1000, 1000).await;
    }
    world.until("everything is with the hub", |world| world.waiting() == 0).await;
    world.until("its room is given back", |world| world.log().figures().disk_bytes < 9 << 20).await;
    // One that waits keeps its own, and is there when its module comes.
    let rare = world.connect(&rare).await;
    rare.publish(1).await.unwrap();
    world.until("the module that is there has it", |_| idle.bodies() == ["1"]).await;
    busy.publish_batch(20_000..21_000, 1000).await;
    world.until("the other one's waits", |world| world.waiting() == 1).await;
    sleep(Duration::from_secs(60)).await;
    let away = world.connect("edge/away").await;
    away.subscribe(&[Subscription::Inputs]).await;
    world.until("the other module has it", |_| away.bodies() == ["1"]).await;
    world.until("nothing waits", |world| world.waiting() == 0).await;
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
