//! The beginning of a connection: CONNECT, and whether its client is let in.

use std::net::SocketAddr;

use bytes::Bytes;
use skerry_mqtt::packet::{Connect, ConnectCode, Packets, Sender, Will};
use skerry_mqtt::server::{Event, Server};
use skerry_mqtt::topic::UserName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::Shared;
use super::wire::{Gone, Wire};
use crate::device::{Claim, Connected, PeerCertificates, Proof, Refused, SessionKind};
use crate::listen::Stopping;

pub(super) struct Greeting<'a, S> {
    shared: &'a Shared,
    wire: Wire<S>,
    peer: SocketAddr,
    certificates: Option<PeerCertificates>,
    began: Instant,
}

/// A client that is in, with all that belongs to its connection.
pub(super) struct Welcomed<S> {
    pub(super) wire: Wire<S>,
    pub(super) machine: Server<super::session::Held>,
    pub(super) began: Instant,
    pub(super) connected: Connected,
    pub(super) user: UserName,
    pub(super) will: Option<Will>,
    pub(super) peer: SocketAddr,
    /// What came behind CONNECT.
    pub(super) rest: Packets,
}

/// A CONNECT that is answered with a refusal.
struct Declined {
    code: ConnectCode,
    what: String,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Greeting<'a, S> {
    pub(super) fn new(
        shared: &'a Shared,
        wire: Wire<S>,
        peer: SocketAddr,
        certificates: Option<PeerCertificates>,
    ) -> Self {
        Self { shared, wire, peer, certificates, began: Instant::now() }
    }

    pub(super) async fn run(mut self, mut stopping: Stopping) -> Option<Welcomed<S>> {
        let figures = &self.shared.figures;
        let mut machine = Server::new(self.shared.limits.machine);
        let late = tokio::time::sleep(self.shared.limits.machine.connect_timeout);
        let first = tokio::select! {
            first = self.first() => first,
            () = late => Err("no CONNECT came in time".to_owned()),
            () = stopping.wait() => return None,
        };
        let (packet, rest) = match first {
            Ok(first) => first,
            Err(what) => {
                figures.mqtt_broken.increment();
                tracing::debug!(peer = %self.peer, what, "A client that did not get in is disconnected.");
                return None;
            }
        };
        let Ok(Some(Event::Connect(connect))) = machine.handle_packet(packet, &mut self.wire.out) else {
            figures.mqtt_broken.increment();
            tracing::debug!(peer = %self.peer, "A client whose first packet is not CONNECT is disconnected.");
            return None;
        };
        let decision = tokio::select! {
            decision = self.decide(&connect) => decision,
            () = stopping.wait() => return None,
        };
        let (user, connected) = match decision {
            Ok(decided) => decided,
            Err(declined) => {
                figures.mqtt_refused(declined.code).increment();
                tracing::debug!(
                    peer = %self.peer, client = %connect.client_id, why = declined.what,
                    "A client is not let in."
                );
                machine.refuse(declined.code, &mut self.wire.out);
                self.wire.close().await;
                return None;
            }
        };
        figures.mqtt_accepted.increment();
        self.wire.widen(self.shared.limits.packet_bytes_max);
        machine.accept(connected.kept.is_some(), &mut self.wire.out);
        machine.hear(self.began.elapsed());
        let Connect { will, .. } = *connect;
        let Self { wire, began, peer, .. } = self;
        Some(Welcomed { wire, machine, began, connected, user, will, peer, rest })
    }

    /// The first packet, and what came with it.
    async fn first(&mut self) -> Result<(skerry_mqtt::packet::Packet, Packets), String> {
        let block: Bytes = self.wire.read().await.map_err(|gone: Gone| gone.to_string())?;
        let mut packets = Packets::new(block, Sender::Client);
        match packets.next() {
            Some(Ok(packet)) => Ok((packet, packets)),
            Some(Err(malformed)) => Err(malformed.to_string()),
            None => Err("a block without a packet".to_owned()),
        }
    }

    async fn decide(&self, connect: &Connect) -> Result<(UserName, Connected), Declined> {
        let (user, claim) = self.claim(connect)?;
        let deciding = self.shared.service.connect(claim);
        let connected = match tokio::time::timeout(self.shared.limits.decision_timeout, deciding).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(refused)) => return Err(refused.into()),
            Err(_) => {
                let what = "the decision took too long".to_owned();
                return Err(Declined { code: ConnectCode::Unavailable, what });
            }
        };
        Ok((user, connected))
    }

    fn claim(&self, connect: &Connect) -> Result<(UserName, Claim), Declined> {
        let declined = |code, what: String| Declined { code, what };
        if connect.level != 4 {
            let what = format!("protocol level {} is not served, use 4 (MQTT 3.1.1)", connect.level);
            return Err(declined(ConnectCode::Protocol, what));
        }
        let name = connect.user_name.as_deref().unwrap_or_default();
        let user =
            UserName::parse(name).map_err(|error| declined(ConnectCode::Unauthorised, error.to_string()))?;
        if !user.agrees_with(&connect.client_id) {
            let what = "the client id is not the identity of the user name".to_owned();
            return Err(declined(ConnectCode::Unauthorised, what));
        }
        let password = connect.password.as_deref().unwrap_or_default();
        let proof = match (password, &self.certificates) {
            ([], Some(certificates)) => Proof::Certificate(certificates.clone()),
            ([], None) => Proof::Nothing,
            (password, _) => match std::str::from_utf8(password) {
                Ok(token) => Proof::Token(token.to_owned()),
                Err(_) => {
                    let what = "the password is not a token".to_owned();
                    return Err(declined(ConnectCode::Unauthorised, what));
                }
            },
        };
        let claim = Claim {
            device: user.device.clone(),
            module: user.module.clone(),
            host: user.host.clone(),
            proof,
            model: user.model.clone(),
            client: user.client_type.clone(),
            chain: user.auth_chain.clone(),
            session: if connect.clean_session { SessionKind::Clean } else { SessionKind::Kept },
            peer: self.peer,
        };
        Ok((user, claim))
    }
}

impl From<Refused> for Declined {
    fn from(refused: Refused) -> Self {
        let code = match refused {
            Refused::Unauthorised { .. } => ConnectCode::Unauthorised,
            // Clients know a disabled device by this code.
            Refused::Disabled | Refused::Unavailable { .. } => ConnectCode::Unavailable,
        };
        Self { code, what: refused.to_string() }
    }
}
