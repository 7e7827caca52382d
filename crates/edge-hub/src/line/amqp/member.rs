//! An identity on the connection: its session and links, what waits for them, and what it is told.

mod links;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use skerry_amqp::address::Node;
use skerry_amqp::codec::Value;
use skerry_amqp::performative::{Fault, condition};
use skerry_front::device::Settlement;
use skerry_model::IdentityId;
use skerry_uplink::amqp::{self, Delivery, LinkId, Offer, Outcome, Outgoing, SessionId};
use tokio::sync::{mpsc, oneshot};

use super::CALLS_MAX;
use super::branch::{Branch, News, Order};
use super::said::{self, OfTwin, Question, told};
use crate::line::carrier::{DialError, Heard, Wants};
use links::Pair;

pub(super) type Client = amqp::Client<u64>;
pub(super) type Reply = oneshot::Sender<Result<Branch, DialError>>;

const API_VERSION: &str = "2021-04-12";
/// Questions about the twin that wait for the link's credit.
const QUESTIONS_MAX: usize = 1024;
/// Letters of one that are sent before others have their turn.
const LETTERS_AT_ONCE: usize = 64;

pub(super) struct Member {
    pub(super) id: IdentityId,
    /// For which tokens are shown.
    pub(super) audience: String,
    pub(super) is_own: bool,
    /// Until it is let in.
    coming: Option<(Reply, Branch)>,
    pub(super) session: Option<SessionId>,
    news: mpsc::Sender<News>,
    why: Arc<OnceLock<String>>,
    /// What each of its links says.
    properties: Vec<(Value, Value)>,
    /// Links that were made, so that each has a name of its own.
    links: u32,
    events: Option<LinkId>,
    unsent: VecDeque<(u64, Bytes)>,
    twin: Option<Pair>,
    questions: VecDeque<Bytes>,
    /// Without an answer.
    asked: usize,
    methods: Option<Pair>,
    answers: VecDeque<Bytes>,
    calls: BTreeMap<u64, Value>,
    commands: Option<LinkId>,
    held: BTreeMap<u64, Delivery>,
    /// Counts calls, commands, and requests to be told of changes.
    next: u64,
    wants: Option<Wants>,
    /// The line is to hear when all stands that it wants.
    owes: bool,
    missing: BTreeSet<LinkId>,
    /// The request to be told of changes that has no answer yet.
    subscribing: Option<String>,
}

/// What has become of what waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    All,
    /// It was others' turn.
    Some,
    /// The hub takes no more now.
    Waits,
}

/// Why an identity is not on the connection any more, or was not let in.
#[derive(Debug)]
pub(super) struct Gone {
    pub(super) why: String,
    pub(super) is_refused: bool,
}

impl Gone {
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_refused: false }
    }

    pub(super) fn of_fault(fault: Option<&Fault>) -> Self {
        const REFUSALS: [&str; 3] =
            [condition::UNAUTHORIZED_ACCESS, condition::NOT_FOUND, condition::NOT_ALLOWED];
        Self {
            why: fault.map_or_else(|| "the hub has ended a link".to_owned(), told),
            is_refused: fault.is_some_and(|fault| REFUSALS.contains(&fault.condition.as_str())),
        }
    }

    fn full() -> Self {
        Self::passing("the hub allows no more links on the connection")
    }
}

impl Member {
    pub(super) fn new(
        id: IdentityId,
        audience: String,
        chain: Option<&str>,
        product: &str,
        news: mpsc::Sender<News>,
        coming: (Reply, Branch),
    ) -> Self {
        let property = |name: &'static str, value: &str| (Value::symbol(name), Value::string(value));
        let mut properties = vec![
            property("com.microsoft:api-version", API_VERSION),
            property("com.microsoft:client-version", product),
        ];
        properties.extend(chain.map(|chain| property("com.microsoft:auth-chain", chain)));
        Self {
            id,
            audience,
            is_own: chain.is_none(),
            why: Arc::clone(&coming.1.why),
            coming: Some(coming),
            session: None,
            news,
            properties,
            links: 0,
            events: None,
            unsent: VecDeque::new(),
            twin: None,
            questions: VecDeque::new(),
            asked: 0,
            methods: None,
            answers: VecDeque::new(),
            calls: BTreeMap::new(),
            commands: None,
            held: BTreeMap::new(),
            next: 0,
            wants: None,
            owes: false,
            missing: BTreeSet::new(),
            subscribing: None,
        }
    }

    /// The token counts: the link for its letters is asked for.
    pub(super) fn open(&mut self, client: &mut Client) -> Result<(), Gone> {
        self.session = Some(client.begin().ok_or_else(Gone::full)?);
        let address = Node::Events(self.id.clone()).to_string();
        let offer = Offer::sender(&self.link_name("events"), &address);
        self.events = Some(self.attach(client, offer, None)?);
        Ok(())
    }

