//! Renewals of the Edge CA: nobody's trust changes, nobody is restarted, no crash loses it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use skerry_keys::renewal::{Policy, Span};
use skerry_keys::{
    CaSource, CertificateError, EdgeCa, KeyStore, LocalCa, PairAlgorithm, Preloaded, Renewed, Subject,
    TrustBundle, file_name,
};
use skerry_model::Clock as _;

use crate::certificates::{edge_ca, edge_ca_with, is_trusted, quickstart, server};
use crate::world::{DAY, World};

fn check(world: &World, ca: &EdgeCa) -> Renewed {
    ca.check(world.clock.now()).unwrap()
}

#[test]
fn ten_years_of_renewals_never_change_the_trust_bundle() {
    let world = World::new();
    let ca = edge_ca(&world, quickstart());
    let anchors = ca.anchors().unwrap();
    let mut renewals = 0;
    let mut last = server(&ca, &["edge-a"]);
    for _ in 0..365 * 10 / 9 {
        world.clock.pass(9 * DAY);
        if check(&world, &ca) == Renewed::Yes {
            renewals += 1;
            // What was issued below the old one is still good.
            is_trusted(&world, &last.chain_pem, &anchors, "edge-a").unwrap();
        }
        if last.not_after.since(world.clock.now()) < 15 * DAY {
            last = server(&ca, &["edge-a"]);
        }
        is_trusted(&world, &last.chain_pem, &anchors, "edge-a").unwrap();
    }
    assert_eq!(renewals, 50);
    assert_eq!(ca.anchors().unwrap(), anchors);
    let reopened = edge_ca(&world, quickstart());
    assert_eq!(reopened.chain(), ca.chain(), "a restart makes nothing new");
    assert_eq!(reopened.anchors().unwrap(), anchors);
}

#[test]
fn a_renewal_that_was_missed_is_made_at_the_start() {
    let world = World::new();
    let first = edge_ca(&world, quickstart());
    world.clock.pass(1000 * DAY);
    assert!(first.issue_identity("h", "d", "m", PairAlgorithm::EcP256).is_err(), "it has expired");
    let ca = edge_ca(&world, quickstart());
    assert_ne!(ca.chain(), first.chain());
    assert_eq!(ca.anchors().unwrap(), first.anchors().unwrap());
}

#[test]
fn the_key_stays_where_the_policy_says_so() {
    let world = World::new();
    let policy = Policy { rotate_key: false, ..Policy::default() };
    let source = CaSource::Quickstart { subject: Subject::common_name("CA"), life: 90 * DAY, policy };
    let ca = edge_ca(&world, source);
    let (keys, before) = (world.keys(), ca.chain());
    let key = keys.public_key("aziot-edged-ca").unwrap();
    world.clock.pass(80 * DAY);
    assert_eq!(check(&world, &ca), Renewed::Yes);
    assert_eq!(keys.public_key("aziot-edged-ca").unwrap(), key);
    assert_ne!(ca.chain(), before);
}

#[test]
fn a_clock_that_was_wrong_at_the_first_start_heals() {
    let world = World::new();
    let right = world.clock.now().unix_seconds();
    world.clock.set(86_400);
    let ca = edge_ca(&world, quickstart());
    let anchors = ca.anchors().unwrap();
    world.clock.set(right);
    assert_eq!(check(&world, &ca), Renewed::Yes);
    let issued = server(&ca, &["edge-a"]);
    is_trusted(&world, &issued.chain_pem, &anchors, "edge-a").unwrap();

    // And back: what was made in the future is made again.
    world.clock.set(right - 10 * 86_400);
    assert_eq!(check(&world, &ca), Renewed::Yes);
}

#[test]
fn a_crash_at_any_point_of_a_renewal_leaves_an_edge_ca_below_the_same_root() {
    let (key, certificate) = (file_name("aziot-edged-ca", "key"), file_name("aziot-edged-ca", "cer"));
    let (key, certificate) = (key.unwrap(), certificate.unwrap());
    let temp = [file_name("aziot-edged-ca-temp", "key"), file_name("aziot-edged-ca-temp", "cer")]
        .map(Result::unwrap);
    // Which steps were done: key made, certificate made, key moved, certificate moved.
    for steps in 0..=4 {
        let world = World::new();
        let ca = edge_ca(&world, quickstart());
        let anchors = ca.anchors().unwrap();
        let old = [world.path("keys").join(&key), world.path("certs").join(&certificate)];
        let before = old.clone().map(|path| fs::read(path).unwrap());
        world.clock.pass(80 * DAY);
        check(&world, &ca);
        let after = old.clone().map(|path| fs::read(path).unwrap());
        let put = |path: &Path, bytes: &[u8]| skerry_keys::write_file(path, bytes, 0o600).unwrap();
        // Back to the state in the middle.
        put(&old[0], if steps >= 3 { &after[0] } else { &before[0] });
        put(&old[1], if steps >= 4 { &after[1] } else { &before[1] });
        if steps == 1 || steps == 2 {
            put(&world.path("keys").join(&temp[0]), &after[0]);
        }
        if steps >= 2 {
            put(&world.path("certs").join(&temp[1]), &after[1]);
        }
        let ca = edge_ca(&world, quickstart());
        assert_eq!(ca.anchors().unwrap(), anchors, "{steps}");
        let issued = server(&ca, &["edge-a"]);
        is_trusted(&world, &issued.chain_pem, &anchors, "edge-a").unwrap();
    }
}

