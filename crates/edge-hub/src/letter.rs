//! A message on its way through the edge, and what of it lies in the log.
//!
//! ```text
//!  headers: version, then fields: tag, length, bytes      payload: the body
//! ```
//!
//! Fields of the message have the tags of `skerry_model::message::packed`; those here are of the edge.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use skerry_model::IdentityId;
use skerry_model::message::Message;
use skerry_model::message::packed::{Gathered, put, put_bytes, put_properties, take};

use crate::figures::Latest;
use crate::summary::Summary;

const VERSION: u8 = 1;

mod tag {
    pub(super) const DEVICE: u8 = 1;
    pub(super) const MODULE: u8 = 2;
    /// A change of a twin; nothing for telemetry.
    pub(super) const TWIN_CHANGE: u8 = 3;
    /// When it was stored, on the edge's own clock.
    pub(super) const STORED: u8 = 4;
    /// How long it counts, for one queue: the cursor's number, then milliseconds.
    pub(super) const LIFE: u8 = 5;
    /// It is with its endpoints already: who knows of it, and by which number.
    pub(super) const SLIP: u8 = 6;
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Telemetry,
    TwinChange,
}

/// A message with what the edge knows of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Letter {
    pub from: IdentityId,
    pub kind: Kind,
    pub message: Message,
}

/// How long a letter counts in one queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    /// The number of the queue's cursor.
    pub queue: u32,
    pub lasts: Duration,
}

/// The mark of a letter that was handed on before it came into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slip {
    /// Which process handed it on.
    pub run: u64,
    pub number: u64,
}

/// A letter as it comes out of the log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub letter: Letter,
    pub at: Duration,
    pub slip: Option<Slip>,
    lives: Vec<Life>,
}

/// A record whose headers are not ours, or of a later Skerry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a stored message cannot be read (version {version:?}): it was written by a later Skerry, or is damaged"
)]
pub(crate) struct Unreadable {
    pub version: Option<u8>,
}

/// What stands on every letter of one sender, ready to be copied.
#[derive(Debug)]
pub(crate) struct Letterhead {
    headers: Bytes,
    /// Of the sender, as figures have it.
    pub(crate) label: String,
    /// Where its letters are counted, by output.
    pub(crate) received: Latest,
    /// Where their bytes are.
    pub(crate) size: OnceLock<Arc<Summary>>,
}

impl Letterhead {
    pub(crate) fn new(from: &IdentityId, kind: Kind) -> Self {
        let mut out = vec![VERSION];
        put(&mut out, tag::DEVICE, from.device.as_str());
        if let Some(module) = &from.module {
            put(&mut out, tag::MODULE, module.as_str());
        }
        if kind == Kind::TwinChange {
            put(&mut out, tag::TWIN_CHANGE, "");
        }
        Self {
            headers: out.into(),
            label: from.to_string(),
            received: Latest::default(),
            size: OnceLock::new(),
        }
    }

    /// The headers of a message that is stored now.
    pub(crate) fn stamp(&self, message: &Message, now: Duration, lives: &[Life]) -> Bytes {
        let mut out = Vec::with_capacity(self.headers.len() + 12 + 14 * lives.len() + 32);
        out.extend_from_slice(&self.headers);
        put_bytes(&mut out, tag::STORED, &millis(now).to_le_bytes());
        for life in lives {
            let mut bytes = [0; 12];
            bytes[..4].copy_from_slice(&life.queue.to_le_bytes());
            bytes[4..].copy_from_slice(&millis(life.lasts).to_le_bytes());
            put_bytes(&mut out, tag::LIFE, &bytes);
        }
        put_properties(&mut out, &message.system, &message.application);
        out.into()
    }
}

