//! What the machine tells.

use std::sync::Arc;

use bytes::Bytes;
use skerry_amqp::codec::CodecLimits;
use skerry_amqp::connection::{Delivery, DeliveryId, Event, LinkId};
use skerry_amqp::message::Sections;
use skerry_amqp::performative::{Attach, Fault, Init, Mechanism, Outcome, SaslCode, condition};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Conversation;
use super::asked::Answer;
use super::end::End;
use super::link::{Link, Purpose};

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub(super) fn take_events(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            match event {
                Event::Sasl(init) => self.take_sasl(&init),
                Event::Opened(open) => {
                    self.host = open.hostname.as_deref().unwrap_or_default().to_owned();
                }
                Event::Attach { link, attach } => self.take_attach(link, *attach),
                // We begin none.
                Event::Attached { .. } | Event::Recalled { .. } | Event::Closed { .. } => {}
                Event::Credit { link } => self.take_credit(link),
                Event::Delivery { link, delivery } => self.take_delivery(link, &delivery),
                Event::Outcome { link, delivery, outcome, is_settled } => {
                    self.take_outcome(link, delivery, outcome, is_settled);
                }
                Event::Detached { link, .. } => self.forget_link(link),
            }
        }
    }

    fn take_sasl(&mut self, init: &Init) {
        match Mechanism::from_wire(&init.mechanism) {
            Some(Mechanism::Mssbcbs | Mechanism::Anonymous | Mechanism::External) => {
                self.machine.answer_sasl(SaslCode::Ok);
            }
            Some(Mechanism::Plain) => match name_and_password(init.response.as_ref()) {
                Some((name, password)) => {
                    let soon = self.shared.links.log_in(name, password);
                    let token = password.to_owned();
                    let soon = Box::pin(async move { Answer::LoggedIn { token, outcome: soon.await } });
                    self.asked.push(&self.bells, soon);
                }
                None => self.disbelieve(),
            },
            None => self.disbelieve(),
        }
    }

    fn disbelieve(&mut self) {
        self.is_disbelieved = true;
        self.machine.answer_sasl(SaslCode::Auth);
    }

    pub(super) fn take_credit(&mut self, id: LinkId) {
        self.send_mail(id);
        let Some(link) = self.links.get(&id) else { return };
        match &link.purpose {
            Purpose::Source(_) => self.ask_source(id),
            Purpose::Commands { .. } => {
                if let Some(key) = link.identity {
                    self.tell_room(key);
                }
            }
            _ => {}
        }
    }

    fn take_delivery(&mut self, id: LinkId, delivery: &Delivery) {
        let Some(link) = self.links.get(&id) else { return };
        match &link.purpose {
            Purpose::Telemetry => return self.take_telemetry(id, delivery),
            Purpose::Target(target) => {
                let target = Arc::clone(target);
                return self.take_message(id, delivery, target.as_ref());
            }
            _ => {}
        }
        let request = Sections::decode(delivery.payload.clone(), CodecLimits::default());
        let outcome = match &request {
            Ok(_) => Outcome::Accepted,
            Err(error) => Outcome::rejected(Fault::new(condition::DECODE_ERROR, error.to_string())),
        };
        self.settle(id, delivery, outcome);
        let (Ok(request), Some(link)) = (request, self.links.get(&id)) else { return };
        match (&link.purpose, link.identity) {
            (Purpose::Tokens, _) => self.take_token_request(id, &request),
            (Purpose::Twin, Some(key)) => self.take_twin_request(id, key, &request),
            (Purpose::Methods, Some(key)) => self.take_method_answer(key, &request),
            (Purpose::Requests(requests), _) => {
                let requests = Arc::clone(requests);
                self.take_request(id, request, requests.as_ref());
            }
            // Nothing is to come on the others.
            _ => {}
        }
    }

    /// Says what became of one message.
    pub(super) fn settle(&mut self, link: LinkId, delivery: &Delivery, outcome: Outcome) {
        if delivery.is_settled {
            self.machine.forget(link, 1);
        } else {
            self.machine.settle(link, delivery.id, delivery.id, outcome);
        }
    }

    fn take_outcome(&mut self, id: LinkId, delivery: DeliveryId, outcome: Option<Outcome>, is_settled: bool) {
        // A part has come: the end is still to be said.
        if !is_settled && matches!(outcome, None | Some(Outcome::Received { .. })) {
            return;
        }
        let Some(link) = self.links.get(&id) else { return };
        // Whoever settles without a word does not want it.
        let outcome = outcome.unwrap_or(Outcome::Released);
        match &link.purpose {
            Purpose::Commands { .. } => self.settle_command(id, delivery, outcome, is_settled),
            Purpose::Source(_) => self.settle_source(id, delivery, outcome, is_settled),
            _ if !is_settled => self.machine.settle_sent(id, delivery, outcome),
            _ => {}
        }
    }

    /// Answers to what was asked of the services.
    pub(super) fn tell(&mut self, answer: Answer) -> Result<(), End> {
        match answer {
            Answer::Shown { shows, outcome } => self.tell_shown(shows, outcome),
            Answer::LoggedIn { token, outcome } => return self.tell_logged_in(token, outcome),
            Answer::Renewed { requested, outcome } => self.tell_renewed(&requested, outcome),
            Answer::Connected { key, outcome } => self.tell_connected(key, outcome),
            Answer::Published { published, outcome } => self.tell_published(published, outcome),
            Answer::Opened { link, audiences, outcome } => self.tell_opened(link, audiences, outcome),
            Answer::Taken { link, delivery, bytes, outcome } => {
                self.tell_taken(link, delivery, bytes, outcome);
            }
            Answer::Answered { link, reply_to, answer } => {
                if let Some(to) = self.answers_of(link, reply_to.as_deref()) {
                    self.mail(to, answer);
                }
            }
            Answer::Twin { request, outcome } => self.tell_twin(&request, outcome),
            Answer::Reported { request, outcome } => self.tell_reported(&request, outcome),
            Answer::Notified { request } => self.tell_notified(&request),
            Answer::Settled { link, delivery, tell } => {
                if let Some(outcome) = tell {
                    self.machine.settle_sent(link, delivery, outcome);
                }
            }
            Answer::Nothing => {}
        }
        Ok(())
    }

    fn take_attach(&mut self, id: LinkId, attach: Attach) {
        let attach = Arc::new(attach);
        match Link::new(Arc::clone(&attach)) {
            Ok(link) => {
                self.links.insert(id, Box::new(link));
                self.decide_link(id, &attach);
            }
            Err(error) => {
                self.shared.figures.amqp_links_refused.increment();
                self.machine.refuse(id, &attach, Fault::new(condition::NOT_FOUND, error.to_string()));
            }
        }
    }
}

/// What stands in the response of PLAIN: whom to be, who one is, and the proof.
fn name_and_password(response: Option<&Bytes>) -> Option<(&str, &str)> {
    let mut parts = std::str::from_utf8(response?).ok()?.split('\0');
    let (_, name, password) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next().is_none().then_some((name, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_stand_between_zeros() {
        let read = |text: &'static [u8]| {
            let response = Bytes::from_static(text);
            name_and_password(Some(&response)).map(|(name, password)| (name.to_owned(), password.to_owned()))
        };
        assert_eq!(read(b"\0me\0secret"), Some(("me".into(), "secret".into())));
        assert_eq!(read(b"me\0me\0secret"), Some(("me".into(), "secret".into())));
        for broken in [&b""[..], b"me", b"\0me", b"\0me\0a\0b", b"\0\xff\0a"] {
            assert_eq!(read(broken), None);
        }
    }
}
