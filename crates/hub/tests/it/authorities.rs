use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
use serde_json::{Value, json};

use crate::world::{World, everywhere};

const CERTIFICATES: &str = "/skerry/v1/certificates";

fn root(name: &str) -> (Vec<u8>, CertificateParams, KeyPair) {
    let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
    params.distinguished_name.push(DnType::CommonName, name);
    (params.self_signed(&key).unwrap().der().to_vec(), params, key)
}

async fn add(world: &World, name: &str, der: &[u8]) -> Value {
    let body = json!({"certificate": STANDARD.encode(der)});
    world.call(Method::PUT, &format!("{CERTIFICATES}/{name}"), Some(body)).await.expect(200)
}

#[test]
fn an_authority_counts_when_its_key_is_proven_and_all_are_there_in_another_life() {
    everywhere(|world| async move {
        let (der, params, key) = root("plant");
        add(&world, "plant", &der).await;
        let path = format!("{CERTIFICATES}/plant");
        let again = json!({"certificate": STANDARD.encode(&der)});
        world.call(Method::PUT, &path, Some(again)).await.refused(409, "DeviceAlreadyExists");
        let code = format!("{path}/generateVerificationCode");
        let with_code = world.call(Method::POST, &code, None).await.expect(200);
        let code = with_code["properties"]["verificationCode"].as_str().unwrap();
        let proof = |name: &str| {
            let (mut of_proof, own) = (CertificateParams::default(), KeyPair::generate().unwrap());
            of_proof.distinguished_name.push(DnType::CommonName, name);
            let signed = of_proof.signed_by(&own, &Issuer::from_params(&params, &key)).unwrap();
            json!({"certificate": signed.pem()})
        };
        let verify = format!("{path}/verify");
        world.call(Method::POST, &verify, Some(proof("else"))).await.refused(400, "ArgumentInvalid");
        let verified = world.call(Method::POST, &verify, Some(proof(code))).await.expect(200);
        assert_eq!(verified["properties"]["isVerified"], true);
        // At the same time, and none is lost.
        let others: Vec<_> = ["a", "b", "c"].map(|name| (name, root(name).0)).into();
        tokio::join!(
            add(&world, others[0].0, &others[0].1),
            add(&world, others[1].0, &others[1].1),
            add(&world, others[2].0, &others[2].1)
        );
        world.delete(&format!("{CERTIFICATES}/b")).await.expect(204);
        let names = |listed: Value| -> Vec<String> {
            let all = listed["value"].as_array().unwrap();
            all.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
        };
        let reborn = world.reborn();
        reborn.hub.authorities().load().await.unwrap();
        for hub in [&world, &reborn] {
            assert_eq!(names(hub.get(CERTIFICATES).await.expect(200)), ["a", "c", "plant"]);
            let plant = hub.get(&path).await.expect(200);
            assert_eq!(plant["properties"]["isVerified"], true);
        }
    });
}