    /// Nobody waits for it any more.
    pub(super) fn is_left(&self) -> bool {
        match &self.coming {
            Some((reply, _)) => reply.is_closed(),
            None => self.news.is_closed(),
        }
    }

    /// Something is to be answered, besides letters and tokens.
    pub(super) fn waits(&self) -> bool {
        self.asked > 0 || !self.missing.is_empty() || (self.coming.is_some() && self.session.is_some())
    }

    pub(super) fn attached(&mut self, link: LinkId) -> Result<(), Gone> {
        self.missing.remove(&link);
        self.tell_listening()
    }

    /// There is credit; an identity that has it for letters is in.
    pub(super) fn ready(&mut self, link: LinkId) {
        if self.events == Some(link)
            && let Some((reply, branch)) = self.coming.take()
        {
            // Who has gone meanwhile is found by the next look.
            drop(reply.send(Ok(branch)));
        }
    }

    pub(super) fn tell(&mut self, news: News) -> Result<(), Gone> {
        self.news.try_send(news).map_err(|_| Gone::passing("the line does not keep up with the hub"))
    }

    /// What its line says.
    pub(super) fn obey(&mut self, client: &mut Client, order: Order) -> Result<(), Gone> {
        match order {
            Order::Send { number, payload } => self.unsent.push_back((number, payload)),
            Order::Listen(wants) => self.listen(client, wants)?,
            Order::AskTwin { request } => self.ask(client, &request.to_string(), &Question::Get)?,
            Order::Report { request, patch } => {
                self.ask(client, &request.to_string(), &Question::Report(&patch))?;
            }
            Order::Answer { call, status, payload } => {
                let known = call.parse().ok().and_then(|number: u64| self.calls.remove(&number));
                self.answers.extend(known.map(|call| said::answer(call, status, &payload)));
            }
            Order::Settle { command, how } => self.settle(client, command, how)?,
            Order::Leave { .. } => {}
        }
        Ok(())
    }

    fn listen(&mut self, client: &mut Client, wants: Wants) -> Result<(), Gone> {
        // Hubs have none for modules.
        let wants = Wants { commands: wants.commands && self.id.module.is_none(), ..wants };
        let before = self.wants.replace(wants);
        let had = before.unwrap_or_default();
        if wants.commands && !had.commands {
            self.attach_commands(client)?;
        }
        if had.commands && !wants.commands {
            self.detach_commands(client);
        }
        if wants.methods && !had.methods {
            let pair = self.attach_pair(client, "methods", &Node::Methods(self.id.clone()))?;
            self.methods = Some(pair);
            self.missing.extend([pair.to, pair.from]);
        }
        if had.methods
            && !wants.methods
            && let Some(pair) = self.methods.take()
        {
            [pair.to, pair.from].into_iter().for_each(|link| self.detach(client, link));
            (self.answers, self.calls) = (VecDeque::new(), BTreeMap::new());
        }
        if wants.desired && !had.desired {
            self.next += 1;
            let name = format!("subscribe-{}", self.next);
            self.ask(client, &name, &Question::Subscribe)?;
            self.subscribing = Some(name);
        }
        if had.desired && !wants.desired {
            self.subscribing = None;
            self.ask(client, "unsubscribe", &Question::Unsubscribe)?;
        }
        let is_new = |had: bool, wants: bool| wants && !had;
        self.owes |= before.is_none()
            || is_new(had.commands, wants.commands)
            || is_new(had.methods, wants.methods)
            || is_new(had.desired, wants.desired);
        self.tell_listening()
    }

    fn tell_listening(&mut self) -> Result<(), Gone> {
        if self.owes && self.missing.is_empty() && self.subscribing.is_none() {
            self.owes = false;
            self.tell(News::Heard(Heard::Listening))?;
        }
        Ok(())
    }

    fn ask(&mut self, client: &mut Client, name: &str, question: &Question<'_>) -> Result<(), Gone> {
        if self.questions.len() >= QUESTIONS_MAX {
            return Err(Gone::passing("the hub does not listen to questions about twins"));
        }
        if self.twin.is_none() {
            self.twin = Some(self.attach_pair(client, "twin", &Node::Twin(self.id.clone()))?);
        }
        self.asked += 1;
        self.questions.push_back(said::question(name, question));
        Ok(())
    }

    fn settle(&mut self, client: &mut Client, command: u64, how: Settlement) -> Result<(), Gone> {
        let outcome = match how {
            Settlement::Complete => Outcome::Accepted,
            Settlement::Reject => Outcome::Rejected(None),
            Settlement::Abandon => Outcome::Released,
            Settlement::GiveBack => {
                // Released counts as a delivery that failed; what a link that ends has not settled does not.
                if self.held.contains_key(&command) {
                    self.detach_commands(client);
                    if self.wants.is_some_and(|wants| wants.commands) {
                        self.attach_commands(client)?;
                    }
                }
                return Ok(());
            }
        };
        if let (Some(link), Some(delivery)) = (self.commands, self.held.remove(&command)) {
            client.settle(link, &delivery, outcome);
        }
        Ok(())
    }

