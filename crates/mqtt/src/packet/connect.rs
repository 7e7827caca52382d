//! CONNECT: who wants in.

use bytes::Bytes;

use super::frame::put_head;
use super::input::{Input, put_bytes};
use super::{Malformed, Qos, Text};

const NAME: &[u8] = b"MQTT";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect {
    /// 4 is MQTT 3.1.1. Others are decoded as if they were, for the refusal to be a polite one.
    pub level: u8,
    pub clean_session: bool,
    pub keep_alive_s: u16,
    pub client_id: Text,
    pub will: Option<Will>,
    pub user_name: Option<Text>,
    pub password: Option<Bytes>,
}

/// What is published when the client goes without a word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Will {
    pub topic: Text,
    pub payload: Bytes,
    pub qos: Qos,
    pub retain: bool,
}

impl Connect {
    pub(super) fn decode(input: &mut Input) -> Result<Self, Malformed> {
        let name = input.bytes()?;
        let level = input.byte()?;
        // Another level may have other fields: nothing behind it is looked at.
        if name != NAME || level != 4 {
            if name != NAME && name != b"MQIsdp"[..] {
                return Err(Malformed::Protocol);
            }
            drop(input.rest());
            return Ok(Self { level, ..Self::default() });
        }
        let flags = input.byte()?;
        if flags & 1 != 0 {
            return Err(Malformed::Reserved);
        }
        let has = |bit: u8| flags & bit != 0;
        let (has_will, will_qos) = (has(0x04), Qos::from_bits(flags >> 3 & 3)?);
        if !has_will && (will_qos != Qos::AtMostOnce || has(0x20)) {
            return Err(Malformed::Will);
        }
        if has(0x40) && !has(0x80) {
            return Err(Malformed::Password);
        }
        let keep_alive_s = input.u16()?;
        let client_id = input.text()?;
        let mut will = None;
        if has_will {
            let topic = input.text()?;
            if !is_topic_name(&topic) {
                return Err(Malformed::Topic);
            }
            will = Some(Will { topic, payload: input.bytes()?, qos: will_qos, retain: has(0x20) });
        }
        let user_name = if has(0x80) { Some(input.text()?) } else { None };
        let password = if has(0x40) { Some(input.bytes()?) } else { None };
        Ok(Self { level, clean_session: has(0x02), keep_alive_s, client_id, will, user_name, password })
    }

    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(64);
        put_bytes(&mut body, NAME);
        body.push(self.level);
        let will =
            self.will.as_ref().map_or(0, |will| 0x04 | will.qos.bits() << 3 | u8::from(will.retain) << 5);
        let user_name = u8::from(self.user_name.is_some()) << 7;
        let password = u8::from(self.password.is_some()) << 6;
        body.push(will | user_name | password | u8::from(self.clean_session) << 1);
        body.extend_from_slice(&self.keep_alive_s.to_be_bytes());
        put_bytes(&mut body, self.client_id.as_bytes());
        if let Some(will) = &self.will {
            put_bytes(&mut body, will.topic.as_bytes());
            put_bytes(&mut body, &will.payload);
        }
        if let Some(name) = &self.user_name {
            put_bytes(&mut body, name.as_bytes());
        }
        if let Some(password) = &self.password {
            put_bytes(&mut body, password);
        }
        put_head(into, 0x10, body.len());
        into.extend_from_slice(&body);
    }
}

/// A name to publish under: not empty, no wildcard.
pub(super) fn is_topic_name(topic: &str) -> bool {
    !topic.is_empty() && !topic.bytes().any(|byte| matches!(byte, b'#' | b'+'))
}
