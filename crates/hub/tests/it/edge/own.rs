//! Identities of modules by the credential of the edge device that they are on, as the original's identity service
//! manages them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use rcgen::{CertificateParams, DnType, Issuer, KeyPair};
use serde_json::{Value, json};
use skerry_front::device::PeerCertificates;
use skerry_hub::rest::Request;
use skerry_tokens::Thumbprint;

use super::{edge, ids, key_of, own_token, with_headers};
use crate::world::{HOST, World, everywhere};

const VERSION: &str = "api-version=2017-11-08-preview";

fn keys(first: u8, second: u8) -> Value {
    json!({"primaryKey": STANDARD.encode([first; 32]), "secondaryKey": STANDARD.encode([second; 32])})
}

#[test]
fn the_runtime_registers_its_modules() {
    everywhere(|world| async move {
        let device = edge(&world, "edge", None).await;
        let own = own_token(&world, &device);
        let uri = |module: &str| format!("/devices/edge/modules{module}?{VERSION}");
        let ask = async |method: Method, module: &str, body: Option<Value>, headers: &[(&str, &str)]| {
            with_headers(&world, method, &uri(module), body, &own, headers).await
        };
        // Before anything else it asks for its agent, and gives it keys that it makes of the generation.
        let agent = ask(Method::GET, "/%24edgeAgent", None, &[]).await.expect(200);
        assert_eq!(agent["authentication"]["type"], "none");
        assert!(agent["generationId"].as_str().unwrap().parse::<u64>().is_ok());
        let authentication = json!({"type": "sas", "symmetricKey": keys(1, 2)});
        let body = json!({"moduleId": "$edgeAgent", "managedBy": "iotEdge", "deviceId": "edge", "authentication": authentication});
        let updated = ask(Method::PUT, "/%24edgeAgent", Some(body), &[("if-match", "*")]).await.expect(200);
        assert_eq!(updated["authentication"]["symmetricKey"], keys(1, 2));
        assert_eq!(updated["generationId"], agent["generationId"]);

        // A module is made without authentication first.
        let body = json!({"moduleId": "m1", "managedBy": "iotEdge", "deviceId": "edge"});
        let made = ask(Method::PUT, "/m1", Some(body.clone()), &[]).await.expect(200);
        ask(Method::PUT, "/m1", Some(body), &[]).await.refused(409, "ModuleAlreadyExistsOnDevice");
        let body = json!({"moduleId": "m1", "managedBy": "iotEdge", "deviceId": "edge", "authentication": {"type": "sas", "symmetricKey": keys(3, 4)}});
        let with_keys = ask(Method::PUT, "/m1", Some(body), &[("if-match", "*")]).await.expect(200);
        assert_eq!(with_keys["generationId"], made["generationId"]);
        let all = ask(Method::GET, "", None, &[]).await.expect(200);
        assert_eq!(ids(&all, "moduleId"), ["$edgeAgent", "$edgeHub", "m1"]);
        let gone = ask(Method::DELETE, "/m1", None, &[("if-match", "*")]).await;
        assert_eq!((gone.status, gone.body.is_null()), (204, true));
        ask(Method::GET, "/m1", None, &[]).await.refused(404, "ModuleNotFound");
        let kept = ask(Method::DELETE, "/%24edgeHub", None, &[("if-match", "*")]).await;
        kept.refused(401, "SystemModuleModifyUnauthorizedAccess");
        let foreign = json!({"moduleId": "m1", "deviceId": "other"});
        ask(Method::PUT, "/m1", Some(foreign), &[]).await.refused(400, "ArgumentInvalid");
    });
}

#[test]
fn a_token_in_lower_case_speaks_for_the_id_whose_key_signed_it() {
    everywhere(|world| async move {
        let (upper, lower) = (edge(&world, "Edge", None).await, edge(&world, "edge", None).await);
        let token =
            |device: &Value| world.token_signed_with(None, key_of(device), &format!("{HOST}/devices/edge"));
        for (id, own, other) in [("Edge", &upper, &lower), ("edge", &lower, &upper)] {
            let uri = format!("/devices/{id}/modules/$edgeAgent");
            with_headers(&world, Method::GET, &uri, None, &token(own), &[]).await.expect(200);
            let answer = with_headers(&world, Method::GET, &uri, None, &token(other), &[]).await;
            answer.refused(401, "IotHubUnauthorizedAccess");
        }
    });
}

