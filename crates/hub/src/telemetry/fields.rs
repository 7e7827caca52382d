//! Fields one behind the other: tag, length, bytes. One byte of length does for most of them.

pub(super) mod tag {
    pub(in crate::telemetry) const DEVICE: u8 = 1;
    pub(in crate::telemetry) const MODULE: u8 = 2;
    pub(in crate::telemetry) const GENERATION: u8 = 3;
    pub(in crate::telemetry) const METHOD: u8 = 4;
    pub(in crate::telemetry) const SOURCE: u8 = 5;
    pub(in crate::telemetry) const MODEL: u8 = 6;
    pub(in crate::telemetry) const MESSAGE_ID: u8 = 16;
    pub(in crate::telemetry) const CORRELATION_ID: u8 = 17;
    pub(in crate::telemetry) const USER_ID: u8 = 18;
    pub(in crate::telemetry) const TO: u8 = 19;
    pub(in crate::telemetry) const CONTENT_TYPE: u8 = 20;
    pub(in crate::telemetry) const CONTENT_ENCODING: u8 = 21;
    pub(in crate::telemetry) const EXPIRY: u8 = 22;
    pub(in crate::telemetry) const CREATION_TIME: u8 = 23;
    pub(in crate::telemetry) const ACK: u8 = 24;
    pub(in crate::telemetry) const SCHEMA: u8 = 25;
    pub(in crate::telemetry) const INTERFACE_ID: u8 = 26;
    pub(in crate::telemetry) const COMPONENT: u8 = 27;
    pub(in crate::telemetry) const OUTPUT: u8 = 28;
    pub(in crate::telemetry) const INPUT: u8 = 29;
    /// A name; its value follows as the next field.
    pub(in crate::telemetry) const NAME: u8 = 64;
    pub(in crate::telemetry) const VALUE: u8 = 65;
}

pub(super) fn put(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    let len = u32::try_from(text.len()).expect("a message is bounded far below 4 GiB");
    if len < 255 {
        out.push(len as u8);
    } else {
        out.push(255);
        out.extend_from_slice(&len.to_le_bytes());
    }
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_some(out: &mut Vec<u8>, tag: u8, text: Option<&str>) {
    if let Some(text) = text {
        put(out, tag, text);
    }
}

pub(super) fn take<'a>(rest: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
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
