//! Letters for one input of a module: pipelined, and in order over every reconnect.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use skerry_model::{IdentityId, ModuleId, Timestamp};
use skerry_mqtt::topic::Subscription;
use skerry_store::log::CursorError;
use tokio::sync::watch;
use tokio::time::Instant;

use super::deliveries::Deliveries;
use super::passage::Passage;
use super::station::{Ready, TIDY_EVERY, noted};
use super::{Returning, Station};
use crate::ending::Ending;
use crate::endpoint::{Endpoint, QueueName};
use crate::letter::Letter;
use crate::live::{Item, Live, Seen};
use crate::moment::at;
use crate::spool::{Queues, Spool};
use crate::ticket::{Fate, Place, Ticket};

/// Letters on their way to one input.
const WINDOW: usize = 128;
/// What was settled is told to the log after this, if not before.
const SAVE_AFTER: Duration = Duration::from_millis(100);
/// After a letter that the module could not deal with, or the store could not give.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct ModulePump {
    spool: Arc<Spool>,
    station: Station,
    fates: Returning,
    passage: Passage,
    id: IdentityId,
    module: ModuleId,
    input: Arc<str>,
    /// The module's connection.
    seen: Seen,
    queues: watch::Receiver<Arc<Queues>>,
    sweep_every: Duration,
    deliveries: Deliveries,
    /// Who sent what is on the way, and from which output.
    senders: HashMap<Place, (IdentityId, String)>,
}

impl ModulePump {
    pub(crate) fn new(
        spool: &Arc<Spool>,
        id: IdentityId,
        input: &str,
        seen: Seen,
        fairness: Option<u32>,
        sweep_every: Duration,
    ) -> Option<Self> {
        let module = id.module.clone()?;
        let deliveries = Deliveries::new(id.to_string(), input.into());
        let (station, fates) = Station::new(Arc::clone(spool), WINDOW, fairness, false);
        Some(Self {
            station,
            fates,
            queues: spool.queues(),
            passage: Passage::new(&spool.direct),
            spool: Arc::clone(spool),
            module,
            id,
            input: input.into(),
            seen,
            sweep_every,
            deliveries,
            senders: HashMap::new(),
        })
    }

