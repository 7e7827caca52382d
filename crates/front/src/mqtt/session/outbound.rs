//! What the client is sent.

use bytes::Bytes;
use skerry_mqtt::packet::{PacketId, Qos, Text};
use skerry_mqtt::topic::{Bag, Outbound, Subscription};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Session;
use super::asked::Answer;
use super::end::End;
use crate::device::{Command, Input, NotSettled, Order, PublishRefused, TwinRefused};

/// The status of a report that was taken.
const REPORTED: u16 = 204;
/// Who sent a message that came by a route. Clients cannot say it of themselves.
const FROM_DEVICE: &str = "$.cdid";
const FROM_MODULE: &str = "$.cmid";

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Publishes whose fate is known: this one, and those behind it that are known as well.
    pub(super) async fn acknowledge(
        &mut self,
        first: (Vec<PacketId>, Result<(), PublishRefused>),
    ) -> Result<(), End> {
        let mut next = Some(first);
        while let Some((ids, kept)) = next {
            if let Err(refused) = kept {
                // Those before it are acknowledged all the same.
                self.wire.flush(self.shared.limits.write_timeout).await?;
                return Err(refused.into());
            }
            ids.into_iter().for_each(|id| self.machine.puback(id, &mut self.wire.out));
            next = self.turns.known();
        }
        Ok(())
    }

    pub(super) fn tell(&mut self, answer: Answer) -> Result<(), End> {
        match answer {
            Answer::Twin { request, outcome: Ok(twin) } => self.answer_twin(200, &request, None, twin),
            Answer::Reported { request, outcome: Ok(version) } => {
                self.answer_twin(REPORTED, &request, version, Bytes::new());
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
        let Command { lease, message, again, input, .. } = command;
        let mut bag = Bag { system: message.system, application: message.application };
        let device = &self.user.device;
        let (topic, kind): (Text, _) = match (input.as_deref(), &self.user.module) {
            (Some(Input { name, from }), Some(module)) => {
                bag.application.push((FROM_DEVICE.to_owned(), from.device.to_string()));
                let sender = from.module.as_ref().map(|module| (FROM_MODULE.to_owned(), module.to_string()));
                bag.application.extend(sender);
                let topic = Outbound::Input { device, module, input: name, bag: &bag }.topic();
                (topic, Subscription::Inputs)
            }
            _ => (Outbound::Command { device, bag: &bag }.topic(), Subscription::Commands),
        };
        self.shared.figures.mqtt_deliveries.increment();
        match self.granted(kind) {
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
