//! The identity, key and certificate services as other software on the machine uses them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::hub::{DEVICE, KEY};
use crate::world::World;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// Asks with the oldest version.
async fn ask(client: &Client, method: &str, path: &str, body: Value) -> Answer {
    let separator = if path.contains('?') { '&' } else { '?' };
    let path = format!("{path}{separator}api-version=2020-09-01");
    client.send(method, &path, (!body.is_null()).then_some(&body)).await
}

#[tokio::test]
async fn the_device_and_its_modules_are_told_with_keys_that_sign() {
    let world = World::new().await;
    let daemon = world.start().await;
    let (identityd, keyd) = (world.service("identityd"), world.service("keyd"));
    let device = ask(&identityd, "POST", "/identities/device", json!({ "type": "aziot" })).await.expect(200);
    assert_eq!(device["type"], "aziot");
    let spec = &device["spec"];
    assert_eq!(
        (&spec["hubName"], &spec["gatewayHost"], &spec["deviceId"]),
        (&json!("hub.test"), &json!("hub.test"), &json!(DEVICE))
    );
    assert_eq!(spec["auth"]["type"], "sas");
    let sign = async |handle: &Value, message: &str| {
        let body = json!({ "keyHandle": handle, "algorithm": "HMAC-SHA256", "parameters": { "message": b64(message) } });
        let answer = ask(&keyd, "POST", "/sign", body).await.expect(200);
        STANDARD.decode(answer["signature"].as_str().unwrap()).unwrap()
    };
    let signature = sign(&spec["auth"]["keyHandle"], "x").await;
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &STANDARD.decode(KEY).unwrap());
    aws_lc_rs::hmac::verify(&key, b"x", &signature).unwrap();

    let body = json!({ "type": "aziot", "moduleId": "local" });
    let made = ask(&identityd, "POST", "/identities/modules", body).await.expect(200);
    assert_eq!(
        (&made["spec"]["moduleId"], &made["spec"]["genId"]),
        (&json!("local"), &json!("generation-1"))
    );
    let found = ask(&identityd, "GET", "/identities/modules/local", Value::Null).await.expect(200);
    let expected = daemon.handle.identities().sign(&"local".parse().unwrap(), b"y".to_vec()).await.unwrap();
    assert_eq!(sign(&found["spec"]["auth"]["keyHandle"], "y").await, expected);
    let list = ask(&identityd, "GET", "/identities/modules?type=aziot", Value::Null).await.expect(200);
    assert_eq!(list["identities"].as_array().unwrap().len(), 1);
    ask(&identityd, "PUT", "/identities/modules/local", Value::Null).await.expect(200);
    ask(&identityd, "DELETE", "/identities/modules/local", Value::Null).await.expect(204);
    ask(&identityd, "GET", "/identities/modules/local", Value::Null).await.refused(400, "no such module");
    ask(&identityd, "POST", "/identities/device", json!({ "type": "local" }))
        .await
        .refused(400, "invalid parameter: type");
    ask(&identityd, "GET", "/identities/identity", Value::Null).await.refused(400, "no identity");
    let provisioning = identityd.get("/identities/provisioning?api-version=2021-12-01").await.expect(200);
    assert_eq!(provisioning, json!({ "source": "manual", "auth": "sas" }));
    assert_eq!(
        ask(&identityd, "GET", "/trust-bundle", Value::Null).await.expect(200),
        json!({ "certificate": "" })
    );
    daemon.stop().await;
}

