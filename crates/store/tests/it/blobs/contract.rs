use std::time::Duration;

use skerry_store::blobs::{
    ATTRIBUTES_BYTES_MAX, Composition, Expect, Figures, ReadError, Source, Stored, Sweep, Swept, WriteError,
};

use super::World;

fn sample(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * at / 7) as u8).collect()
}

async fn compose(world: &World, name: &str, blocks: &[(Source, &str)]) -> Result<Stored, WriteError> {
    let blocks = blocks.iter().map(|(source, id)| (*source, id.as_bytes().to_vec())).collect();
    let (attributes, expect) = (Vec::new(), Expect::Anything);
    world.blobs.compose(Composition { name: name.to_owned(), blocks, attributes, expect }).await
}

pub(super) async fn what_is_written_comes_back_whole_and_in_ranges(world: World) {
    let bytes = sample(700_001);
    let stored = world.put("d1/a", &bytes).await.unwrap();
    assert_eq!((stored.bytes, stored.name.as_str()), (700_001, "d1/a"));
    assert_eq!(world.blobs.find("d1/a").await.unwrap(), Some(stored.clone()));
    assert_eq!(stored.attributes, [("kind".to_owned(), "test".to_owned())]);
    for (from, to) in [(0, 700_001), (0, 1), (700_000, 700_001), (300_000, 600_000), (5, 5)] {
        assert_eq!(world.read(&stored, from..to).await.unwrap(), &bytes[from as usize..to as usize]);
    }
    let empty = world.put("empty", b"").await.unwrap();
    assert_eq!((empty.bytes, world.bytes("empty").await), (0, Some(Vec::new())));
    assert_eq!(world.blobs.find("other").await.unwrap(), None);
    world.clock.pass(Duration::from_secs(5));
    let again = world.put("d1/a", b"less").await.unwrap();
    assert!(again.version > stored.version && again.modified > again.created);
    assert_eq!((again.created, world.bytes("d1/a").await.unwrap()), (stored.created, b"less".to_vec()));
}

pub(super) async fn a_blob_is_seen_when_it_is_finished_and_not_before(world: World) {
    let mut writing = world.blobs.write("a", Some(9)).await.unwrap();
    writing.write(b"unfini".as_slice().into()).await.unwrap();
    assert_eq!(world.blobs.find("a").await.unwrap(), None);
    assert_eq!(world.blobs.figures().writing_bytes, 9);
    drop(writing);
    assert_eq!(world.blobs.find("a").await.unwrap(), None);
    assert_eq!(world.blobs.figures(), Figures::default());
}

pub(super) async fn a_blob_is_made_of_the_blocks_that_are_named(world: World) {
    for (id, bytes) in [("1", "one"), ("2", "two"), ("3", "three"), ("2", "zwei")] {
        world.block("a", id, bytes.as_bytes()).await.unwrap();
    }
    world.block("b", "1", b"another blob's").await.unwrap();
    assert_eq!(world.blobs.find("a").await.unwrap(), None);
    let blocks = world.blobs.blocks("a").await.unwrap();
    let waiting: Vec<u64> = blocks.waiting.iter().map(|block| block.bytes).collect();
    assert_eq!((blocks.composed.len(), waiting), (0, vec![3, 4, 5]));
    let latest = |id| (Source::Latest, id);
    let stored = compose(&world, "a", &[latest("2"), latest("1"), latest("2")]).await.unwrap();
    assert_eq!(stored.bytes, 11);
    assert_eq!(world.bytes("a").await.unwrap(), b"zweionezwei");
    assert_eq!(world.read(&stored, 3..8).await.unwrap(), b"ionez");
    let blocks = world.blobs.blocks("a").await.unwrap();
    let ids: Vec<&[u8]> = blocks.composed.iter().map(|block| block.id.as_slice()).collect();
    assert_eq!((ids, blocks.waiting.len()), (vec![b"2".as_slice(), b"1", b"2"], 0), "the third is forgotten");
    assert_eq!(world.blobs.figures().blocks_waiting, 1);
    assert_eq!(compose(&world, "empty", &[]).await.unwrap().bytes, 0);
    assert_eq!(world.bytes("empty").await.unwrap(), b"");
}

