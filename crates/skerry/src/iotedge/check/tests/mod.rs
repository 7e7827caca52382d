//! Each check on a machine that is well, and on one that has just what it is there to find.

mod illnesses;
mod patient;

use super::catalogue::CHECKS;
use super::perform;
use illnesses::ILLNESSES;
use patient::Patient;

/// What does not apply to the healthy machine, because it has no such part.
const ABSENT: [&str; 4] = [
    "est-identity-and-bootstrap-certificate-expiry",
    "tpmd-running",
    "est-server-https",
    "host-connect-dps-endpoint",
];

#[test]
fn every_check_has_an_illness_that_it_finds() {
    let mut checks: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
    let mut found: Vec<&str> = ILLNESSES.iter().map(|illness| illness.id).collect();
    let all = checks.len();
    checks.sort_unstable();
    checks.dedup();
    assert_eq!(checks.len(), all, "ids are there once");
    found.sort_unstable();
    found.dedup();
    assert_eq!(checks, found);
}

#[tokio::test]
async fn a_healthy_machine_passes() {
    let facts = Patient::healthy().await.looked_at().await;
    for check in CHECKS {
        let outcome = perform(check, &facts).await;
        let expected = if ABSENT.contains(&check.id) { "ignored" } else { "ok" };
        // MQTT is a port that nobody here uses.
        let expected = if check.id.ends_with("upstream-mqtt") { "skipped" } else { expected };
        assert_eq!(outcome.word(), expected, "{}: {outcome:?}", check.id);
    }
}

#[tokio::test]
async fn each_illness_is_found_by_its_check() {
    for illness in ILLNESSES {
        let mut patient = Patient::healthy().await;
        (illness.befall)(&mut patient);
        let facts = patient.looked_at().await;
        let check = CHECKS.iter().find(|check| check.id == illness.id).unwrap();
        let outcome = perform(check, &facts).await;
        assert_eq!(outcome.word(), illness.word, "{}: {outcome:?}", check.id);
        let told = outcome.reasons().unwrap().join("\n");
        assert!(told.contains(illness.says), "{}: {told:?} does not say {:?}", check.id, illness.says);
    }
}

#[tokio::test]
async fn what_was_left_out_is_not_performed() {
    let mut patient = Patient::healthy().await;
    patient.args.dont_run = vec!["container-engine-dns".to_owned()];
    std::fs::remove_file(patient.path("daemon.json")).unwrap();
    let facts = patient.looked_at().await;
    for (id, word) in [("container-engine-dns", "ignored"), ("container-engine-logrotate", "warning")] {
        let check = CHECKS.iter().find(|check| check.id == id).unwrap();
        assert_eq!(perform(check, &facts).await.word(), word, "{id}");
    }
}

#[tokio::test]
async fn without_a_configuration_or_an_engine_the_cause_is_told_once() {
    let patient = Patient::healthy().await;
    patient.leave("gone");
    let facts = patient.looked_at().await;
    for check in CHECKS {
        let expected = if check.id == "aziot-edged-config-well-formed" { "error" } else { "skipped" };
        assert_eq!(perform(check, &facts).await.word(), expected, "{}", check.id);
    }
    let patient = Patient::healthy().await;
    patient.machine.set_down(true);
    let facts = patient.looked_at().await;
    for check in CHECKS.iter().filter(|check| check.id.starts_with("container-")) {
        let outcome = perform(check, &facts).await;
        let expected = match check.id {
            "container-engine-uri" => "error",
            // These read a file.
            "container-engine-dns" | "container-engine-ipv6" | "container-engine-logrotate" => "ok",
            _ => "skipped",
        };
        assert_eq!(outcome.word(), expected, "{}: {outcome:?}", check.id);
    }
}
