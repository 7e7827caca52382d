use proptest::prelude::*;
use skerry_tokens::{
    ConnectionString, ConnectionStringError, Credential, EventHubsString, Host, HubString, KeyUse, Part,
    Secret, Signer,
};

use crate::{KEY, key};

const TOKEN: &str = "SharedAccessSignature sr=h&sig=l7e6l2SBMwUGstzFKYA7SOpKrVuTKT7e%2Fg161NUWS%2F0%3D&se=1";

fn hub(text: &str) -> HubString {
    text.parse().unwrap()
}

#[test]
fn every_form_is_read_and_written_in_canonical_order() {
    let table = [
        "HostName=hub1.iot.test;SharedAccessKeyName=iothubowner;SharedAccessKey=K",
        "HostName=localhost:8443;SharedAccessKeyName=service;SharedAccessKey=K;GatewayHostName=gw",
        "HostName=hub1.iot.test;SharedAccessKeyName=service;SharedAccessSignature=T",
        "HostName=hub1.iot.test;DeviceId=d=1%2F#;SharedAccessKey=K",
        "HostName=hub1.iot.test;DeviceId=d;ModuleId=m;SharedAccessKey=K;GatewayHostName=10.0.0.7",
        "HostName=hub1.iot.test;DeviceId=d;SharedAccessKeyName=device;SharedAccessKey=K",
        "HostName=hub1.iot.test;DeviceId=d;SharedAccessSignature=T",
        "HostName=hub1.iot.test;DeviceId=d;ModuleId=m;x509=true",
        "Endpoint=sb://hub1.iot.test/;SharedAccessKeyName=service;SharedAccessKey=K;EntityPath=hub1",
        "Endpoint=sb://[fd00::7]:15671/;SharedAccessKeyName=service;SharedAccessKey=K",
    ];
    for text in table {
        let text = text.replace("=K", &format!("={KEY}")).replace("=T", &format!("={TOKEN}"));
        let read: ConnectionString = text.parse().unwrap();
        assert_eq!(read.reveal(), text);
        let mut reversed: Vec<&str> = text.split(';').collect();
        reversed.reverse();
        let shuffled: ConnectionString = format!(" {} ; ", reversed.join("; ")).parse().unwrap();
        assert_eq!(shuffled, read);
        let printed = format!("{read:?}");
        assert!(!printed.contains(KEY) && !printed.contains("sig="), "{printed}");
    }
}

#[test]
fn keys_are_read_without_regard_to_case_and_with_the_other_sdks_names() {
    let text = format!("hostname=H;DEVICEID=d;sharedaccesskey={KEY}");
    assert_eq!(hub(&text).reveal(), format!("HostName=H;DeviceId=d;SharedAccessKey={KEY}"));
    assert_eq!(hub("HostName=h;DeviceId=d;X509Cert=True").reveal(), "HostName=h;DeviceId=d;x509=true");
    let text = format!("endpoint=SB://H;sharedaccesskeyname=p;SharedAccessKey={KEY}");
    let events: EventHubsString = text.parse().unwrap();
    assert_eq!(events.reveal(), format!("Endpoint=sb://H/;SharedAccessKeyName=p;SharedAccessKey={KEY}"));
}

#[test]
fn the_parts_come_out_typed() {
    let read = hub(&format!(
        "HostName=hub1.iot.test:8443;DeviceId=d;ModuleId=m;SharedAccessKey={KEY};GatewayHostName=gw"
    ));
    assert_eq!(
        (read.host().name(), read.host().port(), read.host().hub_name()),
        ("hub1.iot.test", Some(8443), "hub1")
    );
    assert_eq!((read.device(), read.module()), (Some("d"), Some("m")));
    assert_eq!(read.connect_to().to_string(), "gw");
    assert_eq!(read.credential(), &Credential::Key(key(KEY)));
    let address: Host = "10.0.0.7".parse().unwrap();
    assert_eq!(address.hub_name(), "10.0.0.7");
}

#[test]
fn strings_are_made_from_parts() {
    let host = || "hub1.iot.test".parse::<Host>().unwrap();
    let policy = HubString::for_policy(host(), "service", key(KEY)).unwrap();
    assert_eq!(hub(&policy.reveal()), policy);
    let module =
        HubString::for_module(host(), "d", "m", Credential::X509).unwrap().through("gw".parse().unwrap());
    assert_eq!(module.reveal(), "HostName=hub1.iot.test;DeviceId=d;ModuleId=m;x509=true;GatewayHostName=gw");
    let token = Signer::policy("service", key(KEY), KeyUse::Hub).issue("h", skerry_model::Timestamp::NEVER);
    let credential = Credential::Token(Secret::new(token.reveal()));
    let device = HubString::for_device(host(), "d", credential).unwrap();
    assert_eq!(hub(&device.reveal()), device);
    let events = EventHubsString::new(host(), "service", key(KEY), "hub1").unwrap();
    assert_eq!(events.reveal().parse(), Ok(ConnectionString::EventHubs(events)));
    for id in ["a;b", " a", "a\n"] {
        let refused = HubString::for_device(host(), id, Credential::X509).unwrap_err();
        assert_eq!(refused, ConnectionStringError::Unwritable { part: Part::DeviceId });
    }
    let refused = EventHubsString::new(host(), "", key(KEY), "hub1").unwrap_err();
    assert_eq!(refused, ConnectionStringError::Empty { part: Part::SharedAccessKeyName });
}

