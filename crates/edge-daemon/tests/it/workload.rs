//! The workload API as a module sees it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use skerry_keys::Chain;
use skerry_runtime::Runtime as _;

use crate::client::Client;
use crate::hub::DEVICE;
use crate::world::World;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// A daemon with a container `sensor` in which this process is.
async fn with_sensor() -> (World, crate::world::Running, Client) {
    let world = World::new().await;
    world.hub.put("sensor", "7");
    world.processes.are_in("sensor");
    let daemon = world.start().await;
    daemon.handle.open_workload("sensor").unwrap();
    let client = Client::at(&world.module_socket("sensor"));
    (world, daemon, client)
}

#[tokio::test]
async fn a_module_signs_with_the_key_that_the_hub_was_given() {
    let (world, daemon, client) = with_sensor().await;
    let module = "sensor".parse().unwrap();
    daemon.handle.identities().update(&module).await.unwrap();
    let registered = world.hub.module("sensor").unwrap();
    let key = registered["authentication"]["symmetricKey"]["primaryKey"].as_str().unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &STANDARD.decode(key).unwrap());
    for body in [
        json!({ "keyId": "primary", "algo": "HMACSHA256", "data": b64("to sign") }),
        json!({ "data": b64("to sign") }),
    ] {
        // The generation in the path is not compared.
        for generation in ["7", "another"] {
            let answer =
                client.post(&format!("/modules/sensor/genid/{generation}/sign"), &body).await.expect(200);
            let digest = STANDARD.decode(answer["digest"].as_str().unwrap()).unwrap();
            aws_lc_rs::hmac::verify(&key, b"to sign", &digest).unwrap();
        }
    }
    daemon.stop().await;
}

#[tokio::test]
async fn texts_are_sealed_for_a_module_and_its_generation() {
    let (_world, daemon, client) = with_sensor().await;
    let iv = b64("0d5a1f7e9b6c4d3e8f2a1b0c9d8e7f6a");
    let body = json!({ "plaintext": b64("backup"), "initializationVector": iv });
    let sealed = client.post("/modules/sensor/genid/7/encrypt", &body).await.expect(200);
    let bytes = STANDARD.decode(sealed["ciphertext"].as_str().unwrap()).unwrap();
    assert_eq!((bytes[0], bytes.len()), (2, 1 + 6 + 16));
    let body = json!({ "ciphertext": sealed["ciphertext"], "initializationVector": iv });
    let opened = client.post("/modules/sensor/genid/7/decrypt", &body).await.expect(200);
    assert_eq!(opened, json!({ "plaintext": b64("backup") }));
    client.post("/modules/sensor/genid/8/decrypt", &body).await.refused(500, "does not open");
    // The hub and the agent in this process use the same.
    let module = "sensor".parse().unwrap();
    let vector = b"0d5a1f7e9b6c4d3e8f2a1b0c9d8e7f6a".to_vec();
    let text = daemon.handle.decrypt(&module, "7", vector, bytes).await.unwrap();
    assert_eq!(text.as_slice(), b"backup");
    daemon.stop().await;
}

#[tokio::test]
async fn bad_requests_of_a_module_get_one_clear_answer() {
    let (world, daemon, client) = with_sensor().await;
    for (path, body, status, message) in [
        ("genid/7/sign", json!({ "data": "!" }), 400, "invalid parameter: data"),
        ("genid/7/sign", json!({}), 422, "data"),
        ("genid/7/sign", Value::Null, 422, "cannot be read"),
        (
            "genid/7/encrypt",
            json!({ "plaintext": "!", "initializationVector": "" }),
            400,
            "invalid parameter: plaintext",
        ),
        (
            "genid/7/encrypt",
            json!({ "plaintext": "", "initializationVector": "!" }),
            400,
            "initializationVector",
        ),
        ("genid/7/encrypt", json!({ "plaintext": "", "initializationVector": "" }), 500, "vector is empty"),
        (
            "genid/7/decrypt",
            json!({ "ciphertext": "!", "initializationVector": "" }),
            400,
            "invalid parameter: ciphertext",
        ),
        ("genid/7/decrypt", json!({ "ciphertext": "AA==", "initializationVector": "AA==" }), 500, "version"),
        ("genid/7/certificate/server", json!({}), 422, "commonName"),
        ("genid/7/certificate/server", json!({ "commonName": " " }), 400, "invalid parameter: commonName"),
        ("genid/7/certificate/server", json!({ "commonName": "käse" }), 400, "invalid parameter: commonName"),
    ] {
        let answer = client.post(&format!("/modules/sensor/{path}"), &body).await;
        assert_eq!(answer.status, status, "{path} {body} {answer:?}");
        answer.refused(status, message);
    }
    client.send("POST", "/modules/sensor/genid/7/sign", None).await.refused(400, "missing request body");
    world.hub.set_down(true);
    world.processes.are_in("unseen");
    let unseen = client.post("/modules/unseen/genid/1/sign", &json!({ "data": "" })).await;
    unseen.refused(500, "cannot be asked");
    daemon.stop().await;
}

