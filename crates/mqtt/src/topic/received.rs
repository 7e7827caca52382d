//! What devices and modules are sent, as the client reads it.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use skerry_model::{DeviceId, ModuleId};

use super::bag::{Bag, BagError, read_bag};

/// A message from the hub, by its topic.
#[derive(Clone, Debug, PartialEq)]
pub enum Received<'t> {
    Command(Box<Bag>),
    Input { input: &'t str, bag: Box<Bag> },
    Method { name: Cow<'t, str>, request: &'t str },
    TwinAnswer { status: u16, request: &'t str, version: Option<u64> },
    Desired { version: u64 },
}

/// A topic that means nothing to this client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceivedError {
    #[error("the topic is none of those that a hub sends under, or it is another identity's")]
    Foreign,
    #[error(transparent)]
    Bag(#[from] BagError),
}

impl<'t> Received<'t> {
    /// Reads a topic that was sent to `device`, or to its `module`; what [`super::Outbound`] writes.
    pub fn parse(
        topic: &'t str,
        device: &DeviceId,
        module: Option<&ModuleId>,
    ) -> Result<Self, ReceivedError> {
        if let Some(rest) = topic.strip_prefix("$iothub/") {
            return Self::of_hub(rest).ok_or(ReceivedError::Foreign);
        }
        let rest = topic
            .strip_prefix("devices/")
            .and_then(|rest| rest.strip_prefix(device.as_str()))
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or(ReceivedError::Foreign)?;
        let Some(module) = module else {
            let bag = rest.strip_prefix("messages/devicebound/").ok_or(ReceivedError::Foreign)?;
            return Ok(Self::Command(Box::new(read_bag(bag)?)));
        };
        let rest = rest
            .strip_prefix("modules/")
            .and_then(|rest| rest.strip_prefix(module.as_str()))
            .and_then(|rest| rest.strip_prefix("/inputs/"))
            .ok_or(ReceivedError::Foreign)?;
        let (input, bag) = rest.split_once('/').ok_or(ReceivedError::Foreign)?;
        Ok(Self::Input { input, bag: Box::new(read_bag(bag)?) })
    }

    fn of_hub(rest: &'t str) -> Option<Self> {
        if let Some(rest) = rest.strip_prefix("methods/POST/") {
            let (name, query) = rest.split_once('/')?;
            let name = percent_decode_str(name).decode_utf8().ok()?;
            return Some(Self::Method { name, request: query.strip_prefix("?$rid=")? });
        }
        if let Some(rest) = rest.strip_prefix("twin/res/") {
            let (status, query) = rest.split_once('/')?;
            let (mut request, mut version) = (None, None);
            for pair in query.strip_prefix('?')?.split('&') {
                match pair.split_once('=') {
                    Some(("$rid", text)) => request = Some(text),
                    Some(("$version", text)) => version = Some(text.parse().ok()?),
                    // Later hubs may tell more.
                    _ => {}
                }
            }
            return Some(Self::TwinAnswer { status: status.parse().ok()?, request: request?, version });
        }
        let query = rest.strip_prefix("twin/PATCH/properties/desired/?")?;
        let version = query.split('&').find_map(|pair| pair.strip_prefix("$version="))?;
        Some(Self::Desired { version: version.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use skerry_model::message::SystemProperties;

    use super::super::Outbound;
    use super::*;

    fn identity() -> (DeviceId, ModuleId) {
        ("d-1.a".parse().unwrap(), "$edgeHub".parse().unwrap())
    }

    proptest! {
        #[test]
        fn what_the_hub_sends_is_what_a_client_reads(
            id in prop::option::of("\\PC{0,20}"),
            mut application in prop::collection::vec(("[a-z&=/%?+ü]{1,9}", "\\PC{0,20}"), 0..4),
            name in "[ -~ü]{1,40}",
            request in "[0-9a-f-]{1,36}",
            (status, version) in (any::<u16>(), any::<u64>()),
        ) {
            // Of properties of one name a reader keeps one.
            let mut names = std::collections::HashSet::new();
            application.retain(|(name, _)| names.insert(name.clone()));
            let (device, module) = identity();
            let system = SystemProperties { message_id: id, ..SystemProperties::default() }.into();
            let bag = Bag { system, application };
            let to_device = [
                (Outbound::Command { device: &device, bag: &bag }, Received::Command(Box::new(bag.clone()))),
                (
                    Outbound::Method { name: &name, request: &request },
                    Received::Method { name: name.as_str().into(), request: &request },
                ),
                (
                    Outbound::TwinAnswer { status, request: &request, version: None },
                    Received::TwinAnswer { status, request: &request, version: None },
                ),
                (
                    Outbound::TwinAnswer { status, request: &request, version: Some(version) },
                    Received::TwinAnswer { status, request: &request, version: Some(version) },
                ),
                (Outbound::Desired { version }, Received::Desired { version }),
            ];
            for (sent, received) in to_device {
                let topic = sent.topic();
                prop_assert_eq!(Received::parse(&topic, &device, None), Ok(received));
            }
            let sent = Outbound::Input { device: &device, module: &module, input: "in.1", bag: &bag }.topic();
            let received = Received::Input { input: "in.1", bag: Box::new(bag) };
            prop_assert_eq!(Received::parse(&sent, &device, Some(&module)), Ok(received));
        }

        #[test]
        fn nonsense_is_read_or_refused(topic in "(\\$iothub/(methods/POST|twin/res|twin/PATCH)|devices/d-1\\.a)?\\PC{0,40}") {
            let (device, module) = identity();
            drop(Received::parse(&topic, &device, None));
            drop(Received::parse(&topic, &device, Some(&module)));
        }
    }

    #[test]
    fn topics_of_others_are_refused() {
        let (device, module) = identity();
        for topic in [
            "",
            "devices/d-1.a",
            "devices/d-2/messages/devicebound/a=b",
            "devices/d-1.a/messages/events/",
            "devices/d-1.a/modules/$edgeHub/inputs/in/a=b",
            "$iothub/methods/POST/reboot/?rid=1",
            "$iothub/twin/res/abc/?$rid=1",
            "$iothub/twin/res/200/?$version=1",
            "$iothub/twin/PATCH/properties/desired/",
        ] {
            assert_eq!(Received::parse(topic, &device, None), Err(ReceivedError::Foreign), "{topic}");
        }
        let other = "devices/d-1.a/modules/other/inputs/in/a=b";
        assert_eq!(Received::parse(other, &device, Some(&module)), Err(ReceivedError::Foreign));
    }
}
