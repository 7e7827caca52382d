//! What only a folder can have: a past, leftovers, and damage.

use std::fs;
use std::path::{Path, PathBuf};

use skerry_store::blobs::{
    Composition, Expect, FolderBlobs, FolderOptions, Limits, OpenError, ReadError, Source,
};

use super::{Stopped, World};

/// Every file below, with the end of its name.
fn files(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn one(path: &Path, ending: &str) -> PathBuf {
    let mut found = files(path).into_iter().filter(|path| path.to_str().unwrap().ends_with(ending));
    let first = found.next().unwrap();
    assert_eq!(found.next(), None);
    first
}

#[tokio::test]
async fn everything_is_there_again_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let before = World::folder(folder.path(), Limits::default());
    let stored = before.put("d1/a", b"whole").await.unwrap();
    before.block("d1/b", "1", b"one").await.unwrap();
    before.block("d1/b", "2", b"two").await.unwrap();
    let blocks = vec![(Source::Latest, b"1".to_vec()), (Source::Latest, b"2".to_vec())];
    let name = "d1/b".to_owned();
    let composition = Composition { name, blocks, attributes: Vec::new(), expect: Expect::Anything };
    before.blobs.compose(composition).await.unwrap();
    before.block("d1/b", "3", b"three").await.unwrap();
    before.block("d1/b", "3", b"drei").await.unwrap();
    before.block("d1/c", "4", b"four").await.unwrap();
    let (figures, all) = (before.blobs.figures(), files(folder.path()));
    drop(before);

    let after = World::folder(folder.path(), Limits::default());
    assert_eq!((after.blobs.figures(), files(folder.path())), (figures, all));
    assert_eq!(after.blobs.find("d1/a").await.unwrap(), Some(stored.clone()));
    assert_eq!(after.bytes("d1/b").await.unwrap(), b"onetwo");
    let waiting = after.blobs.blocks("d1/b").await.unwrap().waiting;
    assert_eq!((waiting.len(), waiting[0].bytes), (1, 4));
    assert_eq!(after.names("d1/", None, 10).await, ["d1/a", "d1/b"]);
    let again = after.put("d1/a", b"again").await.unwrap();
    assert!(again.version > stored.version, "versions go on");
}

#[tokio::test]
async fn leftovers_of_a_crash_go_when_the_folder_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::folder(folder.path(), Limits::default());
    world.put("a", b"kept").await.unwrap();
    let kept = files(folder.path());
    let directory = one(folder.path(), "/blob").parent().unwrap().to_owned();
    let lonely = folder.path().join("names/ab").join("ab".repeat(32));
    fs::create_dir_all(&lonely).unwrap();
    for path in [
        folder.path().join("writing/77"),
        directory.join("77.part"),
        directory.join("blob.new"),
        // Written before the manifest was made, and not named by it.
        directory.join("1-6b49d200-0-00.block"),
        lonely.join("78.part"),
        lonely.join("blob.new"),
    ] {
        fs::write(path, b"left").unwrap();
    }
    drop(world);
    let world = World::folder(folder.path(), Limits::default());
    assert_eq!(files(folder.path()), kept);
    assert!(!lonely.exists());
    assert_eq!(world.bytes("a").await.unwrap(), b"kept");
    assert_eq!(world.blobs.figures().blob_bytes, 4);
    // What has an answer coming is written under numbers that no leftover had.
    world.put("a", b"new").await.unwrap();
    assert_eq!(one(folder.path(), ".part").parent().unwrap(), directory);
}

#[tokio::test]
async fn nothing_is_left_of_what_is_replaced_forgotten_or_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::folder(folder.path(), Limits::default());
    let empty = files(folder.path());
    for _ in 0..3 {
        world.block("a", "1", b"one").await.unwrap();
        world.block("a", "1", b"eins").await.unwrap();
        world.put("a", b"whole").await.unwrap();
        drop(world.blobs.write("a", Some(100)).await.unwrap());
        assert_eq!(files(folder.path()).len(), empty.len() + 2, "a part and a manifest");
        world.put("a", b"").await.unwrap();
        assert_eq!(files(folder.path()).len(), empty.len() + 1, "a manifest");
    }
    assert!(world.blobs.delete("a", Expect::Anything).await.unwrap());
    assert_eq!(files(folder.path()), empty);
}

#[tokio::test]
async fn damage_is_told_and_hides_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::folder(folder.path(), Limits::default());
    let whole = world.put("a", &[7; 1000]).await.unwrap();
    let part = one(folder.path(), ".part");
    let mut bytes = fs::read(&part).unwrap();
    bytes[500] ^= 1;
    fs::write(&part, &bytes).unwrap();
    let error = world.read(&whole, 0..1000).await.unwrap_err();
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
    fs::write(&part, &bytes[..999]).unwrap();
    let error = world.read(&whole, 500..1000).await.unwrap_err();
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");

    let manifest = one(folder.path(), "/blob");
    world.put("b", b"fine").await.unwrap();
    fs::write(&manifest, b"skerry-blob 1 00000000\n{}").unwrap();
    drop(world);
    let world = World::folder(folder.path(), Limits::default());
    assert_eq!((world.blobs.figures().damaged, world.bytes("b").await), (1, Some(b"fine".to_vec())));
    assert_eq!(world.blobs.find("a").await.unwrap(), None);
    world.put("a", b"written again").await.unwrap();
    assert_eq!(world.bytes("a").await.unwrap(), b"written again");
}

#[test]
fn another_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("format"), "something else\n").unwrap();
    let path = folder.path().to_owned();
    let options = FolderOptions { path, limits: Limits::default(), clock: Stopped::new() };
    let error = FolderBlobs::open(options).map(drop).unwrap_err();
    assert!(matches!(error, OpenError::Format { .. }), "{error}");
}
