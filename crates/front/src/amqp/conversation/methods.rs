//! Methods: calls go out with an id that their answers bring back.

use bytes::Bytes;
use skerry_amqp::codec::Value;
use skerry_amqp::message::{Properties, Sections, Writer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Conversation;
use crate::device::Call;

const NAME: &str = "IoThub-methodname";
const STATUS: &str = "IoThub-status";

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub(super) fn deliver_call(&mut self, key: u32, call: &Call) {
        // Without a link nobody is there to answer, and the caller's time runs out.
        let Some(link) = self.identities.get(&key).and_then(|identity| identity.methods) else { return };
        let mut out = Vec::with_capacity(96 + call.payload.len());
        let mut writer = Writer::new(&mut out);
        let correlation_id = Value::Uuid(to_uuid(&call.id));
        writer.properties(&Properties { correlation_id, ..Properties::default() });
        writer.application().string_text(NAME, &call.method);
        writer.data(&call.payload);
        self.mail(link, out);
    }

    pub(super) fn take_method_answer(&mut self, key: u32, answer: &Sections) {
        let Some(session) = self.identities.get(&key).and_then(|identity| identity.session()) else { return };
        let status = answer.property(STATUS).and_then(Value::as_integer);
        let call = to_call(&answer.properties.correlation_id);
        match (call, status, answer.body_bytes()) {
            (Some(call), Some(status), Ok(body)) => session.answer(&call, status, body),
            _ => tracing::debug!(peer = %self.peer, "An answer to a method cannot be read."),
        }
    }
}

/// Some clients take only this type: the id's characters, and zeros.
fn to_uuid(id: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let len = id.len().min(bytes.len());
    bytes[..len].copy_from_slice(&id.as_bytes()[..len]);
    bytes
}

/// The id, from what a client made of it: the same, or its text.
fn to_call(correlation: &Value) -> Option<String> {
    let bytes: Bytes = match correlation {
        Value::Uuid(bytes) => Bytes::copy_from_slice(bytes),
        Value::Binary(bytes) if bytes.len() == 16 => bytes.clone(),
        Value::String(text) => {
            let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let pairs =
                digits.chunks_exact(2).map(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8));
            pairs.collect::<Option<Vec<u8>>>().filter(|bytes| bytes.len() == 16)?.into()
        }
        _ => return None,
    };
    let len = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    std::str::from_utf8(&bytes[..len]).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_however_clients_write_them() {
        for id in ["1", "0123456789abcdef"] {
            let bytes = to_uuid(id);
            let text = skerry_amqp::message::uuid(&bytes);
            for value in [
                Value::Uuid(bytes),
                Value::Binary(bytes.to_vec().into()),
                Value::string(&text),
                Value::string(&text.to_uppercase()),
            ] {
                assert_eq!(to_call(&value).as_deref(), Some(id), "{value:?}");
            }
        }
        for value in [Value::Null, Value::string("x"), Value::Ulong(1)] {
            assert_eq!(to_call(&value), None, "{value:?}");
        }
    }
}
