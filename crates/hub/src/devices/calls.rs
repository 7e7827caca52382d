//! Calls of methods that one connection has to answer.
//!
//! ```text
//!  bus request ──► held (until the client listens to methods) ──► open (until it answers) ──► answered
//!                    └── too late: not online                       └── too late: timed out
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use skerry_front::device;
use skerry_store::bus::Request;
use tokio::time::Instant;

/// Calls that one client may have open or waiting; one more is told so.
const CALLS_MAX: usize = 64;

/// A call on its way to whoever holds the connection.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) method: String,
    pub(super) payload: Bytes,
    /// How long the client may take to listen.
    pub(super) start_within: Duration,
    /// How long it may take to answer, from then on.
    pub(super) answer_within: Duration,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reply {
    Answered { status: i64, payload: Bytes },
    NotOnline,
    TimedOut,
    Busy,
}

#[derive(Default)]
pub(super) struct Calls(Mutex<State>);

#[derive(Default)]
struct State {
    held: VecDeque<Held>,
    open: HashMap<String, (Request, Instant)>,
    next: u64,
}

struct Held {
    request: Request,
    wanted: Wanted,
    start_by: Instant,
}

impl Calls {
    pub(super) fn hold(&self, request: Request) {
        let Some(wanted) = Wanted::decode(&request.payload) else {
            request.answer(Reply::Busy.encode());
            return;
        };
        let mut state = self.state();
        if state.held.len() + state.open.len() >= CALLS_MAX {
            request.answer(Reply::Busy.encode());
            return;
        }
        let start_by = Instant::now() + wanted.start_within;
        state.held.push_back(Held { request, wanted, start_by });
    }

    /// The next call for a client that listens.
    pub(super) fn open(&self) -> Option<device::Call> {
        let mut state = self.state();
        let Held { request, wanted, .. } = state.held.pop_front()?;
        state.next += 1;
        let id = format!("{:x}", state.next);
        let answer_by = Instant::now() + wanted.answer_within;
        state.open.insert(id.clone(), (request, answer_by));
        Some(device::Call { id, method: wanted.method, payload: wanted.payload })
    }

    pub(super) fn answer(&self, id: &str, status: i64, payload: Bytes) {
        if let Some((request, _)) = self.state().open.remove(id) {
            request.answer(Reply::Answered { status, payload }.encode());
        }
    }

    /// When the next of them is too late.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let held = state.held.iter().map(|held| held.start_by);
        let open = state.open.values().map(|(_, answer_by)| *answer_by);
        held.chain(open).min()
    }

    /// Answers those that are too late.
    pub(super) fn expire(&self, is_listening: bool) {
        let now = Instant::now();
        let mut state = self.state();
        for held in std::mem::take(&mut state.held) {
            if is_listening || held.start_by > now {
                state.held.push_back(held);
            } else {
                held.request.answer(Reply::NotOnline.encode());
            }
        }
        let late = state.open.extract_if(|_, (_, answer_by)| *answer_by <= now);
        for (_, (request, _)) in late {
            request.answer(Reply::TimedOut.encode());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wanted {
    pub(super) fn encode(&self) -> Bytes {
        let millis = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        let mut out = BytesMut::with_capacity(10 + self.method.len() + self.payload.len());
        out.put_u32(millis(self.start_within));
        out.put_u32(millis(self.answer_within));
        out.put_u16(u16::try_from(self.method.len()).unwrap_or(u16::MAX));
        out.put_slice(self.method.as_bytes());
        out.put_slice(&self.payload);
        out.freeze()
    }

    fn decode(bytes: &Bytes) -> Option<Self> {
        let (start, rest) = bytes.split_first_chunk()?;
        let (answer, rest) = rest.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let (method, payload) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
        Some(Self {
            method: std::str::from_utf8(method).ok()?.to_owned(),
            payload: bytes.slice_ref(payload),
            start_within: Duration::from_millis(u32::from_be_bytes(*start).into()),
            answer_within: Duration::from_millis(u32::from_be_bytes(*answer).into()),
        })
    }
}

impl Reply {
    fn encode(&self) -> Bytes {
        let Self::Answered { status, payload } = self else {
            return Bytes::from_static(match self {
                Self::NotOnline => &[1],
                Self::TimedOut => &[2],
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
    pub(super) fn decode(bytes: &Bytes) -> Option<Self> {
        match bytes.split_first()? {
            (0, rest) => {
                let (status, payload) = rest.split_first_chunk()?;
                let status = i64::from_be_bytes(*status);
                Some(Self::Answered { status, payload: bytes.slice_ref(payload) })
            }
            (1, []) => Some(Self::NotOnline),
            (2, []) => Some(Self::TimedOut),
            (3, []) => Some(Self::Busy),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_replies_come_back() {
        let wanted = Wanted {
            method: "thermostat1*reboot".into(),
            payload: Bytes::from_static(b"null"),
            start_within: Duration::from_secs(300),
            answer_within: Duration::from_millis(1500),
        };
        assert_eq!(Wanted::decode(&wanted.encode()), Some(wanted));
        let answered = Reply::Answered { status: -7, payload: Bytes::from_static(b"{}") };
        for reply in [answered, Reply::NotOnline, Reply::TimedOut, Reply::Busy] {
            assert_eq!(Reply::decode(&reply.encode()), Some(reply));
        }
        for short in [&b""[..], &[0, 1, 2], &[9]] {
            assert_eq!(Reply::decode(&Bytes::copy_from_slice(short)), None);
        }
    }
}