    pub(crate) async fn run(mut self, mut stopping: Ending) {
        let mut asked = self.spool.giving_way.subscribe();
        let mut asked_before = asked.borrow_and_update().clone();
        let mut current: Option<Arc<Live>> = None;
        let mut rests_until: Option<Instant> = None;
        let mut save_at: Option<Instant> = None;
        let mut noting = None;
        let mut sweep_at = Instant::now() + self.sweep_every;
        let mut tidy_at = Instant::now() + TIDY_EVERY;
        if let Err(error) = self.open().await {
            tracing::error!(input = %self.input, %error, "A queue cannot be opened.");
        }
        'pump: loop {
            let now_there = self.seen.borrow_and_update().clone();
            let is_same = match (&now_there, &current) {
                (Some(now), Some(then)) => Arc::ptr_eq(now, then),
                (None, None) => true,
                _ => false,
            };
            if !is_same {
                // What the last connection had comes back first, so that nothing overtakes it.
                drop(current.take());
                let emptied = self.passage.recall().unwrap_or_default();
                loop {
                    let emptied = emptied.notified();
                    tokio::pin!(emptied);
                    emptied.as_mut().enable();
                    if self.station.in_flight() == 0 && !self.passage.is_out() {
                        break;
                    }
                    tokio::select! {
                        () = stopping.wait() => break 'pump,
                        Some((place, fate)) = self.fates.recv() => self.take_fate(place, fate, &mut rests_until),
                        () = emptied => {}
                    }
                }
                current = now_there;
            }
            if self.station.is_to_be_saved() && noting.is_none() {
                noting = self.station.begin_save();
                save_at = None;
            } else if self.station.has_unsaved() && save_at.is_none() {
                save_at = Some(Instant::now() + SAVE_AFTER);
            }
            let takes = current.as_ref().is_some_and(|live| live.listens_to(Subscription::Inputs));
            let may_lease = takes && rests_until.is_none() && self.station.has_room();
            self.station.is_taking(may_lease);
            let may_pass_by = may_lease && !self.station.has_given_back();
            self.passage.let_through(current.as_ref().filter(|_| may_pass_by));
            let may_pass = rests_until.is_none() && self.station.in_flight() == 0;
            // A module that settles nothing takes as little as one that is not there.
            let is_stuck = !takes || !self.station.has_room();
            let sweep = is_stuck.then_some(sweep_at);
            let next = [rests_until, save_at, sweep, Some(tidy_at)].into_iter().flatten().min();
            tokio::select! {
                biased;
                () = stopping.wait() => break,
                changed = self.seen.changed() => if changed.is_err() { break },
                Some((place, fate)) = self.fates.recv() => {
                    self.take_fate(place, fate, &mut rests_until);
                    while let Ok((place, fate)) = self.fates.try_recv() {
                        self.take_fate(place, fate, &mut rests_until);
                    }
                }
                saved = noted(&mut noting) => noting = self.station.end_save(saved),
                ready = self.station.next_or_pass(may_lease), if may_lease || may_pass => {
                    // With it go those that were read with it, as far as there is room.
                    let mut ready = Some(ready);
                    while let Some(leased) = ready.take() {
                        match leased {
                            Ok(leased) => {
                                self.hand(current.as_deref(), leased);
                                if self.station.has_room() {
                                    ready = self.station.next_if_there().await;
                                }
                            }
                            Err(error) => {
                                tracing::warn!(input = %self.input, %error, "Letters cannot be read at the moment.");
                                rests_until = Some(Instant::now() + PAUSE);
                            }
                        }
                    }
                }
                changed = self.queues.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    if let Err(error) = self.open().await {
                        tracing::error!(input = %self.input, %error, "A queue cannot be opened.");
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
                    if is_stuck && sweep_at <= now {
                        self.station.sweep().await;
                        sweep_at = Instant::now() + self.sweep_every;
                    }
                }
            }
        }
        while let Ok((place, fate)) = self.fates.try_recv() {
            self.take_fate(place, fate, &mut rests_until);
        }
        if let Some(noting) = noting {
            let saved = noting.await;
            self.station.end_save(saved);
        }
        self.station.save().await;
    }

    /// Opens the queues of this input that are there now.
    async fn open(&mut self) -> Result<(), CursorError> {
        let queues = Arc::clone(&self.queues.borrow_and_update());
        let own = |name: &&QueueName| match &name.endpoint {
            Endpoint::Input { module, input } => *module == self.module && **input == *self.input,
            Endpoint::Upstream => false,
        };
        let names: Vec<QueueName> = queues.keys().filter(own).cloned().collect();
        names.first().into_iter().for_each(|name| self.passage.find(&name.endpoint));
        self.station.open(names.into_iter()).await
    }

    fn hand(&mut self, live: Option<&Live>, ready: Ready) {
        let Ready { letter, place, again, is_first } = ready;
        let ticket = self.station.ticket(place);
        match live {
            Some(live) => self.hand_to(live, letter, (place, again), ticket),
            None => drop(ticket),
        }
        if is_first {
            self.station.is_passed(place);
        }
    }

    fn hand_to(&mut self, live: &Live, letter: Letter, (place, again): (Place, u32), ticket: Ticket) {
        let output = letter.message.system.output.clone().unwrap_or_default();
        self.senders.insert(place, (letter.from.clone(), output));
        live.hand(Item {
            letter,
            input: Some(Arc::clone(&self.input)),
            again: again > 0,
            sequence: place.sequence.number(),
            enqueued: Timestamp::NEVER,
            deliveries: again,
            ticket,
        });
    }

    fn take_fate(&mut self, place: Place, fate: Fate, rests_until: &mut Option<Instant>) {
        let sender = self.senders.remove(&place);
        match fate {
            Fate::Delivered => {
                let priority = self.station.name(place).priority;
                let took = self.station.took(place);
                if let Some((from, output)) = sender {
                    self.deliveries.count(&self.spool.figures, from, output, priority, took);
                }
                self.station.settle(place);
            }
            Fate::Returned | Fate::Barred { .. } => self.station.give_back(place),
            Fate::Abandoned => {
                // It goes out again, but not in a whirl.
                *rests_until = Some(Instant::now() + PAUSE);
                self.station.give_back(place);
            }
            Fate::Refused { why } => {
                tracing::info!(id = %self.id, input = %self.input, why, "A letter is refused by its module, and dropped.");
                self.spool.drop_counted("rejected", &self.id.to_string(), &self.input);
                self.station.settle(place);
            }
        }
    }
}
