use proptest::prelude::*;
use skerry_tokens::{Claim, ModuleRule, covers, identities, resource};

const HOSTS: [&str; 3] = ["hub1.iot.test", "gateway.local:8883", "fd00::7"];

fn check(sr: &str, claim: Claim<'_>) -> Result<(), String> {
    covers(sr, &HOSTS, claim, ModuleRule::OwnTokenOnly).map_err(|error| error.to_string())
}

#[test]
fn every_sdk_spelling_of_a_resource_is_understood() {
    let device = Claim::Device("dev%1#a");
    let module = Claim::Module("dev%1#a", "mod(1)");
    let table = [
        // C over AMQP and MQTT: as it is.
        ("hub1.iot.test/devices/dev%1#a", device),
        ("hub1.iot.test/devices/dev%1#a/modules/mod(1)", module),
        // C over HTTP: ids encoded once.
        ("hub1.iot.test/devices/dev%251%23a", device),
        // Python: the whole encoded once.
        ("hub1.iot.test%2Fdevices%2Fdev%251%23a", device),
        ("hub1.iot.test%2fdevices%2fdev%251%23a%2fmodules%2fmod%281%29", module),
        // Node: ids encoded, then the separators left.
        ("hub1.iot.test/devices/dev%251%23a/modules/mod%281%29", module),
        // C#: ids encoded, then the whole again.
        ("hub1.iot.test%2Fdevices%2Fdev%25251%2523a", device),
        ("hub1.iot.test%2Fdevices%2Fdev%25251%2523a%2Fmodules%2Fmod%25281%2529", module),
        // Separators raw, ids encoded twice.
        ("hub1.iot.test/devices/dev%25251%2523a", device),
        // The original's identity service: all in lower case, the whole encoded once.
        ("hub1.iot.test%2Fdevices%2FDEV%251%23a", device),
        ("hub1.iot.test%2Fdevices%2FDev%251%23A%2Fmodules%2FMOD%281%29", module),
        // Aliases, case and ports of the host.
        ("HUB1.IOT.TEST/devices/dev%1#a", device),
        ("gateway.local/devices/dev%1#a", device),
        ("Gateway.Local%3A443%2Fdevices%2Fdev%251%23a", device),
        ("[fd00::7]:8883/devices/dev%1#a", device),
        // An old tool appends its query.
        ("hub1.iot.test/devices/dev%1#a/api-version=2016-11-14", device),
        ("hub1.iot.test/devices/dev%1#a/messages/events", device),
    ];
    for (sr, claim) in table {
        assert_eq!(check(sr, claim), Ok(()), "{sr}");
    }
}

#[test]
fn a_policy_token_needs_the_host_only() {
    for sr in [
        "hub1.iot.test",
        "hub1.iot.test%3A8443",
        "hub1.iot.test/devices",
        "hub1.iot.test/devices/query",
        "hub1.iot.test%2fmessages%2Fevents",
        "sb://hub1.iot.test/hub1",
        "sb%3A%2F%2Fhub1.iot.test%2Fhub1",
        "amqps%3a%2f%2fHub1.iot.test%2Fhub1",
        "https://hub1.iot.test/",
    ] {
        assert_eq!(check(sr, Claim::Hub), Ok(()), "{sr}");
    }
}

