//! What cannot be done says what to do instead.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::world::{SOMEBODY, World};

#[track_caller]
fn refused(world: &World, user: Option<&str>, arguments: &[&str], code: i32, says: &str) {
    let (found, said) = world.quickstart(user, arguments).end();
    assert_eq!(found, Some(code), "{said}");
    assert!(said.contains(says), "{said:?} does not say {says:?}");
    assert!(said.lines().count() <= 8 && !said.contains("panicked"), "{said}");
}

#[test]
fn directories_that_cannot_be_used() {
    let world = World::new();
    fs::write(world.path("file"), "").unwrap();
    let other = "Name another directory with --data";
    refused(&world, None, &["--data", "file"], 1, other);
    refused(&world, Some(SOMEBODY), &["--data", "not mine"], 1, other);
    let long = "l".repeat(120);
    refused(&world, None, &["--data", &long], 2, "Name a shorter one with --data");
    fs::create_dir_all(world.path("theirs/hub")).unwrap();
    fs::write(world.path("theirs/hub/precious"), "").unwrap();
    refused(&world, None, &["--data", "theirs", "--reset"], 2, "not a quickstart's");
    assert!(world.path("theirs/hub/precious").exists());
    // Among the temporary files somebody else could have been there before.
    let taken = world.path("tmp/skerry-quickstart-1000");
    fs::create_dir(&taken).unwrap();
    fs::set_permissions(&taken, fs::Permissions::from_mode(0o777)).unwrap();
    refused(&world, Some(SOMEBODY), &[], 1, "Name a directory of yours with --data");
    // What is damaged is not guessed at.
    fs::create_dir(world.path("damaged")).unwrap();
    fs::write(world.path("damaged/quickstart.json"), "{").unwrap();
    refused(&world, None, &["--data", "damaged"], 1, "Begin anew with --reset");
    assert!(world.others().is_empty(), "{:?}", world.others());
}

#[test]
fn engines_that_cannot_be_used() {
    let world = World::new();
    refused(&world, None, &["--data", "a", "--engine", "docker"], 2, "auto, none, or the path");
    refused(&world, None, &["--data", "a", "--engine", "/nowhere.sock"], 1, "With --engine none");
    // Without being asked for, it does without.
    let mut command = world.command(None, &world.program());
    command.args(["quickstart", "--data", "a"]).env("DOCKER_HOST", "tcp://10.0.0.1:2375");
    let mut running = super::world::Running::start(command);
    let engine = running.step("engine");
    assert_eq!(
        engine,
        "DOCKER_HOST is tcp://10.0.0.1:2375, which is not on this machine: modules run as processes"
    );
    running.message();
    running.interrupt();
    // A loopback that is down is told.
    world.sh(None, "ip link set lo down");
    refused(&world, None, &["--data", "a"], 6, "ip link set lo up");
}