#[test]
fn a_module_s_key_is_no_key_to_other_identities() {
    everywhere(|world| async move {
        let device = edge(&world, "edge", None).await;
        edge(&world, "other", None).await;
        let body = json!({"authentication": {"type": "sas"}});
        let module = world.put("/devices/edge/modules/m1", body).await.expect(200);
        let of_module =
            world.token_signed_with(None, key_of(&module), &format!("{HOST}/devices/edge/modules/m1"));
        let as_device = world.token_signed_with(None, key_of(&module), &format!("{HOST}/devices/edge"));
        let own = own_token(&world, &device);
        let at_other = world.token_signed_with(None, key_of(&device), &format!("{HOST}/devices/other"));
        for (uri, token) in [
            ("/devices/edge/modules", &of_module),
            ("/devices/edge/modules/m1", &of_module),
            ("/devices/edge/modules", &as_device),
            ("/devices/other/modules/$edgeAgent", &own),
            ("/devices/other/modules/$edgeAgent", &at_other),
            ("/devices/edge", &own),
            ("/twins/edge/modules/m1", &own),
        ] {
            let answer = with_headers(&world, Method::GET, uri, None, token, &[]).await;
            answer.refused(401, "IotHubUnauthorizedAccess");
        }
        let content = Some(json!({"modulesContent": {"m1": {}}}));
        let uri = "/devices/edge/applyConfigurationContent";
        with_headers(&world, Method::POST, uri, content, &own, &[])
            .await
            .refused(401, "IotHubUnauthorizedAccess");
    });
}

/// How the hub answers who shows these certificates and no token.
async fn shown(world: &World, method: Method, path: &str, chain: &[&rcgen::Certificate]) -> u16 {
    let chain: PeerCertificates = chain.iter().map(|one| one.der().clone()).collect::<Vec<_>>().into();
    let uri = format!("{path}?{VERSION}");
    let (mut head, ()) = http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts();
    head.extensions.insert(Arc::clone(&chain));
    world.hub.answer(&Request { head, body: b"{}".to_vec().into() }).await.status
}

#[test]
fn certificates_do_as_well() {
    everywhere(|world| async move {
        let named = |name: &str| {
            let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
            params.distinguished_name.push(DnType::CommonName, name);
            (params, key)
        };
        let (params, key) = named("print");
        let by_itself = params.self_signed(&key).unwrap();
        let (root, root_key) = named("plant");
        let anchor = root.self_signed(&root_key).unwrap();
        let issuer = Issuer::from_params(&root, &root_key);
        let (params, key) = named("issued");
        let issued = params.signed_by(&key, &issuer).unwrap();
        let body = json!({"certificate": STANDARD.encode(anchor.der()), "isVerified": true});
        world.put("/skerry/v1/certificates/plant", body).await.expect(200);

        let print = Thumbprint::sha256_of(by_itself.der()).to_string();
        for (id, authentication) in [
            ("print", json!({"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": print}})),
            ("issued", json!({"type": "certificateAuthority"})),
        ] {
            let body = json!({"capabilities": {"iotEdge": true}, "authentication": authentication});
            world.put(&format!("/devices/{id}"), body).await.expect(200);
        }
        for (id, chain) in [("print", [&by_itself]), ("issued", [&issued])] {
            let path = |module: &str| format!("/devices/{id}/modules{module}");
            assert_eq!(shown(&world, Method::GET, &path("/$edgeAgent"), &chain).await, 200, "{id}");
            assert_eq!(shown(&world, Method::PUT, &path("/m1"), &chain).await, 200, "{id}");
            assert_eq!(shown(&world, Method::GET, &path(""), &chain).await, 200, "{id}");
            assert_eq!(shown(&world, Method::DELETE, &path("/m1"), &chain).await, 204, "{id}");
            let scope = path("/$edgeHub/devicesAndModulesInDeviceScope");
            assert_eq!(shown(&world, Method::GET, &scope, &chain).await, 200, "{id}");
            assert_eq!(shown(&world, Method::GET, &format!("/devices/{id}"), &chain).await, 401, "{id}");
        }
        assert_eq!(shown(&world, Method::GET, "/devices/print/modules", &[&issued]).await, 401);
        assert_eq!(shown(&world, Method::GET, "/devices/issued/modules", &[&by_itself]).await, 401);
        assert_eq!(shown(&world, Method::GET, "/devices/absent/modules", &[&issued]).await, 401);
        let no_edge = json!({"capabilities": {"iotEdge": false}});
        world.call_with(Method::PUT, "/devices/print", Some(no_edge), &[("if-match", "*")]).await.expect(200);
        assert_eq!(shown(&world, Method::GET, "/devices/print/modules", &[&by_itself]).await, 401);
    });
}
