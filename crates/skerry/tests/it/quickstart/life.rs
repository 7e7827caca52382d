//! It starts, shows what it has, stops, goes on, and forgets.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use super::world::World;

/// A command that is tried as it stands, in a shell that has read the variables.
fn tried(world: &World, first: &str, command: &str) -> String {
    // What is followed without an end is looked at for a moment.
    let command = match command.strip_prefix("skerry monitor") {
        Some(_) => format!("{command} | head -n 2"),
        None => command.to_owned(),
    };
    world.sh(None, &format!("set -e; {first}\n{command}"))
}

/// The numbers of the sensor's messages that the hub has, by the run of the sensor that sent them.
fn kept(world: &World, first: &str, count: usize) -> BTreeSet<(String, u64)> {
    let script = format!(
        "{first}\nskerry monitor --from oldest --json | grep --line-buffered '\"machine\"' | head -n {count}"
    );
    let said = world.sh(None, &script);
    let found = said.lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        let property = |name: &str| event["properties"][name].as_str().unwrap().to_owned();
        (property("batchId"), property("sequenceNumber").parse().unwrap())
    });
    found.collect()
}

#[test]
fn it_shows_telemetry_goes_on_and_forgets() {
    let world = World::new();
    let data = world.path("it's here");
    let arguments = ["--data", data.to_str().unwrap()];
    let mut running = world.quickstart(None, &arguments);
    assert_eq!(running.step("hub"), "localhost at 127.0.0.1 (HTTPS 443, MQTT 8883, AMQP 5671)");
    assert_eq!(
        running.step("engine"),
        "no container engine at /var/run/docker.sock: modules run as processes"
    );
    assert_eq!(running.step("device"), "edge-1 is registered, its manifest wants sensor");
    assert_eq!(running.step("edge"), "starts at 127.0.0.2 (HTTPS 443, MQTT 8883, AMQP 5671)");
    let hints = running.hints();
    running.says("that the sensor runs", |line| line.starts_with("sensor      running, connected"));
    running.message();
    running.message();

    // What it says is to be tried works as it stands.
    let [first, others @ ..] = hints.as_slice() else { panic!("{hints:?}") };
    assert!(first.starts_with(". '") && others.len() == 6, "{hints:?}");
    for (command, says) in others.iter().zip([
        "edge-1/sensor",
        "sensor      skerry/temperature-sensor:quickstart  running  running   Connected",
        "sensor           running",
        "Sending message",
        "SendInterval",
        "200",
    ]) {
        let said = tried(&world, first, command);
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(squeezed(&said).contains(&squeezed(says)), "{command}\n{said}");
    }
    let logs = tried(&world, first, "skerry iotedge logs sensor");
    assert!(logs.contains("Resetting the temperature"), "{logs}");
    // Without a container engine some of it is not well, but it is this device that is looked at.
    let checked = tried(&world, first, "skerry iotedge check || true");
    assert!(checked.contains("√ aziot-edged configuration is well-formed - OK"), "{checked}");
    let connection_string = tried(&world, first, "skerry device connection-string edge-1");
    let before = kept(&world, first, 2);
    running.interrupt();
    world.until_alone();
    let is_private = |name: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        data.join(name).metadata().unwrap().permissions().mode() & 0o077 == 0
    };
    assert!(is_private(".") && is_private("edge/config.toml") && is_private("log"));

    // Again: the same device, its manifest as it was, and what it sent before is there.
    let mut running = world.quickstart(None, &arguments);
    assert_eq!(running.step("device"), "edge-1 is known, as its manifest was");
    running.message();
    running.message();
    assert_eq!(tried(&world, first, "skerry device connection-string edge-1"), connection_string);
    let after = kept(&world, first, 8);
    assert!(before.is_subset(&after), "{before:?} {after:?}");
    let runs: BTreeSet<&String> = after.iter().map(|(run, _)| run).collect();
    assert!(runs.len() <= 2, "{after:?}");
    // The twin of before counts: the sensor sends each second.
    let twin = tried(&world, first, "skerry twin show edge-1 --module sensor");
    assert_eq!(serde_json::from_str::<Value>(&twin).unwrap()["properties"]["desired"]["SendInterval"], 1);
    running.signal("TERM");
    let (code, said) = running.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(
        !said.lines().any(|line| line.starts_with("trouble")),
        "its last end is no trouble of this run: {said}"
    );
    world.until_alone();

    let mut running = world.quickstart(None, &[&arguments[..], &["--reset"]].concat());
    assert_eq!(running.step("device"), "edge-1 is registered, its manifest wants sensor");
    running.message();
    assert_ne!(tried(&world, first, "skerry device connection-string edge-1"), connection_string);
    running.interrupt();
    world.until_alone();
}

#[test]
fn nobody_outlives_it_however_it_ends() {
    let world = World::new();
    let mut running = world.quickstart(None, &["--data", "data"]);
    running.message();
    assert!(world.others().iter().any(|other| other.contains("temperature-sensor")), "{:?}", world.others());
    running.signal("KILL");
    let (code, said) = running.end();
    assert_eq!(code, None, "{said}");
    world.until_alone();
    // Nothing is in the way of the next one.
    let mut running = world.quickstart(None, &["--data", "data"]);
    assert_eq!(running.step("device"), "edge-1 is known, as its manifest was");
    running.message();
    running.interrupt();
    world.until_alone();

    // Asked to stop while it starts.
    let mut running = world.quickstart(None, &["--data", "data"]);
    running.step("hub");
    running.interrupt();
    world.until_alone();
}

#[test]
fn a_module_that_breaks_off_is_started_again() {
    let world = World::new();
    let mut running = world.quickstart(None, &["--data", "data"]);
    running.message();
    let others = world.others();
    let sensor = others.iter().find(|other| other.contains(" temperature-sensor ")).unwrap();
    let pid = sensor.split(' ').next().unwrap();
    world.sh(None, &format!("kill -9 {pid}"));
    running.line("that it ended", |line| line.starts_with("sensor      backoff"));
    running.line("that it runs again", |line| line.starts_with("sensor      running"));
    running.message();
    running.interrupt();
    world.until_alone();
}

#[test]
fn whoever_reads_may_go() {
    let world = World::new();
    let program: PathBuf = world.program();
    let script = format!("'{}' quickstart --data data | head -n 8", program.display());
    let said = world.sh(None, &script);
    assert_eq!(said.lines().count(), 8, "{said}");
    world.until_alone();
}
