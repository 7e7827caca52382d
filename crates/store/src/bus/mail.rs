//! What travels: addresses, epochs, requests, and the mailbox they arrive in.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

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
        let ended = self.hold.lock();
        !*ended && self.reply.send(payload).is_ok()
    }
}

/// The state of one claim that its mailbox, the directory and its askers share.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) claim: Claim,
    /// Taken for a delivery, an answer and the end, so that these have an order.
    ended: Mutex<bool>,
    end: watch::Sender<bool>,
}

impl Hold {
    pub(super) fn new(claim: Claim) -> Arc<Self> {
        Arc::new(Self { claim, ended: Mutex::new(false), end: watch::Sender::new(false) })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, bool> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on nothing is delivered to the claim and no answer of it counts.
    pub(super) fn end(&self) {
        *self.lock() = true;
        self.end.send_replace(true);
    }

    /// Whether a request that is withdrawn by now was delivered before.
    pub(super) fn settled(&self, delivered: &AtomicBool) -> bool {
        let _order = self.lock();
        delivered.load(SeqCst)
    }

    pub(super) fn watch(&self) -> watch::Receiver<bool> {
        self.end.subscribe()
    }
}

/// A request on its way to one owner.
pub(super) struct Envelope {
    pub(super) payload: Bytes,
    pub(super) reply: oneshot::Sender<Bytes>,
    /// Set in the moment of delivery; a withdrawn request has no receiver any more.
    pub(super) delivered: Arc<AtomicBool>,
}

/// Where an owner gets its mail. Dropping it gives the address up.
pub struct Mailbox {
    pub(super) hold: Arc<Hold>,
    pub(super) mail: mpsc::Receiver<Envelope>,
    pub(super) end: watch::Receiver<bool>,
    pub(super) release: Box<dyn FnMut(&Hold) + Send + Sync>,
    /// Turns given to others before the end is told; weak buses are slow with bad news.
    pub(super) end_delay: u64,
    pub(super) finished: bool,
}

impl Mailbox {
    pub fn claim(&self) -> &Claim {
        &self.hold.claim
    }

    /// The next mail; `None` after the address was lost and told so, or the bus was closed.
    pub async fn next(&mut self) -> Option<Mail> {
        loop {
            if self.finished {
                return None;
            }
            if *self.end.borrow_and_update() {
                return self.superseded().await;
            }
            tokio::select! {
                biased;
                ended = self.end.changed() => {
                    if ended.is_err() {
                        self.finished = true;
                    }
                }
                envelope = self.mail.recv() => match envelope {
                    Some(envelope) => {
                        if let Some(request) = self.deliver(envelope) {
                            return Some(Mail::Request(request));
                        }
                    }
                    // The directory let go of the claim: its end is told next.
                    None => {
                        if !*self.end.borrow() {
                            self.finished = true;
                        }
                    }
                },
            }
        }
    }

    async fn superseded(&mut self) -> Option<Mail> {
        for _ in 0..std::mem::take(&mut self.end_delay) {
            tokio::task::yield_now().await;
        }
        self.finished = true;
        Some(Mail::Superseded)
    }

    /// Marks the request as delivered, unless the claim has ended or nobody waits for it.
    fn deliver(&self, envelope: Envelope) -> Option<Request> {
        let ended = self.hold.lock();
        if *ended || envelope.reply.is_closed() {
            return None;
        }
        envelope.delivered.store(true, SeqCst);
        Some(Request { payload: envelope.payload, reply: envelope.reply, hold: self.hold.clone() })
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
