//! One connection to a server, driven by whoever owns it.

use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use skerry_amqp::connection::{
    self as machine, Connection, Credentials, Delivery, LinkId, Offer, Options, Outgoing, SessionId,
    unit_length,
};
use skerry_amqp::performative::{Fault, Outcome, condition};
use tokio::time::{Instant, Sleep, timeout};

use super::event::{Event, Unsent};
use super::pending::Pending;
use super::tokens::{NotShown, TokenNumber, Tokens};
use crate::client::{CLOSE_TIMEOUT, in_time};
use crate::wire::Wire;
use crate::{Error, Place};

/// As WebSockets call what is spoken here.
const PROTOCOL: &str = "AMQPWSB10";

/// How a connection begins.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Names ours and theirs, and all bounds.
    pub options: Options,
    /// Without them nothing is said but the header.
    pub credentials: Option<Credentials>,
}

/// Everything that is sent is written, and everything that comes is read, while [`Client::event`]
/// is awaited; it may be dropped and called again at any time. After an error nothing works until
/// [`Client::reconnect`], and links of the connection before mean nothing then. `T` is kept with each
/// message until its outcome is known.
#[derive(Debug)]
pub struct Client<T> {
    opening: Opening,
    machine: Connection,
    wire: Wire,
    /// Whole units that were read.
    units: Bytes,
    pending: Pending<T>,
    tokens: Tokens,
    /// Where links are made if nobody names another.
    session: Option<SessionId>,
    /// Happened while something else was waited for.
    kept: VecDeque<Event<T>>,
    /// From here the machine counts time.
    began: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<T> Client<T> {
    /// Connects until the server has opened its side.
    pub async fn connect(place: &Place, opening: Opening) -> Result<Self, Error> {
        in_time(place, async {
            let wire = Wire::new(place.link(PROTOCOL).await?);
            let began = Instant::now();
            let mut client = Self {
                machine: Connection::client(opening.options.clone(), opening.credentials.clone()),
                opening,
                wire,
                units: Bytes::new(),
                pending: Pending::new(),
                tokens: Tokens::default(),
                session: None,
                kept: VecDeque::new(),
                began,
                timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
            };
            client.greet().await?;
            Ok(client)
        })
        .await
    }

    /// Once more from the beginning: without links, and without tokens that count. What was sent and
    /// has no outcome waits in [`Client::take_unsettled`].
    pub async fn reconnect(&mut self, place: &Place) -> Result<(), Error> {
        self.pending.leave();
        self.tokens.restart();
        (self.units, self.session, self.kept) = (Bytes::new(), None, VecDeque::new());
        in_time(place, async {
            self.wire = Wire::new(place.link(PROTOCOL).await?);
            let Opening { options, credentials } = self.opening.clone();
            (self.machine, self.began) = (Connection::client(options, credentials), Instant::now());
            self.greet().await
        })
        .await
    }

    async fn greet(&mut self) -> Result<(), Error> {
        self.set_timer();
        loop {
            // There are no links yet of which anything could be told.
            while self.poll_event()?.is_some() {}
            if self.machine.is_open() {
                break;
            }
            poll_fn(|cx| self.poll_turn(cx)).await?;
        }
        self.set_timer();
        Ok(())
    }

    /// One more session, for links that are to end together.
    pub fn begin(&mut self) -> Option<SessionId> {
        self.machine.begin()
    }

    /// Ends a session with all of its links.
    pub fn end(&mut self, session: SessionId) {
        self.machine.end(session, None);
    }

    /// Asks for a link in the client's own session; `None` if there are too many.
    pub fn attach(&mut self, offer: Offer) -> Option<LinkId> {
        let session = self.session()?;
        self.attach_in(session, offer)
    }

    pub fn attach_in(&mut self, session: SessionId, offer: Offer) -> Option<LinkId> {
        self.machine.attach(session, offer)
    }

    fn session(&mut self) -> Option<SessionId> {
        self.session = self.session.filter(|session| self.machine.has_session(*session));
        if self.session.is_none() {
            self.session = self.machine.begin();
        }
        self.session
    }

    /// Shows a token for an audience; [`Event::Shown`] says whether it counts.
    pub fn show_token(&mut self, audience: &str, token: &str) -> Result<TokenNumber, NotShown> {
        let session = self.session();
        self.tokens.show(&mut self.machine, session, audience, token)
    }

    /// Shows a token and waits until it counts. What happens meanwhile is told afterwards.
    pub async fn authorize(&mut self, audience: &str, token: &str) -> Result<(), Error> {
        let number = self.show_token(audience, token)?;
        let mut others = std::mem::take(&mut self.kept);
        let outcome = loop {
            match self.event().await {
                Ok(Event::Shown { token, outcome }) if token == number => break outcome.map_err(Error::from),
                Ok(event) => others.push_back(event),
                Err(error) => break Err(error),
            }
        };
        others.append(&mut self.kept);
        self.kept = others;
        outcome
    }

    /// Whether a message may be sent on a link now.
    pub fn is_ready(&self, link: LinkId) -> bool {
        self.machine.is_ready(link)
    }

    /// Sends a message; [`Event::Sent`] brings the item back.
    pub fn send(&mut self, link: LinkId, outgoing: impl Into<Outgoing>, item: T) -> Result<(), Unsent<T>> {
        match self.machine.send(link, Outgoing { is_settled: false, ..outgoing.into() }) {
            Some(delivery) => {
                self.pending.push(link, delivery, item);
                Ok(())
            }
            None => Err(Unsent { item }),
        }
    }

    /// Sends a message whose outcome is of no interest; whether it was sent.
    pub fn send_settled(&mut self, link: LinkId, outgoing: Outgoing) -> bool {
        self.machine.send(link, Outgoing { is_settled: true, ..outgoing }).is_some()
    }

    /// What waits for its outcome.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// What was sent on connections that are over and has no outcome, in its order: it is kept or not.
    pub fn take_unsettled(&mut self) -> Vec<T> {
        self.pending.take_left()
    }

    /// Says what became of a message, and makes room for another.
    pub fn settle(&mut self, link: LinkId, delivery: &Delivery, outcome: Outcome) {
        if delivery.is_settled {
            self.machine.forget(link, 1);
        } else {
            self.machine.settle(link, delivery.id, delivery.id, outcome);
        }
    }

    /// So many messages may be on the way or not dealt with from now on.
    pub fn widen(&mut self, link: LinkId, window: u32) {
        self.machine.widen(link, window);
    }

    /// Takes back what credit the server has; [`Event::Recalled`] comes behind what it sent before.
    pub fn recall(&mut self, link: LinkId) {
        self.machine.recall(link);
    }

    /// Ends a link. What was sent on it and has no outcome comes back; it is kept or not.
    pub fn detach(&mut self, link: LinkId) -> Vec<T> {
        self.machine.detach(link, None);
        self.pending.take_link(link)
    }

    /// The next thing that happens.
    pub async fn event(&mut self) -> Result<Event<T>, Error> {
        loop {
            if let Some(event) = self.ready_event()? {
                return Ok(event);
            }
            poll_fn(|cx| self.poll_turn(cx)).await?;
        }
    }

    /// An event that has come already; nothing is read for it.
    pub fn ready_event(&mut self) -> Result<Option<Event<T>>, Error> {
        match self.kept.pop_front() {
            Some(event) => Ok(Some(event)),
            None => self.poll_event(),
        }
    }

    fn poll_event(&mut self) -> Result<Option<Event<T>>, Error> {
        loop {
            while let Some(event) = self.machine.poll_event() {
                if let Some(event) = self.translate(event)? {
                    return Ok(Some(event));
                }
                if let Some(event) = self.kept.pop_front() {
                    return Ok(Some(event));
                }
            }
            let Some(unit) = self.next_unit()? else { return Ok(None) };
            self.machine.handle_unit(unit)?;
        }
    }

    fn next_unit(&mut self) -> Result<Option<Bytes>, Error> {
        let frame_bytes_max = self.opening.options.frame_bytes_max as usize;
        if self.units.is_empty() {
            let input = &mut self.wire.input;
            let mut whole = 0;
            while let Some(len) =
                unit_length(&input[whole..], frame_bytes_max).map_err(machine::Violation::from)?
                && whole + len <= input.len()
            {
                whole += len;
            }
            self.units = input.split_to(whole).freeze();
            self.wire.rest();
        }
        if self.units.is_empty() {
            return Ok(None);
        }
        let len = unit_length(&self.units, frame_bytes_max).map_err(machine::Violation::from)?;
        Ok(len.map(|len| self.units.split_to(len.min(self.units.len()))))
    }

    fn translate(&mut self, event: machine::Event) -> Result<Option<Event<T>>, Error> {
        Ok(match event {
            machine::Event::Attached { link, .. } | machine::Event::Recalled { link }
                if self.tokens.has(link) =>
            {
                None
            }
            machine::Event::Credit { link } if self.tokens.has(link) => {
                self.tokens.push(&mut self.machine);
                None
            }
            machine::Event::Delivery { link, delivery } if self.tokens.has(link) => {
                let answer = self.tokens.take_answer(&mut self.machine, link, delivery);
                answer.map(|(token, outcome)| Event::Shown { token, outcome })
            }
            machine::Event::Detached { link, .. } if self.tokens.has(link) => {
                let lost = self.tokens.lose(&mut self.machine).into_iter();
                self.kept.extend(lost.map(|token| Event::Shown { token, outcome: Err(NotShown::Gone) }));
                None
            }
            machine::Event::Attached { link, attach } => Some(Event::Attached { link, attach }),
            machine::Event::Credit { link } => Some(Event::Ready { link }),
            machine::Event::Recalled { link } => Some(Event::Recalled { link }),
            machine::Event::Delivery { link, delivery } => Some(Event::Delivery { link, delivery }),
            machine::Event::Outcome { link, delivery, outcome, is_settled } => {
                self.take_outcome(link, delivery, outcome, is_settled)
            }
            machine::Event::Detached { link, fault } => {
                let unsettled = self.pending.take_link(link);
                Some(Event::Detached { link, fault, unsettled })
            }
            machine::Event::Attach { link, attach } => {
                let text = "links begin at the client";
                self.machine.refuse(link, &attach, Fault::new(condition::NOT_ALLOWED, text));
                None
            }
            machine::Event::Closed { fault } => return Err(Error::Farewell(fault.map(Box::new))),
            machine::Event::Opened(_) | machine::Event::Sasl(_) => None,
        })
    }

    fn take_outcome(
        &mut self,
        link: LinkId,
        delivery: machine::DeliveryId,
        outcome: Option<Outcome>,
        is_settled: bool,
    ) -> Option<Event<T>> {
        // A part has come: the end is still to be said.
        if !is_settled && matches!(outcome, None | Some(Outcome::Received { .. })) {
            return None;
        }
        // Whoever settles without a word does not want it.
        let outcome = outcome.unwrap_or(Outcome::Released);
        if !is_settled {
            self.machine.settle_sent(link, delivery, outcome.clone());
        }
        self.pending.take(link, delivery).map(|item| Event::Sent { link, item, outcome })
    }

    /// Says goodbye; who does not listen is left after a while.
    pub async fn close(mut self) {
        self.machine.close(None);
        let goodbye = async {
            // The answer to it ends the events.
            while self.event().await.is_ok() {}
            poll_fn(|cx| self.wire.poll_shutdown(cx)).await
        };
        // Whether it was heard changes nothing.
        drop(timeout(CLOSE_TIMEOUT, goodbye).await);
    }

    /// Writes what there is to write, and ends when something was read.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_timer(cx)?;
        let has_out = !self.machine.out.is_empty();
        if let Poll::Ready(done) = self.wire.poll_write(cx, &mut self.machine.out) {
            done?;
            if has_out {
                self.machine.speak(self.began.elapsed());
            }
        }
        // What comes asks for answers: a server that takes none is heard no longer.
        if !self.wire.has_room(&self.machine.out) {
            return Poll::Pending;
        }
        ready!(self.wire.poll_read(cx))?;
        self.machine.hear(self.began.elapsed());
        Poll::Ready(Ok(()))
    }

    /// The timer stands at a deadline of the past or of now: deadlines only move away, so it is set
    /// again when it has rung, and not at each frame.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        while self.machine.deadline().is_some() && self.timer.as_mut().poll(cx).is_ready() {
            self.machine.handle_time(self.began.elapsed())?;
            self.set_timer();
        }
        Ok(())
    }

    fn set_timer(&mut self) {
        if let Some(deadline) = self.machine.deadline() {
            self.timer.as_mut().reset(self.began + deadline);
        }
    }
}
