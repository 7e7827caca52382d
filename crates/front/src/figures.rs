//! What the front door counts. Every limit has its gauge, every refusal its counter with the reason.

use std::sync::atomic::{AtomicU64, Ordering};

use skerry_mqtt::packet::ConnectCode;

use crate::durations::Durations;

/// A number that others read while it changes.
#[derive(Debug, Default)]
pub struct Figure(AtomicU64);

impl Figure {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn increment(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, amount: u64) {
        self.0.fetch_sub(amount, Ordering::Relaxed);
    }
}

/// Raises a gauge while it lives.
pub(crate) struct Raised<'a> {
    figure: &'a Figure,
    amount: u64,
}

impl Figure {
    pub(crate) fn raise(&self, amount: u64) -> Raised<'_> {
        self.add(amount);
        Raised { figure: self, amount }
    }
}

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.figure.subtract(self.amount);
    }
}

/// Counters since the start, and gauges (marked so).
#[derive(Debug, Default)]
pub struct Figures {
    /// Connections taken from the system.
    pub connections_accepted: Figure,
    /// Gauge: connections that are open, half-open ones included.
    pub connections_open: Figure,
    /// Gauge: connections whose TLS handshake is not done.
    pub connections_half_open: Figure,
    /// Closed at once because `connections_max` were open.
    pub connections_refused_full: Figure,
    /// Half-open connections that had to make room for newer ones.
    pub half_open_dropped: Figure,
    pub handshakes_done: Figure,
    pub handshakes_failed: Figure,
    pub handshakes_timed_out: Figure,
    /// The system gave no connection, for example because file descriptors ran out.
    pub accept_errors: Figure,
    /// Connections ended by a panic in their own code.
    pub connections_panicked: Figure,
    pub http_requests: Figure,
    /// Gauge: requests being read, handled or answered.
    pub http_requests_open: Figure,
    /// Gauge: bytes of the body budget that are taken.
    pub http_body_bytes: Figure,
    /// Gauge: bodies that their service reads piece by piece.
    pub http_bodies_streamed: Figure,
    /// Bytes of such bodies.
    pub http_streamed_bytes: Figure,
    pub http_bodies_too_large: Figure,
    pub http_bodies_timed_out: Figure,
    pub http_bodies_broken: Figure,
    /// Requests that waited for the body budget in vain.
    pub http_bodies_without_budget: Figure,
    pub http_headers_refused: Figure,
    /// Requests whose handler panicked.
    pub http_handlers_panicked: Figure,
    /// Closed because a request's head did not arrive in time.
    pub http_heads_timed_out: Figure,
    /// Closed because nothing was asked for a while.
    pub http_idle_closed: Figure,
    /// Closed because the client stopped reading the response.
    pub http_writes_stalled: Figure,
    /// From a request's head to its answer's.
    pub http_answers: Durations,
    /// From messages that came together, by MQTT or AMQP, until they are durable.
    pub ingest_waits: Durations,
    /// Gauge: bytes of messages that are not durable yet, of all protocols.
    pub ingest_bytes: Figure,
    /// Gauge: clients that are in.
    pub mqtt_open: Figure,
    pub mqtt_accepted: Figure,
    /// Not let in, by what they were told.
    pub mqtt_refused_protocol: Figure,
    pub mqtt_refused_unavailable: Figure,
    pub mqtt_refused_unauthorised: Figure,
    /// Messages from clients.
    pub mqtt_publishes: Figure,
    /// Commands to clients.
    pub mqtt_deliveries: Figure,
    /// Blocks of packets for which there was no room at once.
    pub mqtt_waits_for_room: Figure,
    /// Gone by their own will, or with their connection.
    pub mqtt_left: Figure,
    /// Closed because the client broke the protocol, or used what is not its own.
    pub mqtt_broken: Figure,
    /// Closed because the client stopped reading.
    pub mqtt_writes_stalled: Figure,
    /// Closed because the client said nothing for too long.
    pub mqtt_silent: Figure,
    /// Closed because a message was not kept.
    pub mqtt_publishes_refused: Figure,
    /// Closed because the identity connected anew.
    pub mqtt_superseded: Figure,
    /// Closed because the token's time was over.
    pub mqtt_expired: Figure,
    /// Closed by the service for another reason.
    pub mqtt_told_to_go: Figure,
    /// Gauge: connections, each perhaps of many devices.
    pub amqp_open: Figure,
    pub amqp_links_accepted: Figure,
    pub amqp_links_refused: Figure,
    /// Devices and modules that were let in, or not.
    pub amqp_identities_accepted: Figure,
    pub amqp_identities_refused: Figure,
    /// Their links were ended by the service.
    pub amqp_identities_told_to_go: Figure,
    pub amqp_tokens_refused: Figure,
    /// Messages from devices.
    pub amqp_messages: Figure,
    /// Transfers that were not kept.
    pub amqp_messages_refused: Figure,
    /// Commands to devices.
    pub amqp_deliveries: Figure,
    /// Messages to those who read events, feedback and notices.
    pub amqp_events: Figure,
    /// Blocks of messages for which there was no room at once.
    pub amqp_waits_for_room: Figure,
    /// Gone by their own will, or with their connection.
    pub amqp_left: Figure,
    /// Closed because the client broke the protocol.
    pub amqp_broken: Figure,
    /// Closed because the client stopped reading.
    pub amqp_writes_stalled: Figure,
    /// Closed because the client said nothing for too long.
    pub amqp_silent: Figure,
    /// Closed because nothing was shown that counts.
    pub amqp_unproven: Figure,
    /// Closed by the service.
    pub amqp_told_to_go: Figure,
}

impl Figures {
    pub(crate) fn mqtt_refused(&self, code: ConnectCode) -> &Figure {
        match code {
            ConnectCode::Protocol => &self.mqtt_refused_protocol,
            ConnectCode::Unavailable => &self.mqtt_refused_unavailable,
            _ => &self.mqtt_refused_unauthorised,
        }
    }
}
