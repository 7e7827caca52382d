//! The headers of a record: what the system knows of a message, and what its sender says.
//!
//! ```text
//!  version, then fields: tag, length, bytes      tags are below; unknown ones are passed over
//! ```

use bytes::Bytes;
use skerry_model::message::{Ack, System, SystemProperties};
use skerry_model::{DeviceId, ModuleId, Timestamp};

/// Raised when fields mean something else; new tags do not raise it.
const VERSION: u8 = 1;

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

    fn from_wire(word: &str) -> Option<Self> {
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
        for (tag, text) in [
            (tag::MESSAGE_ID, &system.message_id),
            (tag::CORRELATION_ID, &system.correlation_id),
            (tag::USER_ID, &system.user_id),
            (tag::TO, &system.to),
            (tag::CONTENT_TYPE, &system.content_type),
            (tag::CONTENT_ENCODING, &system.content_encoding),
            (tag::SCHEMA, &system.schema),
            (tag::INTERFACE_ID, &system.interface_id),
            (tag::COMPONENT, &system.component),
            (tag::OUTPUT, &system.output),
            (tag::INPUT, &system.input),
        ] {
            put_some(&mut out, tag, text.as_deref());
        }
        for (tag, time) in [(tag::EXPIRY, system.expiry), (tag::CREATION_TIME, system.creation_time)] {
            put_some(&mut out, tag, time.map(|time| time.to_string()).as_deref());
        }
        put_some(&mut out, tag::ACK, system.ack.map(Ack::as_str));
        for (name, value) in application {
            put(&mut out, tag::NAME, name);
            put(&mut out, tag::VALUE, value);
        }
        out.into()
    }
}

/// A record whose headers are not ours, or of a later Skerry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the headers of a stored message cannot be read (version {version:?})")]
pub struct StampError {
    pub version: Option<u8>,
}

mod tag {
    pub(super) const DEVICE: u8 = 1;
    pub(super) const MODULE: u8 = 2;
    pub(super) const GENERATION: u8 = 3;
    pub(super) const METHOD: u8 = 4;
    pub(super) const SOURCE: u8 = 5;
    pub(super) const MODEL: u8 = 6;
    pub(super) const MESSAGE_ID: u8 = 16;
    pub(super) const CORRELATION_ID: u8 = 17;
    pub(super) const USER_ID: u8 = 18;
    pub(super) const TO: u8 = 19;
    pub(super) const CONTENT_TYPE: u8 = 20;
    pub(super) const CONTENT_ENCODING: u8 = 21;
    pub(super) const EXPIRY: u8 = 22;
    pub(super) const CREATION_TIME: u8 = 23;
    pub(super) const ACK: u8 = 24;
    pub(super) const SCHEMA: u8 = 25;
    pub(super) const INTERFACE_ID: u8 = 26;
    pub(super) const COMPONENT: u8 = 27;
    pub(super) const OUTPUT: u8 = 28;
    pub(super) const INPUT: u8 = 29;
    /// A name; its value follows as the next field.
    pub(super) const NAME: u8 = 64;
    pub(super) const VALUE: u8 = 65;
}

impl Stamp {
    pub fn decode(headers: &[u8]) -> Result<Self, StampError> {
        let (version, mut rest) = match headers.split_first() {
            Some((&VERSION, rest)) => (VERSION, rest),
            other => return Err(StampError { version: other.map(|(version, _)| *version) }),
        };
        let malformed = StampError { version: Some(version) };
        let mut stamp = Self::default();
        while !rest.is_empty() {
            let (tag, bytes) = take(&mut rest).ok_or(malformed)?;
            let text = || String::from_utf8(bytes.to_vec()).map_err(|_| malformed);
            let time = || text()?.parse::<Timestamp>().map_err(|_| malformed);
            let system = &mut stamp.system;
            match tag {
                tag::DEVICE => stamp.device = text()?,
                tag::MODULE => stamp.module = Some(text()?),
                tag::GENERATION => stamp.generation = text()?,
                tag::METHOD => stamp.method = text()?,
                tag::SOURCE => stamp.source = Source::from_wire(&text()?).unwrap_or_default(),
                tag::MODEL => stamp.model = Some(text()?),
                tag::MESSAGE_ID => system.message_id = Some(text()?),
                tag::CORRELATION_ID => system.correlation_id = Some(text()?),
                tag::USER_ID => system.user_id = Some(text()?),
                tag::TO => system.to = Some(text()?),
                tag::CONTENT_TYPE => system.content_type = Some(text()?),
                tag::CONTENT_ENCODING => system.content_encoding = Some(text()?),
                tag::SCHEMA => system.schema = Some(text()?),
                tag::INTERFACE_ID => system.interface_id = Some(text()?),
                tag::COMPONENT => system.component = Some(text()?),
                tag::OUTPUT => system.output = Some(text()?),
                tag::INPUT => system.input = Some(text()?),
                tag::EXPIRY => system.expiry = Some(time()?),
                tag::CREATION_TIME => system.creation_time = Some(time()?),
                tag::ACK => system.ack = Ack::from_wire(&text()?),
                tag::NAME => stamp.application.push((text()?, String::new())),
                tag::VALUE => stamp.application.last_mut().ok_or(malformed)?.1 = text()?,
                _ => {}
            }
        }
        Ok(stamp)
    }
}

fn put(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    let len = u32::try_from(text.len()).expect("a message is bounded far below 4 GiB");
    // One byte of length does for most fields.
    if len < 255 {
        out.push(len as u8);
    } else {
        out.push(255);
        out.extend_from_slice(&len.to_le_bytes());
    }
    out.extend_from_slice(text.as_bytes());
}

fn put_some(out: &mut Vec<u8>, tag: u8, text: Option<&str>) {
    if let Some(text) = text {
        put(out, tag, text);
    }
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let ([tag, short], mut after) = rest.split_first_chunk().map(|(head, after)| (*head, after))?;
    let mut len = usize::from(short);
    if short == 255 {
        let (long, behind) = after.split_first_chunk()?;
        (len, after) = (usize::try_from(u32::from_le_bytes(*long)).ok()?, behind);
    }
    let (bytes, behind) = after.split_at_checked(len)?;
    *rest = behind;
    Some((tag, bytes))
}

#[cfg(test)]
mod tests {
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
