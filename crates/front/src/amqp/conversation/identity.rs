//! Devices and modules on the connection: each has a session of its own, as long as it has links.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use skerry_amqp::address::Node;
use skerry_amqp::connection::LinkId;
use skerry_amqp::performative::{Attach, Fault, Role, condition};
use skerry_model::IdentityId;
use skerry_mqtt::packet::Qos;
use skerry_mqtt::topic::Subscription;
use tokio::io::{AsyncRead, AsyncWrite};

use super::asked::Answer;
use super::end::End;
use super::link::Purpose;
use super::{Conversation, Key};
use crate::device::{
    Claim, CloseReason, Connected, Order, Orders, Proof, Refused, Session, SessionKind, Soon, Subscriptions,
};

/// Orders that are carried out before others have their turn.
const ORDERS_AT_ONCE: usize = 32;
/// Another try may succeed; clients know it by this name.
const UNAVAILABLE: &str = "com.microsoft:timeout";

pub(super) struct Identity {
    pub(super) name: IdentityId,
    /// Of the token that it came by.
    pub(super) audience: Option<Box<str>>,
    /// How many belong to it.
    links: usize,
    state: State,
    bell: Waker,
    subscriptions: Subscriptions,
    /// Where it is told what; the newest link of each kind.
    pub(super) commands: Option<LinkId>,
    pub(super) inputs: Option<LinkId>,
    pub(super) methods: Option<LinkId>,
    pub(super) twin: Option<LinkId>,
    /// What its session was told last about room for commands.
    has_room: bool,
}

enum State {
    /// The links wait for the decision.
    Coming {
        links: Vec<LinkId>,
        /// What was shown for it in the meantime.
        renewed: Option<Arc<str>>,
    },
    In {
        session: Arc<dyn Session>,
        orders: Box<dyn Orders>,
    },
}

impl Identity {
    pub(super) fn session(&self) -> Option<&Arc<dyn Session>> {
        match &self.state {
            State::Coming { .. } => None,
            State::In { session, .. } => Some(session),
        }
    }

    /// A token was shown for it. Who is still coming in hears of it then.
    pub(super) fn renew(&mut self, token: &Arc<str>) -> Option<Soon<Result<(), Refused>>> {
        match &mut self.state {
            State::Coming { renewed, .. } => {
                *renewed = Some(Arc::clone(token));
                None
            }
            State::In { session, .. } => Some(session.renew(Proof::Token(token.to_string()))),
        }
    }

    /// Whether it listened to something else before.
    pub(super) fn subscribe(&mut self, to: Subscription, is_wanted: bool) -> bool {
        let changes = self.subscriptions.has(to) != is_wanted;
        self.subscriptions.set(to, is_wanted.then_some(Qos::AtLeastOnce));
        changes
    }

