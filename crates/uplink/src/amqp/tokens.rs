//! Tokens are shown by requests on a pair of links, and each is answered.

use std::collections::{BTreeSet, VecDeque};

use skerry_amqp::codec::{CodecLimits, Value};
use skerry_amqp::connection::{Connection, Delivery, LinkId, Offer, Outgoing, SessionId};
use skerry_amqp::message::{Properties, Sections, Writer};
use skerry_amqp::performative::Outcome;

/// Shown and not answered.
pub const TOKENS_WAITING_MAX: usize = 64;
const ADDRESS: &str = "$cbs";
const ANSWERS_WINDOW: u32 = 16;
const OK: i64 = 200;
const ACCEPTED: i64 = 202;

/// A token that was shown, counted from the first on.
pub type TokenNumber = u64;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    #[error("the token does not count: {what} ({status})")]
    Refused { status: i64, what: String },
    #[error("too many tokens wait for their answers, {TOKENS_WAITING_MAX} at most")]
    Full,
    #[error("the links for tokens are gone, show the token again")]
    Gone,
}

/// The pair of links, and what waits for it.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pair: Option<Pair>,
    unsent: VecDeque<(TokenNumber, Vec<u8>)>,
    sent: BTreeSet<TokenNumber>,
    next: TokenNumber,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    requests: LinkId,
    answers: LinkId,
}

impl Tokens {
    pub(super) fn has(&self, link: LinkId) -> bool {
        self.pair.is_some_and(|pair| pair.requests == link || pair.answers == link)
    }

    pub(super) fn show(
        &mut self,
        machine: &mut Connection,
        session: Option<SessionId>,
        audience: &str,
        token: &str,
    ) -> Result<TokenNumber, NotShown> {
        if self.unsent.len() + self.sent.len() >= TOKENS_WAITING_MAX {
            return Err(NotShown::Full);
        }
        if self.pair.is_none() {
            self.pair = Some(session.and_then(|session| attach(machine, session)).ok_or(NotShown::Gone)?);
        }
        let number = self.next;
        self.next += 1;
        self.unsent.push_back((number, request(number, audience, token)));
        self.push(machine);
        Ok(number)
    }

    /// Sends as many as there is credit for.
    pub(super) fn push(&mut self, machine: &mut Connection) {
        let Some(Pair { requests, .. }) = self.pair else { return };
        while machine.is_ready(requests)
            && let Some((number, request)) = self.unsent.pop_front()
        {
            // Nothing hangs on the outcome: the answer says it all.
            let outgoing = Outgoing { is_settled: true, payload: request.into(), ..Outgoing::default() };
            machine.send(requests, outgoing);
            self.sent.insert(number);
        }
    }

    /// What an answer says of which token.
    pub(super) fn take_answer(
        &mut self,
        machine: &mut Connection,
        link: LinkId,
        delivery: Delivery,
    ) -> Option<(TokenNumber, Result<(), NotShown>)> {
        if delivery.is_settled {
            machine.forget(link, 1);
        } else {
            machine.settle(link, delivery.id, delivery.id, Outcome::Accepted);
        }
        let answer = Sections::decode(delivery.payload, CodecLimits::default()).ok()?;
        let number = u64::try_from(answer.properties.correlation_id.as_integer()?).ok()?;
        if !self.sent.remove(&number) {
            return None;
        }
        let status = answer.property("status-code").and_then(Value::as_integer).unwrap_or_default();
        let outcome = if matches!(status, OK | ACCEPTED) {
            Ok(())
        } else {
            let what = answer.property("status-description").and_then(Value::as_text).unwrap_or_default();
            Err(NotShown::Refused { status, what: what.to_owned() })
        };
        Some((number, outcome))
    }

    /// One of the pair is over: the other goes with it, and nothing that waits is answered.
    pub(super) fn lose(&mut self, machine: &mut Connection) -> Vec<TokenNumber> {
        if let Some(Pair { requests, answers }) = self.pair.take() {
            machine.detach(requests, None);
            machine.detach(answers, None);
        }
        let unsent = std::mem::take(&mut self.unsent).into_iter().map(|(number, _)| number);
        std::mem::take(&mut self.sent).into_iter().chain(unsent).collect()
    }

    /// For another connection; numbers go on.
    pub(super) fn restart(&mut self) {
        *self = Self { next: self.next, ..Self::default() };
    }
}

fn attach(machine: &mut Connection, session: SessionId) -> Option<Pair> {
    let answers = machine.attach(session, Offer::receiver("tokens-answers", ADDRESS, ANSWERS_WINDOW))?;
    let requests = machine.attach(session, Offer::sender("tokens-requests", ADDRESS))?;
    Some(Pair { requests, answers })
}

fn request(number: TokenNumber, audience: &str, token: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(token.len() + audience.len() + 192);
    let mut writer = Writer::new(&mut out);
    writer.properties(&Properties {
        message_id: Value::Ulong(number),
        to: Value::string(ADDRESS),
        reply_to: Value::string(ADDRESS),
        ..Properties::default()
    });
    writer
        .application()
        .string_text("operation", "put-token")
        .string_text("type", "servicebus.windows.net:sastoken")
        .string_text("name", audience);
    writer.value(&Value::string(token));
    out
}