/// An authority of the operator's, as two files.
fn authority(world: &World, name: &str, days: i64) -> (std::path::PathBuf, std::path::PathBuf) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let day = |days: i64| {
        let seconds = u64::try_from(world.clock.now().unix_seconds() + days * 86_400).unwrap();
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    (params.not_before, params.not_after) = (day(-2), day(days));
    let paths = (world.path(&format!("{name}.pem")), world.path(&format!("{name}.key")));
    fs::write(&paths.0, params.self_signed(&key).unwrap().pem()).unwrap();
    fs::write(&paths.1, key.serialize_pem()).unwrap();
    paths
}

type Operators = (Arc<dyn KeyStore>, Arc<skerry_keys::CertificateStore>);

fn preloaded(world: &World, id: &str, paths: &(std::path::PathBuf, std::path::PathBuf)) -> Operators {
    let keys = world.keys_with(BTreeMap::from([(id.to_owned(), paths.1.clone())]));
    let certificates =
        world.certificates(BTreeMap::from([(id.to_owned(), Preloaded::File(paths.0.clone()))]));
    (keys, certificates)
}

#[test]
fn an_operators_edge_ca_is_used_and_taken_anew_when_its_files_change() {
    let world = World::new();
    let paths = authority(&world, "own", 100);
    let (keys, certificates) = preloaded(&world, "aziot-edged-ca", &paths);
    let ca = edge_ca_with(&world, CaSource::Operator, keys, certificates).unwrap();
    let issued = server(&ca, &["edge-a"]);
    is_trusted(&world, &issued.chain_pem, &ca.anchors().unwrap(), "edge-a").unwrap();
    assert_eq!(check(&world, &ca), Renewed::No);

    let before = ca.chain();
    let key = fs::read(&paths.1).unwrap();
    authority(&world, "own", 200);
    let new_key = fs::read(&paths.1).unwrap();
    fs::write(&paths.1, &key).unwrap();
    let half = ca.check(world.clock.now());
    assert!(matches!(half, Err(CertificateError::Mismatch { .. })), "{half:?}");
    assert_eq!(ca.chain(), before, "half of a renewal changes nothing");
    fs::write(&paths.1, new_key).unwrap();
    assert_eq!(check(&world, &ca), Renewed::Yes);
    let issued = server(&ca, &["edge-a"]);
    is_trusted(&world, &issued.chain_pem, &ca.anchors().unwrap(), "edge-a").unwrap();
}

#[test]
fn what_an_operator_gives_is_checked_at_the_start() {
    let world = World::new();
    let (one, other) = (authority(&world, "one", 100), authority(&world, "other", 100));
    let expired = authority(&world, "expired", -1);
    let leaf = rcgen::generate_simple_self_signed(["leaf".to_owned()]).unwrap();
    let leaf_paths = (world.path("leaf.pem"), world.path("leaf.key"));
    fs::write(&leaf_paths.0, leaf.cert.pem()).unwrap();
    fs::write(&leaf_paths.1, leaf.signing_key.serialize_pem()).unwrap();
    for (paths, told) in [
        ((one.0.clone(), other.1.clone()), "belongs to another certificate"),
        (expired, "expired at"),
        (leaf_paths, "CA:TRUE"),
        ((world.path("absent.pem"), one.1.clone()), "absent.pem does not exist"),
        ((one.1.clone(), one.1.clone()), "write PEM"),
        ((one.0.clone(), one.0.clone()), "no usable bytes"),
    ] {
        let (keys, certificates) = preloaded(&world, "aziot-edged-ca", &paths);
        let refused = edge_ca_with(&world, CaSource::Operator, keys, certificates).err().unwrap().to_string();
        assert!(refused.contains(told), "{refused}");
    }
}

