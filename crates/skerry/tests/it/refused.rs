//! A hub that does not let the edge in: the program ends as the original does, for systemd to start it again.

use std::time::Instant;

use crate::mqtt::{PATIENCE, said};
use crate::preload::Clocks;
use crate::process::Hub;
use crate::upstream::program::Edge;
use crate::upstream::{DEVICE, KEY};

/// Provisioned anew, as the original says it.
const AGAIN: i32 = 154;
const OTHER_KEY: &str = "bm90IHRoZSBrZXkgb2YgdGhpcyBkZXZpY2UgYXQgYWw=";
/// Longer than a hub that is set up or restored may refuse.
const LONG_SECONDS: i64 = 301;

#[test]
fn a_credential_that_the_hub_refuses_ends_the_program_in_every_mode() {
    let hub = Hub::start();
    let ports = [hub.mqtt_address.port(), hub.amqp_address.port(), hub.address.port()];
    let known = ["device", "create", DEVICE, "--edge", "--primary-key"];
    said(&hub, &[known.as_slice(), &[OTHER_KEY, "--secondary-key", OTHER_KEY]].concat());
    for mode in ["", "Dynamic", "OnErrorOnly", "AlwaysOnStartup"] {
        let first =
            if mode.is_empty() { String::new() } else { format!("auto_reprovisioning_mode = \"{mode}\"") };
        let folder = tempfile::tempdir().unwrap();
        let clocks = Clocks::new(folder.path());
        let mut edge = Edge::start_with(&hub, &first, "", ports, &clocks.variables());
        // It is told where people look, before anything else happens.
        let told = "the hub is out of reach: there is no way to the hub: the hub refuses: ";
        until(&edge, "it is told", || edge.iotedge(&["list"]).contains(&format!("warn: {told}")));
        let checked = edge.iotedge(&["check", "-c", &edge.config()]);
        assert!(checked.contains(told), "{checked}");
        assert_eq!(edge.ended(), None, "a hub may refuse for a while: {}", edge.log());
        clocks.pass(LONG_SECONDS);
        let began = Instant::now();
        let code = loop {
            if let Some(code) = edge.ended() {
                break code;
            }
            assert!(began.elapsed() < PATIENCE, "{mode}: it does not end:\n{}", edge.log());
            std::thread::sleep(std::time::Duration::from_millis(50));
        };
        assert_eq!(code, AGAIN, "{mode}: {}", edge.log());
        assert!(edge.log().contains("it is to be provisioned anew"), "{}", edge.log());
    }
    // The key by which the hub knows it: it comes in, and stays.
    said(&hub, &["device", "update", DEVICE, "--primary-key", KEY, "--secondary-key", KEY]);
    let folder = tempfile::tempdir().unwrap();
    let clocks = Clocks::new(folder.path());
    let mut edge = Edge::start_with(&hub, "", "", ports, &clocks.variables());
    edge.until_connected(&hub, true);
    clocks.pass(LONG_SECONDS);
    until(&edge, "it is in again, after it has heard nothing for too long", || {
        let listed = edge.iotedge(&["list"]);
        !["out of reach", "clock"].iter().any(|trouble| listed.contains(trouble))
    });
    assert_eq!(edge.ended(), None, "{}", edge.log());
    edge.stop();
    hub.stop();
}

fn until(edge: &Edge, what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "it never came that {what}:\n{}", edge.log());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
