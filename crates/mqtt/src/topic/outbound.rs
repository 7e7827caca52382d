//! What devices and modules are sent.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use skerry_model::{DeviceId, ModuleId};

use super::bag::{Bag, write_bag};
use crate::packet::Text;

/// What a topic cannot hold inside a method's name; clients compare the rest as it is.
const METHOD: &AsciiSet = &CONTROLS.add(b'/').add(b'+').add(b'#').add(b'?').add(b' ').add(b'%');

#[derive(Clone, Debug)]
pub enum Outbound<'a> {
    Command { device: &'a DeviceId, bag: &'a Bag },
    Input { device: &'a DeviceId, module: &'a ModuleId, input: &'a str, bag: &'a Bag },
    Method { name: &'a str, request: &'a str },
    TwinAnswer { status: u16, request: &'a str, version: Option<u64> },
    Desired { version: u64 },
}

impl Outbound<'_> {
    pub fn topic(&self) -> Text {
        let topic = match self {
            Self::Command { device, bag } => {
                let mut topic = format!("devices/{device}/messages/devicebound/");
                write_bag(&mut topic, bag);
                topic
            }
            Self::Input { device, module, input, bag } => {
                let mut topic = format!("devices/{device}/modules/{module}/inputs/{input}/");
                write_bag(&mut topic, bag);
                topic
            }
            // Nothing may follow the request id: clients take all the rest for it.
            Self::Method { name, request } => {
                format!("$iothub/methods/POST/{}/?$rid={request}", utf8_percent_encode(name, METHOD))
            }
            Self::TwinAnswer { status, request, version: None } => {
                format!("$iothub/twin/res/{status}/?$rid={request}")
            }
            Self::TwinAnswer { status, request, version: Some(version) } => {
                format!("$iothub/twin/res/{status}/?$rid={request}&$version={version}")
            }
            Self::Desired { version } => format!("$iothub/twin/PATCH/properties/desired/?$version={version}"),
        };
        Text::from(topic.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_those_that_sdks_listen_for() {
        let (device, module) = ("d1".parse().unwrap(), "m1".parse().unwrap());
        let mut bag = Bag::default();
        bag.system.to = Some("/devices/d1".into());
        let table = [
            (
                Outbound::Command { device: &device, bag: &bag },
                "devices/d1/messages/devicebound/%24.to=%2Fdevices%2Fd1",
            ),
            (
                Outbound::Input { device: &device, module: &module, input: "in", bag: &bag },
                "devices/d1/modules/m1/inputs/in/%24.to=%2Fdevices%2Fd1",
            ),
            (
                Outbound::Method { name: "thermostat1*reboot", request: "1f" },
                "$iothub/methods/POST/thermostat1*reboot/?$rid=1f",
            ),
            (Outbound::Method { name: "a/b c", request: "1" }, "$iothub/methods/POST/a%2Fb%20c/?$rid=1"),
            (
                Outbound::TwinAnswer { status: 200, request: "x", version: None },
                "$iothub/twin/res/200/?$rid=x",
            ),
            (
                Outbound::TwinAnswer { status: 204, request: "x", version: Some(3) },
                "$iothub/twin/res/204/?$rid=x&$version=3",
            ),
            (Outbound::Desired { version: 5 }, "$iothub/twin/PATCH/properties/desired/?$version=5"),
        ];
        for (outbound, expected) in table {
            assert_eq!(outbound.topic().as_str(), expected);
        }
    }
}
