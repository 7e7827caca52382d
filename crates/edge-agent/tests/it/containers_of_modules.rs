//! What a module's container gets besides what its manifest says.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use skerry_edge_agent::container::{Identity, create_request, fingerprint, pull_request};
use skerry_edge_agent::manifest::Manifest;
use skerry_edge_agent::{Device, GatewayPorts};

pub(crate) fn device() -> Device {
    Device {
        hub_host: "hub.example.com".to_owned(),
        device_id: "edge-1".to_owned(),
        edge_host: "edge.local".to_owned(),
        edge_address: None,
        gateway_ports: GatewayPorts::default(),
        parent_host: None,
        workload_uri: "unix:///var/run/iotedge/workload.sock".to_owned(),
        workload_folder: "/var/lib/aziot/edged/mnt".into(),
        network: "azure-iot-edge".to_owned(),
        log_level: "info".to_owned(),
        upstream_protocol: None,
        credentials: Vec::new(),
    }
}

fn manifest(modules: &Value, hub_options: &Value) -> Manifest {
    let system = json!({
        "edgeAgent": {"type": "docker", "settings": {"image": "agent:1"}},
        "edgeHub": {"type": "docker", "status": "running",
                    "settings": {"image": "hub:1", "createOptions": hub_options.to_string()}}
    });
    let credentials = json!({"up": {"address": "$upstream:443", "username": "u", "password": "p"}});
    let section = json!({
        "schemaVersion": "1.1",
        "runtime": {"type": "docker", "settings": {"registryCredentials": credentials}},
        "systemModules": system, "modules": modules
    });
    Manifest::parse(section.as_object().unwrap()).unwrap()
}

fn made(device: &Device, manifest: &Manifest, name: &str) -> (BTreeMap<String, String>, Value) {
    let module = if name == "edgeHub" { manifest.hub.as_ref().unwrap() } else { &manifest.modules[name] };
    let identity = Identity {
        module_id: name.to_owned(),
        generation_id: "638".to_owned(),
        managed_by: "iotedge".to_owned(),
    };
    let request = create_request(device, name, module, &identity);
    (request.env.into_iter().collect(), Value::Object(request.options))
}

#[test]
fn a_module_is_told_who_and_where_it_is() {
    let options = json!({
        "Labels": {"mine": "1"},
        "HostConfig": {"Binds": ["/data:/data"], "Unknown": [1]}
    });
    let modules = json!({"sensor": {
        "type": "docker", "status": "running", "version": "3",
        "env": {"A": {"value": "1"}, "IOTEDGE_DEVICEID": {"value": "somebody else"}, "RuntimeLogLevel": {"value": "debug"}},
        "settings": {"image": "sensor:1", "createOptions": options.to_string()}
    }});
    let mut device = device();
    device.edge_address = Some("172.18.0.1".to_owned());
    let (env, options) = made(&device, &manifest(&modules, &json!({})), "sensor");
    let expected = [
        ("A", "1"),
        ("IOTEDGE_APIVERSION", "2022-08-03"),
        ("IOTEDGE_AUTHSCHEME", "sasToken"),
        ("IOTEDGE_DEVICEID", "edge-1"),
        ("IOTEDGE_GATEWAYHOSTNAME", "edge.local"),
        ("IOTEDGE_IOTHUBHOSTNAME", "hub.example.com"),
        ("IOTEDGE_MODULEGENERATIONID", "638"),
        ("IOTEDGE_MODULEID", "sensor"),
        ("IOTEDGE_WORKLOADURI", "unix:///var/run/iotedge/workload.sock"),
        ("RuntimeLogLevel", "debug"),
    ];
    assert_eq!(env, expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect());
    let fingerprint = fingerprint(&device, &manifest(&modules, &json!({})).modules["sensor"]);
    assert_eq!(
        options,
        json!({
            "Labels": {
                "mine": "1",
                "net.azure-devices.edge.version": "3",
                "net.azure-devices.edge.restartPolicy": "on-unhealthy",
                "net.azure-devices.edge.desiredStatus": "running",
                "net.azure-devices.edge.configurationId": "",
                "net.azure-devices.edge.original-image": "sensor:1",
                "skerry.fingerprint": fingerprint
            },
            "HostConfig": {
                "Binds": ["/data:/data", "/var/lib/aziot/edged/mnt/sensor:/var/run/iotedge"],
                "Unknown": [1],
                "ExtraHosts": ["edge.local:172.18.0.1", "edgeHub:172.18.0.1", "edgeAgent:172.18.0.1"]
            },
            "NetworkingConfig": {"EndpointsConfig": {"azure-iot-edge": {}}}
        })
    );
}

