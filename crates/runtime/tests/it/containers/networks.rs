//! Networks are made as configured.

use skerry_runtime::{NetworkOptions, Runtime as _, SubnetOptions};

use super::engine::Engine;

#[tokio::test]
async fn a_network_has_the_subnet_that_was_asked_for() {
    let engine = Engine::start();
    let runtime = engine.runtime();
    let subnet = SubnetOptions {
        gateway: Some("172.30.7.1".to_owned()),
        subnet: Some("172.30.7.0/24".to_owned()),
        ip_range: None,
    };
    let options = NetworkOptions { name: "azure-iot-edge".to_owned(), ipv6: false, subnets: vec![subnet] };
    runtime.ensure_network(&options).await.unwrap();
    let networks = runtime.networks().await.unwrap();
    let made = networks.iter().find(|network| network["Name"] == "azure-iot-edge").unwrap();
    assert_eq!(made["Driver"], "bridge");
    assert_eq!(made["IPAM"]["Config"][0]["Gateway"], "172.30.7.1");
}

#[tokio::test]
async fn the_engine_tells_of_its_machine() {
    let engine = Engine::start();
    let info = engine.runtime().info().await.unwrap();
    assert_eq!((info.os.as_str(), info.log_driver.as_str()), ("linux", "json-file"));
    assert!(info.cpus > 0 && info.memory_bytes > 1 << 20 && !info.version.is_empty(), "{info:?}");
}
