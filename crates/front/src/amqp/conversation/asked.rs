//! Questions to the services that are under way; answers come in any order.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use skerry_amqp::connection::{DeliveryId, LinkId};
use skerry_amqp::performative::{Fault, Outcome};

use super::Key;
use super::telemetry::Published;
use super::tokens::{Requested, Shows};
use super::twin::TwinRequest;
use crate::amqp::bells::Bells;
use crate::device::{Connected, PublishRefused, Refused, Soon, TwinRefused};
use crate::link::{NotShown, Opened, Shown};

/// An answer, with what is needed to pass it on.
pub(super) enum Answer {
    Shown {
        shows: Shows,
        outcome: Result<Shown, NotShown>,
    },
    LoggedIn {
        token: String,
        outcome: Result<Shown, NotShown>,
    },
    Renewed {
        requested: Requested,
        outcome: Result<(), Refused>,
    },
    Connected {
        key: u32,
        outcome: Result<Connected, Refused>,
    },
    Published {
        published: Published,
        outcome: Result<(), PublishRefused>,
    },
    Opened {
        link: LinkId,
        /// Of the tokens that it was asked for with.
        audiences: Vec<Box<str>>,
        outcome: Result<Opened, Fault>,
    },
    Taken {
        link: LinkId,
        delivery: Option<DeliveryId>,
        bytes: usize,
        outcome: Outcome,
    },
    Answered {
        link: LinkId,
        reply_to: Option<String>,
        answer: Bytes,
    },
    Twin {
        request: TwinRequest,
        outcome: Result<Bytes, TwinRefused>,
    },
    Reported {
        request: TwinRequest,
        outcome: Result<Option<u64>, TwinRefused>,
    },
    Notified {
        request: TwinRequest,
    },
    /// Something that we sent was settled; the client may wait to hear of it.
    Settled {
        link: LinkId,
        delivery: DeliveryId,
        tell: Option<Outcome>,
    },
    Nothing,
}

struct Question {
    soon: Soon<Answer>,
    bell: Waker,
    is_publish: bool,
}

#[derive(Default)]
pub(super) struct Asked {
    questions: BTreeMap<u32, Question>,
    next: u32,
    publishes: usize,
}

impl Asked {
    pub(super) fn push(&mut self, bells: &Bells<Key>, soon: Soon<Answer>) {
        self.insert(bells, soon, false);
    }

    /// Is waited for when the client is gone.
    pub(super) fn push_publish(&mut self, bells: &Bells<Key>, soon: Soon<Answer>) {
        self.publishes += 1;
        self.insert(bells, soon, true);
    }

    fn insert(&mut self, bells: &Bells<Key>, soon: Soon<Answer>, is_publish: bool) {
        while self.questions.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let bell = bells.bell(Key::Asked(self.next));
        // It is looked at for the first time when its turn comes.
        bell.wake_by_ref();
        self.questions.insert(self.next, Question { soon, bell, is_publish });
        self.next = self.next.wrapping_add(1);
    }

    /// The answer to a question whose bell rang, if it is there.
    pub(super) fn poll(&mut self, number: u32) -> Option<Answer> {
        let question = self.questions.get_mut(&number)?;
        let bell = question.bell.clone();
        let Poll::Ready(answer) = question.soon.as_mut().poll(&mut Context::from_waker(&bell)) else {
            return None;
        };
        let question = self.questions.remove(&number)?;
        self.publishes -= usize::from(question.is_publish);
        if self.questions.is_empty() {
            // An idle connection has none, and no room for any.
            self.questions = BTreeMap::new();
        }
        Some(answer)
    }

    pub(super) fn len(&self) -> usize {
        self.questions.len()
    }

    pub(super) fn has_publishes(&self) -> bool {
        self.publishes > 0
    }
}
