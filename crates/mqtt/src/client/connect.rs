//! Into the server: CONNECT, and what it says to that.

use std::time::Duration;

use super::keep_alive::KeepAlive;
use super::{Client, Ended, Event, State};
use crate::packet::{Connack, Connect, ConnectCode, Packet};

/// MQTT 3.1.1, as the protocol counts.
const LEVEL: u8 = 4;

impl<T> Client<T> {
    /// Asks to be let in. It is the first thing on a connection; later calls do nothing.
    pub fn connect(&mut self, connect: Connect, now: Duration, out: &mut Vec<u8>) {
        if self.state != State::New {
            return;
        }
        self.keep_alive = KeepAlive::begin(Duration::from_secs(connect.keep_alive_s.into()), now);
        self.state = State::Asking { until: now + self.limits.connect_timeout };
        Packet::Connect(Box::new(Connect { level: LEVEL, ..connect })).encode(out);
    }

    pub(super) fn handle_connack(&mut self, connack: Connack) -> Result<Event<T>, Ended> {
        match connack.code {
            ConnectCode::Accepted => {
                self.state = State::Open;
                Ok(Event::Connected { session_present: connack.session_present })
            }
            code => Err(Ended::Refused(code)),
        }
    }
}