#[tokio::test]
async fn keys_are_made_used_and_deleted_by_handles() {
    let world = World::new().await;
    let daemon = world.start().await;
    let keyd = world.service("keyd");
    let handle =
        async |path: &str, body: Value| ask(&keyd, "POST", path, body).await.expect(200)["keyHandle"].clone();
    let named = handle("/key", json!({ "keyId": "mine", "usage": "sign", "keyBytes": b64([7; 32]) })).await;
    let again = ask(&keyd, "GET", "/key/mine", Value::Null).await.expect(200);
    assert_ne!(again["keyHandle"], named, "handles differ, the key is the same");
    let body = |handle: &Value| json!({ "keyHandle": handle, "algorithm": "HMAC-SHA256", "parameters": { "message": b64("m") } });
    let one = ask(&keyd, "POST", "/sign", body(&named)).await.expect(200);
    assert_eq!(ask(&keyd, "POST", "/sign", body(&again["keyHandle"])).await.expect(200), one);

    let derive = json!({ "baseKeyHandle": named, "derivationData": b64("data") });
    let derived = handle("/derivedkey", derive).await;
    let exported =
        ask(&keyd, "POST", "/derivedkey/export", json!({ "keyHandle": derived })).await.expect(200);
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[7; 32]);
    assert_eq!(exported["key"], b64(aws_lc_rs::hmac::sign(&key, b"data")));
    let again = json!({ "baseKeyHandle": derived, "derivationData": b64("more") });
    ask(&keyd, "POST", "/derivedkey", again).await.refused(400, "baseKeyHandle");
    ask(&keyd, "POST", "/derivedkey/export", json!({ "keyHandle": named })).await.refused(400, "keyHandle");

    let parameters = json!({ "iv": b64("vector"), "aad": b64("owner") });
    let crypt = json!({ "keyHandle": named, "algorithm": "AEAD", "parameters": parameters, "plaintext": b64("text") });
    let sealed = ask(&keyd, "POST", "/encrypt", crypt).await.expect(200);
    let crypt = json!({ "keyHandle": named, "algorithm": "AEAD", "parameters": parameters, "ciphertext": sealed["ciphertext"] });
    assert_eq!(ask(&keyd, "POST", "/decrypt", crypt).await.expect(200)["plaintext"], b64("text"));

    let pair = handle("/keypair", json!({ "keyId": "pair", "preferredAlgorithms": "ec-p256:*" })).await;
    assert_eq!(
        ask(&keyd, "POST", "/parameters/algorithm", json!({ "keyHandle": pair })).await.expect(200)["value"],
        "ECDSA"
    );
    keyd.send("PUT", "/keypair/moved?api-version=2021-05-01", Some(&json!({ "from": "pair" })))
        .await
        .expect(204);
    ask(&keyd, "GET", "/keypair/moved", Value::Null).await.expect(200);
    ask(&keyd, "GET", "/keypair/pair", Value::Null).await.refused(404, "no key");
    ask(&keyd, "DELETE", "/key", json!({ "keyHandle": named })).await.expect(204);
    ask(&keyd, "POST", "/sign", body(&named)).await.refused(404, "no key");
    daemon.stop().await;
}

