//! The disk damages what waits.

use std::time::Duration;

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

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}
