//! Files of keys: who may touch them, the operator's own, and what is damaged.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use skerry_keys::{
    CertificateError, FileError, FileKeyStore, FileOptions, KeyError, KeyStore, Preloaded, Symmetric,
};

use crate::world::World;

fn only_file(world: &World) -> PathBuf {
    let mut files = fs::read_dir(world.path("keys")).unwrap();
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none());
    file
}

#[test]
fn keys_are_for_their_owner_alone() {
    let world = World::new();
    let keys = world.keys();
    keys.make_key("device-id").unwrap();
    assert_eq!(fs::metadata(world.path("keys")).unwrap().mode() & 0o777, 0o700);
    let file = only_file(&world);
    assert!(file.file_name().unwrap().to_str().unwrap().starts_with("deviceid-"), "{file:?}");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read(&file).unwrap().len(), 32);

    for mode in [0o640, 0o604, 0o666] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let refused = keys.sign(Symmetric::Named("device-id"), b"");
        assert!(matches!(refused, Err(KeyError::File(FileError::Mode { .. }))), "{mode:o}: {refused:?}");
    }
}

#[test]
fn a_key_of_somebody_else_is_refused() {
    let world = World::new();
    world.keys().make_key("k").unwrap();
    let own = fs::metadata(only_file(&world)).unwrap().uid();
    if own == 0 {
        std::os::unix::fs::chown(only_file(&world), Some(4711), None).unwrap();
    }
    // As another user would see a file that is not its own; one of root's is everybody's to use.
    let owner = if own == 0 { 0 } else { own + 1 };
    let options = FileOptions {
        directory: world.path("keys"),
        preloaded: BTreeMap::new(),
        owner,
        random: world.random.clone(),
    };
    let refused = FileKeyStore::open(options).unwrap().sign(Symmetric::Named("k"), b"");
    assert!(matches!(refused, Err(KeyError::File(FileError::Owner { .. }))), "{refused:?}");
}

#[test]
fn the_operators_key_is_read_where_it_lies_and_replaced_by_nobody_else() {
    let world = World::new();
    let path = world.path("device.key");
    fs::write(&path, b"first").unwrap();
    let keys = world.keys_with(BTreeMap::from([("device-id".to_owned(), path.clone())]));
    let first = keys.sign(Symmetric::Named("device-id"), b"x").unwrap();
    for refused in [keys.import_key("device-id", b"x"), keys.delete("device-id")] {
        assert!(matches!(refused, Err(KeyError::File(FileError::Operators { .. }))), "{refused:?}");
    }
    fs::write(&path, b"second").unwrap();
    assert_ne!(keys.sign(Symmetric::Named("device-id"), b"x").unwrap(), first, "a new file counts at once");
    fs::remove_file(&path).unwrap();
    let missing = keys.sign(Symmetric::Named("device-id"), b"x").unwrap_err();
    assert!(missing.to_string().contains("check the path"), "{missing}");
}

#[test]
fn an_empty_key_is_damage_and_not_a_new_key() {
    let world = World::new();
    let keys = world.keys();
    keys.make_key("k").unwrap();
    fs::write(only_file(&world), b"").unwrap();
    assert!(matches!(keys.make_key("k"), Err(KeyError::Damaged { .. })));
}

#[test]
fn what_a_crash_left_in_the_making_does_not_matter() {
    let world = World::new();
    let keys = world.keys();
    keys.make_key("k").unwrap();
    let (file, before) = (only_file(&world), keys.sign(Symmetric::Named("k"), b"").unwrap());
    fs::write(file.with_extension("key.new"), b"half").unwrap();
    assert_eq!(keys.sign(Symmetric::Named("k"), b"").unwrap(), before);
    keys.import_key("k", b"other").unwrap();
    assert_eq!(fs::read(only_file(&world)).unwrap(), b"other");
}

#[test]
fn bundles_are_put_together_from_what_is_there() {
    let world = World::new();
    let one = rcgen::generate_simple_self_signed(["one.test".to_owned()]).unwrap().cert.pem();
    fs::write(world.path("one.pem"), &one).unwrap();
    let bundle = |ids: &[&str]| Preloaded::Bundle(ids.iter().map(|&id| id.to_owned()).collect());
    let certificates = world.certificates(BTreeMap::from([
        ("one".to_owned(), Preloaded::File(world.path("one.pem"))),
        ("both".to_owned(), bundle(&["one", "absent", "kept"])),
        ("none".to_owned(), bundle(&["absent"])),
        ("itself".to_owned(), bundle(&["itself"])),
        ("lost".to_owned(), Preloaded::File(world.path("lost.pem"))),
    ]));
    let kept = rcgen::generate_simple_self_signed(["kept.test".to_owned()]).unwrap().cert.pem();
    certificates.import("kept", &kept).unwrap();
    assert_eq!(certificates.get("both").unwrap().unwrap(), format!("{one}{kept}").replace("\r\n", "\n"));
    assert_eq!(certificates.get("none").unwrap(), None);
    assert!(matches!(certificates.get("itself"), Err(CertificateError::Nested { .. })));
    assert!(certificates.get("lost").unwrap_err().to_string().contains("lost.pem does not exist"));
    assert!(certificates.import("one", &kept).is_err(), "the operator's file is the operator's");
    assert!(certificates.import("bad", "no certificate").is_err());
    certificates.delete("kept").unwrap();
    assert_eq!(certificates.get("kept").unwrap(), None);
}
