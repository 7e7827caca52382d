//! Letters for the hub: many at a time, in the order of each sender, as fast as the lines take them.
//!
//! ```text
//!  queues ──► sender let in? ──► its line ──► acknowledged ──► settled
//!                 └── no: put apart (parked), and looked at again now and then
//! ```

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use skerry_model::IdentityId;
use skerry_store::log::{CursorError, Durability, Leased, Queue, Record, Sequence};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::parked::{NotParked, Parked, read};
use super::station::Ready;
use super::{Returning, Station};
use crate::ending::Ending;
use crate::endpoint::{Endpoint, QueueName};
use crate::letter::{Kind, Letter};
use crate::line::{Lines, Parcel};
use crate::spool::{Queues, Spool};
use crate::ticket::{Fate, Fates, Place, Ticket};

const SAVE_AFTER: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub(crate) struct UpstreamOptions {
    /// Letters under way, of all senders.
    pub(crate) window: usize,
    pub(crate) fairness: Option<u32>,
    pub(crate) sweep_every: Duration,
    /// Between two looks at a sender that is not let in.
    pub(crate) look_again: Duration,
    pub(crate) durability: Durability,
}

pub(crate) struct UpstreamPump {
    spool: Arc<Spool>,
    lines: Arc<Lines>,
    /// Who speaks for the edge itself.
    own: IdentityId,
    station: Station,
    fates: Returning,
    parked: Parked,
    queues: watch::Receiver<Arc<Queues>>,
    options: UpstreamOptions,
    under_way: HashMap<Place, Sent>,
    /// Of each sender.
    counts: HashMap<IdentityId, usize>,
    /// Letters of senders that turned out not to be let in, behind some that have not come back yet.
    behind: HashMap<IdentityId, VecDeque<Place>>,
    drain: Option<Drain>,
    drain_at: Instant,
}

struct Sent {
    from: IdentityId,
    output: String,
}

/// The letters of one sender that waited apart, on their way after all.
struct Drain {
    id: IdentityId,
    queue: Queue,
    records: HashMap<Sequence, Record>,
    fates: mpsc::UnboundedReceiver<(Place, Fate)>,
    tell: Fates,
    is_barred: bool,
}

impl UpstreamPump {
    pub(crate) fn new(
        spool: &Arc<Spool>,
        lines: &Arc<Lines>,
        own: IdentityId,
        options: UpstreamOptions,
    ) -> Self {
        let (station, fates) = Station::new(Arc::clone(spool), options.window, options.fairness, true);
        Self {
            station,
            fates,
            parked: Parked::open(Arc::clone(&spool.log), options.durability),
            queues: spool.queues(),
            spool: Arc::clone(spool),
            lines: Arc::clone(lines),
            own,
            options,
            under_way: HashMap::new(),
            counts: HashMap::new(),
            behind: HashMap::new(),
            drain: None,
            drain_at: Instant::now(),
        }
    }