pub(super) async fn blocks_are_taken_from_where_the_list_says(world: World) {
    world.block("a", "1", b"old").await.unwrap();
    world.block("a", "2", b"kept").await.unwrap();
    compose(&world, "a", &[(Source::Latest, "1"), (Source::Latest, "2")]).await.unwrap();
    world.block("a", "1", b"new").await.unwrap();
    assert_eq!(world.bytes("a").await.unwrap(), b"oldkept", "a block that waits changes nothing");
    let missing = compose(&world, "a", &[(Source::Composed, "1"), (Source::Waiting, "2")]).await;
    assert_eq!(missing, Err(WriteError::BlockNotFound { at: 1 }));
    let list =
        [(Source::Composed, "1"), (Source::Waiting, "1"), (Source::Latest, "1"), (Source::Latest, "2")];
    compose(&world, "a", &list).await.unwrap();
    assert_eq!(world.bytes("a").await.unwrap(), b"oldnewnewkept");
    let whole = world.put("a", b"whole").await.unwrap();
    assert_eq!(world.blobs.blocks("a").await.unwrap().composed, []);
    let gone = compose(&world, "a", &[(Source::Latest, "1")]).await;
    assert_eq!(gone, Err(WriteError::BlockNotFound { at: 0 }));
    assert_eq!(world.blobs.find("a").await.unwrap(), Some(whole));
}

pub(super) async fn expectations_decide_when_the_blob_appears(world: World) {
    let mut early = world.blobs.write("a", None).await.unwrap();
    early.write(b"early".as_slice().into()).await.unwrap();
    let first = world.put_if("a", b"first", Expect::Absent).await.unwrap();
    let conflict = Err(WriteError::Conflict { found: Some(first.version) });
    assert_eq!(early.into_blob(Vec::new(), Expect::Absent).await, conflict);
    assert_eq!(world.put_if("a", b"x", Expect::Absent).await, conflict);
    assert_eq!(world.put_if("a", b"x", Expect::Version(first.version - 1)).await, conflict);
    assert_eq!(world.put_if("b", b"x", Expect::Present).await, Err(WriteError::Conflict { found: None }));
    assert_eq!(world.bytes("a").await.unwrap(), b"first");
    let second = world.put_if("a", b"second", Expect::Version(first.version)).await.unwrap();
    let stale = world.blobs.delete("a", Expect::Version(first.version)).await;
    assert_eq!(stale, Err(WriteError::Conflict { found: Some(second.version) }));
    assert_eq!(world.blobs.delete("a", Expect::Version(second.version)).await, Ok(true));
    assert_eq!(world.blobs.delete("a", Expect::Anything).await, Ok(false));
    let third = world.put("a", b"third").await.unwrap();
    assert!(third.version > second.version, "made anew, it is another one");
    assert_eq!(world.blobs.figures().writing_bytes, 0);
}

pub(super) async fn a_read_shows_one_version_or_breaks_off(world: World) {
    let old = world.put("a", &sample(600_000)).await.unwrap();
    let mut reading = world.blobs.read(&old, 0..old.bytes).await.unwrap();
    let first = reading.next().await.unwrap().unwrap();
    world.put("a", &[0xff; 600_000]).await.unwrap();
    let mut seen = first.to_vec();
    while let Ok(Some(piece)) = reading.next().await {
        seen.extend_from_slice(&piece);
    }
    assert_eq!(seen, &sample(600_000)[..seen.len()]);
    let gone = world.blobs.read(&old, 0..1).await.map(drop);
    assert_eq!(gone, Err(ReadError::Gone));
}

pub(super) async fn names_of_any_kind_are_kept_apart_and_in_order(world: World) {
    let long = "ü".repeat(1024);
    let names =
        ["..", "../../etc/x", "/", "a", "a/", "a/b", "a\0b", "A", "blob", "d/%2e%2e", &long, "\u{1f980}"];
    for name in names {
        world.put(name, name.as_bytes()).await.unwrap();
    }
    for name in names {
        assert_eq!(world.bytes(name).await.unwrap(), name.as_bytes(), "{name:?}");
    }
    let mut sorted: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    sorted.sort();
    let mut walked: Vec<String> = Vec::new();
    loop {
        let page = world.names("", walked.last().map(String::as_str), 5).await;
        if page.is_empty() {
            break;
        }
        walked.extend(page);
    }
    assert_eq!(walked, sorted);
    assert_eq!(world.names("a/", None, 10).await, ["a/", "a/b"]);
    assert_eq!(world.names("a/", Some("a/"), 10).await, ["a/b"]);
    assert_eq!(world.names("a/", Some("0"), 10).await, ["a/", "a/b"], "a place before all of them");
    for name in ["", &"x".repeat(1025)] {
        let refused = world.put(name, b"").await;
        assert_eq!(refused, Err(WriteError::Name { chars_max: 1024 }));
    }
    for id in ["", &"x".repeat(65)] {
        assert_eq!(world.block("a", id, b"x").await, Err(WriteError::BlockId { bytes_max: 64 }));
    }
    let writing = world.blobs.write("a", None).await.unwrap();
    let much = vec![("k".to_owned(), "v".repeat(ATTRIBUTES_BYTES_MAX))];
    let refused = writing.into_blob(much, Expect::Anything).await;
    assert_eq!(refused, Err(WriteError::Attributes { bytes_max: ATTRIBUTES_BYTES_MAX }));
}

