//! What can befall a machine, one or more for each check, and the check that finds it.

use serde_json::json;

use super::patient::Patient;

pub struct Illness {
    pub id: &'static str,
    pub word: &'static str,
    /// What is told of it.
    pub says: &'static str,
    pub befall: fn(&mut Patient),
}

const fn error(id: &'static str, says: &'static str, befall: fn(&mut Patient)) -> Illness {
    Illness { id, word: "error", says, befall }
}

const fn warning(id: &'static str, says: &'static str, befall: fn(&mut Patient)) -> Illness {
    Illness { id, word: "warning", says, befall }
}

const EST: &str = "[cert_issuance.est.auth]\nidentity_cert = 'file://FOLDER/est.pem'\n\
                   identity_pk = 'file://FOLDER/est.key'\n[cert_issuance.est.urls]\ndefault = 'URL'\n";

fn est(patient: &mut Patient, url: &str) {
    patient.add(&EST.replace("URL", url));
}

fn mqtt(patient: &mut Patient) {
    patient.add("[agent.env]\nUpstreamProtocol = 'Mqtt'\n");
}

pub const ILLNESSES: &[Illness] = &[
    error("keyd-config-well-formed", "aziot_keys", |p| p.add("[aziot_keys]\npkcs11_lib_path = 1\n")),
    error("certd-config-well-formed", "cert_issuance", |p| p.edit("\ncert = 'file:", "\ncert = 'http:")),
    error("tpmd-config-well-formed", "auth_key_index", |p| p.add("[tpm]\nauth_key_index = 'x'\n")),
    error("identityd-config-well-formed", "cloud_retries", |p| {
        p.edit("hostname", "cloud_retries = 'x'\nhostname");
    }),
    warning("identityd-config-well-formed", "hostnam", |p| {
        p.edit("iothub_hostname", "hostnam = 'x'\niothub_hostname");
    }),
    error("identityd-config-well-formed", "DPS is not supported yet", |p| {
        p.provision("method = 'tpm'\nregistration_id = 'gate'");
    }),
    error("keyd-config-well-formed", "PKCS#11", |p| {
        p.edit("[preloaded_keys]", "[preloaded_keys]\ntoken = 'pkcs11:token=t'");
    }),
    warning("certd-config-well-formed", "no certificate is asked for by EST", |p| est(p, "https://est.test")),
    warning("configs-up-to-date", "config apply", |p| p.leave("unapplied")),
    error("hostname", "this machine is called \"other\"", |p| p.host_name = Some("other".to_owned())),
    warning("hostname", "RFC 1035", |p| {
        p.host_name = Some("gate_1".to_owned());
        p.edit("hostname = 'gate'", "hostname = 'gate_1'");
    }),
    warning("aziot-version", "1.2.3", |p| p.args.expected_aziot_version = Some("1.2.4".to_owned())),
    warning("host-local-time", "60 s behind", |p| p.ahead_seconds = 60),
    error("identity-certificate-expiry", "expired", |p| p.expire("device")),
    error("identity-certificate-expiry", "not there", |p| {
        std::fs::remove_file(p.path("device.pem")).unwrap();
    }),
    error("est-identity-and-bootstrap-certificate-expiry", "expired", |p| {
        p.expire("est");
        est(p, "https://est.test");
    }),
    error("local-ca-certificate-expiry", "expired", |p| p.expire("local")),
    error("certs-preloaded", "the certificate plant", |p| p.expire("plant")),
    error("certs-preloaded", "preloaded_certs.device-id", |p| {
        p.edit("[preloaded_certs]", "[preloaded_certs]\ndevice-id = 'file:///other.pem'");
    }),
    error("keyd-running", "keyd", |p| p.silent.extend(["keyd"])),
    error("certd-running", "certd", |p| p.silent.extend(["certd"])),
    error("tpmd-running", "TPM", |p| p.provision("method = 'tpm'\nregistration_id = 'gate'")),
    error("identityd-running", "identityd", |p| p.silent.extend(["identityd"])),
    error("certs-read", "plant cannot be had", |p| drop(p.answers.remove("/certificates/plant"))),
    error("certs-read", "no certificate", |p| p.answer("/certificates/plant", json!({ "pem": "x" }))),
    error("key-pairs-read", "plant cannot be had", |p| drop(p.answers.remove("/keypair/plant"))),
    warning("key-pairs-read", "1024 bits", |p| {
        p.answer("/parameters/algorithm", json!({ "value": "RSA" }));
        // 128 bytes.
        p.answer("/parameters/rsa-modulus", json!({ "value": format!("{}g=", "k".repeat(170)) }));
    }),
    warning("est-server-https", "http://est.test", |p| est(p, "http://est.test")),
    error("certs-match-private-keys", "plant", |p| p.certify("other", "plant", 2027)),
    error("host-connect-iothub-amqp", "top.plant.lan:5671", |p| {
        p.closed.extend(["top.plant.lan:5671".to_owned()]);
    }),
    error("host-connect-iothub-https", "top.plant.lan:443", |p| {
        p.closed.extend(["top.plant.lan:443".to_owned()]);
    }),
    error("host-connect-iothub-mqtt", "top.plant.lan:8883", |p| {
        p.closed.extend(["top.plant.lan:8883".to_owned()]);
    }),
    warning("host-connect-iothub-mqtt", "--iothub-hostname", |p| {
        p.provision("method = 'tpm'\nregistration_id = 'gate'");
    }),
    error("host-connect-dps-endpoint", "dps.skerry.test:443", |p| {
        p.provision("method = 'tpm'\nregistration_id = 'gate'");
        p.closed.insert("dps.skerry.test:443".to_owned());
    }),
    error("aziot-edged-config-well-formed", "watchdog", |p| p.add("[watchdog]\nmax_retries = -1\n")),
    error("aziot-edged-config-well-formed", "config mp", |p| p.leave("gone")),
    warning("config-up-to-date", "config apply", |p| p.leave("unapplied")),
    error("container-engine-uri", "does not answer", |p| p.machine.set_down(true)),
    warning("parent_hostname", "RFC 1035", |p| p.edit("top.plant.lan", "under_score")),
    error("parent_hostname", "64", |p| p.edit("top.plant.lan", &"a.".repeat(33)[..65])),
    error("container-resolve-parent-hostname", "top.plant.lan", |p| {
        p.unresolved.insert("top.plant.lan".to_owned());
    }),
    error("connect-management-uri", "system status", |p| p.silent.extend(["edged"])),
    error("connect-management-uri", "fd://x", |p| {
        p.add("[connect]\nmanagement_uri = 'fd://x'\nworkload_uri = 'unix:///w'\n");
    }),
    warning("aziot-edge-version", "1.2.3", |p| {
        p.args.expected_aziot_edged_version = Some("1.2.4".to_owned());
    }),
    warning("aziot-edge-version", "1.0.0", |p| {
        p.args.aziot_edged = Some("/usr/bin/other".into());
        p.programs.insert("/usr/bin/other --version".to_owned(), "aziot-edged 1.0.0\n".to_owned());
    }),
    error("container-local-time", "3600 s apart", |p| p.inside_ahead_seconds = -3600),
    warning("container-engine-dns", "daemon.json", |p| std::fs::write(p.path("daemon.json"), "{}").unwrap()),
    error("container-engine-ipv6", "IPv6", |p| std::fs::write(p.path("daemon.json"), "{}").unwrap()),
    warning("container-engine-logrotate", "log-driver", |p| {
        std::fs::write(p.path("daemon.json"), "{}").unwrap();
    }),
    warning("edge-agent-storage-mounted-from-host", "gone after a restart", |p| p.disk.is_passing = true),
    warning("edge-agent-storage-mounted-from-host", "/tmp/edgeAgent", |p| {
        p.container("edgeAgent", "storageFolder=/tmp", json!({}));
    }),
    warning("edge-hub-storage-mounted-from-host", "/data/edgeHub", |p| {
        p.container("edgeHub", "storageFolder=/data", json!({ "HostConfig": { "Binds": ["/srv:/other"] } }));
    }),
    error("check-agent-image", "credentials", |p| p.edit("geheim", "falsch")),
    warning("proxy-settings", "[agent.env] has https_proxy", |p| {
        p.add("[agent.env]\nhttps_proxy = 'http://10.0.0.1:3128'\n");
    }),
    error("edge-ca-certificate-expiry", "expired", |p| {
        p.expire("edge");
        p.add("[edge_ca]\ncert = 'file://FOLDER/edge.pem'\npk = 'file://FOLDER/edge.key'\n");
    }),
    warning("image-tags", "means latest", |p| {
        let sensor =
            json!({ "name": "sensor", "type": "docker", "config": { "settings": { "image": "sensor" } } });
        p.answer("/modules", json!({ "modules": [sensor] }));
    }),
    warning("deployment", "version 3 of the deployment was not carried out: sensor exits", |p| {
        let last = json!({ "version": 3, "code": 400, "description": "sensor exits" });
        p.answer("/skerry/v1/agent", json!({ "hub": true, "last": last }));
    }),
    warning("deployment", "does not reach the hub", |p| {
        p.answer("/skerry/v1/agent", json!({ "hub": false }));
    }),
    warning("disk-space", "make room", |p| p.disk.free_bytes = 1 << 20),
    error("container-default-connect-upstream-amqp", "the engine's default", |p| {
        p.closed_inside.insert("default top.plant.lan:5671".to_owned());
    }),
    error("container-default-connect-upstream-https", "top.plant.lan:443", |p| {
        p.closed_inside.insert("default top.plant.lan:443".to_owned());
    }),
    error("container-default-connect-upstream-mqtt", "top.plant.lan:8883", |p| {
        mqtt(p);
        p.closed_inside.insert("default top.plant.lan:8883".to_owned());
    }),
    error("container-connect-upstream-amqp", "the network modules", |p| {
        p.closed_inside.insert("modules top.plant.lan:5671".to_owned());
    }),
    error("container-connect-upstream-https", "the network modules", |p| {
        p.closed_inside.insert("modules top.plant.lan:443".to_owned());
    }),
    error("container-connect-upstream-mqtt", "the network modules", |p| {
        mqtt(p);
        p.closed_inside.insert("modules top.plant.lan:8883".to_owned());
    }),
    error("container-connect-edge-hub", "as gate at 172.18.0.1", |p| {
        p.closed_inside.insert("modules gate".to_owned());
    }),
    warning("edge-hub-storage-mounted-from-host", "edgeHub keeps what it must not lose", |p| {
        p.disk.is_passing = true;
    }),
];
