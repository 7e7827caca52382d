//! The sensor itself: it sends at its pace, and does what twin, method and input tell it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use skerry_model::{Clock, Random, Timestamp};
use skerry_mqtt::client::Event;
use skerry_mqtt::packet::{Publish, Qos, Text};
use skerry_mqtt::topic::{Inbound, Received, Subscription};
use skerry_uplink::Client;
use tokio::time::{Instant, sleep, sleep_until};

use crate::settings::Level;
use crate::{Command, Host, Message, Settings, Walk, Workload, commands};

pub struct SensorOptions<T> {
    pub host: Host,
    pub settings: Settings,
    pub workload: Workload,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// Where lines of the log go.
    pub log: T,
    /// Instead of the ports of the standard.
    pub port: Option<u16>,
}

pub struct Sensor<T> {
    options: SensorOptions<T>,
    walk: Walk,
    batch: String,
    sent: u64,
    is_sending: bool,
    interval: Duration,
    next: Instant,
    /// Names the question for the twin.
    twin: u64,
}

type Item = (Text, Bytes);

/// Between a failed try and the next; it doubles up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
const INPUT: &str = "control";

impl<T: Fn(&str)> Sensor<T> {
    /// Without an end: after the last message it goes on listening.
    pub async fn run(mut self) {
        let mut before = None;
        let mut pause = PAUSE;
        loop {
            let (client, reason) = match self.open(before.take()).await {
                Ok(mut client) => {
                    pause = PAUSE;
                    self.say(Level::Information, "Connected to the edge hub");
                    let reason = self.serve(&mut client).await;
                    (Some(client), reason)
                }
                Err(failed) => failed,
            };
            before = client;
            self.say(Level::Warning, &format!("No connection: {reason}"));
            sleep(pause).await;
            pause = (2 * pause).min(PAUSE_MAX);
        }
    }

    /// Until the connection ends, and why.
    async fn serve(&mut self, client: &mut Client<Item>) -> String {
        let host = &self.options.host;
        let wanted = [
            (Subscription::TwinAnswers, Qos::AtMostOnce),
            (Subscription::Desired, Qos::AtMostOnce),
            (Subscription::Methods, Qos::AtMostOnce),
            (Subscription::Inputs, Qos::AtLeastOnce),
        ];
        let filters = wanted.iter().filter_map(|(subscription, qos)| {
            Some((subscription.filter(&host.device, Some(&host.module))?, *qos))
        });
        if let Err(error) = client.subscribe(filters.collect()) {
            return error.to_string();
        }
        client.resend(Clone::clone);
        self.next = self.next.max(Instant::now());
        loop {
            let is_due = self.is_sending && self.options.settings.count.is_none_or(|count| self.sent < count);
            tokio::select! {
                event = client.event() => match event {
                    Err(error) => return error.to_string(),
                    Ok(Event::Subscribed { .. }) => self.ask_twin(client),
                    Ok(Event::Message(publish)) => self.take(client, &publish),
                    Ok(_) => {}
                },
                () = sleep_until(self.next), if is_due && client.has_room() => self.send(client),
            }
        }
    }

    fn send(&mut self, client: &mut Client<Item>) {
        let made = self.options.clock.now();
        let readings = self.walk.step([self.chance(), self.chance(), self.chance()]);
        let message = Message { number: self.sent + 1, batch: self.batch.clone(), readings, made };
        let host = &self.options.host;
        let topic = Inbound::Telemetry(message.bag()).topic(&host.device, Some(&host.module));
        let body = message.body();
        self.next += self.interval;
        // Late ones are not made up for.
        self.next = self.next.max(Instant::now());
        let Some(topic) = topic else { return };
        let payload = Bytes::from(body.clone());
        if client.publish(topic.clone(), payload.clone(), (topic, payload)).is_ok() {
            self.sent += 1;
            self.say(Level::Information, &format!("Sending message: {}, Body: [{body}]", self.sent));
            if self.options.settings.count == Some(self.sent) {
                self.say(Level::Information, &format!("Done sending {} messages", self.sent));
            }
        }
    }