#[test]
fn every_error_names_the_part_and_the_cure() {
    let long = format!("HostName={}", "h".repeat(9000));
    let table = [
        ("", "the connection string is empty: copy it whole, it begins with HostName= or Endpoint="),
        (" ; ;", "the connection string is empty: copy it whole, it begins with HostName= or Endpoint="),
        (&long, "the connection string has 9009 bytes, more than 8192: copy one string only"),
        (
            "HostName=h;oops",
            "a part of the connection string has no `=`: write Key=value, separated by `;`, and quote the string in a shell",
        ),
        (
            "HostName=h;Hots=x",
            "\"Hots\" is not a key of a connection string: check its spelling or remove it",
        ),
        ("HostName=h;HOSTNAME=h", "HostName stands twice in the connection string: keep one"),
        ("HostName= ;DeviceId=d", "HostName has no value: fill it in or remove it"),
        ("DeviceId=d;x509=true", "HostName is missing: add HostName=…"),
        ("HostName=h;SharedAccessKey=K", "SharedAccessKeyName is missing: add SharedAccessKeyName=…"),
        ("HostName=h;SharedAccessKeyName=p", "SharedAccessKey is missing: add SharedAccessKey=…"),
        ("HostName=h;ModuleId=m;SharedAccessKey=K", "DeviceId is missing: add DeviceId=…"),
        ("HostName=h;x509=true", "SharedAccessKeyName is missing: add SharedAccessKeyName=…"),
        (
            "HostName=h;DeviceId=d",
            "no credential for the device: add SharedAccessKey=…, SharedAccessSignature=… or x509=true",
        ),
        (
            "HostName=h;DeviceId=d;x509=true;SharedAccessKey=K",
            "SharedAccessKey and x509 stand together: keep the one that is meant",
        ),
        ("HostName=h;DeviceId=d;x509=yes", "x509 is \"yes\": write x509=true or remove it"),
        (
            "HostName=h;DeviceId=d;x509=true;EntityPath=e",
            "EntityPath does not belong into this kind of connection string: remove it",
        ),
        (
            "HostName=h h;DeviceId=d;x509=true",
            "HostName: \"h h\" is not a host name: write a DNS name or an IP address, such as hub.example.com",
        ),
        (
            "HostName=https://h;DeviceId=d;x509=true",
            "HostName: \"https://h\" is not a host name: write a DNS name or an IP address, such as hub.example.com",
        ),
        (
            "HostName=h:0;DeviceId=d;x509=true",
            "HostName: \"0\" is not a port: write a number from 1 to 65535 after the host name, or leave it out",
        ),
        (
            "HostName=h;GatewayHostName=g..h;DeviceId=d;x509=true",
            "GatewayHostName: \"g..h\" is not a host name: write a DNS name or an IP address, such as hub.example.com",
        ),
        (
            "HostName=h;DeviceId=d;SharedAccessKey=%%%",
            "SharedAccessKey: the key is not base64: copy it whole, with the `=` at its end",
        ),
        (
            "HostName=h;DeviceId=d;SharedAccessKey=AAAA",
            "SharedAccessKey: the key has 3 bytes: use one of 16 to 64 bytes, written as base64",
        ),
        (
            "HostName=h;DeviceId=d;SharedAccessSignature=sr=h",
            "SharedAccessSignature: the token does not begin with `SharedAccessSignature `: send `SharedAccessSignature sr=…&sig=…&se=…`",
        ),
        (
            "Endpoint=http://h/;SharedAccessKeyName=p;SharedAccessKey=K",
            "Endpoint is \"http://h/\": write it as sb://HOST/",
        ),
        (
            "Endpoint=sb://h/x;SharedAccessKeyName=p;SharedAccessKey=K",
            "Endpoint: \"h/x\" is not a host name: write a DNS name or an IP address, such as hub.example.com",
        ),
        ("Endpoint=sb://h/;SharedAccessKey=K", "SharedAccessKeyName is missing: add SharedAccessKeyName=…"),
        (
            "Endpoint=sb://h/;HostName=h;SharedAccessKeyName=p;SharedAccessKey=K",
            "HostName does not belong into this kind of connection string: remove it",
        ),
    ];
    for (text, message) in table {
        let text = text.replace("=K", &format!("={KEY}"));
        assert_eq!(text.parse::<ConnectionString>().unwrap_err().to_string(), message, "{text}");
    }
    let unwritable = ConnectionStringError::Unwritable { part: Part::ModuleId }.to_string();
    assert_eq!(
        unwritable,
        "ModuleId contains `;`, a control character or outer spaces, which no SDK reads back: connect with host, id and key given one by one"
    );
}

#[test]
fn hosts_are_names_or_addresses_with_a_port_or_none() {
    for text in ["h", "a-b.c_d.test", "10.0.0.7:443", "[::1]", "[fd00::7]:65535"] {
        assert_eq!(text.parse::<Host>().unwrap().to_string(), text);
    }
    assert_eq!("HUB.test:1".parse::<Host>(), "hub.TEST:1".parse());
    for text in [
        "",
        ":1",
        "::1",
        "[h]",
        "[::1",
        "[::1]x",
        "h:",
        "h:x",
        "h:65536",
        "h:+1",
        "h:1:2",
        ".h",
        "h.",
        &"a".repeat(64),
        "ü",
    ] {
        assert!(text.parse::<Host>().is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn whatever_can_be_written_is_read_back(device in "[ -~]{1,40}", module in "[ -~]{1,40}", port in 1_u16..) {
        let host: Host = format!("hub1.iot.test:{port}").parse().unwrap();
        if let Ok(made) = HubString::for_module(host, &device, &module, Credential::Key(key(KEY))) {
            prop_assert_eq!(hub(&made.reveal()), made);
        }
    }
}
