//! Letters for the hub: many at a time, in the order of each sender, as fast as the lines take them.
//!
//! ```text
//!  queues ──► sender let in? ──► its line ──► acknowledged ──► settled
//!                 └── no: put apart (parked), and looked at again now and then
//! ```

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use skerry_model::IdentityId;
use skerry_store::log::{CursorError, Durability, Record};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::deliveries::Deliveries;
use super::drain::{Drain, Stands, Step};
use super::parked::{NotParked, Parked};
use super::station::{Ready, TIDY_EVERY, noted};
use super::{Returning, Station};
use crate::ending::Ending;
use crate::endpoint::{Endpoint, QueueName};
use crate::letter::{Kind, Letter};
use crate::line::{Lines, Parcel};
use crate::moment::at;
use crate::spool::{Queues, Spool};
use crate::ticket::{Fate, Place};

const SAVE_AFTER: Duration = Duration::from_millis(100);
const PAUSE: Duration = Duration::from_secs(1);
/// Tries to put letters apart while there is no room, before those that are in everybody's way are dropped.
const PARK_TRIES: u32 = 30;

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
    /// Letters that are to wait apart, as soon as none of their sender is under way.
    behind: HashMap<IdentityId, BTreeSet<Place>>,
    /// The store had no room for them.
    parks_at: Option<Instant>,
    park_failures: u32,
    drain: Option<Drain>,
    drain_at: Instant,
    deliveries: Deliveries,
    /// Who waited apart and had a turn last.
    drained: Option<IdentityId>,
    /// Senders that have their turns one right after the other.
    looks_left: usize,
    /// Closed when letters that waited in lines have come back: until then newer ones would overtake them.
    recalled: Option<mpsc::Receiver<()>>,
}

