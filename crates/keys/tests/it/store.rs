//! What every key store promises, run on the one there is.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use skerry_keys::{KeyError, KeyStore, PairAlgorithm, Scheme, Symmetric};

use crate::world::World;

#[test]
fn a_file_store_keeps_the_promises_of_key_stores() {
    let world = World::new();
    keeps_symmetric_keys(&*world.keys());
    keeps_pairs(&*world.keys());
    refuses(&*world.keys());
}

fn keeps_symmetric_keys(keys: &dyn KeyStore) {
    keys.make_key("a").unwrap();
    let first = keys.sign(Symmetric::Named("a"), b"x").unwrap();
    keys.make_key("a").unwrap();
    assert_eq!(keys.sign(Symmetric::Named("a"), b"x").unwrap(), first, "making is not replacing");
    keys.make_key("b").unwrap();
    assert_ne!(keys.sign(Symmetric::Named("b"), b"x").unwrap(), first);

    let derived = keys.export_derived("a", b"d").unwrap();
    assert_eq!(*derived, keys.sign(Symmetric::Named("a"), b"d").unwrap());
    keys.import_key("c", derived.as_slice()).unwrap();
    let (named, below) = (Symmetric::Named("c"), Symmetric::Derived { base: "a", data: b"d" });
    assert_eq!(keys.sign(named, b"x").unwrap(), keys.sign(below, b"x").unwrap());

    assert!(keys.has("a").unwrap());
    keys.delete("a").unwrap();
    keys.delete("a").unwrap();
    assert!(!keys.has("a").unwrap());
}

fn keeps_pairs(keys: &dyn KeyStore) {
    for (id, algorithm, schemes) in [
        (
            "ec",
            PairAlgorithm::EcP256,
            vec![(Scheme::EcdsaSha256, &ECDSA_P256_SHA256_ASN1 as &'static dyn VerificationAlgorithm)],
        ),
        (
            "rsa",
            PairAlgorithm::Rsa2048,
            vec![
                (Scheme::RsaPkcs1Sha256, &RSA_PKCS1_2048_8192_SHA256 as &'static dyn VerificationAlgorithm),
                (Scheme::RsaPssSha256, &RSA_PSS_2048_8192_SHA256),
            ],
        ),
    ] {
        let public = keys.make_pair(id, algorithm).unwrap();
        assert_eq!(keys.make_pair(id, algorithm).unwrap(), public, "making is not replacing");
        for (scheme, verifier) in schemes {
            let signature = keys.sign_with_pair(id, scheme, b"message").unwrap();
            UnparsedPublicKey::new(verifier, &public.bytes).verify(b"message", &signature).unwrap();
        }
        keys.move_pair(id, "moved").unwrap();
        assert_eq!(keys.public_key("moved").unwrap(), public);
        assert!(!keys.has(id).unwrap());
    }
    let wrong = keys.sign_with_pair("moved", Scheme::EcdsaSha256, b"message");
    assert!(matches!(wrong, Err(KeyError::Scheme { is: "RSA", .. })), "{wrong:?}");
}

fn refuses(keys: &dyn KeyStore) {
    assert!(matches!(keys.sign(Symmetric::Named("none"), b""), Err(KeyError::NotFound { .. })));
    assert!(matches!(keys.public_key("none"), Err(KeyError::NotFound { .. })));
    assert!(matches!(keys.move_pair("none", "moved"), Err(KeyError::NotFound { .. })));
    assert!(matches!(keys.make_key(""), Err(KeyError::Id { .. })));
    assert!(matches!(keys.import_key("e", b""), Err(KeyError::Length { .. })));
    keys.import_key("short", b"0123456789").unwrap();
    assert!(matches!(keys.encrypt("short", b"iv", b"", b""), Err(KeyError::Length { bytes: 10, .. })));
    assert!(matches!(keys.public_key("short"), Err(KeyError::Damaged { .. })));
}

#[test]
fn algorithms_are_chosen_by_the_originals_lists() {
    for (list, chosen) in [
        ("rsa-2048:*", Some(PairAlgorithm::Rsa2048)),
        ("ec-p256:rsa-4096:*", Some(PairAlgorithm::EcP256)),
        ("ec-p521:rsa-4096", Some(PairAlgorithm::Rsa4096)),
        ("*", Some(PairAlgorithm::EcP256)),
        ("ec-p521", None),
        ("", None),
    ] {
        assert_eq!(PairAlgorithm::preferred(list), chosen, "{list}");
    }
}
