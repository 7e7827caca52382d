//! What the client is sent.

use bytes::Bytes;
use skerry_mqtt::packet::{PacketId, Qos, Text};
use skerry_mqtt::topic::{Bag, Outbound, Subscription};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Session;
use super::asked::Answer;
use super::end::End;
use crate::device::{Command, NotSettled, Order, PublishRefused, TwinRefused};

/// The status of a report that was taken.
const REPORTED: u16 = 204;

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Publishes whose fate is known.
    pub(super) fn acknowledge(
        &mut self,
        (ids, kept): (Vec<PacketId>, Result<(), PublishRefused>),
    ) -> Result<(), End> {
        kept?;
        ids.into_iter().for_each(|id| self.machine.puback(id, &mut self.wire.out));
        Ok(())
    }

    pub(super) fn tell(&mut self, answer: Answer) -> Result<(), End> {
        match answer {
            Answer::Twin { request, outcome: Ok(twin) } => self.answer_twin(200, &request, None, twin),
            Answer::Reported { request, outcome: Ok(version) } => {
                self.answer_twin(REPORTED, &request, Some(version), Bytes::new());
            }
            Answer::Twin { request, outcome: Err(refused) }
            | Answer::Reported { request, outcome: Err(refused) } => {
                let TwinRefused { status, body } = refused;
                self.answer_twin(status, &request, None, body);
            }
            Answer::Subscribed { id, codes, outcome } => {
                outcome?;
                self.machine.suback(id, codes, &mut self.wire.out);
            }
            Answer::Unsubscribed { id, outcome } => {
                outcome?;
                self.machine.unsuback(id, &mut self.wire.out);
            }
            Answer::Completed(Ok(()) | Err(NotSettled::LockLost)) => {}
            // The lease ends with the session, and the command comes again.
            Answer::Completed(Err(NotSettled::Unavailable(error))) => return Err(error.into()),
        }
        Ok(())
    }

    fn answer_twin(&mut self, status: u16, request: &str, version: Option<u64>, body: Bytes) {
        let topic = Outbound::TwinAnswer { status, request, version }.topic();
        self.machine.send(topic, body, &mut self.wire.out);
    }

    pub(super) fn obey(&mut self, order: Order) -> Result<(), End> {
        match order {
            Order::Command(command) => self.deliver(*command),
            Order::Call(call) => {
                let topic = Outbound::Method { name: &call.method, request: &call.id }.topic();
                self.machine.send(topic, call.payload, &mut self.wire.out);
            }
            Order::Desired(desired) => {
                let topic = Outbound::Desired { version: desired.version }.topic();
                self.machine.send(topic, desired.patch, &mut self.wire.out);
            }
            // Of another protocol.
            Order::Fault(_) => {}
            Order::Close(reason) => return Err(End::Told(reason)),
        }
        Ok(())
    }

    fn deliver(&mut self, command: Command) {
        let Command { lease, message, again, .. } = command;
        let bag = Bag { system: message.system, application: message.application };
        let topic: Text = Outbound::Command { device: &self.user.device, bag: &bag }.topic();
        self.shared.figures.mqtt_deliveries.increment();
        match self.granted(Subscription::Commands) {
            Some(Qos::AtLeastOnce | Qos::ExactlyOnce) => {
                // Without room it is not asked for; should one come all the same, it goes back with the session.
                self.machine.deliver(topic, message.body, again, lease, &mut self.wire.out).ok();
            }
            Some(Qos::AtMostOnce) => {
                self.machine.send(topic, message.body, &mut self.wire.out);
                self.complete(lease);
            }
            // Unsubscribed in the same moment: the lease ends with the session.
            None => {}
        }
    }
}