#[tokio::test]
async fn the_public_half_of_a_pair_is_told_in_its_parts() {
    let world = World::new().await;
    let daemon = world.start().await;
    let keyd = world.service("keyd");
    let pair = async |id: &str, algorithm: &str| {
        let body = json!({ "keyId": id, "preferredAlgorithms": algorithm });
        ask(&keyd, "POST", "/keypair", body).await.expect(200)["keyHandle"].clone()
    };
    let (ec, rsa) = (pair("ec", "ec-p256").await, pair("rsa", "rsa-2048").await);
    let told = async |name: &str, handle: &Value| {
        ask(&keyd, "POST", &format!("/parameters/{name}"), json!({ "keyHandle": handle })).await
    };
    let value = async |name: &str, handle: &Value| {
        let told = told(name, handle).await.expect(200);
        told["value"].as_str().unwrap().to_owned()
    };
    let bytes = async |name: &str, handle: &Value| STANDARD.decode(value(name, handle).await).unwrap();
    assert_eq!(
        (value("algorithm", &ec).await, value("algorithm", &rsa).await),
        ("ECDSA".into(), "RSA".into())
    );
    let modulus = bytes("rsa-modulus", &rsa).await;
    assert_eq!((modulus.len(), bytes("rsa-exponent", &rsa).await), (256, vec![1, 0, 1]));
    assert_ne!(modulus[0], 0);
    let point = bytes("ec-point", &ec).await;
    assert_eq!((point.len(), point[0]), (65, 4));
    assert_eq!(bytes("ec-curve-oid", &ec).await.len(), 8);
    // What it signs is the digest as it is given, as libraries of TLS ask.
    let sign = async |handle: &Value, digest: &[u8]| {
        let parameters = json!({ "digest": b64(digest) });
        let body = json!({ "keyHandle": handle, "algorithm": "ECDSA", "parameters": parameters });
        ask(&keyd, "POST", "/sign", body).await
    };
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"message");
    let signature = sign(&ec, digest.as_ref()).await.expect(200);
    let signature = STANDARD.decode(signature["signature"].as_str().unwrap()).unwrap();
    let algorithm = &aws_lc_rs::signature::ECDSA_P256_SHA256_ASN1;
    aws_lc_rs::signature::UnparsedPublicKey::new(algorithm, &point).verify(b"message", &signature).unwrap();
    sign(&ec, b"short").await.refused(400, "invalid parameter: digest");
    assert_eq!(sign(&rsa, digest.as_ref()).await.status, 400, "RSA signs otherwise");
    // That of RSA is asked for as an encryption, with the digest's algorithm before it.
    let wrap = async |handle: &Value, text: &[u8]| {
        let body = json!({ "keyHandle": handle, "algorithm": "RSA-PKCS1", "plaintext": b64(text) });
        ask(&keyd, "POST", "/encrypt", body).await
    };
    let before: &[u8] = b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";
    let wrapped = wrap(&rsa, &[before, digest.as_ref()].concat()).await.expect(200);
    let signature = STANDARD.decode(wrapped["ciphertext"].as_str().unwrap()).unwrap();
    let public = aws_lc_rs::rsa::PublicKeyComponents { n: modulus.as_slice(), e: [1, 0, 1].as_slice() };
    public.verify(&aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256, b"message", &signature).unwrap();
    for text in [before, &[before, b"short"].concat(), b"anything else", &[0; 256]] {
        wrap(&rsa, text).await.refused(400, "invalid parameter: plaintext");
    }
    wrap(&ec, &[before, digest.as_ref()].concat()).await.refused(400, "invalid parameter: keyHandle");
    for (name, handle) in [("ec-point", &rsa), ("rsa-modulus", &ec), ("shoe-size", &ec)] {
        told(name, handle).await.refused(400, "invalid parameter: name");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn forged_handles_open_nothing() {
    let world = World::new().await;
    let daemon = world.start().await;
    let keyd = world.service("keyd");
    let sign = async |handle: &str| {
        let body =
            json!({ "keyHandle": handle, "algorithm": "HMAC-SHA256", "parameters": { "message": "" } });
        ask(&keyd, "POST", "/sign", body).await
    };
    // Before any handle was given there is not even a key to check one with.
    sign("sr=e30=&sig=AAAA").await.refused(400, "invalid parameter: keyHandle");
    let good = ask(&keyd, "POST", "/key", json!({ "keyId": "a" })).await.expect(200);
    let good = good["keyHandle"].as_str().unwrap();
    sign(good).await.expect(200);
    let (inside, signature) = good.strip_prefix("sr=").unwrap().split_once("&sig=").unwrap();
    let other =
        b64(String::from_utf8(STANDARD.decode(inside).unwrap()).unwrap().replace("\"a\"", "\"device-id\""));
    for forged in [
        format!("sr={other}&sig={signature}"),
        format!("sr={inside}&sig={}", b64([0; 32])),
        format!("sr={inside}"),
        "a".to_owned(),
        String::new(),
        "x".repeat(100_000),
    ] {
        sign(&forged).await.refused(400, "invalid parameter: keyHandle");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn certificates_are_issued_kept_and_read() {
    let world = World::new().await;
    let daemon = world.start().await;
    let certd = world.service("certd");
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::new(["local.test".to_owned()]).unwrap();
    let csr = request.serialize_request(&key).unwrap().pem().unwrap();
    let body = json!({ "certId": "mine", "csr": csr, "issuer": { "certId": "aziot-edged-ca", "privateKeyHandle": "x" } });
    let issued = ask(&certd, "POST", "/certificates", body.clone()).await.expect(201);
    assert_eq!(issued["pem"].as_str().unwrap().matches("BEGIN CERTIFICATE").count(), 2);
    assert_eq!(ask(&certd, "GET", "/certificates/mine", Value::Null).await.expect(200), issued);
    let mut other = body.clone();
    other["issuer"]["certId"] = json!("nobody");
    ask(&certd, "POST", "/certificates", other).await.refused(400, "issuer.certId");
    let mut broken = body;
    broken["csr"] = json!("x");
    ask(&certd, "POST", "/certificates", broken).await.refused(400, "no certificate signing request");
    let import = json!({ "pem": issued["pem"] });
    ask(&certd, "PUT", "/certificates/copy", import.clone()).await.expect(201);
    ask(&certd, "PUT", "/certificates/copy", json!({ "pem": "x" })).await.refused(400, "write PEM");
    for id in ["aziot-edged-ca", "device-id", "skerry-quickstart-root"] {
        ask(&certd, "PUT", &format!("/certificates/{id}"), import.clone()).await.refused(400, "certId");
        ask(&certd, "DELETE", &format!("/certificates/{id}"), Value::Null).await.refused(400, "certId");
    }
    ask(&certd, "DELETE", "/certificates/mine", Value::Null).await.expect(204);
    ask(&certd, "GET", "/certificates/mine", Value::Null).await.refused(404, "not found");
    ask(&certd, "GET", "/certificates/aziot-edged-ca", Value::Null).await.expect(200);
    daemon.stop().await;
}

#[tokio::test]
async fn another_authority_issues_for_whoever_holds_its_key() {
    let world = World::new().await;
    let daemon = world.start().await;
    let (keyd, certd) = (world.service("keyd"), world.service("certd"));
    // Its key is made here, its certificate elsewhere, as somebody's who has a root of their own.
    let pair = json!({ "keyId": "plant", "preferredAlgorithms": "ec-p256" });
    let handle = ask(&keyd, "POST", "/keypair", pair).await.expect(200)["keyHandle"].clone();
    let root = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root_pem = params.self_signed(&root).unwrap().pem();
    let point = ask(&keyd, "POST", "/parameters/ec-point", json!({ "keyHandle": handle })).await.expect(200);
    let point = STANDARD.decode(point["value"].as_str().unwrap()).unwrap();
    let public = rcgen::SubjectPublicKeyInfo::from_der(
        &[b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00".as_slice(), &point].concat(),
    )
    .unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_pem(&root_pem, &root).unwrap();
    let plant = params.signed_by(&public, &issuer).unwrap().pem();
    let leaf = rcgen::CertificateParams::default().signed_by(&public, &issuer).unwrap().pem();
    for (id, pem) in [("plant", &plant), ("leaf", &leaf), ("root", &root_pem)] {
        ask(&certd, "PUT", &format!("/certificates/{id}"), json!({ "pem": pem })).await.expect(201);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let request = rcgen::CertificateParams::new(["press.plant.lan".to_owned()]).unwrap();
    let csr = request.serialize_request(&key).unwrap().pem().unwrap();
    let issue = async |id: &str, handle: &Value| {
        let issuer = json!({ "certId": id, "privateKeyHandle": handle });
        ask(&certd, "POST", "/certificates", json!({ "certId": "press", "csr": csr, "issuer": issuer })).await
    };
    let issued = issue("plant", &handle).await.expect(201);
    let pem = issued["pem"].as_str().unwrap();
    assert!(pem.ends_with(&plant), "its chain comes behind it: {pem}");
    let der = |pem: &str| x509_parser::pem::Pem::iter_from_buffer(pem.as_bytes()).next().unwrap().unwrap();
    let (own, above) = (der(pem), der(&plant));
    let (own, above) = (own.parse_x509().unwrap(), above.parse_x509().unwrap());
    own.verify_signature(Some(above.public_key())).unwrap();
    assert_eq!(ask(&certd, "GET", "/certificates/press", Value::Null).await.expect(200), issued);

    issue("absent", &handle).await.refused(400, "issuer.certId");
    issue("plant", &json!("x")).await.refused(400, "issuer.privateKeyHandle");
    issue("leaf", &handle).await.refused(400, "CA:TRUE");
    issue("root", &handle).await.refused(400, "belongs to another certificate");
    daemon.stop().await;
}

#[tokio::test]
async fn other_users_get_what_is_public_and_no_more() {
    let mut world = World::new().await;
    world.owners = Vec::new();
    let daemon = world.start().await;
    for (service, method, path) in [
        ("identityd", "POST", "/identities/device"),
        ("identityd", "GET", "/identities/modules"),
        ("identityd", "POST", "/identities/modules"),
        ("identityd", "DELETE", "/identities/modules/a"),
        ("identityd", "POST", "/identities/device/reprovision"),
        ("keyd", "POST", "/key"),
        ("keyd", "GET", "/key/device-id"),
        ("keyd", "POST", "/keypair"),
        ("certd", "POST", "/certificates"),
        ("certd", "PUT", "/certificates/a"),
        ("certd", "DELETE", "/certificates/a"),
    ] {
        let answer = ask(&world.service(service), method, path, json!({})).await;
        assert_eq!(answer.status, 401, "{service} {method} {path} {answer:?}");
        answer.refused(401, "not authorized");
    }
    world.service("identityd").get("/identities/provisioning?api-version=2022-08-01").await.expect(200);
    ask(&world.service("certd"), "GET", "/certificates/aziot-edged-ca", Value::Null).await.expect(200);
    daemon.stop().await;
}
