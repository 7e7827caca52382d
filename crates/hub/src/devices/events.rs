//! Events about connections, beside the telemetry in the log.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use skerry_model::Timestamp;
use skerry_model::message::{Message, SystemProperties};
use skerry_store::bus::Epoch;
use skerry_store::log::{Durability, Order};
use tokio::sync::mpsc;

use crate::telemetry::{Letterhead, Sender, Source, Telemetry};

/// Events that wait for the log; one more is dropped and counted.
const WAITING_MAX: usize = 16_384;
/// Events written at once.
const AT_ONCE: usize = 256;

pub(super) struct Events {
    hub_name: String,
    durability: Durability,
    send: mpsc::Sender<Event>,
    /// Taken by whoever runs them.
    receive: Mutex<Option<mpsc::Receiver<Event>>>,
    dropped: AtomicU64,
}

pub(super) struct Event {
    pub(super) sender: Sender,
    pub(super) came: bool,
    pub(super) epoch: Epoch,
    pub(super) at: Timestamp,
}

impl Events {
    pub(super) fn new(hub_name: String, durability: Durability) -> Self {
        let (send, receive) = mpsc::channel(WAITING_MAX);
        let receive = Mutex::new(Some(receive));
        Self { hub_name, durability, send, receive, dropped: AtomicU64::new(0) }
    }

    pub(super) fn note(&self, event: Event) {
        if self.send.try_send(event).is_err() {
            self.dropped.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Writes them until `shutdown` is done, and what waits then.
    pub(super) async fn run(&self, telemetry: &Telemetry, shutdown: impl Future<Output = ()>) {
        let taken = self.receive.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut receive) = taken else { return };
        let mut shutdown = std::pin::pin!(shutdown);
        let mut waiting = Vec::new();
        loop {
            tokio::select! {
                biased;
                received = receive.recv_many(&mut waiting, AT_ONCE) => if received == 0 { return },
                () = &mut shutdown => return,
            }
            for event in waiting.drain(..) {
                self.write(telemetry, event).await;
            }
        }
    }

    async fn write(&self, telemetry: &Telemetry, event: Event) {
        let letterhead = Letterhead::new(&event.sender, Source::ConnectionState, None);
        let partition = telemetry.partition_of(&event.sender.device);
        let kept = telemetry
            .note(&letterhead, partition, &Order::default(), self.message(&event), self.durability)
            .await;
        if let Err(error) = kept {
            self.dropped.fetch_add(1, Relaxed);
            tracing::warn!(device = %event.sender.device, %error, "An event about a connection was not kept.");
        }
    }

    fn message(&self, event: &Event) -> Message {
        // Grows as text: the moment, then the connection, then its end behind its beginning.
        let Epoch { process, connection } = event.epoch;
        let number = format!(
            "{:016X}{process:016X}{connection:016X}{:016X}",
            event.at.ticks(),
            u64::from(!event.came)
        );
        let operation = if event.came { "deviceConnected" } else { "deviceDisconnected" };
        let property = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut application = vec![
            property("hubName", &self.hub_name),
            property("deviceId", event.sender.device.as_str()),
            property("operationTimestamp", &event.at.to_string()),
            property("opType", operation),
            property("iothub-message-schema", "deviceConnectionStateNotification"),
        ];
        if let Some(module) = &event.sender.module {
            application.push(property("moduleId", module.as_str()));
        }
        let system = SystemProperties {
            user_id: Some(self.hub_name.clone()),
            content_type: Some("application/json".to_owned()),
            content_encoding: Some("utf-8".to_owned()),
            ..SystemProperties::default()
        };
        let body = Bytes::from(format!(r#"{{"sequenceNumber":"{number}"}}"#));
        Message { body, system: system.into(), application }
    }
}
