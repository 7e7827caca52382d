//! Where routes lead.

use std::fmt;

use skerry_model::ModuleId;

/// One queue for each priority stands before it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Endpoint {
    /// The hub, or the parent.
    Upstream,
    /// An input of a module of this device.
    Input { module: ModuleId, input: String },
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream => f.write_str("iothub"),
            Self::Input { module, input } => write!(f, "{module}/{input}"),
        }
    }
}

/// A queue before an endpoint; the smaller number goes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QueueName {
    pub endpoint: Endpoint,
    pub priority: u32,
}

/// What the original gives to routes that say nothing.
pub(crate) const PRIORITY_DEFAULT: u32 = 2_000_000_000;

impl QueueName {
    /// As the log names its cursor.
    pub(crate) fn cursor(&self) -> String {
        format!("queue/{}/{}", self.priority, self.endpoint)
    }

    /// Reads [`QueueName::cursor`]; `None` for what is no queue's.
    pub(crate) fn parse(cursor: &str) -> Option<Self> {
        let (priority, endpoint) = cursor.strip_prefix("queue/")?.split_once('/')?;
        let endpoint = match endpoint.split_once('/') {
            None if endpoint == "iothub" => Endpoint::Upstream,
            None => return None,
            Some((module, input)) => {
                Endpoint::Input { module: module.parse().ok()?, input: input.to_owned() }
            }
        };
        Some(Self { endpoint, priority: priority.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_from_the_log() {
        let input = Endpoint::Input { module: "m".parse().unwrap(), input: "a/b".into() };
        for name in [
            QueueName { endpoint: Endpoint::Upstream, priority: PRIORITY_DEFAULT },
            QueueName { endpoint: input, priority: 0 },
        ] {
            assert_eq!(QueueName::parse(&name.cursor()), Some(name));
        }
        for other in ["parked/d1", "queue/x/iothub", "queue/1/other", "queue/1/a b/c"] {
            assert_eq!(QueueName::parse(other), None, "{other}");
        }
    }
}
