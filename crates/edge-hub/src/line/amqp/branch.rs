//! One identity's part of the connection, as its line drives it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use skerry_amqp::message::to_wire;
use skerry_amqp::performative::{Fault, Outcome, condition};
use skerry_front::device::Settlement;
use tokio::sync::mpsc;

use super::WINDOW;
use super::said::told;
use super::trunk::Mail;
use crate::line::carrier::{Carrier, Heard, Parcel, Wants};

/// From a line to its connection.
#[derive(Debug)]
pub(super) enum Order {
    Send {
        number: u64,
        payload: Bytes,
    },
    Listen(Wants),
    AskTwin {
        request: u64,
    },
    Report {
        request: u64,
        patch: Bytes,
    },
    Answer {
        call: String,
        status: i64,
        payload: Bytes,
    },
    Settle {
        command: u64,
        how: Settlement,
    },
    /// Nothing more is said. A hub that is stuck has left something without an answer.
    Leave {
        is_stuck: bool,
    },
}

/// What comes back.
#[derive(Debug)]
pub(super) enum News {
    Sent { number: u64, outcome: Outcome },
    Heard(Heard),
}

pub(super) struct Branch {
    pub(super) member: u32,
    pub(super) mail: mpsc::Sender<Mail>,
    pub(super) news: mpsc::Receiver<News>,
    /// Why nothing comes any more.
    pub(super) why: Arc<OnceLock<String>>,
    pending: BTreeMap<u64, Parcel>,
    next: u64,
    questions: usize,
    has_left: bool,
    /// An error was told.
    has_failed: bool,
    broken: Option<String>,
}

impl Branch {
    pub(super) fn new(
        member: u32,
        mail: mpsc::Sender<Mail>,
        news: mpsc::Receiver<News>,
        why: Arc<OnceLock<String>>,
    ) -> Self {
        Self {
            member,
            mail,
            news,
            why,
            pending: BTreeMap::new(),
            next: 0,
            questions: 0,
            has_left: false,
            has_failed: false,
            broken: None,
        }
    }

    fn say(&mut self, order: Order) {
        if self.mail.try_send(Mail::Of(self.member, order)).is_err() {
            self.broken.get_or_insert_with(|| "the connection to the hub takes nothing more".to_owned());
        }
    }

    fn ask(&mut self, order: Order) {
        self.questions += 1;
        self.say(order);
    }

    fn leave(&mut self) {
        if !std::mem::replace(&mut self.has_left, true) {
            let is_stuck = !self.has_failed && (self.questions > 0 || !self.pending.is_empty());
            // The connection looks now and then who is still there.
            drop(self.mail.try_send(Mail::Of(self.member, Order::Leave { is_stuck })));
        }
    }

    fn sent(&mut self, number: u64, outcome: Outcome) -> Result<(), String> {
        match outcome {
            Outcome::Accepted => {
                self.pending.remove(&number).into_iter().for_each(Parcel::delivered);
                Ok(())
            }
            Outcome::Rejected(Some(fault)) if is_for_good(&fault) => {
                let why = told(&fault);
                self.pending.remove(&number).into_iter().for_each(|parcel| parcel.refused(why.clone()));
                Ok(())
            }
            Outcome::Rejected(Some(fault)) => {
                Err(format!("the hub does not take a letter now: {}", told(&fault)))
            }
            _ => Err("the hub does not take a letter now".to_owned()),
        }
    }
}

/// Whether the hub would say the same of the letter again.
fn is_for_good(fault: &Fault) -> bool {
    const WORDS: [&str; 6] = [
        condition::DECODE_ERROR,
        condition::INVALID_FIELD,
        condition::NOT_ALLOWED,
        condition::MESSAGE_SIZE_EXCEEDED,
        "com.microsoft:argument-error",
        "com.microsoft:argument-out-of-range",
    ];
    WORDS.contains(&fault.condition.as_str())
}

impl Carrier for Branch {
    fn has_room(&self) -> bool {
        self.broken.is_none() && self.pending.len() < WINDOW && self.mail.capacity() > 0
    }

    fn send(&mut self, parcel: Parcel) {
        self.next += 1;
        let (number, payload) = (self.next, Bytes::from(to_wire(parcel.message())));
        // Where it could not be said it goes back with all others, and nothing overtakes it.
        self.pending.insert(number, parcel);
        self.say(Order::Send { number, payload });
    }

    fn pending(&self) -> usize {
        self.pending.len()
    }

    fn listen(&mut self, wants: Wants) {
        self.say(Order::Listen(wants));
    }

    fn ask_twin(&mut self, request: u64) {
        self.ask(Order::AskTwin { request });
    }

    fn report(&mut self, request: u64, patch: Bytes) {
        self.ask(Order::Report { request, patch });
    }

    fn answer(&mut self, call: &str, status: i64, payload: Bytes) {
        self.say(Order::Answer { call: call.to_owned(), status, payload });
    }

    fn settle(&mut self, command: u64, how: Settlement) -> bool {
        self.say(Order::Settle { command, how });
        true
    }

    fn renews(&self) -> bool {
        true
    }

    fn event(&mut self) -> Pin<Box<dyn Future<Output = Result<Heard, String>> + Send + '_>> {
        Box::pin(async {
            if let Some(broken) = self.broken.take() {
                self.has_failed = true;
                return Err(broken);
            }
            let is_full = self.mail.capacity() == 0;
            let news = tokio::select! {
                news = self.news.recv() => news,
                // There may be room for a letter again.
                _ = self.mail.reserve(), if is_full => return Ok(Heard::Nothing),
            };
            match news {
                Some(News::Sent { number, outcome }) => {
                    let sent = self.sent(number, outcome);
                    self.has_failed = sent.is_err();
                    sent.map(|()| Heard::Nothing)
                }
                Some(News::Heard(heard)) => {
                    if matches!(heard, Heard::Twin { .. }) {
                        self.questions = self.questions.saturating_sub(1);
                    }
                    Ok(heard)
                }
                None => {
                    // Nobody is waited for any more.
                    self.has_left = true;
                    Err(self
                        .why
                        .get()
                        .cloned()
                        .unwrap_or_else(|| "the connection to the hub is gone".to_owned()))
                }
            }
        })
    }

    fn close(mut self: Box<Self>) -> Vec<Parcel> {
        // What the hub has said in the meantime is not sent again.
        while let Ok(news) = self.news.try_recv() {
            if let News::Sent { number, outcome: Outcome::Accepted } = news {
                self.pending.remove(&number).into_iter().for_each(Parcel::delivered);
            }
        }
        self.leave();
        std::mem::take(&mut self.pending).into_values().collect()
    }
}

impl Drop for Branch {
    fn drop(&mut self) {
        self.leave();
    }
}
