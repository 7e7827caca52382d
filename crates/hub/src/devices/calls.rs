//! Calls as they travel over the bus to whoever holds the connection, and back.

use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use skerry_front::device::{CallReply, Caller, Calls, WantedCall};
use skerry_store::bus::Request;

/// Somebody at the other end of the bus.
pub(super) struct OverBus(Request);

impl Caller for OverBus {
    fn reply(self, reply: CallReply) {
        // Nobody may wait any more.
        let _ = self.0.answer(encode_reply(&reply));
    }
}

/// A call came over the bus.
pub(super) fn hold(calls: &Calls<OverBus>, request: Request) {
    match decode(&request.payload) {
        Some(wanted) => calls.hold(OverBus(request), wanted),
        None => OverBus(request).reply(CallReply::Busy),
    }
}

pub(super) fn encode(wanted: &WantedCall) -> Bytes {
    let WantedCall { method, payload, start_within, answer_within } = wanted;
    let millis = |duration: &Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
    let mut out = BytesMut::with_capacity(10 + method.len() + payload.len());
    out.put_u32(millis(start_within));
    out.put_u32(millis(answer_within));
    out.put_u16(u16::try_from(method.len()).unwrap_or(u16::MAX));
    out.put_slice(method.as_bytes());
    out.put_slice(payload);
    out.freeze()
}

fn decode(bytes: &Bytes) -> Option<WantedCall> {
    let (start, rest) = bytes.split_first_chunk()?;
    let (answer, rest) = rest.split_first_chunk()?;
    let (len, rest) = rest.split_first_chunk()?;
    let (method, payload) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    Some(WantedCall {
        method: std::str::from_utf8(method).ok()?.to_owned(),
        payload: bytes.slice_ref(payload),
        start_within: Duration::from_millis(u32::from_be_bytes(*start).into()),
        answer_within: Duration::from_millis(u32::from_be_bytes(*answer).into()),
    })
}

fn encode_reply(reply: &CallReply) -> Bytes {
    let CallReply::Answered { status, payload } = reply else {
        return Bytes::from_static(match reply {
            CallReply::NotOnline => &[1],
            CallReply::TimedOut => &[2],
            _ => &[3],
        });
    };
    let mut out = BytesMut::with_capacity(9 + payload.len());
    out.put_u8(0);
    out.put_i64(*status);
    out.put_slice(payload);
    out.freeze()
}

/// `None` for what this version does not know.
pub(super) fn decode_reply(bytes: &Bytes) -> Option<CallReply> {
    match bytes.split_first()? {
        (0, rest) => {
            let (status, payload) = rest.split_first_chunk()?;
            let status = i64::from_be_bytes(*status);
            Some(CallReply::Answered { status, payload: bytes.slice_ref(payload) })
        }
        (1, []) => Some(CallReply::NotOnline),
        (2, []) => Some(CallReply::TimedOut),
        (3, []) => Some(CallReply::Busy),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_replies_come_back() {
        let wanted = WantedCall {
            method: "thermostat1*reboot".into(),
            payload: Bytes::from_static(b"null"),
            start_within: Duration::from_secs(300),
            answer_within: Duration::from_millis(1500),
        };
        assert_eq!(decode(&encode(&wanted)), Some(wanted));
        let answered = CallReply::Answered { status: -7, payload: Bytes::from_static(b"{}") };
        for reply in [answered, CallReply::NotOnline, CallReply::TimedOut, CallReply::Busy] {
            assert_eq!(decode_reply(&encode_reply(&reply)), Some(reply));
        }
        for short in [&b""[..], &[0, 1, 2], &[9]] {
            assert_eq!(decode_reply(&Bytes::copy_from_slice(short)), None);
        }
    }
}
