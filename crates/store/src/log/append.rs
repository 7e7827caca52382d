//! What goes in, and what became of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

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
}

impl Batch {
    pub fn new(drafts: Vec<Draft>, durability: Durability) -> Self {
        Self { drafts, durability, order: None, is_patient: false }
    }

    /// For callers that bound what waits, and stop taking more in meanwhile.
    #[must_use]
    pub fn patient(mut self) -> Self {
        self.is_patient = true;
        self
    }

    #[must_use]
    pub fn in_order(mut self, order: &Order) -> Self {
        self.order = Some(order.clone());
        self
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
