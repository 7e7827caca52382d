//! One simulated device: connects, sends at its pace, and comes back when it is thrown out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use skerry_amqp::performative::condition;
use skerry_mqtt::packet::ConnectCode;
use skerry_uplink::amqp::NotShown;
use skerry_uplink::{Error, Identity, Place};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::line::Line;
use super::tally::Tally;
use crate::failure::Failure;

/// Until then a token is good; the hub ends the connection with it, and the device comes back.
pub const TOKEN_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Messages that may wait for the hub.
pub const WINDOW: u16 = 100;
/// Between a failed try and the next; it doubles up to the longest.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// At the end, for the acknowledgements that are still to come.
const DRAIN: Duration = Duration::from_secs(10);

/// What all devices share.
pub struct Shared {
    pub tally: Tally,
    pub place: Place,
    /// Handshakes at a time: more would only wait for each other and look slow.
    pub doors: Semaphore,
    pub period: Duration,
    pub body: Bytes,
}

pub struct Device {
    pub shared: Arc<Shared>,
    pub identity: Identity,
    /// How far into a period it begins, so that not all send at once.
    pub offset: Duration,
    pub stop: watch::Receiver<bool>,
}

impl Device {
    pub async fn run<L: Line>(mut self) {
        let mut line: Option<L> = None;
        let mut pause = PAUSE;
        while !*self.stop.borrow() {
            let failed = match self.connect(&mut line).await {
                Ok(line) => {
                    pause = PAUSE;
                    Tally::add(&self.shared.tally.connected);
                    let ended = self.send(line).await;
                    self.shared.tally.connected.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
                    let Err(error) = ended else { break };
                    Tally::add(&self.shared.tally.lost);
                    error
                }
                Err(error) => {
                    Tally::add(&self.shared.tally.failed_tries);
                    error
                }
            };
            if !failed.is_passing() {
                return self.give_up(failure(&failed));
            }
            self.shared.tally.fail(failure(&failed));
            tokio::select! {
                () = sleep(pause) => pause = (2 * pause).min(PAUSE_MAX),
                _ = self.stop.changed() => {}
            }
        }
        if let Some(line) = line {
            line.close().await;
        }
    }

    fn give_up(&self, why: Failure) {
        Tally::add(&self.shared.tally.gave_up);
        self.shared.tally.fail(why);
    }

    /// Connects, or connects again and sends what was not acknowledged once more.
    async fn connect<'l, L: Line>(&self, line: &'l mut Option<L>) -> Result<&'l mut L, Error> {
        let Shared { place, body, tally, doors, .. } = &*self.shared;
        let _door = doors.acquire().await.expect("nobody closes the doors");
        let began = Instant::now();
        let line = match line {
            Some(line) => {
                line.reconnect(place, &self.identity, body).await?;
                line
            }
            None => {
                let new = L::connect(place, &self.identity).await?;
                Tally::add(&tally.came_in);
                line.insert(new)
            }
        };
        tally.connects.record(began.elapsed());
        Ok(line)
    }

    /// Until the connection breaks, or the end.
    async fn send<L: Line>(&mut self, line: &mut L) -> Result<(), Error> {
        let Shared { body, tally, period, .. } = &*self.shared;
        let mut next = Instant::now() + std::mem::take(&mut self.offset);
        loop {
            tokio::select! {
                sent = line.acknowledged(body) => note(tally, sent?),
                () = sleep_until(next) => {
                    let now = Instant::now();
                    while next <= now {
                        next += *period;
                        Tally::add(if line.send(body) { &tally.sent } else { &tally.held_back });
                    }
                }
                _ = self.stop.changed() => break,
            }
        }
        let drain = async {
            while line.pending_count() > 0 {
                note(tally, line.acknowledged(body).await?);
            }
            Ok(())
        };
        // What does not come in time stays unacknowledged, which the summary tells.
        timeout(DRAIN, drain).await.unwrap_or(Ok(()))
    }
}

fn note(tally: &Tally, sent: Instant) {
    Tally::add(&tally.acknowledged);
    tally.acks.record(sent.elapsed());
}

fn failure(error: &Error) -> Failure {
    use skerry_mqtt::client::Ended::Refused;
    match error {
        Error::Ended(Refused(ConnectCode::Unauthorised | ConnectCode::Credentials))
        | Error::NotShown(NotShown::Refused { status: 401 | 403 | 404, .. }) => {
            Failure::NotAuthorised(error.to_string())
        }
        Error::Farewell(Some(fault)) if fault.condition.as_str() == condition::UNAUTHORIZED_ACCESS => {
            Failure::NotAuthorised(error.to_string())
        }
        Error::Ended(_)
        | Error::Violation(_)
        | Error::Farewell(_)
        | Error::NotShown(_)
        | Error::NoWebSocket { .. } => Failure::failed(error),
        Error::Untrusted { .. } => Failure::unreachable(format!(
            "{error}. Name the hub's trust anchor with --ca, it lies in the hub's data directory as tls/root-ca.pem"
        )),
        _ => Failure::unreachable(error),
    }
}
