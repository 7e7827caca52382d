//! The bookkeeping of a twin in few bytes: counters and stamps, beside the plain properties.
//!
//! As JSON, the `$metadata` of a full 32 KiB section takes hundreds of KiB. Here a node costs about
//! two bytes: stamps are listed once, and nodes name them in the order in which a walk over the
//! properties meets them (a node, then its children, in the object's own order), runs counted.
//!
//! ```text
//! packed  := format(1) twin-version etag section(desired) section(reported)
//! section := version stamp-count { ticks stamp-version+1-or-0 } run-count { stamp-index length }
//! ```
//! Numbers are little-endian base-128 varints.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::stamps::{Stamp, Stamps};
use super::{Section, Twin};
use crate::time::Timestamp;

const FORMAT: u8 = 1;

/// The bookkeeping does not fit the properties, or is not bookkeeping at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored twin metadata is damaged at byte {at}: {what}")]
pub struct PackedError {
    pub at: usize,
    pub what: &'static str,
}

/// Counters and stamps of a twin.
pub struct Packed;

impl Packed {
    pub fn pack(twin: &Twin) -> Vec<u8> {
        let mut out = vec![FORMAT];
        put(&mut out, twin.version);
        put(&mut out, twin.etag);
        pack_section(&mut out, &twin.desired);
        pack_section(&mut out, &twin.reported);
        out
    }

    /// Puts a twin together from its properties and what [`Packed::pack`] made.
    pub fn unpack(
        bytes: &[u8],
        tags: Map<String, Value>,
        desired: Map<String, Value>,
        reported: Map<String, Value>,
    ) -> Result<Twin, PackedError> {
        let mut from = Reader { bytes, at: 0 };
        if from.byte()? != FORMAT {
            return Err(PackedError { at: 0, what: "unknown format" });
        }
        let (version, etag) = (from.number()?, from.number()?);
        let desired = unpack_section(&mut from, desired)?;
        let reported = unpack_section(&mut from, reported)?;
        if from.at != bytes.len() {
            return Err(from.error("bytes are left over"));
        }
        Ok(Twin { tags, desired, reported, version, etag })
    }
}

fn pack_section(out: &mut Vec<u8>, section: &Section) {
    let mut known: HashMap<Stamp, u64> = HashMap::new();
    let mut stamps = Vec::new();
    let mut runs: Vec<(u64, u64)> = Vec::new();
    walk(section.stamps(), &mut |stamp| {
        let index = *known.entry(stamp).or_insert_with(|| {
            stamps.push(stamp);
            stamps.len() as u64 - 1
        });
        match runs.last_mut() {
            Some((last, length)) if *last == index => *length += 1,
            _ => runs.push((index, 1)),
        }
    });
    put(out, section.version());
    put(out, stamps.len() as u64);
    for stamp in stamps {
        put(out, stamp.at.ticks().unsigned_abs());
        put(out, stamp.version.map_or(0, |version| version + 1));
    }
    put(out, runs.len() as u64);
    for (index, length) in runs {
        put(out, index);
        put(out, length);
    }
}

fn walk(stamps: &Stamps, visit: &mut impl FnMut(Stamp)) {
    visit(stamps.stamp);
    for child in stamps.children() {
        walk(child, visit);
    }
}

fn unpack_section(from: &mut Reader<'_>, properties: Map<String, Value>) -> Result<Section, PackedError> {
    let version = from.number()?;
    let stamp_count = from.count(2)?;
    let mut stamps = Vec::with_capacity(stamp_count);
    for _ in 0..stamp_count {
        let ticks = i64::try_from(from.number()?).map_err(|_| from.error("a time is out of range"))?;
        let version = from.number()?.checked_sub(1);
        stamps.push(Stamp { at: Timestamp::from_ticks(ticks), version });
    }
    let run_count = from.count(2)?;
    let mut runs = Vec::with_capacity(run_count);
    for _ in 0..run_count {
        let stamp = usize::try_from(from.number()?).ok().and_then(|index| stamps.get(index).copied());
        let stamp = stamp.ok_or_else(|| from.error("a node names no stamp"))?;
        runs.push((stamp, from.number()?));
    }
    let mut nodes = runs.into_iter().filter(|(_, length)| *length > 0);
    let mut current = nodes.next();
    let mut next = || {
        let (stamp, length) = current.as_mut()?;
        let stamp = *stamp;
        *length -= 1;
        if *length == 0 {
            current = nodes.next();
        }
        Some(stamp)
    };
    let tree = build(&properties, &mut next).ok_or_else(|| from.error("fewer nodes than properties"))?;
    if next().is_some() {
        return Err(from.error("more nodes than properties"));
    }
    Ok(Section::from_parts(properties, tree, version))
}

fn build(object: &Map<String, Value>, next: &mut impl FnMut() -> Option<Stamp>) -> Option<Stamps> {
    let mut stamps = Stamps::leaf(next()?);
    for (key, value) in object {
        let child = match value {
            Value::Object(inner) => build(inner, next)?,
            _ => Stamps::leaf(next()?),
        };
        stamps.push(key.clone(), child);
    }
    Some(stamps)
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn error(&self, what: &'static str) -> PackedError {
        PackedError { at: self.at, what }
    }

    fn byte(&mut self) -> Result<u8, PackedError> {
        let byte = self.bytes.get(self.at).copied().ok_or_else(|| self.error("the bytes end early"))?;
        self.at += 1;
        Ok(byte)
    }

    fn number(&mut self) -> Result<u64, PackedError> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.error("a number is too long"))
    }

    /// A count of things of at least `bytes_each`, checked against what is left before anyone
    /// reserves memory for it.
    fn count(&mut self, bytes_each: usize) -> Result<usize, PackedError> {
        let count = usize::try_from(self.number()?).map_err(|_| self.error("a count is too large"))?;
        if count > (self.bytes.len() - self.at) / bytes_each {
            return Err(self.error("a count is larger than what follows"));
        }
        Ok(count)
    }
}