    fn take(&mut self, client: &mut Client<Item>, publish: &Publish) {
        if let Some(id) = publish.packet_id {
            client.settle(id);
        }
        let topic = publish.topic.as_str().to_owned();
        let host = &self.options.host;
        match Received::parse(&topic, &host.device, Some(&host.module)) {
            Ok(Received::Input { input, .. }) if input == INPUT => self.control(&publish.payload),
            Ok(Received::Method { name, request }) => {
                let status = if name.eq_ignore_ascii_case("reset") { 200 } else { 404 };
                if status == 200 {
                    self.reset();
                }
                self.reply(client, &Inbound::MethodAnswer { status, request }, Bytes::from_static(b"{}"));
            }
            Ok(Received::Desired { .. }) => self.desired(client, &publish.payload, None),
            Ok(Received::TwinAnswer { status: 200, request, .. }) if request == self.twin.to_string() => {
                self.desired(client, &publish.payload, Some("desired"));
            }
            _ => {}
        }
    }

    fn control(&mut self, body: &[u8]) {
        match commands(body) {
            Err(reason) => self.say(Level::Error, &format!("A control message cannot be read: {reason}")),
            Ok(commands) => {
                if commands.contains(&Command::Reset) {
                    self.reset();
                }
            }
        }
    }

    fn reset(&mut self) {
        self.say(Level::Information, "Resetting the temperature");
        self.walk.reset();
    }

    fn ask_twin(&mut self, client: &mut Client<Item>) {
        self.twin += 1;
        let request = self.twin.to_string();
        self.reply(client, &Inbound::TwinGet { request: &request }, Bytes::new());
    }

    /// Takes what is wanted, at once, and says what it is now.
    fn desired(&mut self, client: &mut Client<Item>, payload: &[u8], section: Option<&str>) {
        let Ok(document) = serde_json::from_slice::<Value>(payload) else { return };
        let wanted = section.map_or(Some(&document), |section| document.get(section));
        let Some(wanted) = wanted.and_then(Value::as_object) else { return };
        if !self.adjust(wanted) && section.is_none() {
            return;
        }
        let now = json!({"SendData": self.is_sending, "SendInterval": self.interval.as_secs()});
        let request = format!("report-{}", self.twin);
        let report = Inbound::TwinReport { request: &request, version: None };
        self.reply(client, &report, Bytes::from(now.to_string()));
    }

    /// Whether anything in it was for this module.
    fn adjust(&mut self, wanted: &Map<String, Value>) -> bool {
        let mut is_known = false;
        if let Some(is_sending) = wanted.get("SendData").and_then(Value::as_bool) {
            is_known = true;
            if is_sending && !self.is_sending {
                self.next = Instant::now();
            }
            self.is_sending = is_sending;
        }
        if let Some(seconds) =
            wanted.get("SendInterval").and_then(Value::as_u64).filter(|seconds| *seconds > 0)
        {
            is_known = true;
            self.interval = Duration::from_secs(seconds);
            self.next = self.next.min(Instant::now() + self.interval);
        }
        is_known
    }

    fn reply(&self, client: &mut Client<Item>, message: &Inbound<'_>, payload: Bytes) {
        let host = &self.options.host;
        if let Some(topic) = message.topic(&host.device, Some(&host.module)) {
            // A connection that takes nothing any more ends, and everything is asked anew.
            let _ = client.send(topic, payload);
        }
    }

    /// In the form of the original's modules.
    fn say(&self, level: Level, text: &str) {
        if level > self.options.settings.level {
            return;
        }
        let (number, name) = match level {
            Level::Fatal => (0, "FTL"),
            Level::Error => (3, "ERR"),
            Level::Warning => (4, "WRN"),
            Level::Information => (6, "INF"),
            Level::Debug => (7, "DBG"),
        };
        let now = stamp(self.options.clock.now());
        (self.options.log)(&format!("<{number}> {now} +00:00 [{name}] - {text}"));
    }
}

impl<T> Sensor<T> {
    pub fn new(options: SensorOptions<T>) -> Self {
        let mut bytes = [0; 16];
        options.random.fill(&mut bytes);
        Self {
            walk: Walk::new(options.settings.walk),
            batch: guid(bytes),
            sent: 0,
            is_sending: true,
            interval: options.settings.delay,
            next: Instant::now(),
            twin: 0,
            options,
        }
    }

    pub(crate) fn options(&self) -> &SensorOptions<T> {
        &self.options
    }

    /// Between 0 and 1, without 1.
    fn chance(&self) -> f64 {
        let mut bytes = [0; 4];
        self.options.random.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}

/// `2024-05-01 12:00:00.123`.
fn stamp(now: Timestamp) -> String {
    let text = now.to_string();
    let text = text.trim_end_matches('Z');
    let (seconds, digits) = text.split_once('.').unwrap_or((text, ""));
    format!("{}.{:0<3.3}", seconds.replace('T', " "), digits)
}

fn guid(mut bytes: [u8; 16]) -> String {
    // Version 4, and the variant of the standard.
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
