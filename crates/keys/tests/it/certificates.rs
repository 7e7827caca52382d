//! What the Edge CA issues, looked at by a verifier that is not ours.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use skerry_keys::renewal::Policy;
use skerry_keys::{
    CaSource, CertificateStore, Chain, EdgeCa, EdgeCaOptions, Issued, KeyStore, PairAlgorithm, ServerRequest,
    Subject, TrustBundle,
};
use skerry_model::Clock as _;
use x509_parser::prelude::GeneralName;

use crate::world::{DAY, World};

pub fn quickstart() -> CaSource {
    CaSource::Quickstart {
        subject: Subject::common_name("aziot-edge CA edge-a"),
        life: 90 * DAY,
        policy: Policy::default(),
    }
}

pub fn edge_ca(world: &World, source: CaSource) -> EdgeCa {
    edge_ca_with(world, source, world.keys(), world.certificates(BTreeMap::new())).unwrap()
}

pub fn edge_ca_with(
    world: &World,
    source: CaSource,
    keys: Arc<dyn KeyStore>,
    certificates: Arc<CertificateStore>,
) -> Result<EdgeCa, skerry_keys::CertificateError> {
    EdgeCa::open(EdgeCaOptions {
        source,
        keys,
        certificates,
        device: "edge-a".into(),
        clock: world.clock.clone(),
        random: world.random.clone(),
    })
}

pub fn server(ca: &EdgeCa, names: &[&str]) -> Issued {
    ca.issue_server(ServerRequest {
        common_name: names[0].to_owned(),
        names: names[1..].iter().map(|&name| name.to_owned()).collect(),
        algorithm: PairAlgorithm::EcP256,
    })
    .unwrap()
}

fn chain_of(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect()
}

fn now(world: &World) -> UnixTime {
    let seconds = u64::try_from(world.clock.now().unix_seconds()).unwrap();
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

fn roots(anchors: &str) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for anchor in chain_of(anchors) {
        roots.add(anchor).unwrap();
    }
    Arc::new(roots)
}

/// Whether a client that trusts `anchors` takes the server by that name now.
pub fn is_trusted(world: &World, chain_pem: &str, anchors: &str, name: &str) -> Result<(), rustls::Error> {
    let provider = Arc::new(default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(anchors), provider).build().unwrap();
    let chain = chain_of(chain_pem);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], now(world)).map(drop)
}

#[test]
fn a_server_certificate_stands_below_the_trust_bundle_under_all_its_names() {
    let world = World::new();
    let ca = edge_ca(&world, quickstart());
    let anchors = TrustBundle::default().pem(&ca).unwrap();
    let issued = server(&ca, &["edge-a.plant.lan", "edgeHub", "192.0.2.7", "edge-a.plant.lan", "fd00::1"]);
    for name in ["edge-a.plant.lan", "edgeHub", "192.0.2.7", "fd00::1"] {
        is_trusted(&world, &issued.chain_pem, &anchors, name).unwrap();
    }
    assert!(is_trusted(&world, &issued.chain_pem, &anchors, "other.test").is_err());
    assert_eq!(issued.not_after, world.clock.now().plus(30 * DAY));
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
    assert!(matches!(key, PrivateKeyDer::Pkcs8(_)));
    let key = default_provider().key_provider.load_private_key(key).unwrap();
    rustls::sign::CertifiedKey::new(chain_of(&issued.chain_pem), key).keys_match().unwrap();
}

#[test]
fn certificates_carry_what_the_original_puts_into_them() {
    let world = World::new();
    let ca = edge_ca(&world, quickstart());
    let chain = ca.chain();
    assert_eq!(chain.common_name.as_deref(), Some("aziot-edge CA edge-a"));
    let (_, parsed) = x509_parser::parse_x509_certificate(&chain.certificates()[0]).unwrap();
    let constraints = parsed.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len_constraint, Some(0));
    let usage = parsed.key_usage().unwrap().unwrap();
    assert!(usage.critical && usage.value.digital_signature() && usage.value.key_cert_sign());

    let issued = ca.issue_identity("hub.test", "edge-a", "mod1", PairAlgorithm::Rsa2048).unwrap();
    let chain = chain_of(&issued.chain_pem);
    let (_, parsed) = x509_parser::parse_x509_certificate(&chain[0]).unwrap();
    assert_eq!(parsed.subject().to_string(), "CN=mod1");
    assert!(parsed.public_key().parsed().is_ok_and(|key| key.key_size() == 2048));
    let names = parsed.subject_alternative_name().unwrap().unwrap();
    let text = "URI: azureiot://hub.test/devices/edge-a/modules/mod1";
    assert_eq!(names.value.general_names, [GeneralName::DNSName(text)]);
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth);

    // As a hub would look at it.
    let anchors = roots(&ca.anchors().unwrap());
    let verifier = WebPkiClientVerifier::builder_with_provider(anchors, Arc::new(default_provider()));
    verifier.build().unwrap().verify_client_cert(&chain[0], &chain[1..], now(&world)).unwrap();
}

#[test]
fn names_that_cannot_stand_in_a_certificate_are_refused_and_long_ones_cut() {
    let world = World::new();
    let ca = edge_ca(&world, quickstart());
    let request = ServerRequest {
        common_name: "käse.test".into(),
        names: Vec::new(),
        algorithm: PairAlgorithm::EcP256,
    };
    assert!(ca.issue_server(request).unwrap_err().to_string().contains("käse.test"));
    let issued = ca.issue_identity("hub", "d", &"x".repeat(128), PairAlgorithm::EcP256).unwrap();
    let chain = Chain::from_pem(issued.chain_pem.as_bytes(), "it").unwrap();
    assert_eq!(chain.common_name.unwrap().len(), 64);
}

#[test]
fn requests_of_others_are_signed_as_they_ask_but_make_no_authority() {
    let world = World::new();
    let ca = edge_ca(&world, quickstart());
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params =
        rcgen::CertificateParams::new(["local.test".to_owned(), "192.0.2.1".to_owned()]).unwrap();
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    let pem = ca.sign_request(&request).unwrap();
    is_trusted(&world, &pem, &ca.anchors().unwrap(), "local.test").unwrap();
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    is_trusted(&world, &pem, &ca.anchors().unwrap(), &address.to_string()).unwrap();

    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let greedy = params.serialize_request(&key).unwrap().pem().unwrap();
    match ca.sign_request(&greedy) {
        Err(_) => {}
        Ok(pem) => assert!(!Chain::from_pem(pem.as_bytes(), "it").unwrap().is_authority),
    }
    assert!(ca.sign_request("no request").is_err());
}
