//! What goes in, and what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use skerry_model::Timestamp;

use super::{AppendError, CursorId, Durability, Partition, Sequence};

/// What a producer calls a record, so that a second try is not a second record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// Whoever retries: one id for as long as it may still retry.
    pub producer: u64,
    /// Grows with each new record of the producer.
    pub number: u64,
}

/// A record to be added.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    pub partition: Partition,
    pub name: Option<Name>,
    /// The cursors of kind [`super::CursorKind::Wanted`] that are to read it.
    pub wanted_by: Arc<[CursorId]>,
    pub headers: Bytes,
    pub payload: Bytes,
}

/// Records that are added by one call.
#[derive(Clone, Debug)]
pub struct Batch {
    pub drafts: Vec<Draft>,
    pub durability: Durability,
    pub order: Option<Order>,
    /// Waits for room as long as it takes.
    pub is_patient: bool,
    /// Readers may see it before it is as safe as was asked.
    pub early: Option<Early>,
}

impl Batch {
    pub fn new(drafts: Vec<Draft>, durability: Durability) -> Self {
        Self { drafts, durability, order: None, is_patient: false, early: None }
    }

    /// For callers that bound what waits, and stop taking more in meanwhile.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.is_patient = true;
        self
    }

    #[must_use]
    pub fn early(mut self, early: Early) -> Self {
        self.early = Some(early);
        self
    }

    #[must_use]
    pub fn in_order(mut self, order: &Order) -> Self {
        self.order = Some(order.clone());
        self
    }
}

/// For records whose readers may have done with them before they are durable. The answer still waits
/// for what was asked; whoever has heard enough gives it up, and then nothing is hurried for it.
#[derive(Clone)]
pub struct Early {
    pub seen: Arc<dyn Seen>,
    /// A reader is waiting: they are written at once, rather than together with what comes while the
    /// disk is busy.
    pub is_urgent: bool,
    /// So long the log may wait for the answer to be given up, before it makes the records durable.
    pub linger: Duration,
}

/// Hears where records are that readers see early.
pub trait Seen: Send + Sync {
    /// The placed records of a batch, in its order, before any reader has them. What is not told
    /// here is seen when it is as safe as was asked. Everybody waits for it: it must be quick.
    fn seen(self: Arc<Self>, sequences: &[Sequence]);
}

impl std::fmt::Debug for Early {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { is_urgent, linger, .. } = self;
        f.debug_struct("Early").field("is_urgent", is_urgent).field("linger", linger).finish_non_exhaustive()
    }
}

/// A line of batches, such as those of one device: after one failed, later ones fail too, so that
/// nothing overtakes what its sender will send again. Clones are the same line.
#[derive(Clone, Debug, Default)]
pub struct Order {
    broken: Arc<AtomicBool>,
}

impl Order {
    /// The sender knows of every failure so far and starts again from the first.
    pub fn resume(&self) {
        self.broken.store(false, SeqCst);
    }

    pub fn is_broken(&self) -> bool {
        self.broken.load(SeqCst)
    }

    /// Something of the line failed, be it before the log saw it.
    pub fn break_off(&self) {
        self.broken.store(true, SeqCst);
    }
}

/// The order of a sender that goes on after a failure: once all that was under way is answered it
/// knows of every failure, and what comes then is new.
#[derive(Debug, Default)]
pub struct Line {
    order: Order,
    under_way: AtomicUsize,
}

impl Line {
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// A batch is under way until this is dropped.
    pub fn enter(&self) -> UnderWay<'_> {
        self.under_way.fetch_add(1, SeqCst);
        UnderWay(self)
    }
}

#[derive(Debug)]
#[must_use]
pub struct UnderWay<'l>(&'l Line);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, SeqCst) == 1 {
            self.0.order.resume();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    At {
        sequence: Sequence,
        time: Timestamp,
    },
    /// An earlier try had placed it.
    Already,
}

impl Placed {
    /// Where it is, if this try placed it.
    pub fn sequence(self) -> Option<Sequence> {
        match self {
            Self::At { sequence, .. } => Some(sequence),
            Self::Already => None,
        }
    }
}

pub type Outcome = Result<Placed, AppendError>;