struct Sent {
    from: IdentityId,
    output: String,
    since: Instant,
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
            parks_at: None,
            park_failures: 0,
            drain: None,
            drain_at: Instant::now(),
            deliveries: Deliveries::new("upstream".to_owned(), "".into()),
            drained: None,
            looks_left: 0,
            recalled: None,
        }
    }

    pub(crate) async fn run(mut self, mut stopping: Ending) {
        let mut reach = self.lines.reach();
        let mut asked = self.spool.giving_way.subscribe();
        let mut asked_before = asked.borrow_and_update().clone();
        let mut rests_until: Option<Instant> = None;
        let mut save_at: Option<Instant> = None;
        let mut noting = None;
        let mut sweep_at = Instant::now() + self.options.sweep_every;
        let mut tidy_at = Instant::now() + TIDY_EVERY;
        let mut was_reached = false;
        if let Err(error) = self.open().await {
            tracing::error!(%error, "The queue to the hub cannot be opened.");
        }
        loop {
            if self.station.is_to_be_saved() && noting.is_none() {
                noting = self.station.begin_save();
                save_at = None;
            } else if self.station.has_unsaved() && save_at.is_none() {
                save_at = Some(Instant::now() + SAVE_AFTER);
            }
            let is_reached = *reach.borrow_and_update();
            if std::mem::replace(&mut was_reached, is_reached) && !is_reached {
                // They may wait for long, and are to be dropped in time.
                self.recalled = Some(self.lines.recall());
            }
            if is_reached {
                self.begin_drain().await;
            }
            let may_send = is_reached && self.recalled.is_none();
            let may_lease =
                may_send && rests_until.is_none() && self.station.has_room() && self.has_room_behind();
            let may_pass = rests_until.is_none() && self.station.in_flight() == 0;
            let drain_at =
                (is_reached && self.drain.is_none() && !self.parked.is_empty()).then_some(self.drain_at);
            let sweep = (!is_reached).then_some(sweep_at);
            let all = [rests_until, save_at, sweep, drain_at, self.parks_at, Some(tidy_at)];
            let next = all.into_iter().flatten().min();
            tokio::select! {
                biased;
                () = stopping.wait() => break,
                Some((place, fate)) = self.fates.recv() => {
                    self.take_fate(place, fate).await;
                    while let Ok((place, fate)) = self.fates.try_recv() {
                        self.take_fate(place, fate).await;
                    }
                }
                saved = noted(&mut noting) => noting = self.station.end_save(saved),
                () = closed(self.recalled.as_mut()) => self.recalled = None,
                changed = reach.changed() => if changed.is_err() { break },
                step = drained(self.drain.as_mut(), may_send) => self.take_step(step).await,
                ready = self.station.next_or_pass(may_lease), if may_lease || may_pass => match ready {
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
                changed = asked.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let now = asked.borrow_and_update().clone();
                    self.station.give_way(&asked_before, &now).await;
                    asked_before = now;
                }
                () = at(next) => {
                    let now = Instant::now();
                    rests_until = rests_until.filter(|until| *until > now);
                    if tidy_at <= now || save_at.is_some_and(|at| at <= now) {
                        noting = noting.or_else(|| self.station.begin_save());
                        save_at = None;
                        tidy_at = now + TIDY_EVERY;
                    }
                    if self.parks_at.is_some_and(|at| at <= now) {
                        self.park_again().await;
                    }
                    if !is_reached && sweep_at <= now {
                        // Connections that broke since then have given back more.
                        self.recalled = Some(self.lines.recall());
                        self.station.sweep().await;
                        sweep_at = Instant::now() + self.options.sweep_every;
                    }
                }
            }
        }
        while let Ok((place, fate)) = self.fates.try_recv() {
            self.take_fate(place, fate).await;
        }
        if let Some(noting) = noting {
            let saved = noting.await;
            self.station.end_save(saved);
        }
        self.station.save().await;
        if let Some(drain) = &mut self.drain {
            drain.save().await;
        }
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
        if self.parked.has(&id) || self.behind.contains_key(&id) {
            self.put_behind(&id, place);
            return self.park(&id).await;
        }
        let output = letter.message.system.output.clone().unwrap_or_default();
        *self.counts.entry(id.clone()).or_default() += 1;
        self.under_way.insert(place, Sent { from: id.clone(), output, since: Instant::now() });
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
        let Some(Sent { from, output, since }) = self.under_way.remove(&place) else { return };
        match fate {
            Fate::Delivered => {
                let (priority, took) = (self.station.name(place).priority, self.station.took(place));
                self.deliveries.count(&self.spool.figures, from.clone(), output, priority, took);
                self.spool.figures.upstream.record(since.elapsed());
                self.station.settle(place);
            }
            Fate::Returned | Fate::Abandoned => self.station.give_back(place),
            Fate::Refused { why } => {
                tracing::warn!(id = %from, why, "A letter is dropped: the hub will never take it.");
                self.spool.drop_counted("refused", &from.to_string(), &output);
                self.station.settle(place);
            }
            Fate::Barred { why } => {
                if !self.parked.has(&from) && !self.behind.contains_key(&from) {
                    tracing::warn!(id = %from, why, "The hub does not let it in, its letters wait apart.");
                }
                self.put_behind(&from, place);
            }
        }
        if let Some(count) = self.counts.get_mut(&from) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&from);
            }
        }
        self.park(&from).await;
    }

    fn put_behind(&mut self, id: &IdentityId, place: Place) {
        self.behind.entry(id.clone()).or_default().insert(place);
    }

    /// Those that are to wait apart have half of the window: the other half is for those that go.
    fn has_room_behind(&self) -> bool {
        self.behind.values().map(BTreeSet::len).sum::<usize>() <= self.options.window / 2
    }

    /// Puts apart what is to wait, if nothing of its sender is under way: that comes back first.
    async fn park(&mut self, id: &IdentityId) {
        if self.parks_at.is_some() || self.counts.contains_key(id) {
            return;
        }
        while let Some(places) = self.behind.get(id) {
            let places: Vec<Place> = places.iter().copied().collect();
            let records = places.iter().map(|place| self.station.record(*place).cloned());
            let Some(records) = records.collect::<Option<Vec<Record>>>() else {
                // They are read again.
                self.behind.remove(id);
                return places.into_iter().for_each(|place| self.station.give_back(place));
            };
            let (count, error) = self.parked.park(id, &records).await;
            self.spool.figures.parked.add(count as u64);
            for place in &places[..count] {
                self.is_behind_no_more(id, *place);
            }
            match error {
                None => {}
                Some(error @ (NotParked::Full | NotParked::Crowded)) => {
                    tracing::warn!(%id, %error, "A letter is dropped: its sender is not let in at the hub.");
                    self.drop_behind(id, places[count]);
                }
                Some(error) => {
                    tracing::warn!(%id, %error, "Letters cannot be put apart at the moment.");
                    self.parks_at = Some(Instant::now() + PAUSE);
                    return;
                }
            }
        }
        self.park_failures = 0;
    }

    fn is_behind_no_more(&mut self, id: &IdentityId, place: Place) {
        self.station.settle(place);
        if let Some(places) = self.behind.get_mut(id) {
            places.remove(&place);
            if places.is_empty() {
                self.behind.remove(id);
            }
        }
    }

    fn drop_behind(&mut self, id: &IdentityId, place: Place) {
        self.spool.drop_counted("sender_barred", &id.to_string(), "");
        self.is_behind_no_more(id, place);
    }

    /// Tries again. What finds no room for long, and would stop everybody, is dropped.
    async fn park_again(&mut self) {
        self.parks_at = None;
        self.park_failures += 1;
        let ids: Vec<IdentityId> = self.behind.keys().cloned().collect();
        for id in ids {
            self.park(&id).await;
        }
        if self.park_failures < PARK_TRIES || self.has_room_behind() {
            return;
        }
        let all = std::mem::take(&mut self.behind);
        tracing::error!(
            "Letters of senders that are not let in are dropped: the store has no room for them."
        );
        for (id, places) in all {
            places.into_iter().for_each(|place| self.drop_behind(&id, place));
        }
        self.park_failures = 0;
    }

    /// Looks whether a sender that was not let in is now; each in its turn.
    async fn begin_drain(&mut self) {
        if self.drain.is_some() || Instant::now() < self.drain_at {
            return;
        }
        self.drain_at = Instant::now() + self.options.look_again;
        if self.looks_left == 0 {
            self.looks_left = self.parked.len();
        }
        self.looks_left = self.looks_left.saturating_sub(1);
        let is_free = |id: &&IdentityId| !self.counts.contains_key(*id) && !self.behind.contains_key(*id);
        let Some(id) = self.parked.after(self.drained.as_ref()).find(is_free).cloned() else { return };
        self.drained = Some(id.clone());
        match Drain::open(&self.parked, id.clone()).await {
            Ok(drain) => self.drain = Some(drain),
            Err(error) => tracing::warn!(%id, %error, "Letters that wait apart cannot be read."),
        }
    }

    async fn take_step(&mut self, step: Step) {
        let Some(drain) = &mut self.drain else { return };
        let ends = self.station.ends();
        let stands = drain.take(step, &mut self.parked, &self.lines, (&self.spool, &ends)).await;
        if stands == Stands::GoesOn {
            return;
        }
        let Some(mut drain) = self.drain.take() else { return };
        drain.save().await;
        let id = drain.id();
        if stands == Stands::Empty {
            self.parked.forget(id).await;
            tracing::info!(%id, "The hub lets it in again, its letters have gone.");
        }
        let pause = if self.looks_left > 0 { Duration::ZERO } else { self.options.look_again };
        self.drain_at = Instant::now() + pause;
    }
}

/// The next thing that happens to the letters that waited apart.
async fn drained(drain: Option<&mut Drain>, may_lease: bool) -> Step {
    match drain {
        Some(drain) => drain.next(may_lease).await,
        None => std::future::pending().await,
    }
}

/// Done when everything has come back.
async fn closed(recalled: Option<&mut mpsc::Receiver<()>>) {
    match recalled {
        Some(recalled) => drop(recalled.recv().await),
        None => std::future::pending().await,
    }
}