    /// A message of the hub.
    pub(super) fn delivered(
        &mut self,
        client: &mut Client,
        link: LinkId,
        delivery: Delivery,
    ) -> Result<(), Gone> {
        if self.commands == Some(link) {
            return self.command(client, link, delivery);
        }
        client.settle(link, &delivery, Outcome::Accepted);
        if self.twin.is_some_and(|pair| pair.from == link) {
            return match said::of_twin(delivery.payload) {
                Some(OfTwin::Answer { name, reply }) => {
                    self.asked = self.asked.saturating_sub(1);
                    if self.subscribing.as_ref() == Some(&name) {
                        if reply.status >= 300 {
                            let status = reply.status;
                            return Err(Gone::passing(format!(
                                "the hub tells of no changes (status {status})"
                            )));
                        }
                        self.subscribing = None;
                        return self.tell_listening();
                    }
                    match name.parse() {
                        Ok(request) => self.tell(News::Heard(Heard::Twin { request, reply })),
                        Err(_) => Ok(()),
                    }
                }
                Some(OfTwin::Change(heard)) => self.tell(News::Heard(heard)),
                None => Ok(()),
            };
        }
        if self.methods.is_some_and(|pair| pair.from == link)
            && let Some((call, method, payload)) = said::call(delivery.payload)
        {
            self.next += 1;
            if self.calls.len() >= CALLS_MAX {
                self.calls.pop_first();
            }
            self.calls.insert(self.next, call);
            let id = self.next.to_string();
            return self.tell(News::Heard(Heard::Call { id, method, payload }));
        }
        Ok(())
    }

    fn command(&mut self, client: &mut Client, link: LinkId, delivery: Delivery) -> Result<(), Gone> {
        match said::command(delivery.payload.clone()) {
            Ok(command) => {
                self.next += 1;
                let delivery = Delivery { payload: Bytes::new(), ..delivery };
                self.held.insert(self.next, delivery);
                let command = Box::new(command);
                self.tell(News::Heard(Heard::Command { number: self.next, command }))
            }
            Err(error) => {
                tracing::warn!(id = %self.id, %error, "A command of the hub cannot be read, and is rejected.");
                let fault = Fault::new(condition::DECODE_ERROR, error.to_string());
                client.settle(link, &delivery, Outcome::rejected(fault));
                Ok(())
            }
        }
    }

    /// Sends what waits, as far as there is credit.
    pub(super) fn push(&mut self, client: &mut Client) -> Result<Pushed, Gone> {
        for (pair, waiting) in [(self.twin, &mut self.questions), (self.methods, &mut self.answers)] {
            let Some(Pair { to, .. }) = pair else { continue };
            while client.is_ready(to)
                && let Some(message) = waiting.pop_front()
            {
                if !client.send_settled(to, Outgoing::from(message)) {
                    return Err(Gone::passing(
                        "the hub takes no message as large as one about a twin or method",
                    ));
                }
            }
        }
        let Some(events) = self.events else { return Ok(Pushed::All) };
        for _ in 0..LETTERS_AT_ONCE {
            if !self.unsent.is_empty() && !client.is_ready(events) {
                return Ok(Pushed::Waits);
            }
            let Some((number, payload)) = self.unsent.pop_front() else { break };
            if let Err(unsent) = client.send(events, payload, number) {
                let text = "the letter is larger than the hub takes";
                let outcome = Outcome::rejected(Fault::new(condition::MESSAGE_SIZE_EXCEEDED, text));
                self.tell(News::Sent { number: unsent.item, outcome })?;
            }
        }
        Ok(match self.unsent.is_empty() {
            false => Pushed::Some,
            true if self.questions.is_empty() && self.answers.is_empty() => Pushed::All,
            true => Pushed::Waits,
        })
    }

    /// Ends all that it has on the connection, and tells its line why.
    pub(super) fn leave(mut self, client: &mut Client, gone: Gone) {
        for link in self.all_links().collect::<Vec<_>>() {
            client.detach(link);
        }
        if let Some(session) = self.session {
            client.end(session);
        }
        self.end(gone);
    }

    /// The connection is gone, or this identity's part of it.
    pub(super) fn end(&mut self, gone: Gone) {
        let Gone { why, is_refused } = gone;
        match self.coming.take() {
            Some((reply, _)) => {
                let error = match is_refused {
                    true => DialError::Refused { why },
                    false => DialError::Unreachable { why },
                };
                // Whoever dialed may have given up.
                drop(reply.send(Err(error)));
            }
            None => drop(self.why.set(why)),
        }
    }
}
