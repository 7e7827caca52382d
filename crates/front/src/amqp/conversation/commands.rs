//! Commands to devices: each is a lease, and the delivery's outcome settles it.

use skerry_amqp::codec::Value;
use skerry_amqp::connection::{DeliveryId, LinkId, Outgoing};
use skerry_amqp::message::{Header, Writer, milliseconds, to_properties, uuid};
use skerry_amqp::performative::{Fault, Outcome};
use skerry_model::IdentityId;
use skerry_model::message::Message;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Conversation;
use super::asked::Answer;
use super::link::Purpose;
use crate::amqp::COMMANDS_MAX;
use crate::device::{Command, Input, Lease, NotSettled, Settlement};

const LOCK_LOST: &str = "com.microsoft:message-lock-lost";

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    /// Whether one more command may be sent on a link.
    pub(super) fn has_room(&self, id: LinkId) -> bool {
        let Some(link) = self.links.get(&id) else { return false };
        let Purpose::Commands { held } = &link.purpose else { return false };
        held.len() < COMMANDS_MAX && self.machine.is_ready(id)
    }

    pub(super) fn deliver_command(&mut self, key: u32, command: Command) {
        let Some(identity) = self.identities.get(&key) else { return };
        let link = if command.input.is_some() { identity.inputs } else { identity.commands };
        let Some(id) = link.filter(|link| self.has_room(*link)) else {
            // There was room when it was given; unless the service hears otherwise it gives it again.
            self.give_back(key, [command.lease]);
            return self.tell_room(key);
        };
        let address = address(&identity.name);
        let Some(link) = self.links.get_mut(&id) else { return };
        let is_settled = link.is_settled_by(false);
        let lease = command.lease;
        let outgoing = Outgoing {
            tag: Some(tag(lease).to_vec().into()),
            is_settled,
            payload: encode(command, address).into(),
            ..Outgoing::default()
        };
        self.shared.figures.amqp_deliveries.increment();
        match (self.machine.send(id, outgoing), &mut link.purpose) {
            (Some(delivery), Purpose::Commands { held }) if !is_settled => {
                held.insert(delivery, lease);
            }
            (Some(_), _) => self.settle_lease(key, lease, Settlement::Complete, |_| Answer::Nothing),
            // It will never fit through this link.
            (None, _) => self.settle_lease(key, lease, Settlement::Abandon, |_| Answer::Nothing),
        }
        self.tell_room(key);
    }

    /// The client says what became of a command.
    pub(super) fn settle_command(
        &mut self,
        id: LinkId,
        delivery: DeliveryId,
        outcome: Outcome,
        is_settled: bool,
    ) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let (Purpose::Commands { held }, Some(key)) = (&mut link.purpose, link.identity) else { return };
        let Some(lease) = held.remove(&delivery) else { return };
        let how = match &outcome {
            Outcome::Accepted => Settlement::Complete,
            Outcome::Rejected(_) => Settlement::Reject,
            Outcome::Released | Outcome::Modified { .. } | Outcome::Received { .. } => Settlement::Abandon,
        };
        self.settle_lease(key, lease, how, move |settled| {
            let told = match settled {
                Ok(()) => outcome,
                Err(error) => Outcome::rejected(Fault::new(LOCK_LOST, error.to_string())),
            };
            Answer::Settled { link: id, delivery, tell: (!is_settled).then_some(told) }
        });
        self.tell_room(key);
    }

    fn settle_lease(
        &mut self,
        key: u32,
        lease: Lease,
        how: Settlement,
        answer: impl FnOnce(Result<(), NotSettled>) -> Answer + Send + 'static,
    ) {
        let Some(session) = self.identities.get(&key).and_then(|identity| identity.session()) else { return };
        let settling = session.settle(lease, how);
        self.asked.push(&self.bells, Box::pin(async move { answer(settling.await) }));
    }

    /// Commands that the client did not deal with come again.
    pub(super) fn give_back(&mut self, key: u32, leases: impl IntoIterator<Item = Lease>) {
        for lease in leases {
            self.settle_lease(key, lease, Settlement::GiveBack, |_| Answer::Nothing);
        }
    }
}

/// The lock token as clients read it: its first three groups the other way round.
fn tag(lease: Lease) -> [u8; 16] {
    let mut bytes = lease.0.to_be_bytes();
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

/// Where commands to an identity are sent, as they say it.
fn address(name: &IdentityId) -> String {
    let IdentityId { device, module } = name;
    match module {
        Some(module) => format!("/devices/{device}/modules/{module}/messages/devicebound"),
        None => format!("/devices/{device}/messages/devicebound"),
    }
}

fn encode(command: Command, address: String) -> Vec<u8> {
    let Command { lease, message, again: _, sequence, enqueued, deliveries, input } = command;
    let Message { body, mut system, application } = message;
    system.to.get_or_insert(address);
    let mut out = Vec::with_capacity(256 + body.len());
    let mut writer = Writer::new(&mut out);
    writer.header(&Header { delivery_count: deliveries, ..Header::default() });
    let mut annotations = writer.annotations();
    annotations
        .symbol("iothub-enqueuedtime", &Value::Timestamp(milliseconds(enqueued)))
        .symbol("iothub-deliverycount", &Value::Ubyte(u8::try_from(deliveries).unwrap_or(u8::MAX)))
        .symbol("x-opt-sequence-number", &Value::Ulong(sequence))
        .symbol_text("x-opt-lock-token", &uuid(&lease.0.to_be_bytes()));
    if let Some(Input { name, from }) = input.as_deref() {
        annotations
            .symbol_text("x-opt-input-name", name)
            .symbol_text("iothub-connection-device-id", from.device.as_str());
        if let Some(module) = &from.module {
            annotations.symbol_text("iothub-connection-module-id", module.as_str());
        }
    }
    drop(annotations);
    writer.properties(&to_properties(&system));
    {
        let mut properties = writer.application();
        if let Some(ack) = system.ack {
            properties.string_text("iothub-ack", ack.as_str());
        }
        for (name, value) in &application {
            properties.string_text(name, value);
        }
    }
    writer.data(&body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_a_guid_as_clients_read_it() {
        let lease = Lease(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);
        let expected =
            [0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
        assert_eq!(tag(lease), expected);
    }
}