    pub(crate) async fn run(mut self, mut stopping: Ending) {
        let mut reach = self.lines.reach();
        let mut shed = self.spool.shed.subscribe();
        let mut shed_before = *shed.borrow_and_update();
        let mut rests_until: Option<Instant> = None;
        let mut save_at: Option<Instant> = None;
        let mut sweep_at = Instant::now() + self.options.sweep_every;
        if let Err(error) = self.open().await {
            tracing::error!(%error, "The queue to the hub cannot be opened.");
        }
        loop {
            if self.station.is_to_be_saved() {
                self.station.save().await;
                save_at = None;
            } else if self.station.has_unsaved() && save_at.is_none() {
                save_at = Some(Instant::now() + SAVE_AFTER);
            }
            let is_reached = *reach.borrow_and_update();
            if is_reached {
                self.begin_drain().await;
            }
            let may_lease = is_reached && rests_until.is_none() && self.station.has_room();
            let drain_at = (is_reached && self.drain.is_none() && self.parked.senders().next().is_some())
                .then_some(self.drain_at);
            let sweep = (!is_reached).then_some(sweep_at);
            let next = [rests_until, save_at, sweep, drain_at].into_iter().flatten().min();
            tokio::select! {
                biased;
                () = stopping.wait() => break,
                Some((place, fate)) = self.fates.recv() => {
                    self.take_fate(place, fate).await;
                    while let Ok((place, fate)) = self.fates.try_recv() {
                        self.take_fate(place, fate).await;
                    }
                }
                changed = reach.changed() => if changed.is_err() { break },
                step = drained(self.drain.as_mut(), is_reached) => self.take_step(step).await,
                ready = self.station.next(), if may_lease => match ready {
                    Ok(ready) => self.hand(ready).await,
                    Err(error) => {
                        tracing::warn!(%error, "Letters cannot be read at the moment.");
                        rests_until = Some(Instant::now() + PAUSE);
                    }
                },
                changed = self.queues.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    if let Err(error) = self.open().await {
                        tracing::error!(%error, "A queue to the hub cannot be opened.");
                    }
                }
                changed = shed.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let now = *shed.borrow_and_update();
                    self.station.shed(now - std::mem::replace(&mut shed_before, now)).await;
                }
                () = at(next) => {
                    let now = Instant::now();
                    rests_until = rests_until.filter(|until| *until > now);
                    if save_at.is_some_and(|at| at <= now) {
                        self.station.save().await;
                        save_at = None;
                    }
                    if !is_reached && sweep_at <= now {
                        self.station.sweep().await;
                        sweep_at = Instant::now() + self.options.sweep_every;
                    }
                }
            }
        }
        self.station.save().await;
    }

    async fn open(&mut self) -> Result<(), CursorError> {
        let queues = Arc::clone(&self.queues.borrow_and_update());
        let own = |name: &&QueueName| name.endpoint == Endpoint::Upstream;
        let names: Vec<QueueName> = queues.keys().filter(own).cloned().collect();
        self.station.open(names.into_iter()).await
    }

    async fn hand(&mut self, ready: Ready) {
        let Ready { letter, place, .. } = ready;
        let id = self.speaker(&letter);
        if self.parked.has(&id) {
            // Those before it come back first.
            if self.counts.contains_key(&id) || self.behind.contains_key(&id) {
                self.behind.entry(id).or_default().push_back(place);
            } else {
                self.park(&id, place).await;
            }
            return;
        }
        let output = letter.message.system.output.clone().unwrap_or_default();
        *self.counts.entry(id.clone()).or_default() += 1;
        self.under_way.insert(place, Sent { from: id.clone(), output });
        let parcel = Parcel { letter, ticket: self.station.ticket(place), is_again: false };
        self.lines.send(&id, parcel);
    }

    fn speaker(&self, letter: &Letter) -> IdentityId {
        match letter.kind {
            Kind::Telemetry => letter.from.clone(),
            Kind::TwinChange => self.own.clone(),
        }
    }

    async fn take_fate(&mut self, place: Place, fate: Fate) {
        let Some(Sent { from, output }) = self.under_way.remove(&place) else { return };
        match fate {
            Fate::Delivered => {
                let (id, priority) = (from.to_string(), self.station.name(place).priority.to_string());
                let labels = [
                    ("from", id.as_str()),
                    ("to", "upstream"),
                    ("from_route_output", &output),
                    ("to_route_input", ""),
                    ("priority", &priority),
                ];
                self.spool.figures.messages_sent.add(&labels, 1);
                self.station.settle(place);
            }
            Fate::Returned | Fate::Abandoned => self.station.give_back(place),
            Fate::Refused { why } => {
                tracing::warn!(id = %from, why, "A letter is dropped: the hub will never take it.");
                self.spool.drop_counted("refused", &from.to_string(), &output);
                self.station.settle(place);
            }
            Fate::Barred { why } => {
                if !self.parked.has(&from) {
                    tracing::warn!(id = %from, why, "The hub does not let it in, its letters wait apart.");
                }
                self.park(&from, place).await;
            }
        }
        let left = self.counts.get_mut(&from).map(|count| {
            *count -= 1;
            *count
        });
        if left == Some(0) {
            self.counts.remove(&from);
            for place in self.behind.remove(&from).unwrap_or_default() {
                self.park(&from, place).await;
            }
        }
    }

    async fn park(&mut self, id: &IdentityId, place: Place) {
        let Some(record) = self.station.record(place).cloned() else { return };
        match self.parked.park(id, &record).await {
            Ok(()) => {
                self.spool.figures.parked.add(1);
                self.station.settle(place);
            }
            Err(error @ (NotParked::Full | NotParked::Crowded)) => {
                tracing::warn!(%id, %error, "A letter is dropped: its sender is not let in at the hub.");
                self.spool.drop_counted("sender_barred", &id.to_string(), "");
                self.station.settle(place);
            }
            // The store is in trouble: it stays where it is.
            Err(error) => {
                tracing::warn!(%id, %error, "A letter cannot be put apart at the moment.");
                self.station.give_back(place);
            }
        }
    }

    /// Looks whether a sender that was not let in is now.
    async fn begin_drain(&mut self) {
        if self.drain.is_some() || Instant::now() < self.drain_at {
            return;
        }
        self.drain_at = Instant::now() + self.options.look_again;
        let free = self.parked.senders().find(|id| !self.counts.contains_key(*id)).cloned();
        let Some(id) = free else { return };
        match self.parked.queue(&id).await {
            Ok(queue) => {
                let (tell, fates) = mpsc::unbounded_channel();
                let records = HashMap::new();
                self.drain = Some(Drain { id, queue, records, fates, tell, is_barred: false });
            }
            Err(error) => tracing::warn!(%id, %error, "Letters that wait apart cannot be read."),
        }
    }

    async fn take_step(&mut self, step: Step) {
        let Some(drain) = &mut self.drain else { return };
        match step {
            Step::Leased(leased) => {
                let record = leased.record;
                let place = Place { queue: 0, sequence: record.sequence };
                let Some(stored) = read(&record) else {
                    drain.queue.settle(record.sequence);
                    return;
                };
                drain.records.insert(record.sequence, record);
                let ticket = Ticket::of_pump(drain.tell.clone(), place);
                let parcel = Parcel { letter: stored.letter, ticket, is_again: true };
                self.lines.send(&drain.id, parcel);
            }
            Step::Fate(place, fate) => {
                let record = drain.records.remove(&place.sequence);
                match fate {
                    Fate::Delivered | Fate::Refused { .. } => {
                        drain.queue.settle(place.sequence);
                        let is_last = record.is_none_or(|record| self.parked.is_done(&drain.id, &record));
                        if is_last && drain.records.is_empty() {
                            let id = drain.id.clone();
                            drop(drain.queue.save().await);
                            self.drain = None;
                            self.parked.forget(&id).await;
                            // The next one need not wait.
                            self.drain_at = Instant::now();
                            tracing::info!(%id, "The hub lets it in again, its letters have gone.");
                            return;
                        }
                    }
                    Fate::Returned | Fate::Abandoned | Fate::Barred { .. } => {
                        drain.is_barred |= !matches!(fate, Fate::Returned);
                        drain.queue.give_back(place.sequence);
                    }
                }
                if drain.is_barred && drain.records.is_empty() {
                    drop(drain.queue.save().await);
                    self.drain = None;
                }
            }
            Step::Failed(error) => {
                tracing::warn!(id = %drain.id, error, "Letters that wait apart cannot be read.");
                self.drain = None;
            }
        }
    }
}

enum Step {
    Leased(Leased),
    Fate(Place, Fate),
    Failed(String),
}

/// The next thing that happens to the letters that waited apart.
async fn drained(drain: Option<&mut Drain>, is_reached: bool) -> Step {
    let Some(Drain { queue, fates, is_barred, .. }) = drain else { return std::future::pending().await };
    let may_lease = is_reached && !*is_barred;
    tokio::select! {
        Some((place, fate)) = fates.recv() => Step::Fate(place, fate),
        leased = queue.lease(), if may_lease => match leased {
            Ok(leased) => Step::Leased(leased),
            Err(error) => Step::Failed(error.to_string()),
        },
    }
}

/// Never, without a moment.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