#[tokio::test]
async fn only_a_process_of_the_modules_container_may_ask_for_it() {
    let (world, daemon, client) = with_sensor().await;
    let sign = json!({ "data": "" });
    world.hub.put("other", "9");
    for module in ["other", "%24edgeHub2", "absent", "%24", "a%20b"] {
        for what in [
            "genid/7/sign",
            "genid/7/encrypt",
            "genid/7/decrypt",
            "genid/7/certificate/server",
            "certificate/identity",
        ] {
            let answer = client.post(&format!("/modules/{module}/{what}"), &sign).await;
            assert_eq!(answer.status, 403, "{module} {what}");
            answer.refused(403, "forbidden");
        }
    }
    // The module's name without its dollar is the container's.
    world.hub.put("$edgeThing", "1");
    world.processes.are_in("edgeThing");
    client.post("/modules/%24edgeThing/genid/1/sign", &sign).await.expect(200);
    // The agent and the hub that are built in are this process.
    world.hub.put("$edgeHub", "1");
    client.post("/modules/%24edgeHub/genid/1/sign", &sign).await.expect(200);
    daemon.stop().await;
    let mut world = world;
    world.pid = 1;
    let daemon = world.start().await;
    let legacy = world.workload();
    legacy.post("/modules/%24edgeHub/genid/1/sign", &sign).await.refused(403, "forbidden");
    legacy.post("/modules/sensor/genid/1/sign", &sign).await.expect(200);
    daemon.stop().await;
}

#[tokio::test]
async fn certificates_hang_below_the_trust_bundle() {
    let (world, daemon, client) = with_sensor().await;
    let bundle = client.get("/trust-bundle").await.expect(200);
    assert_eq!(bundle.as_object().unwrap().len(), 1);
    let bundle = bundle["certificate"].as_str().unwrap().to_owned();
    assert_eq!(bundle, daemon.handle.trust_bundle().await.unwrap());
    assert_eq!(client.get("/manifest-trust-bundle").await.expect(200), json!({ "certificate": "" }));

    let body = json!({ "commonName": "edge-a.plant.lan", "expiration": "2030-01-01T00:00:00Z" });
    let server = client.post("/modules/sensor/genid/7/certificate/server", &body).await.expect(201);
    assert_eq!(server["privateKey"]["type"], "key");
    assert!(server["privateKey"]["bytes"].as_str().unwrap().starts_with("-----BEGIN PRIVATE KEY-----"));
    assert_eq!(server["expiration"], "2026-07-31T00:00:00+00:00");
    let names = names_of(server["certificate"].as_str().unwrap());
    assert_eq!(names, ["edge-a.plant.lan", "sensor", "192.0.2.7", "edge-a.local"]);
    let root = Chain::from_pem(bundle.as_bytes(), "root").unwrap();
    let edge_ca = CertificateDer::pem_slice_iter(server["certificate"].as_str().unwrap().as_bytes())
        .map(Result::unwrap)
        .nth(1)
        .unwrap();
    assert_eq!(edge_ca.as_ref(), daemon_chain(&world));
    let edge_ca = Chain::from_pem(pem(&edge_ca).as_bytes(), "it").unwrap();
    assert!(edge_ca.is_below(&root));

    for body in [None, Some(json!({ "expiration": "x" }))] {
        let answer =
            client.send("POST", "/modules/sensor/certificate/identity", body.as_ref()).await.expect(201);
        let names = names_of(answer["certificate"].as_str().unwrap());
        assert_eq!(names, [format!("URI: azureiot://hub.test/devices/{DEVICE}/modules/sensor")]);
    }
    daemon.stop().await;
}

/// The Edge CA on disk.
fn daemon_chain(world: &World) -> Vec<u8> {
    let path = world.path("certs").join(skerry_keys::file_name("aziot-edged-ca", "cer").unwrap());
    Chain::from_pem(&std::fs::read(path).unwrap(), "it").unwrap().certificates()[0].clone()
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn names_of(pem: &str) -> Vec<String> {
    use x509_parser::prelude::GeneralName;
    let first = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let (_, parsed) = x509_parser::parse_x509_certificate(&first).unwrap();
    let names = parsed.subject_alternative_name().unwrap().unwrap();
    names
        .value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) => (*name).to_owned(),
            GeneralName::IPAddress(bytes) => {
                <[u8; 4]>::try_from(*bytes).map(|bytes| std::net::Ipv4Addr::from(bytes).to_string()).unwrap()
            }
            other => other.to_string(),
        })
        .collect()
}

#[tokio::test]
async fn modules_are_listed_to_modules_too() {
    let (world, daemon, client) = with_sensor().await;
    world.container("sensor").await;
    let list = client.get("/modules/").await.expect(200);
    assert_eq!(list["modules"][0]["name"], "sensor");
    assert_eq!(world.runtime.list().await.unwrap().len(), 1);
    daemon.stop().await;
}
