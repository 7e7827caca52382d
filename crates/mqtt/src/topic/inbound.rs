//! What devices and modules publish.

use skerry_model::{DeviceId, ModuleId};

use super::bag::{Bag, BagError, read_bag};

/// A publish, by its topic.
#[derive(Clone, Debug, PartialEq)]
pub enum Inbound<'t> {
    /// A message of the device or module itself, or through an output.
    Telemetry(Bag),
    /// Asks for the twin; the request id is echoed.
    TwinGet { request: &'t str },
    /// Patches the reported properties, perhaps only of this version.
    TwinReport { request: &'t str, version: Option<u64> },
    /// Answers a method.
    MethodAnswer { status: i64, request: &'t str },
}

/// A topic that is not the sender's to publish under.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    #[error("nobody publishes there, or it is another identity's topic")]
    Foreign,
    #[error("the topic has no request id, add ?$rid=…")]
    Request,
    #[error(transparent)]
    Bag(#[from] BagError),
}

impl<'t> Inbound<'t> {
    /// Reads a topic of the connection of `device`, or of its `module`.
    pub fn parse(topic: &'t str, device: &DeviceId, module: Option<&ModuleId>) -> Result<Self, TopicError> {
        if let Some(rest) = topic.strip_prefix("$iothub/") {
            return Self::of_hub(rest);
        }
        let rest = topic.strip_prefix("devices/").ok_or(TopicError::Foreign)?;
        let rest = behind(rest, device.as_str()).ok_or(TopicError::Foreign)?;
        let rest = match module {
            None => rest,
            Some(module) => rest
                .strip_prefix("modules/")
                .and_then(|rest| behind(rest, module.as_str()))
                .ok_or(TopicError::Foreign)?,
        };
        let bag = rest.strip_prefix("messages/events").ok_or(TopicError::Foreign)?;
        match bag.strip_prefix('/') {
            Some(bag) => Ok(Self::Telemetry(read_bag(bag)?)),
            None if bag.is_empty() => Ok(Self::Telemetry(Bag::default())),
            None => Err(TopicError::Foreign),
        }
    }

    fn of_hub(rest: &'t str) -> Result<Self, TopicError> {
        if let Some(query) = rest.strip_prefix("twin/GET/") {
            return Ok(Self::TwinGet { request: request(query)? });
        }
        if let Some(query) = rest.strip_prefix("twin/PATCH/properties/reported/") {
            let version = field(query, "$version").and_then(|text| text.parse().ok());
            return Ok(Self::TwinReport { request: request(query)?, version });
        }
        let answer = rest.strip_prefix("methods/res/").ok_or(TopicError::Foreign)?;
        let (status, query) = answer.split_once('/').ok_or(TopicError::Foreign)?;
        let status = status.parse().map_err(|_| TopicError::Foreign)?;
        Ok(Self::MethodAnswer { status, request: request(query)? })
    }
}

/// What follows a segment and its slash.
fn behind<'t>(text: &'t str, segment: &str) -> Option<&'t str> {
    text.strip_prefix(segment)?.strip_prefix('/')
}

fn request(query: &str) -> Result<&str, TopicError> {
    field(query, "$rid").ok_or(TopicError::Request)
}

/// A field of a query, not decoded: it is echoed as it came.
fn field<'t>(query: &'t str, name: &str) -> Option<&'t str> {
    let query = query.strip_prefix('?').unwrap_or(query);
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(topic: &str, module: Option<&str>) -> Result<String, TopicError> {
        let module = module.map(|module| module.parse().unwrap());
        let inbound = Inbound::parse(topic, &"d1".parse().unwrap(), module.as_ref())?;
        Ok(match inbound {
            Inbound::Telemetry(bag) => format!("{:?} {:?}", bag.system.message_id, bag.application),
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn topics_of_every_sdk_are_read() {
        let table = [
            ("devices/d1/messages/events", None, "None []"),
            ("devices/d1/messages/events/", None, "None []"),
            ("devices/d1/messages/events/%24.mid=7&a=b/", None, "Some(\"7\") [(\"a\", \"b\")]"),
            ("devices/d1/messages/events/?a=b", None, "None [(\"a\", \"b\")]"),
            ("devices/d1/modules/m1/messages/events/a=b", Some("m1"), "None [(\"a\", \"b\")]"),
            ("$iothub/twin/GET/?$rid=4a-b", None, "TwinGet { request: \"4a-b\" }"),
            (
                "$iothub/twin/PATCH/properties/reported/?$rid=9",
                None,
                "TwinReport { request: \"9\", version: None }",
            ),
            (
                "$iothub/twin/PATCH/properties/reported/?$rid=9&$version=4",
                Some("m1"),
                "TwinReport { request: \"9\", version: Some(4) }",
            ),
            ("$iothub/methods/res/200/?$rid=2f", None, "MethodAnswer { status: 200, request: \"2f\" }"),
        ];
        for (topic, module, expected) in table {
            assert_eq!(of(topic, module).as_deref(), Ok(expected), "{topic}");
        }
    }

    #[test]
    fn other_topics_are_nobodys() {
        for (topic, module) in [
            ("devices/d2/messages/events/", None),
            ("devices/d1/modules/m1/messages/events/", None),
            ("devices/d1/messages/events/", Some("m1")),
            ("devices/d1/modules/m2/messages/events/", Some("m1")),
            ("devices/d1/messages/eventsx", None),
            ("devices/d1/messages/devicebound/", None),
            ("devices/d11/messages/events/", None),
            ("$iothub/twin/res/200/?$rid=1", None),
            ("$iothub/methods/POST/x/?$rid=1", None),
            ("$iothub/methods/res/x/?$rid=1", None),
            ("", None),
            ("telemetry", None),
        ] {
            assert_eq!(of(topic, module), Err(TopicError::Foreign), "{topic}");
        }
        assert_eq!(of("$iothub/twin/GET/", None), Err(TopicError::Request));
    }
}
