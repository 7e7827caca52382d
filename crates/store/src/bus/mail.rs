//! What travels: addresses, epochs, requests, and the mailbox they arrive in.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};

/// Who can own a connection: a device, or a module of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub device: String,
    /// Empty for the device itself.
    pub module: String,
}

impl Address {
    pub fn device(device: impl Into<String>) -> Self {
        Self { device: device.into(), module: String::new() }
    }

    pub fn module(device: impl Into<String>, module: impl Into<String>) -> Self {
        Self { device: device.into(), module: module.into() }
    }
}

/// Orders claims: first by the process (a number that grows with each start), then by the
/// connection inside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    pub process: u64,
    pub connection: u64,
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.process, self.connection)
    }
}

/// One owner's hold on an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub address: Address,
    pub epoch: Epoch,
}

/// What an owner finds in its mailbox.
#[derive(Debug)]
pub enum Mail {
    Request(Request),
    /// A newer claim took the address. Nothing comes after this.
    Superseded,
}

/// Something an owner was asked. Dropping it tells the asker that the owner was lost.
#[derive(Debug)]
pub struct Request {
    pub payload: Bytes,
    reply: oneshot::Sender<Bytes>,
    hold: Arc<Hold>,
}

impl Request {
    /// Answers; `false` when the answer no longer counts.
    pub fn answer(self, payload: Bytes) -> bool {
        let state = self.hold.lock();
        !state.is_over && self.reply.send(payload).is_ok()
    }
}

/// One claim, as its mailbox, the directory and its askers share it. Most claims never get mail, so it
/// holds no room for any.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) claim: Claim,
    /// Taken for a delivery, an answer and the end, so that these have an order.
    state: Mutex<State>,
    /// Rung for the owner.
    arrived: Notify,
    /// Rung for whoever waits for an answer.
    over: Notify,
}

#[derive(Debug, Default)]
struct State {
    is_over: bool,
    mail: VecDeque<Envelope>,
}

/// What the owner finds.
enum Found {
    Mail(Request),
    Nothing,
    Over,
}

/// Why a request is not in the mailbox.
pub(super) enum NotPosted {
    /// So many are waiting.
    Full(usize),
    /// The owner is about to leave the directory.
    Over,
}

impl Hold {
    pub(super) fn new(claim: Claim) -> Arc<Self> {
        Arc::new(Self { claim, state: Mutex::default(), arrived: Notify::new(), over: Notify::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn post(&self, envelope: Envelope, mail_max: usize) -> Result<(), NotPosted> {
        let mut state = self.lock();
        if state.is_over {
            return Err(NotPosted::Over);
        }
        if state.mail.len() >= mail_max {
            state.mail.retain(|envelope| !envelope.reply.is_closed());
        }
        if state.mail.len() >= mail_max {
            return Err(NotPosted::Full(state.mail.len()));
        }
        state.mail.push_back(envelope);
        drop(state);
        self.arrived.notify_one();
        Ok(())
    }

    /// The oldest request that somebody still waits for; it counts as delivered.
    fn take(self: &Arc<Self>) -> Found {
        let mut state = self.lock();
        if state.is_over {
            return Found::Over;
        }
        while let Some(envelope) = state.mail.pop_front() {
            if state.mail.is_empty() {
                state.mail = VecDeque::new();
            }
            let Envelope { payload, reply, delivered } = envelope;
            if !reply.is_closed() {
                delivered.store(true, SeqCst);
                return Found::Mail(Request { payload, reply, hold: self.clone() });
            }
        }
        Found::Nothing
    }

    /// From here on nothing is delivered to the claim and no answer of it counts.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        let mail = std::mem::take(&mut state.mail);
        drop(state);
        // Their askers look for the next owner.
        drop(mail);
        self.arrived.notify_one();
        self.over.notify_waiters();
    }

    /// Done when the claim has ended.
    pub(super) async fn over(&self) {
        let mut over = std::pin::pin!(self.over.notified());
        over.as_mut().enable();
        if !self.lock().is_over {
            over.await;
        }
    }

    /// Whether a request that is withdrawn by now was delivered before.
    pub(super) fn settled(&self, delivered: &AtomicBool) -> bool {
        let _order = self.lock();
        delivered.load(SeqCst)
    }
}

/// A request on its way to one owner.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) payload: Bytes,
    pub(super) reply: oneshot::Sender<Bytes>,
    /// Set in the moment of delivery; a withdrawn request has no receiver any more.
    pub(super) delivered: Arc<AtomicBool>,
}

/// Where an owner gets its mail. Dropping it gives the address up.
pub struct Mailbox {
    pub(super) hold: Arc<Hold>,
    pub(super) release: Box<dyn FnMut(&Hold) + Send + Sync>,
    /// Turns given to others before the end is told; weak buses are slow with bad news.
    pub(super) end_delay: u64,
    pub(super) finished: bool,
}

impl Mailbox {
    pub fn claim(&self) -> &Claim {
        &self.hold.claim
    }

    /// The next mail; `None` after the address was lost and told so. Loses nothing when it is dropped.
    pub async fn next(&mut self) -> Option<Mail> {
        while !self.finished {
            match self.hold.take() {
                Found::Mail(request) => return Some(Mail::Request(request)),
                // A ring before this is not forgotten.
                Found::Nothing => self.hold.arrived.notified().await,
                Found::Over => {
                    for _ in 0..std::mem::take(&mut self.end_delay) {
                        tokio::task::yield_now().await;
                    }
                    self.finished = true;
                    return Some(Mail::Superseded);
                }
            }
        }
        None
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("claim", &self.hold.claim).finish_non_exhaustive()
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.hold.end();
        (self.release)(&self.hold);
    }
}
