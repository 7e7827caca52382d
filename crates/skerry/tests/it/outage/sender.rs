//! Devices and modules that send as fast as they are told, and again what was not acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use skerry_model::{IdentityId, Timestamp};
use skerry_mqtt::client::{ClientLimits, Event};
use skerry_mqtt::packet::{Connect, Text};
use skerry_uplink::{Client, Identity, Place};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

const TICK: Duration = Duration::from_millis(10);
const PAUSE: Duration = Duration::from_millis(200);
const WINDOW: u16 = 100;
const TOKEN_LIFE: Duration = Duration::from_secs(60 * 86_400);

pub(super) struct Senders {
    tasks: JoinSet<(String, u64)>,
    stop: watch::Sender<bool>,
    figures: Arc<Figures>,
}

/// Of all of them.
#[derive(Default)]
struct Figures {
    acknowledged: AtomicU64,
    /// Connections that ended, and were made again.
    ended: AtomicU64,
}

/// How many messages each sender has had acknowledged; they are numbered from 0.
pub(super) type Sent = BTreeMap<String, u64>;

impl Senders {
    /// Each with so many messages in a second.
    pub(super) fn start(place: &Place, identities: &[Identity], per_second: u64) -> Self {
        let (stop, stopping) = watch::channel(false);
        let figures = Arc::<Figures>::default();
        let mut tasks = JoinSet::new();
        for identity in identities {
            let sender = Sender {
                place: place.clone(),
                identity: identity.clone(),
                per_second,
                stopping: stopping.clone(),
                figures: Arc::clone(&figures),
            };
            tasks.spawn(sender.run());
        }
        Self { tasks, stop, figures }
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.figures.acknowledged.load(Relaxed)
    }

    /// How many connections ended under them.
    pub(super) fn ended(&self) -> u64 {
        self.figures.ended.load(Relaxed)
    }

    /// Done when everything that was sent is acknowledged.
    pub(super) async fn stop(self) -> Sent {
        self.stop.send_replace(true);
        self.tasks.join_all().await.into_iter().collect()
    }
}

struct Sender {
    place: Place,
    identity: Identity,
    per_second: u64,
    stopping: watch::Receiver<bool>,
    figures: Arc<Figures>,
}

impl Sender {
    async fn run(self) -> (String, u64) {
        let topic = Text::from(self.topic().as_str());
        let limits = ClientLimits { window: WINDOW, ..ClientLimits::default() };
        let mut client: Client<u64> = loop {
            match Client::connect(&self.place, self.greeting(), limits).await {
                Ok(client) => break client,
                Err(_) => sleep(PAUSE).await,
            }
        };
        let (mut next, mut may_send) = (0, 0);
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut thousandths = 0;
        loop {
            let is_over = *self.stopping.borrow();
            while !is_over && may_send > 0 && client.has_room() {
                let body = Bytes::from(next.to_string());
                client.publish(topic.clone(), body, next).unwrap();
                (next, may_send) = (next + 1, may_send - 1);
            }
            if is_over && client.pending_count() == 0 {
                client.close().await;
                return (self.name(), next);
            }
            tokio::select! {
                event = client.event() => match event {
                    Ok(Event::Published(_)) => drop(self.figures.acknowledged.fetch_add(1, Relaxed)),
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => self.come_again(&mut client, &topic).await,
                },
                _ = ticks.tick() => {
                    thousandths += self.per_second * 10;
                    // What could not be sent is not made up for.
                    may_send = (may_send + thousandths / 1000).min(u64::from(WINDOW));
                    thousandths %= 1000;
                }
            }
        }
    }

    async fn come_again(&self, client: &mut Client<u64>, topic: &Text) {
        self.figures.ended.fetch_add(1, Relaxed);
        while client.reconnect(&self.place, self.greeting()).await.is_err() {
            sleep(PAUSE).await;
        }
        client.resend(|number| (topic.clone(), Bytes::from(number.to_string())));
    }

    fn greeting(&self) -> Connect {
        let now = Timestamp::from_unix(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap());
        Connect { clean_session: true, ..self.identity.connect(now, TOKEN_LIFE, 60) }
    }

    fn topic(&self) -> String {
        let module =
            self.identity.module.as_ref().map(|module| format!("/modules/{module}")).unwrap_or_default();
        format!("devices/{}{module}/messages/events/", self.identity.device)
    }

    fn name(&self) -> String {
        let Identity { device, module, .. } = self.identity.clone();
        IdentityId { device, module }.to_string()
    }
}
