//! The topics under which devices and modules publish, as the client writes them.

use bytes::Bytes;
use skerry_model::{DeviceId, ModuleId};

use super::Inbound;
use super::bag::write_bag;
use crate::packet::Text;

impl Inbound<'_> {
    /// The topic for a publish of `device`, or of its `module`; what [`Inbound::parse`] reads.
    /// `None` when the properties are longer than a topic can be, or a request id does not fit into one.
    pub fn topic(&self, device: &DeviceId, module: Option<&ModuleId>) -> Option<Text> {
        let topic = match self {
            Self::Telemetry(bag) => {
                let mut topic = match module {
                    None => format!("devices/{device}/messages/events/"),
                    Some(module) => format!("devices/{device}/modules/{module}/messages/events/"),
                };
                write_bag(&mut topic, bag);
                topic
            }
            Self::TwinGet { request } => format!("$iothub/twin/GET/?$rid={request}"),
            Self::TwinReport { request, version: None } => {
                format!("$iothub/twin/PATCH/properties/reported/?$rid={request}")
            }
            Self::TwinReport { request, version: Some(version) } => {
                format!("$iothub/twin/PATCH/properties/reported/?$rid={request}&$version={version}")
            }
            Self::MethodAnswer { status, request } => format!("$iothub/methods/res/{status}/?$rid={request}"),
        };
        Text::new(Bytes::from(topic))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use skerry_model::message::SystemProperties;

    use super::super::Bag;
    use super::*;

    fn identity(module: Option<&str>) -> (DeviceId, Option<ModuleId>) {
        ("d-1.a".parse().unwrap(), module.map(|module| module.parse().unwrap()))
    }

    proptest! {
        #[test]
        fn what_a_client_publishes_is_what_the_hub_reads(
            id in prop::option::of("\\PC{0,20}"),
            mut application in prop::collection::vec(("[a-z&=/%?+ü]{1,9}", "\\PC{0,20}"), 0..4),
            request in "[0-9a-f-]{1,36}",
            (status, version) in (any::<i64>(), prop::option::of(any::<u64>())),
            module in prop::option::of(prop::sample::select(vec!["m1", "$edgeHub"])),
        ) {
            // Of properties of one name the hub keeps one.
            let mut names = std::collections::HashSet::new();
            application.retain(|(name, _)| names.insert(name.clone()));
            let (device, module) = identity(module);
            let system = SystemProperties { message_id: id, ..SystemProperties::default() }.into();
            let all = [
                Inbound::Telemetry(Bag { system, application }),
                Inbound::TwinGet { request: &request },
                Inbound::TwinReport { request: &request, version },
                Inbound::MethodAnswer { status, request: &request },
            ];
            for inbound in all {
                let topic = inbound.topic(&device, module.as_ref()).unwrap();
                prop_assert_eq!(Inbound::parse(&topic, &device, module.as_ref()), Ok(inbound));
            }
        }
    }

    #[test]
    fn properties_that_no_topic_can_hold_are_refused() {
        let (device, _) = identity(None);
        let bag = Bag { application: vec![("a".into(), "x".repeat(70_000))], ..Bag::default() };
        assert_eq!(Inbound::Telemetry(bag).topic(&device, None), None);
        assert_eq!(Inbound::TwinGet { request: "a\nb" }.topic(&device, None), None);
    }
}
