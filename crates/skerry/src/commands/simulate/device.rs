//! One simulated device: connects, sends at its pace, and comes back when it is thrown out.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use skerry_model::Clock as _;
use skerry_mqtt::client::{ClientLimits, Event};
use skerry_mqtt::packet::{Connect, ConnectCode, Text};
use skerry_mqtt::topic::{Bag, Inbound};
use skerry_uplink::{Client, Error, Identity, Place};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::tally::Tally;
use crate::failure::Failure;
use crate::world::MachineClock;

const KEEP_ALIVE_S: u16 = 60;
/// Until then a token is good; the hub ends the connection with it, and the device comes back.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 3600);
/// Messages that may wait for the hub.
const WINDOW: u16 = 100;
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
    pub async fn run(mut self) {
        let Some(topic) = self.topic() else {
            let reason = format!("there is no topic for {}", self.identity.device);
            return self.give_up(Failure::usage(reason));
        };
        let mut client = None;
        let mut pause = PAUSE;
        while !*self.stop.borrow() {
            let failed = match self.connect(&mut client).await {
                Ok(client) => {
                    pause = PAUSE;
                    Tally::add(&self.shared.tally.connected);
                    let ended = self.send(client, &topic).await;
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
        if let Some(client) = client {
            client.close().await;
        }
    }

    fn give_up(&self, why: Failure) {
        Tally::add(&self.shared.tally.gave_up);
        self.shared.tally.fail(why);
    }

    fn topic(&self) -> Option<Text> {
        let mut bag = Bag::default();
        bag.system.content_type = Some("application/json".to_owned());
        bag.system.content_encoding = Some("utf-8".to_owned());
        Inbound::Telemetry(Box::new(bag)).topic(&self.identity.device, None)
    }

    /// Connects, or connects again and sends what was not acknowledged once more.
    async fn connect<'c>(
        &self,
        client: &'c mut Option<Client<Instant>>,
    ) -> Result<&'c mut Client<Instant>, Error> {
        let shared = &self.shared;
        let _door = shared.doors.acquire().await.expect("nobody closes the doors");
        let began = Instant::now();
        let ask: Connect = self.identity.connect(MachineClock.now(), TOKEN_LIFE, KEEP_ALIVE_S);
        let client = match client {
            Some(client) => {
                client.reconnect(&shared.place, ask).await?;
                client
            }
            None => {
                let limits = ClientLimits { window: WINDOW, ..ClientLimits::default() };
                let new = Client::connect(&shared.place, ask, limits).await?;
                Tally::add(&shared.tally.came_in);
                client.insert(new)
            }
        };
        shared.tally.connects.record(began.elapsed());
        Ok(client)
    }

    /// Until the connection breaks, or the end.
    async fn send(&mut self, client: &mut Client<Instant>, topic: &Text) -> Result<(), Error> {
        let tally = &self.shared.tally;
        client.resend(|_| (topic.clone(), self.shared.body.clone()));
        let mut next = Instant::now() + std::mem::take(&mut self.offset);
        loop {
            tokio::select! {
                event = client.event() => note(tally, &event?),
                () = sleep_until(next) => {
                    let now = Instant::now();
                    while next <= now {
                        next += self.shared.period;
                        match client.publish(topic.clone(), self.shared.body.clone(), Instant::now()) {
                            Ok(()) => Tally::add(&tally.sent),
                            Err(_) => Tally::add(&tally.held_back),
                        }
                    }
                }
                _ = self.stop.changed() => break,
            }
        }
        let drain = async {
            while client.pending_count() > 0 {
                note(tally, &client.event().await?);
            }
            Ok(())
        };
        // What does not come in time stays unacknowledged, which the summary tells.
        timeout(DRAIN, drain).await.unwrap_or(Ok(()))
    }
}

fn note(tally: &Tally, event: &Event<Instant>) {
    if let Event::Published(sent) = event {
        Tally::add(&tally.acknowledged);
        tally.acks.record(sent.elapsed());
    }
}

fn failure(error: &Error) -> Failure {
    use skerry_mqtt::client::Ended::Refused;
    match error {
        Error::Ended(Refused(ConnectCode::Unauthorised | ConnectCode::Credentials)) => {
            Failure::NotAuthorised(error.to_string())
        }
        Error::Ended(_) => Failure::failed(error),
        Error::Untrusted { .. } => Failure::unreachable(format!(
            "{error}. Name the hub's trust anchor with --ca, it lies in the hub's data directory as tls/root-ca.pem"
        )),
        _ => Failure::unreachable(error),
    }
}
