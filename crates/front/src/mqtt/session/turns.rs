//! Publishes under way, acknowledged in the order in which they came.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use skerry_mqtt::packet::PacketId;

use crate::device::{PublishRefused, Soon};
use crate::ingest::Taken;

type Kept = Result<(), PublishRefused>;

#[derive(Default)]
pub(super) struct Turns {
    waiting: VecDeque<Turn>,
    bytes: usize,
}

/// Publishes that are kept together.
pub(super) struct Turn {
    /// To be acknowledged then.
    pub(super) ids: Vec<PacketId>,
    pub(super) fate: Fate,
    pub(super) bytes: usize,
    /// Room that is given back then.
    pub(super) taken: Option<Taken>,
}

pub(super) enum Fate {
    Open(Soon<Kept>),
    Known(Kept),
}

impl Turns {
    /// Takes its place at once, so that the service sees publishes in this order.
    pub(super) fn push(&mut self, mut turn: Turn) {
        turn.poll(&mut Context::from_waker(Waker::noop()));
        self.bytes += turn.bytes;
        self.waiting.push_back(turn);
    }

    /// The oldest, when its fate is known. Loses nothing when it is dropped.
    pub(super) async fn next(&mut self) -> (Vec<PacketId>, Kept) {
        poll_fn(|context| {
            // All of them: one that waits for room keeps others from it until it is asked.
            self.waiting.iter_mut().for_each(|turn| turn.poll(context));
            self.known().map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// The oldest, if its fate was known when they were last looked at.
    pub(super) fn known(&mut self) -> Option<(Vec<PacketId>, Kept)> {
        let turn = self.waiting.pop_front_if(|turn| matches!(turn.fate, Fate::Known(_)))?;
        match turn {
            Turn { ids, fate: Fate::Known(kept), bytes, .. } => {
                self.bytes -= bytes;
                Some((ids, kept))
            }
            Turn { fate: Fate::Open(_), .. } => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Turn {
    fn poll(&mut self, context: &mut Context<'_>) {
        if let Fate::Open(soon) = &mut self.fate
            && let Poll::Ready(kept) = soon.as_mut().poll(context)
        {
            if let Some(taken) = self.taken.take()
                && kept.is_ok()
            {
                taken.note_durable();
            }
            self.fate = Fate::Known(kept);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn turn(id: u16, fate: oneshot::Receiver<()>) -> Turn {
        let fate = Fate::Open(Box::pin(async move {
            fate.await.ok();
            Ok(())
        }));
        Turn { ids: PacketId::new(id).into_iter().collect(), fate, bytes: 10, taken: None }
    }

    #[tokio::test]
    async fn acknowledgements_keep_the_order_of_the_publishes() {
        let mut turns = Turns::default();
        let (first, first_fate) = oneshot::channel();
        let (second, second_fate) = oneshot::channel();
        turns.push(turn(1, first_fate));
        turns.push(turn(2, second_fate));
        turns.push(Turn { ids: Vec::new(), fate: Fate::Known(Ok(())), bytes: 0, taken: None });
        assert_eq!((turns.len(), turns.bytes()), (3, 20));
        second.send(()).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        assert!(std::pin::pin!(turns.next()).poll(&mut context).is_pending(), "the first is not kept yet");
        first.send(()).unwrap();
        let ids: Vec<u16> = [turns.next().await, turns.next().await, turns.next().await]
            .iter()
            .flat_map(|(ids, _)| ids.iter().map(|id| id.get()))
            .collect();
        assert_eq!((ids, turns.bytes()), (vec![1, 2], 0));
    }

    #[tokio::test]
    async fn those_that_are_known_together_are_acknowledged_together() {
        let mut turns = Turns::default();
        let (fates, heard): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel()).unzip();
        for (id, fate) in (1..).zip(heard) {
            turns.push(turn(id, fate));
        }
        let [first, second, third] = <[_; 3]>::try_from(fates).unwrap();
        second.send(()).unwrap();
        assert!(turns.known().is_none(), "it waits for the one before it");
        first.send(()).unwrap();
        let ids = |known: Option<(Vec<PacketId>, Kept)>| known.map(|(ids, _)| ids[0].get());
        assert_eq!(ids(Some(turns.next().await)), Some(1));
        assert_eq!((ids(turns.known()), ids(turns.known())), (Some(2), None));
        assert_eq!((turns.len(), turns.bytes()), (1, 10));
        third.send(()).unwrap();
        assert_eq!(ids(Some(turns.next().await)), Some(3));
    }
}