#[test]
fn a_module_is_told_of_ports_that_are_not_the_usual_ones() {
    let modules = json!({"sensor": {
        "type": "docker", "status": "running", "env": {"SKERRY_GATEWAY_MQTT_PORT": {"value": "1"}},
        "settings": {"image": "sensor:1"}
    }});
    let manifest = manifest(&modules, &json!({}));
    let usual = device();
    let device = Device {
        gateway_ports: GatewayPorts { mqtt: 18_883, https: 8443, ..GatewayPorts::default() },
        ..usual.clone()
    };
    let (env, _) = made(&device, &manifest, "sensor");
    let told: Vec<(&str, &str)> = env
        .iter()
        .map(|(key, port)| (key.as_str(), port.as_str()))
        .filter(|(key, _)| key.ends_with("_PORT"))
        .collect();
    assert_eq!(told, [("SKERRY_GATEWAY_HTTPS_PORT", "8443"), ("SKERRY_GATEWAY_MQTT_PORT", "18883")]);
    let of = |device| fingerprint(device, &manifest.modules["sensor"]);
    assert_ne!(of(&device), of(&usual), "it is made anew when they change");
}

#[test]
fn below_a_parent_everybody_learns_of_it() {
    let modules = json!({"sensor": {
        "type": "docker", "status": "running", "settings": {"image": "$upstream:443/sensor:1"}
    }});
    let device = Device {
        parent_host: Some("parent".to_owned()),
        upstream_protocol: Some("Mqtt".to_owned()),
        ..device()
    };
    let manifest = manifest(&modules, &json!({}));
    let (env, options) = made(&device, &manifest, "sensor");
    assert_eq!(
        (env["IOTEDGE_GATEWAYHOSTNAME"].as_str(), env["IOTEDGE_PARENTHOSTNAME"].as_str()),
        ("edge.local", "parent")
    );
    assert_eq!(env["UpstreamProtocol"], "Mqtt");
    assert_eq!(options["Labels"]["net.azure-devices.edge.original-image"], "$upstream:443/sensor:1");
    let pull = pull_request(&device, &manifest, &manifest.modules["sensor"]);
    assert_eq!(pull.image, "parent:443/sensor:1");
    assert_eq!(pull.credentials.unwrap().address, "parent:443");

    let (env, options) = made(&device, &manifest, "edgeHub");
    assert_eq!(
        (env["IOTEDGE_GATEWAYHOSTNAME"].as_str(), env["EdgeDeviceHostName"].as_str()),
        ("parent", "edge.local")
    );
    assert!(!env.contains_key("IOTEDGE_PARENTHOSTNAME"));
    assert_eq!(env["IOTEDGE_MODULEID"], "$edgeHub");
    assert_eq!(
        options["NetworkingConfig"]["EndpointsConfig"],
        json!({"azure-iot-edge": {"Aliases": ["edge.local"]}})
    );
}

#[test]
fn a_network_of_its_own_is_left_to_the_module() {
    for options in [
        json!({"HostConfig": {"NetworkMode": "host"}}),
        json!({"NetworkingConfig": {"EndpointsConfig": {"mine": {}}}}),
    ] {
        let (_, made) = made(&device(), &manifest(&json!({}), &options), "edgeHub");
        let endpoints = made["NetworkingConfig"]["EndpointsConfig"].as_object();
        assert!(endpoints.is_none_or(|endpoints| !endpoints.contains_key("azure-iot-edge")), "{made}");
    }
}

#[test]
fn the_fingerprint_is_of_what_is_meant_and_not_of_how_it_is_written() {
    let of = |options: &str, env: &Value| {
        let modules = json!({"sensor": {
            "type": "docker", "status": "running", "env": env,
            "settings": {"image": "sensor:1", "createOptions": options}
        }});
        fingerprint(&device(), &manifest(&modules, &json!({})).modules["sensor"])
    };
    let one = of(r#"{"User":"a","HostConfig":{"Memory":1,"Init":true}}"#, &json!({}));
    assert_eq!(one, of(r#"{ "HostConfig":{"Init":true,"Memory":1}, "User":"a" }"#, &json!({})));
    assert_ne!(one, of(r#"{"User":"a","HostConfig":{"Memory":2,"Init":true}}"#, &json!({})));
    assert_ne!(
        one,
        of(r#"{"User":"a","HostConfig":{"Memory":1,"Init":true}}"#, &json!({"A": {"value": ""}}))
    );
}