    pub(super) fn subscriptions(&self) -> Subscriptions {
        self.subscriptions
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// A link of an identity, which is let in first if it is not there.
    pub(super) fn join(&mut self, id: LinkId, attach: &Arc<Attach>, name: IdentityId) {
        let key = match self.by_name.get(&name) {
            Some(key) => *key,
            None => match self.bring(attach, name) {
                Ok(key) => key,
                Err(fault) => return self.refuse(id, fault),
            },
        };
        let Some(identity) = self.identities.get_mut(&key) else { return };
        identity.links += 1;
        if let Some(link) = self.links.get_mut(&id) {
            link.identity = Some(key);
        }
        match &mut identity.state {
            State::Coming { links, .. } => links.push(id),
            State::In { .. } => self.accept_joined(key, id),
        }
    }

    /// Asks whether an identity may come in.
    fn bring(&mut self, attach: &Attach, name: IdentityId) -> Result<u32, Fault> {
        let token = self.tokens.of(&name).map(|(audience, text)| (audience.into(), text.to_string()));
        let (audience, proof) = match (token, &self.certificates) {
            (Some((audience, token)), _) => (Some(audience), Proof::Token(token)),
            (None, Some(certificates)) => (None, Proof::Certificate(certificates.clone())),
            (None, None) => {
                let text = format!("show a token for {name} first");
                return Err(Fault::new(condition::UNAUTHORIZED_ACCESS, text));
            }
        };
        while self.identities.contains_key(&self.next_identity) {
            self.next_identity = self.next_identity.wrapping_add(1);
        }
        let key = self.next_identity;
        self.next_identity = key.wrapping_add(1);
        let property = |word| attach.property(word).map(str::to_owned);
        let connecting = self.shared.devices.connect(Claim {
            device: name.device.clone(),
            module: name.module.clone(),
            host: self.host.clone(),
            proof,
            model: property("com.microsoft:model-id"),
            client: property("com.microsoft:client-version"),
            chain: property("com.microsoft:auth-chain"),
            session: SessionKind::Passing,
            peer: self.peer,
        });
        self.asked
            .push(&self.bells, Box::pin(async move { Answer::Connected { key, outcome: connecting.await } }));
        self.by_name.insert(name.clone(), key);
        let identity = Identity {
            name,
            audience,
            links: 0,
            state: State::Coming { links: Vec::new(), renewed: None },
            bell: self.bells.bell(Key::Identity(key)),
            subscriptions: Subscriptions::default(),
            commands: None,
            inputs: None,
            methods: None,
            twin: None,
            has_room: false,
        };
        self.identities.insert(key, Box::new(identity));
        Ok(key)
    }

    pub(super) fn tell_connected(&mut self, key: u32, outcome: Result<Connected, Refused>) {
        // Otherwise all of its links are gone in the meantime, and the session ends here.
        let Some(identity) = self.identities.get_mut(&key) else { return };
        let State::Coming { links, renewed } = &mut identity.state else { return };
        let (links, renewed) = (std::mem::take(links), renewed.take());
        match outcome {
            Ok(Connected { session, orders, kept: _ }) => {
                if let Some(token) = renewed {
                    let renewal = session.renew(Proof::Token(token.to_string()));
                    // It was found good when it was shown; else the one that it came by has its end.
                    let soon = async move {
                        drop(renewal.await);
                        Answer::Nothing
                    };
                    self.asked.push(&self.bells, Box::pin(soon));
                }
                identity.state = State::In { session, orders };
                identity.bell.wake_by_ref();
                self.proven_by = None;
                self.shared.figures.amqp_identities_accepted.increment();
                links.into_iter().for_each(|link| self.accept_joined(key, link));
            }
            Err(refused) => {
                self.shared.figures.amqp_identities_refused.increment();
                let condition = match refused {
                    Refused::Unauthorised { .. } | Refused::Disabled => condition::UNAUTHORIZED_ACCESS,
                    Refused::Unavailable { .. } => UNAVAILABLE,
                };
                let fault = Fault::new(condition, refused.to_string());
                links.into_iter().for_each(|link| self.refuse(link, fault.clone()));
            }
        }
    }

    fn accept_joined(&mut self, key: u32, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        let Purpose::Asked { node, .. } = &link.purpose else { return };
        let is_told = link.role == Role::Receiver;
        let purpose = match node {
            Node::Events(_) if !is_told => Purpose::Telemetry,
            Node::Events(_) | Node::Devicebound(_) => {
                Purpose::Commands { held: std::collections::BTreeMap::new() }
            }
            Node::Methods(_) => Purpose::Methods,
            _ => Purpose::Twin,
        };
        let is_of_routes = matches!(node, Node::Events(_));
        let Some(identity) = self.identities.get_mut(&key) else { return };
        let listens = match &purpose {
            Purpose::Commands { .. } if is_of_routes => {
                identity.inputs = Some(id);
                identity.subscribe(Subscription::Inputs, true)
            }
            Purpose::Commands { .. } => {
                identity.commands = Some(id);
                identity.subscribe(Subscription::Commands, true)
            }
            Purpose::Methods if is_told => {
                identity.methods = Some(id);
                identity.subscribe(Subscription::Methods, true)
            }
            Purpose::Twin if is_told => {
                identity.twin = Some(id);
                false
            }
            _ => false,
        };
        self.accept(id, purpose);
        if listens {
            self.tell_subscriptions(key);
        }
        self.tell_room(key);
    }

    pub(super) fn tell_subscriptions(&mut self, key: u32) {
        let Some(identity) = self.identities.get(&key) else { return };
        let Some(session) = identity.session() else { return };
        // They end with the connection, so that nothing is written that could fail.
        let subscribed = session.subscribe(identity.subscriptions());
        let soon = Box::pin(async move {
            drop(subscribed.await);
            Answer::Nothing
        });
        self.asked.push(&self.bells, soon);
    }

    /// Commands come only while they can be sent on.
    pub(super) fn tell_room(&mut self, key: u32) {
        let Some(identity) = self.identities.get(&key) else { return };
        let links = [identity.commands, identity.inputs];
        let has_room = links.into_iter().flatten().any(|link| self.has_room(link));
        let Some(identity) = self.identities.get_mut(&key) else { return };
        if identity.has_room != has_room {
            identity.has_room = has_room;
            if let Some(session) = identity.session() {
                session.room(has_room);
            }
        }
    }

    /// One of its links is gone.
    pub(super) fn leave_identity(&mut self, key: u32, link: LinkId) {
        let Some(identity) = self.identities.get_mut(&key) else { return };
        identity.links -= 1;
        if identity.links == 0 {
            self.forget_identity(key);
            return;
        }
        let mut changes = false;
        if identity.commands.take_if(|known| *known == link).is_some() {
            changes |= identity.subscribe(Subscription::Commands, false);
        }
        if identity.inputs.take_if(|known| *known == link).is_some() {
            changes |= identity.subscribe(Subscription::Inputs, false);
        }
        if identity.methods.take_if(|known| *known == link).is_some() {
            changes |= identity.subscribe(Subscription::Methods, false);
        }
        if identity.twin.take_if(|known| *known == link).is_some() {
            changes |= identity.subscribe(Subscription::Desired, false);
        }
        if changes {
            self.tell_subscriptions(key);
        }
        self.tell_room(key);
    }

    /// Its session ends with it.
    fn forget_identity(&mut self, key: u32) {
        if let Some(identity) = self.identities.remove(&key) {
            self.by_name.remove(&identity.name);
        }
    }

    /// Ends all links of an identity from our side.
    pub(super) fn drop_identity(&mut self, key: u32, fault: &Fault) {
        let links = self.links.iter().filter(|(_, link)| link.identity == Some(key));
        let links: Vec<LinkId> = links.map(|(id, _)| *id).collect();
        for link in links {
            self.drop_link(link, Some(fault.clone()));
        }
        self.forget_identity(key);
    }

    /// An identity's bell rang: what it is ordered to do is done.
    pub(super) fn ask_identity(&mut self, key: u32) -> Result<(), End> {
        for _ in 0..ORDERS_AT_ONCE {
            let Some(identity) = self.identities.get_mut(&key) else { return Ok(()) };
            let State::In { orders, .. } = &mut identity.state else { return Ok(()) };
            let bell = identity.bell.clone();
            let Poll::Ready(order) = orders.poll_next(&mut Context::from_waker(&bell)) else { return Ok(()) };
            self.obey(key, order)?;
        }
        if let Some(identity) = self.identities.get(&key) {
            identity.bell.wake_by_ref();
        }
        Ok(())
    }

    fn obey(&mut self, key: u32, order: Order) -> Result<(), End> {
        match order {
            Order::Command(command) => self.deliver_command(key, *command),
            Order::Call(call) => self.deliver_call(key, &call),
            Order::Desired(desired) => self.deliver_desired(key, &desired),
            Order::Fault(part) => return self.break_part(key, part),
            Order::Close(reason) => {
                let (condition, text) = match reason {
                    CloseReason::Superseded => (condition::STOLEN, "the identity connected anew"),
                    CloseReason::Expired => (condition::UNAUTHORIZED_ACCESS, "the token has expired"),
                    CloseReason::Revoked => {
                        (condition::UNAUTHORIZED_ACCESS, "what was shown does not count any more")
                    }
                    CloseReason::Lagged => (condition::DETACH_FORCED, "the client could not keep up"),
                    // Others on the connection go on.
                    CloseReason::Barred => (condition::DETACH_FORCED, "a fault was asked for"),
                    CloseReason::Fault => return Err(End::Fault),
                    CloseReason::Stopping => return Err(End::Stopping),
                };
                self.shared.figures.amqp_identities_told_to_go.increment();
                self.drop_identity(key, &Fault::new(condition, text));
            }
        }
        Ok(())
    }
}
