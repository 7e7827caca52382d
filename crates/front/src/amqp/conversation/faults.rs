//! Faults that were asked for: something of an identity's breaks, and the rest goes on.

use skerry_amqp::connection::LinkId;
use skerry_amqp::performative::{Fault, Role, condition};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Conversation;
use super::end::End;
use super::link::{Link, Purpose};
use crate::device::FaultPart;

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub(super) fn break_part(&mut self, key: u32, part: FaultPart) -> Result<(), End> {
        let is_hit = |link: &Link| {
            let is_own = link.identity == Some(key);
            match (part, &link.purpose, link.role) {
                (FaultPart::TokenRequests, Purpose::Tokens, Role::Sender)
                | (FaultPart::TokenAnswers, Purpose::Tokens, Role::Receiver) => true,
                (FaultPart::Telemetry, Purpose::Telemetry, _)
                | (FaultPart::Commands, Purpose::Commands { .. }, _)
                | (FaultPart::TwinRequests, Purpose::Twin, Role::Sender)
                | (FaultPart::TwinAnswers, Purpose::Twin, Role::Receiver)
                | (FaultPart::MethodRequests, Purpose::Methods, Role::Receiver)
                | (FaultPart::MethodAnswers, Purpose::Methods, Role::Sender)
                | (FaultPart::AmqpSession, Purpose::Telemetry, _) => is_own,
                _ => false,
            }
        };
        if part == FaultPart::AmqpConnection {
            return Err(End::FaultTold);
        }
        let hit: Vec<LinkId> =
            self.links.iter().filter(|(_, link)| is_hit(link)).map(|(id, _)| *id).collect();
        let fault = Fault::new(condition::DETACH_FORCED, "a fault was asked for");
        for link in hit {
            if part == FaultPart::AmqpSession {
                self.machine.end(link.session(), Some(fault.clone()));
            } else {
                self.drop_link(link, Some(fault.clone()));
            }
        }
        Ok(())
    }
}
