//! A batch between its staging and the fate of its group.

use skerry_model::Timestamp;
use tokio::sync::oneshot;

use crate::log::{AppendError, Outcome, Placed, Sequence};

/// What became of one draft when it was staged.
pub(super) enum Slot {
    At(u64),
    Already,
    Failed(AppendError),
}

/// A staged batch: a slot for each draft, and the fate of its group.
pub(super) struct Staged {
    pub(super) slots: Vec<Slot>,
    /// `None` when nothing has to be written.
    pub(super) fate: Option<oneshot::Receiver<Result<Timestamp, AppendError>>>,
}

impl Staged {
    /// Nothing was staged: every draft fails alike.
    pub(super) fn failed(count: usize, error: &AppendError) -> Self {
        Self { slots: (0..count).map(|_| Slot::Failed(error.clone())).collect(), fate: None }
    }

    pub(super) fn outcomes(self, fate: &Result<Timestamp, AppendError>) -> Vec<Outcome> {
        let slots = self.slots.into_iter();
        let outcomes = slots.map(|slot| match (slot, fate) {
            (Slot::Failed(error), _) => Err(error),
            (_, Err(error)) => Err(error.clone()),
            (Slot::Already, Ok(_)) => Ok(Placed::Already),
            (Slot::At(sequence), Ok(time)) => {
                Ok(Placed::At { sequence: Sequence::from_number(sequence), time: *time })
            }
        });
        outcomes.collect()
    }
}
