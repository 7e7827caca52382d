//! As which device a daemon starts, and what it says when it cannot.

use std::fs;

use crate::hub::{DEVICE, KEY};
use crate::world::World;

#[tokio::test]
async fn a_key_in_a_file_is_the_bytes_themselves() {
    use base64::Engine as _;
    let mut world = World::new().await;
    let bytes = base64::engine::general_purpose::STANDARD.decode(KEY).unwrap();
    fs::write(world.path("device.key"), bytes).unwrap();
    world.provisioning = format!(
        "[provisioning]\nsource='manual'\niothub_hostname='hub.test'\ndevice_id='{DEVICE}'\n\
         [provisioning.authentication]\nmethod='sas'\ndevice_id_pk={{uri='file://{}'}}\n",
        world.path("device.key").display()
    );
    world.hub.put("a", "1");
    let daemon = world.start().await;
    assert_eq!(daemon.handle.identities().list().await.unwrap().len(), 1);
    daemon.stop().await;
}

/// A certificate of the device's with its key, as the configuration names them.
fn certificate(world: &mut World, key: &rcgen::KeyPair) -> Vec<u8> {
    let made = rcgen::CertificateParams::new([]).unwrap().self_signed(key).unwrap();
    fs::write(world.path("device.pem"), made.pem()).unwrap();
    fs::write(world.path("device.key.pem"), key.serialize_pem()).unwrap();
    world.provisioning = format!(
        "[provisioning]\nsource='manual'\niothub_hostname='hub.test'\ndevice_id='{DEVICE}'\n\
         [provisioning.authentication]\nmethod='x509'\nidentity_cert='file://{}'\nidentity_pk='file://{}'\n",
        world.path("device.pem").display(),
        world.path("device.key.pem").display()
    );
    made.der().to_vec()
}

#[tokio::test]
async fn a_device_shows_its_certificate_and_signs_nothing_else() {
    let keys =
        [rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap()];
    for key in keys {
        let mut world = World::new().await;
        let der = certificate(&mut world, &key);
        world.hub.want_certificate(&der);
        let daemon = world.start().await;
        assert!(daemon.handle.device().is_x509);
        daemon.handle.identities().create(&"a".parse().unwrap(), None).await.unwrap();
        assert!(world.hub.module("a").is_some());
        daemon.stop().await;
    }
}

#[tokio::test]
async fn a_device_behind_a_parent_speaks_to_it_in_the_hubs_name() {
    let mut world = World::new().await;
    world.more = "parent_hostname = 'parent.test'\n".into();
    world.hub.put("a", "1");
    let daemon = world.start().await;
    assert_eq!(daemon.handle.device().gateway.name(), "parent.test");
    // The hub checks that the token is for it.
    assert_eq!(daemon.handle.identities().list().await.unwrap().len(), 1);
    daemon.stop().await;
}

#[tokio::test]
async fn what_cannot_start_says_what_to_change() {
    let dps = "[provisioning]\nsource='dps'\nglobal_endpoint='https://dps.test'\nid_scope='x'\n\
               [provisioning.attestation]\nmethod='tpm'\nregistration_id='r'\n";
    let x509 = |certificate: &str, key: &str| {
        format!(
            "[provisioning]\nsource='manual'\niothub_hostname='hub.test'\ndevice_id='d'\n\
             [provisioning.authentication]\nmethod='x509'\nidentity_cert={certificate}\n{key}\n"
        )
    };
    let mut world = World::new().await;
    let manual = world.provisioning.clone();
    let missing = world.path("missing").display().to_string();
    for (provisioning, more, told) in [
        ("[provisioning]\nsource='none'\n".to_owned(), String::new(), "switched off"),
        (dps.to_owned(), String::new(), "DPS"),
        (x509("{method='est'}", ""), String::new(), "the device's certificate cannot be issued by EST"),
        (
            x509(&format!("'file://{missing}'"), &format!("identity_pk='file://{missing}'")),
            String::new(),
            "missing does not exist",
        ),
        (
            x509(&format!("'file://{missing}'"), "identity_pk='pkcs11:object=k'"),
            String::new(),
            "the key device-id lies in a PKCS#11 token",
        ),
        (manual.clone(), format!("trust_bundle_cert='file://{missing}'\n"), "missing does not exist"),
        (manual.clone(), format!("additional_info='file://{missing}'\n"), "check additional_info"),
        (
            format!("{manual}\n[edge_ca]\ncert='file://{missing}'\npk='file://{missing}'\n"),
            String::new(),
            "missing does not exist",
        ),
        (
            format!("{manual}\n[cert_issuance.est.urls]\ndefault='https://e'\n[edge_ca]\nmethod='est'\n"),
            String::new(),
            "the Edge CA cannot be issued by EST",
        ),
    ] {
        world.provisioning = provisioning;
        world.more = more;
        let error = world.try_start(world.options()).await.err().expect(told).to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
    let info = world.path("info.toml");
    fs::write(&info, "a = 1").unwrap();
    world.provisioning = manual;
    world.more = format!("additional_info='file://{}'\n", info.display());
    let error = world.try_start(world.options()).await.err().unwrap().to_string();
    assert!(error.contains("a is integer, not a text"), "{error}");
}

#[tokio::test]
async fn a_certificate_with_anothers_key_is_found_at_the_start() {
    let mut world = World::new().await;
    certificate(&mut world, &rcgen::KeyPair::generate().unwrap());
    fs::write(world.path("device.key.pem"), rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let error = world.try_start(world.options()).await.err().unwrap().to_string();
    assert!(error.contains("identity_pk is not the key of identity_cert"), "{error}");
}