impl Slip {
    /// The headers of a letter, with it.
    pub(crate) fn stick_to(self, headers: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(headers.len() + 20);
        out.extend_from_slice(headers);
        let bytes = [self.run.to_le_bytes(), self.number.to_le_bytes()];
        put_bytes(&mut out, tag::SLIP, bytes.as_flattened());
        out.into()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (run, number) = bytes.split_first_chunk()?;
        let (run, number) = (u64::from_le_bytes(*run), u64::from_le_bytes(number.try_into().ok()?));
        Some(Self { run, number })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Stored {
    /// `payload` is kept as it is.
    pub(crate) fn decode(headers: &[u8], payload: Bytes) -> Result<Self, Unreadable> {
        let (version, mut rest) = match headers.split_first() {
            Some((&VERSION, rest)) => (VERSION, rest),
            other => return Err(Unreadable { version: other.map(|(version, _)| *version) }),
        };
        let malformed = Unreadable { version: Some(version) };
        let (mut device, mut module, mut kind) = (None, None, Kind::Telemetry);
        let (mut at, mut lives, mut gathered) = (Duration::ZERO, Vec::new(), Gathered::default());
        let mut slip = None;
        while !rest.is_empty() {
            let (tag, bytes) = take(&mut rest).ok_or(malformed)?;
            let text = || std::str::from_utf8(bytes).map_err(|_| malformed);
            let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).map_err(|_| malformed);
            match tag {
                tag::DEVICE => device = Some(text()?.parse().map_err(|_| malformed)?),
                tag::MODULE => module = Some(text()?.parse().map_err(|_| malformed)?),
                tag::TWIN_CHANGE => kind = Kind::TwinChange,
                tag::STORED => at = Duration::from_millis(number(bytes)?),
                tag::LIFE => {
                    let (queue, lasts) = bytes.split_first_chunk().ok_or(malformed)?;
                    let lasts = Duration::from_millis(number(lasts)?);
                    lives.push(Life { queue: u32::from_le_bytes(*queue), lasts });
                }
                tag::SLIP => slip = Some(Slip::read(bytes).ok_or(malformed)?),
                _ => gathered.take(tag, bytes).ok_or(malformed)?,
            }
        }
        let from = IdentityId { device: device.ok_or(malformed)?, module };
        let Gathered { system, application } = gathered;
        let letter = Letter { from, kind, message: Message { body: payload, system, application } };
        Ok(Self { letter, at, slip, lives })
    }

    /// For how much longer it counts in a queue; `None` for as long as it takes.
    pub(crate) fn remaining(&self, queue: u32, now: Duration) -> Option<Duration> {
        let life = self.lives.iter().find(|life| life.queue == queue)?;
        Some(life.lasts.saturating_sub(now.saturating_sub(self.at)))
    }
}

#[cfg(test)]
mod tests {
    use skerry_model::message::SystemProperties;

    use super::*;

    fn identity(module: Option<&str>) -> IdentityId {
        IdentityId { device: "d".parse().unwrap(), module: module.map(|module| module.parse().unwrap()) }
    }

    #[test]
    fn letters_come_back() {
        for (module, kind) in [(None, Kind::Telemetry), (Some("$edgeHub"), Kind::TwinChange)] {
            let from = identity(module);
            let system = SystemProperties { output: Some("o".into()), ..SystemProperties::default() };
            let message = Message {
                body: Bytes::from_static(b"21"),
                system: system.into(),
                application: vec![("a".into(), "b".into())],
            };
            let life = Life { queue: 7, lasts: Duration::from_secs(60) };
            let now = Duration::from_millis(1234);
            let headers = Letterhead::new(&from, kind).stamp(&message, now, &[life]);
            let stored = Stored::decode(&headers, message.body.clone()).unwrap();
            assert_eq!(stored.letter, Letter { from, kind, message });
            assert_eq!((stored.at, stored.slip), (now, None));
            let slip = Slip { run: u64::MAX, number: 9 };
            let marked = Stored::decode(&slip.stick_to(&headers), Bytes::from_static(b"21")).unwrap();
            assert_eq!(marked, Stored { slip: Some(slip), ..stored.clone() });
            let later = |seconds| now + Duration::from_secs(seconds);
            assert_eq!(stored.remaining(7, later(20)), Some(Duration::from_secs(40)));
            assert_eq!(stored.remaining(7, later(61)), Some(Duration::ZERO));
            // A clock that stands before the letter was stored expires nothing.
            assert_eq!(stored.remaining(7, Duration::ZERO), Some(Duration::from_secs(60)));
            assert_eq!(stored.remaining(8, later(61)), None);
            for short in 0..headers.len() {
                drop(Stored::decode(&headers[..short], Bytes::new()));
            }
        }
        assert_eq!(Stored::decode(&[9], Bytes::new()), Err(Unreadable { version: Some(9) }));
    }
}
