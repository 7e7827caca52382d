//! The headers of a record: what the system knows of a message, and what its sender says.
//!
//! ```text
//!  version, then fields: tag, length, bytes      unknown tags are passed over
//! ```

use bytes::Bytes;
use skerry_model::message::packed::{put, put_properties, put_some};
use skerry_model::message::{System, SystemProperties};
use skerry_model::{DeviceId, ModuleId};

use super::view::StampView;

/// What is said of the sender; what is said of the message has tags of its own.
pub(super) mod tag {
    pub(in crate::telemetry) const DEVICE: u8 = 1;
    pub(in crate::telemetry) const MODULE: u8 = 2;
    pub(in crate::telemetry) const GENERATION: u8 = 3;
    pub(in crate::telemetry) const METHOD: u8 = 4;
    pub(in crate::telemetry) const SOURCE: u8 = 5;
    pub(in crate::telemetry) const MODEL: u8 = 6;
}

/// Raised when fields mean something else; new tags do not raise it.
pub(super) const VERSION: u8 = 1;

/// Where an event comes from, as consumers filter by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    #[default]
    Telemetry,
    /// A device or module came or went.
    ConnectionState,
}

impl Source {
    const ALL: [Self; 2] = [Self::Telemetry, Self::ConnectionState];

    pub fn wire(self) -> &'static str {
        match self {
            Self::Telemetry => "Telemetry",
            Self::ConnectionState => "deviceConnectionStateEvents",
        }
    }

    pub(super) fn from_wire(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.wire() == word)
    }
}

/// How a sender proved who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProvenBy {
    /// A key, by a token that it signed.
    Token,
    Certificate,
}

/// Whose key it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderScope {
    Hub,
    Device,
    Module,
}

/// Who sent a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    pub device: DeviceId,
    pub module: Option<ModuleId>,
    pub generation: String,
    pub scope: SenderScope,
    pub proven_by: ProvenBy,
}

impl Sender {
    /// The text that consumers find under `iothub-connection-auth-method`.
    pub fn method_json(&self) -> String {
        let scope = match self.scope {
            SenderScope::Hub => "hub",
            SenderScope::Device => "device",
            SenderScope::Module => "module",
        };
        let (kind, issuer) = match self.proven_by {
            ProvenBy::Token => ("sas", "iothub"),
            ProvenBy::Certificate => ("x509", "external"),
        };
        format!(r#"{{"scope":"{scope}","type":"{kind}","issuer":"{issuer}","acceptingIpFilterRule":null}}"#)
    }
}

/// Everything about a message but its body, as it comes out of the log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stamp {
    pub device: String,
    pub module: Option<String>,
    pub generation: String,
    pub method: String,
    pub source: Source,
    /// The plug-and-play model of the sender.
    pub model: Option<String>,
    pub system: SystemProperties,
    pub application: Vec<(String, String)>,
}

/// What stands on every message of one sender, ready to be copied.
#[derive(Clone, Debug)]
pub struct Letterhead(Bytes);

impl Letterhead {
    pub fn new(sender: &Sender, source: Source, model: Option<&str>) -> Self {
        let mut out = vec![VERSION];
        put(&mut out, tag::DEVICE, sender.device.as_str());
        put_some(&mut out, tag::MODULE, sender.module.as_ref().map(ModuleId::as_str));
        put(&mut out, tag::GENERATION, &sender.generation);
        put(&mut out, tag::METHOD, &sender.method_json());
        put(&mut out, tag::SOURCE, source.wire());
        put_some(&mut out, tag::MODEL, model);
        // As long as it has to be: a connection keeps it.
        Self(out.into_boxed_slice().into())
    }

    /// The headers of a message.
    pub fn stamp(&self, system: &System, application: &[(String, String)]) -> Bytes {
        if application.is_empty() && system.is_untouched() {
            return self.0.clone();
        }
        let mut out = Vec::with_capacity(self.0.len() + 64);
        out.extend_from_slice(&self.0);
        put_properties(&mut out, system, application);
        out.into()
    }
}

/// A record whose headers are not ours, or of a later Skerry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the headers of a stored message cannot be read (version {version:?})")]
pub struct StampError {
    pub version: Option<u8>,
}

impl Stamp {
    pub fn decode(headers: &[u8]) -> Result<Self, StampError> {
        Ok(StampView::decode(headers)?.to_stamp())
    }
}

#[cfg(test)]
mod tests {
    use skerry_model::message::Ack;

    use super::*;

    #[test]
    fn stamps_come_back() {
        let system = SystemProperties {
            message_id: Some("m1".into()),
            correlation_id: Some(String::new()),
            content_type: Some("application/json".into()),
            expiry: Some("2026-01-02T03:04:05.1234567Z".parse().unwrap()),
            ack: Some(Ack::Full),
            input: Some("in".into()),
            ..SystemProperties::default()
        };
        let sender = Sender {
            device: "d".repeat(128).parse().unwrap(),
            module: Some("m".parse().unwrap()),
            generation: "637618061680407492".into(),
            scope: SenderScope::Module,
            proven_by: ProvenBy::Certificate,
        };
        let stamp = Stamp {
            device: sender.device.to_string(),
            module: Some("m".into()),
            generation: sender.generation.clone(),
            method: sender.method_json(),
            source: Source::ConnectionState,
            model: Some("dtmi:a;1".into()),
            system,
            application: vec![("a".into(), "x".repeat(70_000)), ("b".into(), String::new())],
        };
        let letterhead = Letterhead::new(&sender, Source::ConnectionState, Some("dtmi:a;1"));
        let headers = letterhead.stamp(&stamp.system.clone().into(), &stamp.application);
        assert_eq!(Stamp::decode(&headers), Ok(stamp));
        for short in 0..headers.len().min(400) {
            // What is cut is told or reads as less, never as something else.
            if let Ok(read) = Stamp::decode(&headers[..short]) {
                assert!(read.application.iter().all(|(_, value)| value.is_empty()), "{short}");
            }
        }
        assert_eq!(Stamp::decode(&[9]), Err(StampError { version: Some(9) }));
        assert_eq!(Stamp::decode(&[]), Err(StampError { version: None }));
        // A tag of a later version is passed over.
        assert_eq!(Stamp::decode(&[VERSION, 200, 1, 7]), Ok(Stamp::default()));
    }
}