pub(super) async fn what_is_old_goes(world: World) {
    world.put("old", b"12").await.unwrap();
    world.block("half", "1", b"345").await.unwrap();
    world.clock.pass(Duration::from_secs(100));
    let line = skerry_model::Clock::now(world.clock.as_ref());
    world.put("young", b"6").await.unwrap();
    world.block("half", "2", b"78").await.unwrap();
    let blocks = Sweep { blocks_before: Some(line), blobs_before: None };
    assert_eq!(world.blobs.sweep(blocks).await.unwrap(), Swept { blocks: 1, blobs: 0 });
    let both = Sweep { blobs_before: Some(line), ..blocks };
    assert_eq!(world.blobs.sweep(both).await.unwrap(), Swept { blocks: 0, blobs: 1 });
    assert_eq!(world.blobs.sweep(both).await.unwrap(), Swept::default());
    assert_eq!(world.names("", None, 10).await, ["young"]);
    assert_eq!(world.blobs.blocks("half").await.unwrap().waiting.len(), 1);
    let figures = world.blobs.figures();
    assert_eq!((figures.blob_bytes, figures.blocks_waiting_bytes), (1, 2));
}

pub(super) async fn bounds_refuse_and_reads_go_on(world: World) {
    let full = WriteError::Full { bytes_max: 10_000 };
    let large = WriteError::BlobTooLarge { bytes_max: 5_000 };
    world.put("a", &sample(4_000)).await.unwrap();
    world.put("b", &sample(4_000)).await.unwrap();
    assert_eq!(world.blobs.write("c", Some(2_001)).await.map(drop), Err(full.clone()));
    let mut undeclared = world.blobs.write("c", None).await.unwrap();
    undeclared.write(sample(2_000).into()).await.unwrap();
    assert_eq!(undeclared.write(vec![0].into()).await, Err(full.clone()));
    assert_eq!(world.put("d", b"x").await, Err(full), "what is being written counts");
    drop(undeclared);
    assert_eq!(world.blobs.write("c", Some(5_001)).await.map(drop), Err(large.clone()));
    for id in ["1", "2", "3"] {
        world.block("c", id, &[7; 500]).await.unwrap();
    }
    assert_eq!(world.block("c", "4", b"x").await, Err(WriteError::TooManyBlocks { blocks_max: 3 }));
    world.block("c", "3", &[8; 500]).await.unwrap();
    let twice = compose(&world, "c", &[(Source::Latest, "1"); 4]).await;
    assert_eq!(twice, Err(WriteError::TooManyBlocks { blocks_max: 3 }));
    compose(&world, "c", &[(Source::Latest, "1")]).await.unwrap();
    world.put("e", b"").await.unwrap();
    assert_eq!(world.put("f", b"").await, Err(WriteError::TooManyBlobs { blobs_max: 4 }));
    world.put("e", b"in its own place").await.unwrap();
    assert_eq!(world.bytes("a").await.unwrap(), sample(4_000));
    assert_eq!(world.blobs.figures().refused_full, 3);
}

pub(super) async fn room_comes_back(world: World) {
    for round in 0..50 {
        world.put("a", &[round; 5_000]).await.unwrap();
        world.block("b", "1", &[round; 2_000]).await.unwrap();
        world.block("b", "2", &[round; 2_000]).await.unwrap();
        compose(&world, "b", &[(Source::Waiting, "2")]).await.unwrap();
        let figures = world.blobs.figures();
        assert_eq!((figures.blob_bytes, figures.blocks_waiting_bytes, figures.writing_bytes), (7_000, 0, 0));
        assert!(world.blobs.delete("a", Expect::Anything).await.unwrap());
        assert!(world.blobs.delete("b", Expect::Anything).await.unwrap());
    }
    assert_eq!(world.blobs.figures(), Figures::default());
}
