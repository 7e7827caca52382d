//! Tokens that count on the connection, and the requests that show them.

use std::sync::Arc;
use std::time::Duration;

use skerry_amqp::codec::Value;
use skerry_amqp::connection::LinkId;
use skerry_amqp::message::{Properties, Sections, Writer};
use skerry_amqp::performative::{Fault, condition};
use skerry_model::IdentityId;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::Conversation;
use super::asked::Answer;
use super::end::End;
use super::link::Purpose;
use crate::amqp::TOKENS_MAX;
use crate::device::Refused;
use crate::link::{NotShown, Shown, SpeaksFor};

/// Real ones have a few hundred bytes.
const TOKEN_BYTES_MAX: usize = 2 << 10;
const AUDIENCE_BYTES_MAX: usize = 1 << 10;
const OPERATION: &str = "put-token";
const KIND: &str = "servicebus.windows.net:sastoken";
const OK: u16 = 200;

/// One for each audience: what is shown for it next takes its place. Most connections have one, and
/// room for no more.
#[derive(Default)]
pub(super) struct Tokens(Vec<Token>);

struct Token {
    audience: Box<str>,
    text: Arc<str>,
    speaks_for: SpeaksFor,
    ends: Instant,
}

/// A request that waits for its answer.
pub(super) struct Requested {
    pub(super) link: LinkId,
    pub(super) reply_to: Option<String>,
    pub(super) id: Value,
}

/// A token that is being looked at.
pub(super) struct Shows {
    requested: Requested,
    audience: String,
    token: Arc<str>,
}