#[test]
fn a_local_authority_issues_edge_cas_and_is_what_others_trust() {
    let world = World::new();
    let paths = authority(&world, "plant", 50);
    let (keys, certificates) = preloaded(&world, "local-ca", &paths);
    let ca = LocalCa { certificate_id: "local-ca".into(), key_id: "local-ca".into() };
    let policy = Policy { threshold: Span::Time(10 * DAY), ..Policy::default() };
    let source =
        CaSource::Local { ca, subject: Subject::common_name("Edge of the plant"), life: 30 * DAY, policy };
    let ca = edge_ca_with(&world, source, keys, certificates).unwrap();
    let anchors = ca.anchors().unwrap();
    assert_eq!(anchors, fs::read_to_string(&paths.0).unwrap().replace("\r\n", "\n"));
    assert_eq!(check(&world, &ca), Renewed::No);
    world.clock.pass(21 * DAY);
    assert_eq!(check(&world, &ca), Renewed::Yes);
    let plant_ends = world.clock.now().plus(29 * DAY);
    assert_eq!(ca.chain().validity.not_after, plant_ends, "nothing outlives what stands above it");
    let issued = server(&ca, &["edge-a"]);
    is_trusted(&world, &issued.chain_pem, &anchors, "edge-a").unwrap();
}

#[test]
fn an_authority_that_is_configured_later_issues_at_once() {
    let world = World::new();
    let before = edge_ca(&world, quickstart()).chain();
    let source = |paths| {
        let (keys, certificates) = preloaded(&world, "local-ca", paths);
        let ca = LocalCa { certificate_id: "local-ca".into(), key_id: "local-ca".into() };
        let (subject, policy) = (Subject::common_name("Edge of the plant"), Policy::default());
        let source = CaSource::Local { ca, subject, life: 30 * DAY, policy };
        edge_ca_with(&world, source, keys, certificates).unwrap()
    };
    let (one, other) = (authority(&world, "one", 100), authority(&world, "other", 100));
    let first = source(&one);
    assert_ne!(first.chain(), before);
    assert_eq!(source(&one).chain(), first.chain(), "a restart issues nothing");
    let second = source(&other);
    for ca in [&first, &second] {
        assert_eq!(ca.chain().common_name.as_deref(), Some("Edge of the plant"));
    }
    let issued = server(&second, &["edge-a"]);
    is_trusted(&world, &issued.chain_pem, &second.anchors().unwrap(), "edge-a").unwrap();
}

#[test]
fn the_users_own_roots_are_in_the_trust_bundle_and_the_manifests_in_theirs() {
    let world = World::new();
    let (user, signer) = (authority(&world, "user", 9), authority(&world, "signer", 9));
    let ca = edge_ca(&world, quickstart());
    let mut bundle = TrustBundle { user: Some(user.0.clone()), manifest: None };
    let both = bundle.pem(&ca).unwrap();
    assert_eq!(both.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(both.ends_with(&fs::read_to_string(&user.0).unwrap()));
    assert_eq!(bundle.manifest_pem().unwrap(), "");
    bundle.manifest = Some(signer.0.clone());
    assert_eq!(bundle.manifest_pem().unwrap(), fs::read_to_string(&signer.0).unwrap());
    fs::remove_file(&user.0).unwrap();
    assert!(bundle.pem(&ca).unwrap_err().to_string().contains("user.pem does not exist"));
}

#[test]
fn an_originals_quickstart_is_trusted_until_it_is_renewed() {
    let world = World::new();
    let paths = authority(&world, "aziot-edge CA edge-a", 90);
    let (keys, certificates) = (world.path("keys"), world.path("certs"));
    world.keys();
    world.certificates(BTreeMap::new());
    let put =
        |path: std::path::PathBuf, bytes: Vec<u8>| skerry_keys::write_file(&path, &bytes, 0o600).unwrap();
    put(keys.join(file_name("aziot-edged-ca", "key").unwrap()), fs::read(&paths.1).unwrap());
    put(certificates.join(file_name("aziot-edged-ca", "cer").unwrap()), fs::read(&paths.0).unwrap());
    let ca = edge_ca(&world, quickstart());
    assert_eq!(ca.chain().common_name.as_deref(), Some("aziot-edge CA edge-a"));
    let anchors = ca.anchors().unwrap();
    assert_eq!(anchors.matches("BEGIN CERTIFICATE").count(), 2);
    let old = server(&ca, &["edge-a"]);
    is_trusted(&world, &old.chain_pem, &anchors, "edge-a").unwrap();
    world.clock.pass(90 * DAY);
    ca.check(world.clock.now()).unwrap();
    let new = server(&ca, &["edge-a"]);
    is_trusted(&world, &new.chain_pem, &anchors, "edge-a").unwrap();
}
