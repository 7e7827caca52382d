//! A letter that its endpoints have, or had, without the log.

use skerry_model::IdentityId;
use skerry_store::log::{CursorId, Draft, Order};
use std::sync::Arc;
use tokio::time::Instant;

use super::sending::Sending;
use crate::ticket::{Fate, Fates, Place};

pub(super) struct Out {
    /// What the log gets, if it comes to that.
    pub(super) draft: Option<Draft>,
    /// Of its sender.
    pub(super) order: Order,
    pub(super) from: IdentityId,
    pub(super) output: String,
    pub(super) since: Instant,
    pub(super) goals: Vec<Goal>,
    pub(super) sending: Arc<Sending>,
    /// Its sender knows that it is in good hands.
    pub(super) is_answered: bool,
    /// The log has not said yet whether it keeps it.
    pub(super) is_being_stored: bool,
}

/// One endpoint of it.
pub(super) struct Goal {
    /// Of the queue that stands before the endpoint.
    pub(super) cursor: CursorId,
    pub(super) is_settled: bool,
    /// The log has it for this queue, or is about to.
    pub(super) is_in_log: bool,
    pub(super) stands: Stands,
}

/// Where it is.
#[derive(Debug)]
pub(super) enum Stands {
    /// Whoever is behind the endpoint has it.
    Out,
    /// The same, and the pump has read it from the log: it hears what becomes of it.
    Claimed { tell: Fates, place: Place },
    /// The pump will read it, and is not to hand it on any more.
    Settled,
    /// The pump will read it, and is to hand it on once more.
    Back,
    /// Nobody asks any more.
    Over,
}

/// What the pump is to do with a letter that it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It was never out; or in another life.
    Unknown,
    /// It is out: what becomes of it is told.
    Out,
    Settled,
    /// It was out once, and came back.
    Back,
}

impl Goal {
    pub(super) fn new(cursor: CursorId) -> Self {
        Self { cursor, is_settled: false, is_in_log: false, stands: Stands::Out }
    }

    /// What became of it. Whether the log has to have it now.
    pub(super) fn come_back(&mut self, fate: Fate) -> bool {
        self.is_settled = matches!(fate, Fate::Delivered | Fate::Refused { .. });
        let (stands, is_wanted) =
            match (std::mem::replace(&mut self.stands, Stands::Over), self.is_settled, self.is_in_log) {
                (Stands::Claimed { tell, place }, ..) => {
                    // A pump that is gone opens its queue again, and finds the letter there.
                    drop(tell.send((place, fate)));
                    (Stands::Over, false)
                }
                (_, true, true) => (Stands::Settled, false),
                (_, true, false) => (Stands::Over, false),
                (_, false, is_in_log) => (Stands::Back, !is_in_log),
            };
        self.stands = stands;
        is_wanted
    }

    /// The pump has read it from the log.
    pub(super) fn claim(&mut self, tell: &Fates, place: Place) -> Claim {
        let (stands, claim) = match std::mem::replace(&mut self.stands, Stands::Over) {
            Stands::Out => (Stands::Claimed { tell: tell.clone(), place }, Claim::Out),
            Stands::Settled => (Stands::Over, Claim::Settled),
            Stands::Back => (Stands::Over, Claim::Back),
            // Read twice: it was handed on again.
            stands @ (Stands::Claimed { .. } | Stands::Over) => (stands, Claim::Unknown),
        };
        self.stands = stands;
        claim
    }

    /// The log did not take it: nobody will read it there.
    pub(super) fn is_refused(&mut self) {
        self.is_in_log = false;
        if matches!(self.stands, Stands::Settled | Stands::Back) {
            self.stands = Stands::Over;
        }
    }
}

impl Out {
    pub(super) fn is_settled(&self) -> bool {
        self.goals.iter().all(|goal| goal.is_settled)
    }

    /// Whether nobody will ask for it any more.
    pub(super) fn is_over(&self) -> bool {
        !self.is_being_stored && self.goals.iter().all(|goal| matches!(goal.stands, Stands::Over))
    }

    pub(super) fn bytes(&self) -> usize {
        self.draft.as_ref().map_or(0, |draft| draft.headers.len() + draft.payload.len())
    }
}

#[cfg(test)]
mod tests {
    use skerry_store::log::Sequence;
    use tokio::sync::mpsc;

    use super::*;

    const SETTLED: Fate = Fate::Delivered;

    fn goal() -> Goal {
        Goal::new(CursorId::from_number(3))
    }

    fn is_out(goal: &Goal) -> bool {
        matches!(goal.stands, Stands::Out | Stands::Claimed { .. })
    }

    #[test]
    fn what_is_settled_before_the_log_has_it_never_goes_there() {
        let mut goal = goal();
        assert!(is_out(&goal) && !goal.come_back(SETTLED));
        assert!(goal.is_settled && matches!(goal.stands, Stands::Over));
    }

    #[test]
    fn what_comes_back_goes_to_the_log_once_and_out_again() {
        let (tell, _fates) = mpsc::unbounded_channel();
        let place = Place { queue: 0, sequence: Sequence::from_number(9) };
        for fate in [Fate::Returned, Fate::Abandoned] {
            let mut goal = goal();
            assert!(goal.come_back(fate) && !is_out(&goal));
            goal.is_in_log = true;
            assert_eq!(goal.claim(&tell, place), Claim::Back);
            assert_eq!(goal.claim(&tell, place), Claim::Unknown);
        }
    }

    #[test]
    fn a_pump_that_reads_it_meanwhile_hears_what_becomes_of_it() {
        let (tell, mut fates) = mpsc::unbounded_channel();
        let place = Place { queue: 0, sequence: Sequence::from_number(9) };
        for fate in [SETTLED, Fate::Returned, Fate::Abandoned] {
            let mut goal = goal();
            goal.is_in_log = true;
            assert_eq!(goal.claim(&tell, place), Claim::Out);
            assert!(is_out(&goal) && !goal.come_back(fate.clone()));
            assert_eq!(fates.try_recv(), Ok((place, fate)));
            assert!(matches!(goal.stands, Stands::Over));
        }
    }

    #[test]
    fn what_was_settled_on_its_way_to_the_log_is_settled_there() {
        let (tell, _fates) = mpsc::unbounded_channel();
        let place = Place { queue: 0, sequence: Sequence::from_number(9) };
        let mut settled = goal();
        settled.is_in_log = true;
        assert!(!settled.come_back(SETTLED));
        assert_eq!(settled.claim(&tell, place), Claim::Settled);
        assert!(matches!(settled.stands, Stands::Over));
        // Where the log did not take it nobody will ask.
        let mut refused = goal();
        refused.is_in_log = true;
        assert!(!refused.come_back(SETTLED));
        refused.is_refused();
        assert!(matches!(refused.stands, Stands::Over));
        let mut still_out = goal();
        still_out.is_in_log = true;
        still_out.is_refused();
        assert!(is_out(&still_out));
        assert!(!still_out.come_back(SETTLED) && matches!(still_out.stands, Stands::Over));
    }
}
