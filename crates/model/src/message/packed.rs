//! Messages at rest: fields one behind the other, each with tag, length and bytes. One byte of length
//! does for most of them. Whoever stores messages adds tags of its own below [`tag::OWN_END`].

use super::{Ack, System, SystemProperties};
use crate::time::Timestamp;

/// What fields mean. Numbers are on disk.
pub mod tag {
    /// Tags below are the store's own: who sent it, and what else it has to know.
    pub const OWN_END: u8 = 16;
    pub const MESSAGE_ID: u8 = 16;
    pub const CORRELATION_ID: u8 = 17;
    pub const USER_ID: u8 = 18;
    pub const TO: u8 = 19;
    pub const CONTENT_TYPE: u8 = 20;
    pub const CONTENT_ENCODING: u8 = 21;
    pub const EXPIRY: u8 = 22;
    pub const CREATION_TIME: u8 = 23;
    pub const ACK: u8 = 24;
    pub const SCHEMA: u8 = 25;
    pub const INTERFACE_ID: u8 = 26;
    pub const COMPONENT: u8 = 27;
    pub const OUTPUT: u8 = 28;
    pub const INPUT: u8 = 29;
    /// A name; its value follows as the next field.
    pub const NAME: u8 = 64;
    pub const VALUE: u8 = 65;
}

pub fn put(out: &mut Vec<u8>, tag: u8, text: &str) {
    put_bytes(out, tag, text.as_bytes());
}

pub fn put_bytes(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    let len = u32::try_from(bytes.len()).expect("a message is bounded far below 4 GiB");
    if len < 255 {
        out.push(len as u8);
    } else {
        out.push(255);
        out.extend_from_slice(&len.to_le_bytes());
    }
    out.extend_from_slice(bytes);
}

pub fn put_some(out: &mut Vec<u8>, tag: u8, text: Option<&str>) {
    if let Some(text) = text {
        put(out, tag, text);
    }
}

/// The next field; `None` where the bytes are cut off.
pub fn take<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
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

/// Appends everything that a message says of itself but its body.
pub fn put_properties(out: &mut Vec<u8>, system: &System, application: &[(String, String)]) {
    if !system.is_untouched() {
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
            put_some(out, tag, text.as_deref());
        }
        for (tag, time) in [(tag::EXPIRY, system.expiry), (tag::CREATION_TIME, system.creation_time)] {
            put_some(out, tag, time.map(|time| time.to_string()).as_deref());
        }
        put_some(out, tag::ACK, system.ack.map(Ack::as_str));
    }
    for (name, value) in application {
        put(out, tag::NAME, name);
        put(out, tag::VALUE, value);
    }
}

/// What fields say of a message, gathered one by one.
#[derive(Debug, Default)]
pub struct Gathered {
    pub system: System,
    pub application: Vec<(String, String)>,
}

impl Gathered {
    /// Takes a field; unknown tags are passed over. `None` where it cannot be what its tag says.
    pub fn take(&mut self, tag: u8, bytes: &[u8]) -> Option<()> {
        let text = || std::str::from_utf8(bytes).ok().map(str::to_owned);
        let time = || text()?.parse::<Timestamp>().ok();
        match tag {
            tag::NAME => self.application.push((text()?, String::new())),
            tag::VALUE => self.application.last_mut()?.1 = text()?,
            tag::EXPIRY => self.system.expiry = Some(time()?),
            tag::CREATION_TIME => self.system.creation_time = Some(time()?),
            tag::ACK => self.system.ack = Ack::from_wire(&text()?),
            _ => {
                if let Some(place) = place(tag) {
                    *place(&mut self.system) = Some(text()?);
                }
            }
        }
        Some(())
    }
}

/// Where the text of a tag belongs.
fn place(tag: u8) -> Option<fn(&mut SystemProperties) -> &mut Option<String>> {
    Some(match tag {
        tag::MESSAGE_ID => |system| &mut system.message_id,
        tag::CORRELATION_ID => |system| &mut system.correlation_id,
        tag::USER_ID => |system| &mut system.user_id,
        tag::TO => |system| &mut system.to,
        tag::CONTENT_TYPE => |system| &mut system.content_type,
        tag::CONTENT_ENCODING => |system| &mut system.content_encoding,
        tag::SCHEMA => |system| &mut system.schema,
        tag::INTERFACE_ID => |system| &mut system.interface_id,
        tag::COMPONENT => |system| &mut system.component,
        tag::OUTPUT => |system| &mut system.output,
        tag::INPUT => |system| &mut system.input,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn gathered(mut rest: &[u8]) -> Option<Gathered> {
        let mut gathered = Gathered::default();
        while !rest.is_empty() {
            let (tag, bytes) = take(&mut rest)?;
            gathered.take(tag, bytes)?;
        }
        Some(gathered)
    }

    proptest! {
        #[test]
        fn properties_come_back(
            texts in prop::collection::vec(prop::option::of("\\PC{0,300}"), 11),
            ack in prop::option::of(prop::sample::select(Ack::ALL.to_vec())),
            seconds in prop::option::of(0_i64..4_000_000_000),
            application in prop::collection::vec(("\\PC{1,20}", "\\PC{0,300}"), 0..4),
        ) {
            let mut system = SystemProperties {
                expiry: seconds.map(Timestamp::from_unix_seconds),
                creation_time: seconds.map(Timestamp::from_unix_seconds),
                ack,
                ..SystemProperties::default()
            };
            let tags = (tag::OWN_END..tag::NAME).filter_map(place);
            for (place, text) in tags.zip(texts) {
                *place(&mut system) = text;
            }
            let mut out = Vec::new();
            put_properties(&mut out, &system.clone().into(), &application);
            let read = gathered(&out).unwrap();
            prop_assert_eq!(read.system.into_inner(), system);
            prop_assert_eq!(read.application, application);
            for short in 0..out.len() {
                // Cut off, it is told or reads as less.
                drop(gathered(&out[..short]));
            }
        }

        #[test]
        fn nonsense_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            drop(gathered(&bytes));
        }
    }
}
