//! Who reads at a partition in a consumer group.
//!
//! Readers without an epoch share it, at most five. One with an epoch has it alone: it takes the
//! place of everybody with a lower one, the same one, or none; and nobody of those gets in while it
//! is there.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use skerry_amqp::performative::{Fault, condition};
use skerry_model::ErrorCode;
use tokio::sync::oneshot;

use super::super::fault::Refusal;

/// Readers without an epoch at one partition in one group.
const SHARED_MAX: usize = 5;

/// The group's key, and the partition.
pub(super) type At = (String, u32);

/// What a reader says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) epoch: Option<i64>,
    pub(super) name: String,
}

/// Everybody who reads. As many as links are open.
#[derive(Default)]
pub(in crate::links) struct Readers {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    seats: HashMap<At, Vec<Seat>>,
}

struct Seat {
    number: u64,
    asked: Asked,
    out: oneshot::Sender<Fault>,
}

/// A reader's place; dropping it makes room.
pub(super) struct Place {
    readers: Arc<Readers>,
    at: At,
    number: u64,
    out: oneshot::Receiver<Fault>,
}

impl Readers {
    /// Gives a place, and puts out whoever has to go; `fault` makes what those are told.
    pub(super) fn sit(
        self: &Arc<Self>,
        at: At,
        asked: Asked,
        fault: impl Fn(Refusal) -> Fault,
    ) -> Result<Place, Refusal> {
        let (sender, out) = oneshot::channel();
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        let seats = state.seats.entry(at.clone()).or_default();
        let gone = match plan(seats, &asked) {
            Plan::Alone => std::mem::take(seats),
            Plan::Together => Vec::new(),
            Plan::Refuse(refusal) => return Err(refusal),
        };
        let told: Vec<_> = gone.into_iter().map(|seat| (stolen(&asked, &seat.asked), seat.out)).collect();
        seats.push(Seat { number, asked, out: sender });
        drop(state);
        for (refusal, out) in told {
            // Whoever left in this moment needs no word.
            drop(out.send(fault(refusal)));
        }
        Ok(Place { readers: Arc::clone(self), at, number, out })
    }

    /// Puts everybody out who reads in a group.
    pub(in crate::links) fn end_group(&self, group: &str, fault: impl Fn() -> Fault) {
        let mut gone = Vec::new();
        self.state().seats.retain(|(of, _), seats| {
            let stays = of != group;
            if !stays {
                gone.append(seats);
            }
            stays
        });
        for seat in gone {
            drop(seat.out.send(fault()));
        }
    }

    pub(in crate::links) fn len(&self) -> usize {
        self.state().seats.values().map(Vec::len).sum()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How somebody gets in.
enum Plan {
    /// Everybody else has to go.
    Alone,
    Together,
    Refuse(Refusal),
}

fn plan(seats: &[Seat], asked: &Asked) -> Plan {
    let highest = seats.iter().filter_map(|seat| Some((seat.asked.epoch?, &seat.asked.name))).max();
    match (asked.epoch, highest) {
        (Some(epoch), Some((highest, name))) if epoch < highest => Plan::Refuse(taken(asked, name, highest)),
        (None, Some((highest, name))) => Plan::Refuse(taken(asked, name, highest)),
        (Some(_), _) => Plan::Alone,
        (None, None) if seats.len() >= SHARED_MAX => {
            let text = format!(
                "{SHARED_MAX} readers without an epoch are at this partition in this consumer group, no more are allowed; close one, or read in another group"
            );
            Plan::Refuse(Refusal::new(ErrorCode::IotHubQuotaExceeded, text))
        }
        (None, None) => Plan::Together,
    }
}

/// For whoever wants in.
fn taken(asked: &Asked, name: &str, highest: i64) -> Refusal {
    let Asked { epoch, name: own } = asked;
    let mine = epoch.map_or_else(|| "no epoch".to_owned(), |epoch| format!("epoch {epoch}"));
    let text = format!(
        "Receiver '{name}' with a higher epoch '{highest}' already exists. Receiver '{own}' with {mine} cannot be created: use a higher epoch, or close the other one."
    );
    Refusal::with(condition::STOLEN, ErrorCode::LinkCreationConflict, text)
}

/// For whoever has to go.
fn stolen(by: &Asked, from: &Asked) -> Refusal {
    let epoch = |asked: &Asked| asked.epoch.unwrap_or_default();
    let text = format!(
        "New receiver '{}' with higher epoch of '{}' is created hence current receiver '{}' with epoch '{}' is getting disconnected. To have it back, use a higher epoch.",
        by.name,
        epoch(by),
        from.name,
        epoch(from)
    );
    Refusal::with(condition::STOLEN, ErrorCode::LinkCreationConflict, text)
}

impl Place {
    /// What is told to the reader once it has to go.
    pub(super) fn poll_out(&mut self, context: &mut Context<'_>) -> Poll<Fault> {
        match Pin::new(&mut self.out).poll(context) {
            Poll::Ready(Ok(fault)) => Poll::Ready(fault),
            // The seat is dropped only here, or with a word.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.readers.state();
        if let Some(seats) = state.seats.get_mut(&self.at) {
            seats.retain(|seat| seat.number != self.number);
            if seats.is_empty() {
                state.seats.remove(&self.at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(epoch: Option<i64>) -> Asked {
        Asked { epoch, name: "r".into() }
    }

    fn sit(readers: &Arc<Readers>, epoch: Option<i64>) -> Result<Place, Refusal> {
        let fault = |refusal: Refusal| Fault::new(refusal.condition, refusal.text);
        readers.sit(("$default".into(), 0), asked(epoch), fault)
    }

    fn is_out(place: &mut Place) -> bool {
        place.poll_out(&mut Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    #[test]
    fn the_highest_and_newest_epoch_has_the_partition_alone() {
        let readers = Arc::new(Readers::default());
        let (mut plain, mut other) = (sit(&readers, None).unwrap(), sit(&readers, None).unwrap());
        let mut zero = sit(&readers, Some(0)).unwrap();
        assert!(is_out(&mut plain) && is_out(&mut other) && !is_out(&mut zero));
        let mut two = sit(&readers, Some(2)).unwrap();
        assert!(is_out(&mut zero));
        assert_eq!(sit(&readers, Some(1)).err().unwrap().condition, condition::STOLEN);
        assert_eq!(sit(&readers, None).err().unwrap().condition, condition::STOLEN);
        let same = sit(&readers, Some(2)).unwrap();
        assert!(is_out(&mut two));
        drop((plain, other, zero, two));
        assert_eq!(readers.len(), 1);
        drop(same);
        assert!(sit(&readers, None).is_ok() && readers.len() == 0 && readers.state().seats.is_empty());
    }

    #[test]
    fn five_share_a_partition() {
        let readers = Arc::new(Readers::default());
        let mut places: Vec<Place> = (0..SHARED_MAX).map(|_| sit(&readers, None).unwrap()).collect();
        assert_eq!(sit(&readers, None).err().unwrap().condition, condition::RESOURCE_LIMIT_EXCEEDED);
        places.pop();
        places.push(sit(&readers, None).unwrap());
        readers.end_group("other", || unreachable!());
        readers.end_group("$default", || Fault::new(condition::NOT_FOUND, "gone"));
        assert!(places.iter_mut().all(is_out) && readers.len() == 0);
    }
}