impl Tokens {
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.0.iter().map(|token| token.ends).min()
    }

    /// The token that speaks for an identity: its own, then its edge hub's, then its device's, then a policy's.
    pub(super) fn of(&self, name: &IdentityId) -> Option<(&str, &Arc<str>)> {
        let own = SpeaksFor::Identity(name.clone());
        let device = SpeaksFor::Identity(IdentityId { device: name.device.clone(), module: None });
        let find = |is_it: &dyn Fn(&SpeaksFor) -> bool| self.0.iter().find(|token| is_it(&token.speaks_for));
        let found = find(&|speaks_for| *speaks_for == own)
            .or_else(|| find(&|speaks_for| speaks_for.is_behind(name)))
            .or_else(|| find(&|speaks_for| *speaks_for == device))
            .or_else(|| find(&|speaks_for| *speaks_for == SpeaksFor::Policy));
        found.map(|token| (&*token.audience, &token.text))
    }

    /// Those of policies, with their audiences.
    pub(super) fn policies(&self) -> (Vec<Box<str>>, Vec<Arc<str>>) {
        let policies = self.0.iter().filter(|token| token.speaks_for == SpeaksFor::Policy);
        policies.map(|token| (token.audience.clone(), Arc::clone(&token.text))).unzip()
    }

    /// Whether a token for it counts.
    pub(super) fn has(&self, audience: &str) -> bool {
        self.0.iter().any(|token| *token.audience == *audience)
    }

    fn has_room_for(&self, audience: &str) -> bool {
        self.0.len() < TOKENS_MAX || self.has(audience)
    }

    fn insert(&mut self, audience: String, text: Arc<str>, shown: Shown) {
        let Shown { speaks_for, lasts } = shown;
        // Further away than anybody waits.
        let lasts = lasts.min(Duration::from_secs(100 * 365 * 24 * 3600));
        let token = Token { audience: audience.into(), text, speaks_for, ends: Instant::now() + lasts };
        match self.0.iter_mut().find(|known| known.audience == token.audience) {
            Some(known) => *known = token,
            None => {
                self.0.reserve_exact(1);
                self.0.push(token);
            }
        }
    }

    fn take_ended(&mut self, now: Instant) -> Vec<Box<str>> {
        self.0.extract_if(.., |token| token.ends <= now).map(|token| token.audience).collect()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// A client shows a token.
    pub(super) fn take_token_request(&mut self, link: LinkId, request: &Sections) {
        let text = |value: Option<&Value>| value.and_then(Value::as_text).unwrap_or_default().to_owned();
        let reply_to = request.properties.reply_to.as_text().map(str::to_owned);
        let requested = Requested { link, reply_to, id: request.properties.message_id.clone() };
        let audience = text(request.property("name"));
        let token = request.body_value().ok().and_then(|value| value.as_text().map(Arc::<str>::from));
        let wrong = if text(request.property("operation")) != OPERATION {
            Some((400, "the operation must be put-token"))
        } else if !text(request.property("type")).eq_ignore_ascii_case(KIND) {
            Some((400, "the type must be servicebus.windows.net:sastoken"))
        } else if audience.len() > AUDIENCE_BYTES_MAX {
            Some((400, "the audience is too long"))
        } else if token.as_ref().is_none_or(|token| token.len() > TOKEN_BYTES_MAX) {
            Some((400, "the body must be a token as a string"))
        } else if !self.tokens.has_room_for(&audience) {
            Some((403, "too many tokens count on this connection"))
        } else {
            None
        };
        match (wrong, token) {
            (Some((status, what)), _) => self.answer_token_request(&requested, status, what),
            (None, None) => {}
            (None, Some(token)) => {
                let showing = self.shared.links.show(&audience, &token);
                let shows = Shows { requested, audience, token };
                let soon = Box::pin(async move { Answer::Shown { shows, outcome: showing.await } });
                self.asked.push(&self.bells, soon);
            }
        }
    }

    /// What became of a token; connected identities that it speaks for stay in by it.
    pub(super) fn tell_shown(&mut self, shows: Shows, outcome: Result<Shown, NotShown>) {
        let Shows { requested, audience, token } = shows;
        let shown = match outcome {
            Ok(shown) => shown,
            Err(NotShown { status, what }) => {
                self.shared.figures.amqp_tokens_refused.increment();
                return self.answer_token_request(&requested, status, &what);
            }
        };
        self.proven_by = None;
        let renewals: Vec<_> = self
            .identities
            .values_mut()
            .filter(|identity| {
                // A module may have come by its device's token.
                let is_its_own = shown.speaks_for == SpeaksFor::Identity(identity.name.clone());
                is_its_own || identity.audience.as_deref() == Some(&*audience)
            })
            .filter_map(|identity| identity.renew(&token))
            .collect();
        self.tokens.insert(audience, token, shown);
        let soon = Box::pin(async move {
            let mut outcome = Ok(());
            for renewal in renewals {
                outcome = outcome.and(renewal.await);
            }
            Answer::Renewed { requested, outcome }
        });
        self.asked.push(&self.bells, soon);
    }

    pub(super) fn tell_renewed(&mut self, requested: &Requested, outcome: Result<(), Refused>) {
        match outcome {
            Ok(()) => self.answer_token_request(requested, OK, "OK"),
            Err(refused) => self.answer_token_request(requested, 401, &refused.to_string()),
        }
    }

    /// What became of the name and the password with which a client began.
    pub(super) fn tell_logged_in(
        &mut self,
        token: String,
        outcome: Result<Shown, NotShown>,
    ) -> Result<(), End> {
        use skerry_amqp::performative::SaslCode;
        match outcome {
            Ok(shown) => {
                self.proven_by = None;
                // No audience that somebody shows a token for is empty.
                self.tokens.insert(String::new(), token.into(), shown);
                self.machine.answer_sasl(SaslCode::Ok);
                Ok(())
            }
            Err(NotShown { what, .. }) => {
                tracing::debug!(peer = %self.peer, what, "An AMQP client is not let in.");
                self.machine.answer_sasl(SaslCode::Auth);
                Err(End::Disbelieved)
            }
        }
    }

    fn answer_token_request(&mut self, requested: &Requested, status: u16, what: &str) {
        let Requested { link, reply_to, id } = requested;
        let Some(to) = self.answers_of(*link, reply_to.as_deref()) else { return };
        let mut answer = Vec::with_capacity(128);
        let mut writer = Writer::new(&mut answer);
        writer.properties(&Properties { correlation_id: id.clone(), ..Properties::default() });
        writer
            .application()
            .string("status-code", &Value::Int(status.into()))
            .string_text("status-description", what);
        writer.value(&Value::Null);
        self.mail(to, answer);
    }

    /// Tokens whose time is over take the links with them that they allowed. Identities that came by
    /// one are told by their sessions.
    pub(super) fn expire_tokens(&mut self, now: Instant) {
        let ended = self.tokens.take_ended(now);
        if ended.is_empty() {
            return;
        }
        let is_over = |link: &super::link::Link| {
            let audience = link.audience.as_deref();
            audience.is_some_and(|audience| ended.iter().any(|ended| **ended == *audience))
        };
        let over: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| is_over(link)).map(|(id, _)| *id).collect();
        for link in over {
            let fault = Fault::new(condition::UNAUTHORIZED_ACCESS, "the token has expired, show a new one");
            self.drop_link(link, Some(fault));
        }
        let is_of_use = |link: &super::link::Link| !matches!(link.purpose, Purpose::Tokens);
        if self.tokens.0.is_empty() && !self.links.values().any(|link| is_of_use(link)) {
            self.proven_by = Some(now + self.shared.limits.unproven_timeout);
        }
    }
}
