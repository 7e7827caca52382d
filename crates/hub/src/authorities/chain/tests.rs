use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use skerry_store::documents::Revision;

use super::*;

struct Made {
    der: Vec<u8>,
    params: CertificateParams,
    key: KeyPair,
}

fn params(name: &str, is_ca: IsCa) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = is_ca;
    params
}

fn authority(below_max: Option<u8>) -> IsCa {
    IsCa::Ca(below_max.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained))
}

fn root(name: &str) -> Made {
    let (params, key) = (params(name, authority(None)), KeyPair::generate().unwrap());
    Made { der: params.self_signed(&key).unwrap().der().to_vec(), params, key }
}

/// Another authority that calls itself the same.
fn self_named() -> Made {
    root("root")
}

fn below(issuer: &Made, name: &str, is_ca: IsCa) -> Made {
    let (params, key) = (params(name, is_ca), KeyPair::generate().unwrap());
    let signer = Issuer::from_params(&issuer.params, &issuer.key);
    Made { der: params.signed_by(&key, &signer).unwrap().der().to_vec(), params, key }
}

fn registered(made: &Made, is_verified: bool) -> Authority {
    let now = now();
    Authority {
        name: "a".into(),
        certificate: Certificate::parse(&made.der).unwrap(),
        is_verified,
        code: None,
        created: now,
        updated: now,
        revision: Revision::ZERO,
    }
}

fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn judged(chain: &[&Made], authorities: &[Authority]) -> Result<(), ChainError> {
    let chain: Vec<&[u8]> = chain.iter().map(|made| made.der.as_slice()).collect();
    check(&chain, "d1", authorities, now())
}

fn nobody(outcome: &Result<(), ChainError>) -> bool {
    matches!(outcome, Err(ChainError::Nobody { .. }))
}

#[test]
fn a_chain_leads_to_a_verified_authority_or_nowhere() {
    let root = root("root");
    let twin = self_named();
    let middle = below(&root, "middle", authority(None));
    let leaf = below(&middle, "d1", IsCa::NoCa);
    let (verified, unverified) = ([registered(&root, true)], [registered(&root, false)]);
    assert_eq!(judged(&[&leaf, &middle], &verified), Ok(()));
    assert_eq!(judged(&[&leaf, &middle, &root], &verified), Ok(()));
    assert_eq!(judged(&[&leaf], &[registered(&middle, true)]), Ok(()), "an intermediate may be registered");
    assert!(nobody(&judged(&[&leaf, &middle], &unverified)));
    assert!(nobody(&judged(&[&leaf], &verified)), "what lies between is missing");
    assert!(nobody(&judged(&[&leaf, &middle], &[])));
    assert!(nobody(&judged(&[&leaf, &middle], &[registered(&twin, true)])), "the same name, another key");
}

#[test]
fn the_name_is_the_identity() {
    let root = root("root");
    let other = below(&root, "d2", IsCa::NoCa);
    let authorities = [registered(&root, true)];
    let expected = ChainError::Name { found: "d2".into(), name: "d1".into() };
    assert_eq!(judged(&[&other], &authorities), Err(expected));
    assert_eq!(check(&[&[][..]; 0], "d1", &authorities, now()), Err(ChainError::Empty));
    assert!(matches!(check(&[&b"junk"[..]], "d1", &authorities, now()), Err(ChainError::Unreadable(_))));
}

#[test]
fn a_device_cannot_sign_for_others() {
    let root = root("root");
    let device = below(&root, "d2", IsCa::NoCa);
    let forged = below(&device, "d1", IsCa::NoCa);
    assert!(nobody(&judged(&[&forged, &device], &[registered(&root, true)])));
}

#[test]
fn an_authority_has_no_more_below_it_than_it_says() {
    let root = root("root");
    let first = below(&root, "first", authority(Some(0)));
    let second = below(&first, "second", authority(None));
    let leaf = below(&second, "d1", IsCa::NoCa);
    assert!(nobody(&judged(&[&leaf, &second, &first], &[registered(&root, true)])));
    let leaf = below(&first, "d1", IsCa::NoCa);
    assert_eq!(judged(&[&leaf, &first], &[registered(&root, true)]), Ok(()));
}

#[test]
fn what_is_out_of_time_does_not_count() {
    let root = root("root");
    let (mut params, key) = (params("d1", IsCa::NoCa), KeyPair::generate().unwrap());
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    params.not_before = rcgen::date_time_ymd(2019, 1, 1);
    let der = params.signed_by(&key, &Issuer::from_params(&root.params, &root.key)).unwrap().der().to_vec();
    let late = Made { der, params, key };
    assert!(matches!(judged(&[&late], &[registered(&root, true)]), Err(ChainError::Time { .. })));
}
