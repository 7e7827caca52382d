//! What the address of a link means.
//!
//! Addresses come with or without scheme and host, with or without a leading slash; fixed words in
//! any case; ids percent-encoded.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use skerry_model::IdentityId;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Tokens are shown here.
    Cbs,
    /// Asked about an entity: the one that is named, or that of the connection.
    Management {
        entity: Option<String>,
    },
    /// Messages of a device or module; inputs of a module where the client receives.
    Events(IdentityId),
    /// Commands to a device.
    Devicebound(IdentityId),
    Methods(IdentityId),
    Twin(IdentityId),
    /// Commands to any device.
    Commands,
    Feedback,
    FileNotices,
    /// The address of events before there was one of their own; what comes behind it.
    EventsElsewhere {
        rest: String,
    },
    Partition {
        entity: String,
        group: String,
        partition: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is nothing at the address {address:?}")]
pub struct NoSuchNode {
    pub address: String,
}

impl Node {
    pub fn parse(address: &str) -> Result<Self, NoSuchNode> {
        let path = path_of(address);
        let none = || NoSuchNode { address: address.chars().take(200).collect() };
        let parts: Vec<&str> = path.split('/').collect();
        let is = |at: usize, word: &str| parts.get(at).is_some_and(|part| part.eq_ignore_ascii_case(word));
        Ok(match parts.len() {
            1 if is(0, "$cbs") => Self::Cbs,
            1 if is(0, "$management") => Self::Management { entity: None },
            _ if is(0, "devices") => return of_identity(&parts[1..]).ok_or_else(none),
            2 if is(0, "messages") && is(1, "devicebound") => Self::Commands,
            3 if is(0, "messages") && is(1, "servicebound") && is(2, "feedback") => Self::Feedback,
            3 if is(0, "messages") && is(1, "servicebound") && is(2, "filenotifications") => {
                Self::FileNotices
            }
            _ if is(0, "messages") && is(1, "events") => Self::EventsElsewhere { rest: parts[2..].join("/") },
            2 if is(1, "$management") => Self::Management { entity: Some(decoded(parts[0])) },
            5 if is(1, "consumergroups") && is(3, "partitions") => Self::Partition {
                entity: decoded(parts[0]),
                group: decoded(parts[2]),
                partition: decoded(parts[4]),
            },
            _ => return Err(none()),
        })
    }
}

/// As it is written where no host stands before it.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cbs => f.write_str("$cbs"),
            Self::Management { entity: None } => f.write_str("$management"),
            Self::Management { entity: Some(entity) } => write!(f, "{}/$management", encoded(entity)),
            Self::Events(identity) => write!(f, "{}/messages/events", of(identity)),
            Self::Devicebound(identity) => write!(f, "{}/messages/devicebound", of(identity)),
            Self::Methods(identity) => write!(f, "{}/methods/devicebound", of(identity)),
            Self::Twin(identity) => write!(f, "{}/twin", of(identity)),
            Self::Commands => f.write_str("/messages/devicebound"),
            Self::Feedback => f.write_str("/messages/servicebound/feedback"),
            Self::FileNotices => f.write_str("/messages/servicebound/filenotifications"),
            Self::EventsElsewhere { rest } => write!(f, "/messages/events/{rest}"),
            Self::Partition { entity, group, partition } => {
                let [entity, group, partition] = [entity, group, partition].map(|part| encoded(part));
                write!(f, "{entity}/ConsumerGroups/{group}/Partitions/{partition}")
            }
        }
    }
}

fn of(identity: &IdentityId) -> String {
    let device = encoded(identity.device.as_str());
    match &identity.module {
        None => format!("/devices/{device}"),
        Some(module) => format!("/devices/{device}/modules/{}", encoded(module.as_str())),
    }
}

/// Everything but letters, digits and what is harmless in a path of AMQP.
fn encoded(part: &str) -> impl fmt::Display {
    const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'$');
    utf8_percent_encode(part, KEPT)
}

/// Behind `devices`.
fn of_identity(parts: &[&str]) -> Option<Node> {
    let device = decoded(parts.first()?).parse().ok()?;
    let is = |part: &str, word: &str| part.eq_ignore_ascii_case(word);
    let (module, rest) = match parts.get(1..)? {
        [word, module, rest @ ..] if is(word, "modules") => (Some(decoded(module).parse().ok()?), rest),
        rest => (None, rest),
    };
    let identity = IdentityId { device, module };
    match rest {
        [messages, events] if is(messages, "messages") && is(events, "events") => {
            Some(Node::Events(identity))
        }
        [messages, bound] if is(messages, "messages") && is(bound, "devicebound") => {
            Some(Node::Devicebound(identity))
        }
        [methods, bound] if is(methods, "methods") && is(bound, "devicebound") => {
            Some(Node::Methods(identity))
        }
        [twin] if is(twin, "twin") => Some(Node::Twin(identity)),
        _ => None,
    }
}

