//! From the operator's file to the snapshot.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use skerry_edge_daemon::config::{
    ApplyError, Config, Provisioning, Reprovisioning, Snapshot, apply, minimal, write_minimal,
};

const STRING: &str =
    "HostName=hub.test;DeviceId=edge-a;SharedAccessKey=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

#[test]
fn what_mp_writes_can_be_applied() {
    let folder = tempfile::tempdir().unwrap();
    let (source, state) = (folder.path().join("config.toml"), folder.path().join("state"));
    fs::create_dir(&state).unwrap();
    assert!(Snapshot::load(&state).unwrap().is_none());
    write_minimal(&source, STRING, false).unwrap();
    assert_eq!(fs::metadata(&source).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(write_minimal(&source, STRING, false), Err(ApplyError::Exists { .. })));
    write_minimal(&source, STRING, true).unwrap();

    let applied = apply(&source, &state, true, false).unwrap();
    assert_eq!(applied.config.auto_reprovisioning, Reprovisioning::OnErrorOnly);
    assert!(matches!(applied.config.provisioning, Provisioning::Manual { .. }));
    let snapshot = Snapshot::load(&state).unwrap().unwrap();
    assert_eq!((snapshot.config.clone(), &snapshot.digest), (applied.config, &applied.digest));
    assert!(snapshot.is_of(&source).unwrap());
    fs::write(&source, format!("# later\n{}", fs::read_to_string(&source).unwrap())).unwrap();
    assert!(!snapshot.is_of(&source).unwrap(), "edited and not applied");
    assert_eq!(fs::metadata(state.join("config.toml")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(state.join("config.digest")).unwrap(), snapshot.digest);
}

#[test]
fn a_bad_file_changes_nothing_and_every_mistake_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("config.toml");
    write_minimal(&source, STRING, false).unwrap();
    apply(&source, folder.path(), true, false).unwrap();
    // The operator's file is the snapshot here; so another one is the source.
    let source = folder.path().join("other.toml");
    fs::write(&source, "hostname = 7\ncloud_retries = 'x'\n[provisioning]\nsource = 'moon'\n").unwrap();
    let error = apply(&source, folder.path(), false, false).unwrap_err().to_string();
    for told in [
        "1:12: error: hostname is a number",
        "2:17: error: cloud_retries",
        "4:10: error: provisioning.source",
    ] {
        assert!(error.contains(told), "{told}: {error}");
    }
    assert!(Snapshot::load(folder.path()).unwrap().is_some());
}

#[test]
fn the_name_stays_while_modules_know_it() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.toml");
    let write = |name: &str| {
        fs::write(&source, format!("hostname = '{name}'\n{}", minimal(STRING).unwrap())).unwrap();
    };
    write("one");
    apply(&source, folder.path(), true, true).unwrap();
    write("two");
    let refused = apply(&source, folder.path(), true, true).unwrap_err().to_string();
    assert!(refused.contains("from one to two") && refused.contains("system stop"), "{refused}");
    apply(&source, folder.path(), true, false).unwrap();
    assert_eq!(Snapshot::load(folder.path()).unwrap().unwrap().config.hostname.as_deref(), Some("two"));
}

#[test]
fn connection_strings_are_taken_as_the_original_takes_them() {
    let unpadded =
        "SharedAccessKey=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE;Odd=1;DeviceId=a;HostName=h.test";
    assert!(Config::parse(&minimal(unpadded).unwrap(), true).is_ok());
    for (text, told) in [
        ("", "has no HostName="),
        ("HostName=h.test;SharedAccessKey=x", "has no DeviceId="),
        ("HostName=h.test;DeviceId=a", "has no SharedAccessKey="),
        ("HostName=h.test;DeviceId=a;SharedAccessKey=!", "not base64"),
        (
            "HostName=h.test;DeviceId=a b;SharedAccessKey=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
            "DeviceId",
        ),
        (
            "HostName=h.test;DeviceId=a;SharedAccessKey=MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=;\"=",
            "character",
        ),
    ] {
        let error = minimal(text).unwrap_err().to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
}

#[test]
fn what_is_not_done_yet_is_not_applied() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source.toml");
    let manual = "[provisioning]\nsource='manual'\niothub_hostname='h.test'\ndevice_id='d'\n[provisioning.authentication]\n";
    let dps = "[provisioning]\nsource='dps'\nglobal_endpoint='https://dps.test'\nid_scope='x'\n\
               [provisioning.attestation]\nmethod='tpm'\nregistration_id='r'\n";
    let string = format!("[provisioning]\nsource='manual'\nconnection_string='{STRING}'\n");
    for (text, key, told) in [
        (dps.to_owned(), "provisioning", "DPS is not supported yet"),
        (
            format!("{manual}method='x509'\nidentity_cert={{method='self_signed'}}\n"),
            "provisioning",
            "by itself yet",
        ),
        (
            format!("{manual}method='x509'\nidentity_cert='file:///c'\nidentity_pk='pkcs11:token=t'\n"),
            "preloaded_keys",
            "the key device-id lies in a PKCS#11 token",
        ),
        (
            format!(
                "{string}[cert_issuance.est.urls]\ndefault='https://est.test'\n[edge_ca]\nmethod='est'\n"
            ),
            "edge_ca",
            "the Edge CA cannot be issued by EST yet",
        ),
        (
            format!(
                "{string}[cert_issuance.local_ca]\ncert={{method='self_signed'}}\n[edge_ca]\nmethod='local_ca'\n"
            ),
            "cert_issuance",
            "the local CA cannot be issued by itself yet",
        ),
    ] {
        fs::write(&source, &text).unwrap();
        let undone = Config::parse(&text, false).unwrap().config.supported().unwrap_err();
        assert_eq!(undone.key(), key, "{text}");
        let error = apply(&source, folder.path(), false, false).unwrap_err().to_string();
        assert!(error.contains("cannot be applied") && error.contains(told), "{text}: {error}");
        assert!(Snapshot::load(folder.path()).unwrap().is_none());
    }
    // What has only no effect is told, and applied.
    fs::write(&source, format!("{string}[tpm]\ntcti='device'\n[watchdog]\nmax_retries=3\n")).unwrap();
    let applied = apply(&source, folder.path(), false, false).unwrap();
    let told: Vec<String> = applied.warnings.iter().map(ToString::to_string).collect();
    assert!(told.len() == 2 && told.iter().all(|line| line.contains("has no effect")), "{told:?}");
}
