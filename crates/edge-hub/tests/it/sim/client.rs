//! A module or a device, as the front door shows it to the service.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use skerry_front::device::{
    CloseReason, Command, Connected, Order, Orders, PublishRefused, Session, Settlement, Soon, Subscriptions,
};
use skerry_model::message::{Message, SystemProperties};
use skerry_mqtt::packet::Qos;
use skerry_mqtt::topic::Subscription;
use tokio::task::JoinHandle;

/// What a client does with letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settling {
    Complete,
    /// It keeps them.
    Never,
    /// So many times, then it completes.
    Abandon(u32),
    /// Those with an odd number.
    RejectOdd,
    /// One after the other, each after so long.
    After(Duration),
}

/// One connection. Dropping it ends it.
pub struct Client {
    pub id: String,
    pub session: Arc<dyn Session>,
    heard: Arc<Mutex<Ears>>,
    orders: JoinHandle<()>,
}

#[derive(Default)]
struct Ears {
    letters: Vec<(String, String, String)>,
    desired: Vec<Value>,
    closed: Option<CloseReason>,
}

impl Client {
    pub(super) fn new(id: &str, connected: Connected, settling: Settling) -> Self {
        let Connected { session, orders, .. } = connected;
        session.room(true);
        let heard = Arc::new(Mutex::new(Ears::default()));
        let orders = tokio::spawn(listen(Arc::clone(&session), orders, Arc::clone(&heard), settling));
        Self { id: id.to_owned(), session, heard, orders }
    }

    pub async fn subscribe(&self, kinds: &[Subscription]) {
        let mut subscriptions = Subscriptions::default();
        kinds.iter().for_each(|kind| subscriptions.set(*kind, Some(Qos::AtLeastOnce)));
        self.session.subscribe(subscriptions).await.unwrap();
    }

    /// One message with a number; done when the edge has acknowledged it.
    pub async fn publish(&self, number: u64) -> Result<(), PublishRefused> {
        self.session.publish(vec![message(&number.to_string(), None)]).await
    }

    /// The same, begun now and waited for later.
    pub fn publishing(&self, number: u64) -> Soon<Result<(), PublishRefused>> {
        self.session.publish(vec![message(&number.to_string(), None)])
    }

    pub async fn publish_all(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            self.publish(number).await.unwrap();
        }
    }

    /// Many in one batch, each of so many bytes.
    pub async fn publish_batch(&self, numbers: std::ops::Range<u64>, bytes: usize) {
        let messages = numbers.map(|number| message(&format!("{number:<bytes$}"), None)).collect();
        self.session.publish(messages).await.unwrap();
    }

    /// With everything that it says of itself.
    pub async fn publish_whole(&self, message: Message) {
        self.session.publish(vec![message]).await.unwrap();
    }

    pub async fn publish_to(&self, output: &str, body: &str) -> Result<(), PublishRefused> {
        self.publishing_to(output, body).await
    }

    pub fn publishing_to(&self, output: &str, body: &str) -> Soon<Result<(), PublishRefused>> {
        self.session.publish(vec![message(body, Some(output))])
    }

    /// Input, sender and body of what came, in order.
    pub fn letters(&self) -> Vec<(String, String, String)> {
        self.heard.lock().unwrap().letters.clone()
    }

    pub fn bodies(&self) -> Vec<String> {
        self.letters().into_iter().map(|(.., body)| body).collect()
    }

    pub fn desired(&self) -> Vec<Value> {
        self.heard.lock().unwrap().desired.clone()
    }

    pub fn closed(&self) -> Option<CloseReason> {
        self.heard.lock().unwrap().closed
    }

    pub async fn twin(&self) -> Value {
        serde_json::from_slice(&self.session.twin().await.unwrap()).unwrap()
    }

    pub async fn report(&self, patch: &Value) {
        self.session.report(Bytes::from(patch.to_string()), None).await.unwrap();
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.orders.abort();
    }
}

fn message(body: &str, output: Option<&str>) -> Message {
    let system = SystemProperties { output: output.map(str::to_owned), ..SystemProperties::default() };
    Message { body: Bytes::from(body.to_owned()), system: system.into(), application: Vec::new() }
}

async fn listen(
    session: Arc<dyn Session>,
    mut orders: Box<dyn Orders>,
    heard: Arc<Mutex<Ears>>,
    settling: Settling,
) {
    loop {
        match poll_fn(|context| orders.poll_next(context)).await {
            Order::Command(command) => {
                let how = take(&heard, &command, settling);
                if let Settling::After(time) = settling {
                    tokio::time::sleep(time).await;
                }
                if let Some(how) = how {
                    session.settle(command.lease, how).await.unwrap();
                }
            }
            Order::Call(call) => session.answer(&call.id, 200, Bytes::from_static(b"2")),
            Order::Desired(desired) => {
                heard.lock().unwrap().desired.push(serde_json::from_slice(&desired.patch).unwrap());
            }
            Order::Fault(_) => {}
            Order::Close(reason) => {
                heard.lock().unwrap().closed = Some(reason);
                return;
            }
        }
    }
}

fn take(heard: &Mutex<Ears>, command: &Command, settling: Settling) -> Option<Settlement> {
    let body = String::from_utf8(command.message.body.to_vec()).unwrap();
    let is_odd = body.parse::<u64>().is_ok_and(|number| number % 2 == 1);
    let (input, from) = command
        .input
        .as_ref()
        .map_or((String::new(), String::new()), |input| (input.name.clone(), input.from.to_string()));
    heard.lock().unwrap().letters.push((input, from, body));
    match settling {
        Settling::Complete => Some(Settlement::Complete),
        Settling::Never => None,
        Settling::Abandon(times) if command.deliveries < times => Some(Settlement::Abandon),
        Settling::Abandon(_) => Some(Settlement::Complete),
        Settling::RejectOdd if is_odd => Some(Settlement::Reject),
        Settling::RejectOdd | Settling::After(_) => Some(Settlement::Complete),
    }
}