/// Without scheme, host, query and slashes around.
fn path_of(address: &str) -> &str {
    const SCHEMES: [&str; 4] = ["amqps://", "amqp://", "sb://", "https://"];
    let scheme = SCHEMES
        .iter()
        .find(|scheme| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)));
    let path = match scheme {
        Some(scheme) => address[scheme.len()..].split_once('/').map_or("", |(_, path)| path),
        None => address,
    };
    path.split('?').next().unwrap_or_default().trim_matches('/')
}

fn decoded(part: &str) -> String {
    percent_decode_str(part).decode_utf8().map_or_else(|_| part.to_owned(), std::borrow::Cow::into_owned)
}

/// Whom the `to` of a command names: the id as it stands, and decoded, for it may hold a percent
/// sign and clients differ in what they encode.
pub fn recipients(to: &str) -> Vec<IdentityId> {
    let path = path_of(to);
    let parts: Vec<&str> = path.split('/').collect();
    let parts = match parts.as_slice() {
        ["devices", rest @ ..] => rest,
        _ => return Vec::new(),
    };
    let is = |part: &str, word: &str| part.eq_ignore_ascii_case(word);
    let (device, module) = match parts {
        [device, messages, bound] if is(messages, "messages") && is(bound, "devicebound") => (*device, None),
        [device, modules, module, messages, bound]
            if is(modules, "modules") && is(messages, "messages") && is(bound, "devicebound") =>
        {
            (*device, Some(*module))
        }
        _ => return Vec::new(),
    };
    let make = |device: &str, module: Option<String>| {
        Some(IdentityId {
            device: device.parse().ok()?,
            module: module.map(|id| id.parse()).transpose().ok()?,
        })
    };
    let raw = make(device, module.map(str::to_owned));
    let decoded = make(&decoded(device), module.map(decoded));
    let mut found: Vec<IdentityId> = raw.into_iter().chain(decoded).collect();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(device: &str, module: Option<&str>) -> IdentityId {
        IdentityId { device: device.parse().unwrap(), module: module.map(|module| module.parse().unwrap()) }
    }

    #[test]
    fn addresses_of_all_clients_are_known() {
        let partition =
            Node::Partition { entity: "hub1".into(), group: "$Default".into(), partition: "0".into() };
        let table = [
            ("$cbs", Node::Cbs),
            ("$management", Node::Management { entity: None }),
            ("amqps://h/hub1/$management", Node::Management { entity: Some("hub1".into()) }),
            ("/devices/d%231/messages/events", Node::Events(identity("d#1", None))),
            ("amqps://h:5671/devices/d/modules/m/messages/events", Node::Events(identity("d", Some("m")))),
            ("/devices/d/messages/deviceBound", Node::Devicebound(identity("d", None))),
            ("/devices/d/methods/devicebound", Node::Methods(identity("d", None))),
            ("/devices/d/modules/m/twin", Node::Twin(identity("d", Some("m")))),
            ("amqps://h:5671/messages/deviceBound", Node::Commands),
            ("/messages/serviceBound/feedback", Node::Feedback),
            ("/messages/servicebound/filenotifications", Node::FileNotices),
            ("amqps://h/messages/events/$management", Node::EventsElsewhere { rest: "$management".into() }),
            ("messages/events", Node::EventsElsewhere { rest: String::new() }),
            ("amqps://h/hub1/ConsumerGroups/$Default/Partitions/0", partition.clone()),
            ("hub1/consumergroups/$Default/partitions/0/", partition),
        ];
        for (address, node) in table {
            assert_eq!(Node::parse(address).as_ref(), Ok(&node), "{address}");
            assert_eq!(Node::parse(&node.to_string()).as_ref(), Ok(&node), "{node}");
        }
    }

    #[test]
    fn other_addresses_are_nowhere() {
        for address in
            ["", "/", "devices", "devices/d", "devices/d/x", "devices//twin", "hub1", "a/b/c", "amqps://h"]
        {
            assert!(Node::parse(address).is_err(), "{address}");
        }
    }

    #[test]
    fn recipients_are_tried_raw_and_decoded() {
        assert_eq!(recipients("/devices/d/messages/devicebound"), [identity("d", None)]);
        let both = [identity("d%2B", None), identity("d+", None)];
        assert_eq!(recipients("/devices/d%2B/messages/deviceBound"), both);
        assert_eq!(recipients("/devices/d/modules/m/messages/deviceBound"), [identity("d", Some("m"))]);
        assert_eq!(recipients("/devices/d/messages/events"), []);
    }
}
