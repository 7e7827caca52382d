//! A message between devices and applications: a body, properties that the system knows, and
//! properties of the application's own.
//!
//! Every protocol has its own spelling of the system properties; the protocol crates map theirs to
//! the fields here, so that the inside of the house knows one.

pub mod packed;

use std::ops::{Deref, DerefMut};

use bytes::Bytes;

use crate::limits::{
    ID_PUNCTUATION, MESSAGE_ID_CHARS_MAX, MESSAGE_PROPERTIES_BYTES_MAX, MESSAGE_PROPERTIES_MAX,
};
use crate::time::Timestamp;

/// What the system knows of a message; all of it is optional and set by the sender.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SystemProperties {
    pub message_id: Option<String>,
    pub correlation_id: Option<String>,
    pub user_id: Option<String>,
    pub to: Option<String>,
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub expiry: Option<Timestamp>,
    pub creation_time: Option<Timestamp>,
    pub ack: Option<Ack>,
    pub schema: Option<String>,
    pub interface_id: Option<String>,
    pub component: Option<String>,
    pub output: Option<String>,
    pub input: Option<String>,
}

/// System properties that are mostly not there, and then cost nothing: messages by the million have
/// none. Writing to one makes room for all.
#[derive(Clone, Debug, Default)]
pub struct System(Option<Box<SystemProperties>>);

static NONE: SystemProperties = SystemProperties {
    message_id: None,
    correlation_id: None,
    user_id: None,
    to: None,
    content_type: None,
    content_encoding: None,
    expiry: None,
    creation_time: None,
    ack: None,
    schema: None,
    interface_id: None,
    component: None,
    output: None,
    input: None,
};

impl System {
    /// Whether nothing was ever written.
    pub fn is_untouched(&self) -> bool {
        self.0.is_none()
    }

    pub fn into_inner(self) -> SystemProperties {
        self.0.map(|system| *system).unwrap_or_default()
    }
}

impl Deref for System {
    type Target = SystemProperties;

    fn deref(&self) -> &SystemProperties {
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl DerefMut for System {
    fn deref_mut(&mut self) -> &mut SystemProperties {
        self.0.get_or_insert_default()
    }
}

impl PartialEq for System {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl From<SystemProperties> for System {
    fn from(system: SystemProperties) -> Self {
        Self(Some(Box::new(system)))
    }
}

/// Which outcomes of a command its sender wants to hear of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ack {
    #[default]
    None,
    Positive,
    Negative,
    Full,
}

impl Ack {
    pub const ALL: [Ack; 4] = [Ack::None, Ack::Positive, Ack::Negative, Ack::Full];

    pub fn as_str(self) -> &'static str {
        match self {
            Ack::None => "none",
            Ack::Positive => "positive",
            Ack::Negative => "negative",
            Ack::Full => "full",
        }
    }

    pub fn from_wire(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|ack| word.eq_ignore_ascii_case(ack.as_str()))
    }
}

/// A message. Application properties keep their order; a name may stand only once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// Shares the block that it was read from.
    pub body: Bytes,
    pub system: System,
    pub application: Vec<(String, String)>,
}

/// Why a message cannot be accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error("the message takes {bytes} bytes with its properties, at most {bytes_max} are allowed")]
    Size { bytes: usize, bytes_max: usize },
    #[error("the message has {count} application properties, at most {MESSAGE_PROPERTIES_MAX} are allowed")]
    Count { count: usize },
    #[error(
        "the application properties take {bytes} bytes, at most {MESSAGE_PROPERTIES_BYTES_MAX} are allowed"
    )]
    PropertyBytes { bytes: usize },
    #[error("an application property has no name")]
    Nameless,
    #[error("the application property {name:?} stands twice")]
    Twice { name: String },
    #[error("the {what} must be 1 to {MESSAGE_ID_CHARS_MAX} of the characters that a device id may hold")]
    Id { what: &'static str },
}

impl Message {
    /// Bytes as limits count them: body, system property values, application names and values.
    pub fn bytes(&self) -> usize {
        let system = &self.system;
        let texts = [
            &system.message_id,
            &system.correlation_id,
            &system.user_id,
            &system.to,
            &system.content_type,
            &system.content_encoding,
            &system.schema,
            &system.interface_id,
            &system.component,
            &system.output,
            &system.input,
        ];
        let system_bytes: usize = texts.into_iter().flatten().map(String::len).sum();
        self.body.len() + system_bytes + self.application_bytes()
    }

    fn application_bytes(&self) -> usize {
        self.application.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    /// Checks ids, properties and the size against `bytes_max`, which depends on the direction.
    pub fn check(&self, bytes_max: usize) -> Result<(), MessageError> {
        let bytes = self.bytes();
        if bytes > bytes_max {
            return Err(MessageError::Size { bytes, bytes_max });
        }
        if self.application.len() > MESSAGE_PROPERTIES_MAX {
            return Err(MessageError::Count { count: self.application.len() });
        }
        let bytes = self.application_bytes();
        if bytes > MESSAGE_PROPERTIES_BYTES_MAX {
            return Err(MessageError::PropertyBytes { bytes });
        }
        let mut names = std::collections::HashSet::with_capacity(self.application.len());
        for (name, _) in &self.application {
            if name.is_empty() {
                return Err(MessageError::Nameless);
            }
            if !names.insert(name) {
                return Err(MessageError::Twice { name: name.clone() });
            }
        }
        check_id("message id", self.system.message_id.as_deref())?;
        check_id("correlation id", self.system.correlation_id.as_deref())
    }
}

fn check_id(what: &'static str, id: Option<&str>) -> Result<(), MessageError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ID_PUNCTUATION.contains(c);
    match id {
        Some(id) if id.is_empty() || id.len() > MESSAGE_ID_CHARS_MAX || !id.chars().all(allowed) => {
            Err(MessageError::Id { what })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_counts_body_and_properties() {
        let mut message = Message { body: Bytes::from_static(&[0; 100]), ..Message::default() };
        message.system.content_type = Some("application/json".into());
        message.application.push(("site".into(), "oslo".into()));
        assert_eq!(message.bytes(), 100 + 16 + 8);
        assert_eq!(message.check(124), Ok(()));
        assert_eq!(message.check(123), Err(MessageError::Size { bytes: 124, bytes_max: 123 }));
    }

    #[test]
    fn names_stand_once_and_ids_have_their_characters() {
        let twice = vec![("a".into(), "1".into()), ("a".into(), "2".into())];
        let mut message = Message { application: twice, ..Message::default() };
        assert_eq!(message.check(1000), Err(MessageError::Twice { name: "a".into() }));
        message.application.clear();
        message.system.message_id = Some("a b".into());
        assert_eq!(message.check(1000), Err(MessageError::Id { what: "message id" }));
        message.system.message_id = Some("3f9c;1".into());
        assert_eq!(message.check(1000), Ok(()));
    }
}