#[test]
fn another_identity_or_host_is_refused_with_what_to_sign() {
    let host = |found: &str| {
        Err(format!(
            "the token's `sr` is for host {found:?}, this is \"hub1.iot.test\": sign for the host name of the connection string"
        ))
    };
    let identity = |sr: &str, path: &str| {
        Err(format!("the token's `sr` is {sr:?}, which does not cover `{path}`: sign for host{path}"))
    };
    for (sr, found) in [
        ("hub2.iot.test/devices/d", "hub2.iot.test"),
        ("hub1.iot.test.evil/devices/d", "hub1.iot.test.evil"),
        ("hub1/devices/d", "hub1"),
        ("", ""),
        ("/devices/d", ""),
        ("ftp://hub1.iot.test/devices/d", "ftp:"),
    ] {
        assert_eq!(check(sr, Claim::Device("d")), host(found), "{sr}");
        assert_eq!(check(sr, Claim::Hub), host(found), "{sr}");
    }
    for sr in [
        // Too wide for a key of one device.
        "hub1.iot.test",
        "hub1.iot.test/devices",
        "hub1.iot.test/devices/",
        // Another one: by segments, not by characters.
        "hub1.iot.test/devices/dd",
        "hub1.iot.test/devices/",
        "hub1.iot.test/jobs/d",
        "hub1.iot.test//devices/d",
        // A module of the device is not the device.
        "hub1.iot.test/devices/d/modules/m",
        "hub1.iot.test%2Fdevices%2Fd%2FModules%2Fm",
    ] {
        assert_eq!(check(sr, Claim::Device("d")), identity(sr, "/devices/d"), "{sr}");
    }
    for sr in [
        "hub1.iot.test/devices/d/modules/n",
        "hub1.iot.test/devices/d/modules",
        "hub1.iot.test/devices/e/modules/m",
    ] {
        assert_eq!(check(sr, Claim::Module("d", "m")), identity(sr, "/devices/d/modules/m"), "{sr}");
    }
    assert!(check("hub1.iot.test/devices/", Claim::Device("")).is_err());
    assert!(covers::<&str>("hub1.iot.test", &[], Claim::Hub, ModuleRule::OwnTokenOnly).is_err());
}

#[test]
fn a_device_token_speaks_for_its_modules_only_where_the_rule_says_so() {
    let sr = "hub1.iot.test/devices/d";
    let module = Claim::Module("d", "m");
    assert_eq!(
        check(sr, module).unwrap_err(),
        "the token is for the device, not for its module: sign for host/devices/d/modules/m with the module's own key"
    );
    assert_eq!(covers(sr, &HOSTS, module, ModuleRule::DeviceTokenToo), Ok(()));
    let wrong = covers("hub1.iot.test/devices/d/modules/n", &HOSTS, module, ModuleRule::DeviceTokenToo);
    assert!(wrong.is_err());
    assert!(covers("hub1.iot.test/devices/e", &HOSTS, module, ModuleRule::DeviceTokenToo).is_err());
}

#[test]
fn whom_an_audience_names_is_read_in_every_way() {
    let reading = |device: &str, module: Option<&str>| (device.to_owned(), module.map(str::to_owned));
    let table = [
        ("hub1.iot.test/devices/d", vec![reading("d", None)]),
        ("amqps://hub1.iot.test:5671/Devices/d/messages/events", vec![reading("d", None)]),
        ("hub1.iot.test%2Fdevices%2Fd%2523", vec![reading("d%23", None), reading("d#", None)]),
        ("hub1.iot.test/devices/d%23/modules/m", vec![reading("d%23", Some("m")), reading("d#", Some("m"))]),
        ("hub1.iot.test/devices/d/modules/m/", vec![reading("d", Some("m"))]),
    ];
    for (audience, expected) in table {
        assert_eq!(identities(audience), expected, "{audience}");
    }
    for audience in
        ["", "hub1.iot.test", "hub1.iot.test/", "hub1.iot.test/devices", "sb://hub1.iot.test/hub1/x"]
    {
        assert!(identities(audience).is_empty(), "{audience}");
    }
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

proptest! {
    #[test]
    fn an_id_is_recognised_plain_and_encoded_once_or_twice(
        device in "[A-Za-z0-9:.+%_#*?!(),=@;$'-]{1,20}", module in "[A-Za-z0-9:.+%_#*?!(),=@;$'-]{1,20}",
    ) {
        let claim = Claim::Module(&device, &module);
        let plain = resource("hub1.iot.test", claim);
        let ids = format!("hub1.iot.test/devices/{}/modules/{}", escape(&device), escape(&module));
        for sr in [plain.clone(), escape(&plain), ids.clone(), escape(&ids)] {
            prop_assert_eq!(check(&sr, claim), Ok(()), "{}", sr);
        }
    }

    #[test]
    fn no_text_makes_it_panic(sr in any::<String>(), id in any::<String>()) {
        let _ = check(&sr, Claim::Device(&id));
        let _ = check(&format!("hub1.iot.test/devices/{sr}"), Claim::Module(&id, &sr));
    }
}
