//! The queues before one endpoint, by priority, and what of them is on the way.

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::Poll;
use std::time::Duration;

use skerry_store::log::{
    CursorError, CursorId, CursorKind, Durability, From, LeaseError, Leased, Log, Progress, Queue,
    QueueOptions, Record, Saved, Saving, Start,
};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::deliveries::Took;
use crate::direct::Claim;
use crate::endpoint::QueueName;
use crate::letter::{Letter, Stored};
use crate::room::GivingWay;
use crate::spool::Spool;
use crate::ticket::{Fate, Fates, Place, Ticket};

/// Settled letters that the log was not told of; with so many it is told at once.
const UNSAVED_MAX: usize = 256;
/// How often the log is told what a quiet queue has passed: until then its files stay.
pub(crate) const TIDY_EVERY: Duration = Duration::from_secs(10);

/// A letter that may go out now.
pub(crate) struct Ready {
    pub(crate) letter: Letter,
    pub(crate) place: Place,
    /// How often it was on its way before, since the queue was opened.
    pub(crate) again: u32,
    /// It was read for the first time.
    pub(crate) is_first: bool,
}

/// The log is being told what was settled, of which queues.
pub(crate) type Noting = Pin<Box<dyn Future<Output = Vec<(usize, Saved)>> + Send>>;

/// What became of letters, in the order in which it was known.
pub(crate) type Returning = mpsc::UnboundedReceiver<(Place, Fate)>;

pub(crate) struct Station {
    spool: Arc<Spool>,
    queues: Vec<Open>,
    /// The log's bytes of what is on the way, for letters that have to wait apart.
    on_the_way: HashMap<Place, Record>,
    keeps_records: bool,
    tell: Fates,
    window: usize,
    unsaved: usize,
    /// Since when what is on the way is stored, by the edge's clock, and out.
    since: HashMap<Place, (Duration, Instant)>,
    /// Letters that had been out once before they were read.
    out_before: HashSet<Place>,
    /// After so many letters of one priority those that follow have a turn.
    fairness: Option<u32>,
    /// What was said of it last, of all its queues.
    is_taking: Option<bool>,
}

struct Open {
    name: QueueName,
    cursor: CursorId,
    queue: Queue,
    /// Letters that went out since one of a later priority had its turn.
    streak: u32,
}

/// Which letters have lived for long enough.
pub(crate) struct Ends {
    cursors: Vec<u32>,
    now: Duration,
}

impl Ends {
    pub(crate) fn is_over(&self, stored: &Stored) -> bool {
        let mut remaining = self.cursors.iter().filter_map(|cursor| stored.remaining(*cursor, self.now));
        remaining.any(|remaining| remaining.is_zero())
    }
}

impl Station {
    /// With what comes back of letters that were handed on.
    pub(crate) fn new(
        spool: Arc<Spool>,
        window: usize,
        fairness: Option<u32>,
        keeps_records: bool,
    ) -> (Self, Returning) {
        let (tell, fates) = mpsc::unbounded_channel();
        let station = Self {
            spool,
            queues: Vec::new(),
            on_the_way: HashMap::new(),
            keeps_records,
            tell,
            window,
            unsaved: 0,
            since: HashMap::new(),
            out_before: HashSet::new(),
            fairness,
            is_taking: None,
        };
        (station, fates)
    }

    /// Opens queues that are new; places of others keep their numbers.
    pub(crate) async fn open(&mut self, names: impl Iterator<Item = QueueName>) -> Result<(), CursorError> {
        for name in names {
            if self.queues.iter().any(|open| open.name == name) {
                continue;
            }
            let start = Start { kind: CursorKind::Wanted, from: From::Newest, ..Start::default() };
            let options = QueueOptions {
                // One more, for looking at what is behind a window that is out.
                in_flight_max: self.window + 1,
                prefetch_records: self.window,
                unsaved_max: UNSAVED_MAX * 4,
                durability: Durability::Written,
                ..QueueOptions::default()
            };
            let log: Arc<dyn Log> = Arc::clone(&self.spool.log);
            let queue = Queue::open(log, &name.cursor(), start, options).await?;
            self.queues.push(Open { cursor: queue.cursor(), queue, name, streak: 0 });
            self.is_taking = None;
        }
        Ok(())
    }

    /// Says whether letters go out at the moment, and are soon done with.
    pub(crate) fn is_taking(&mut self, is_so: bool) {
        if self.is_taking.replace(is_so) != Some(is_so) {
            self.spool.unsettled.takes(self.queues.iter().map(|open| open.cursor), is_so);
        }
    }

    pub(crate) fn name(&self, place: Place) -> &QueueName {
        &self.queues[place.queue].name
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.queues.iter().map(|open| open.queue.in_flight()).sum()
    }

    pub(crate) fn has_room(&self) -> bool {
        self.in_flight() < self.window
    }

    /// Comes back with what became of the letter.
    pub(crate) fn ticket(&self, place: Place) -> Ticket {
        Ticket::of_pump(self.tell.clone(), place)
    }

    /// The next letter that counts. Giving up the wait loses nothing. Only where there is room.
    pub(crate) async fn next(&mut self) -> Result<Ready, LeaseError> {
        loop {
            let (at, leased) = self.lease().await?;
            if let Some(ready) = self.judge(at, leased) {
                return Ok(ready);
            }
        }
    }

    /// The same, if it is there already.
    pub(crate) async fn next_if_there(&mut self) -> Option<Result<Ready, LeaseError>> {
        poll_fn(|context| {
            let next = pin!(self.next()).poll(context);
            Poll::Ready(if let Poll::Ready(ready) = next { Some(ready) } else { None })
        })
        .await
    }

    /// Where letters may not go out at the moment, it passes what is not for them, and comes back
    /// only with an error.
    pub(crate) async fn next_or_pass(&mut self, may_lease: bool) -> Result<Ready, LeaseError> {
        if may_lease {
            return self.next().await;
        }
        let mut passing: Vec<_> = self.queues.iter_mut().map(|open| Box::pin(open.queue.pass())).collect();
        poll_fn(|context| {
            let error = passing.iter_mut().find_map(|pass| match pass.as_mut().poll(context) {
                Poll::Ready(error) => Some(error),
                Poll::Pending => None,
            });
            error.map_or(Poll::Pending, |error| Poll::Ready(Err(error)))
        })
        .await
    }

    async fn lease(&mut self) -> Result<(usize, Leased), LeaseError> {
        if let [only] = &mut self.queues[..] {
            return Ok((0, only.queue.lease().await?));
        }
        let mut order: Vec<usize> = (0..self.queues.len()).collect();
        order.sort_by_key(|at| self.queues[*at].name.priority);
        if let Some(most) = self.fairness {
            // Those that had their turns stand back until somebody behind them has had one.
            order.sort_by_key(|at| self.queues[*at].streak >= most);
        }
        let mut leases: Vec<_> = self.queues.iter_mut().map(|open| Box::pin(open.queue.lease())).collect();
        let (at, leased) = poll_fn(|context| {
            for at in &order {
                if let Poll::Ready(leased) = leases[*at].as_mut().poll(context) {
                    return Poll::Ready((*at, leased));
                }
            }
            Poll::Pending
        })
        .await;
        drop(leases);
        let leased = leased?;
        let priority = self.queues[at].name.priority;
        for open in &mut self.queues {
            if open.name.priority < priority {
                open.streak = 0;
            }
        }
        self.queues[at].streak = self.queues[at].streak.saturating_add(1);
        Ok((at, leased))
    }

    /// Drops what is too old, and what cannot be read.
    fn judge(&mut self, at: usize, leased: Leased) -> Option<Ready> {
        let Leased { record, leased_before } = leased;
        let place = Place { queue: at, sequence: record.sequence };
        let is_first = leased_before == 0;
        let stored = match Stored::decode(&record.headers, record.payload.clone()) {
            Ok(stored) => stored,
            Err(error) => {
                tracing::error!(queue = %self.queues[at].name.cursor(), %error, "A letter is dropped.");
                self.spool.drop_counted("unreadable", "", "");
                return self.pass_over(place, is_first);
            }
        };
        if let Some(slip) = stored.slip.filter(|_| is_first) {
            match self.spool.direct.claim(slip, self.queues[at].cursor, &self.tell, place) {
                Claim::Unknown => {}
                Claim::Back => drop(self.out_before.insert(place)),
                Claim::Settled => return self.pass_over(place, is_first),
                Claim::Out => {
                    self.since.insert(place, (stored.at, Instant::now()));
                    self.is_passed(place);
                    return None;
                }
            }
        }
        let remaining = stored.remaining(self.queues[at].cursor.number(), self.spool.now());
        if remaining == Some(Duration::ZERO) {
            self.spool.drop_letter("ttl_expiry", &stored.letter);
            return self.pass_over(place, is_first);
        }
        if self.keeps_records {
            self.on_the_way.insert(place, record);
        }
        self.since.insert(place, (stored.at, Instant::now()));
        let again = leased_before + u32::from(self.out_before.contains(&place));
        Some(Ready { letter: stored.letter, place, again, is_first })
    }

    /// Nobody gets it.
    fn pass_over(&mut self, place: Place, is_first: bool) -> Option<Ready> {
        self.settle(place);
        if is_first {
            self.is_passed(place);
        }
        None
    }

    /// A letter that was read for the first time is handed on, or is not going to be.
    pub(crate) fn is_passed(&self, place: Place) {
        self.spool.direct.is_passed(self.queues[place.queue].cursor);
    }

    /// Whether something goes out before anything that is new.
    pub(crate) fn has_given_back(&self) -> bool {
        self.queues.iter().any(|open| open.queue.has_given_back())
    }

    /// What is asked of letters that wait apart from the queues they were in.
    pub(crate) fn ends(&self) -> Ends {
        let cursors = self.queues.iter().map(|open| open.cursor.number()).collect();
        Ends { cursors, now: self.spool.now() }
    }

    /// How long a letter has taken that is delivered.
    pub(crate) fn took(&self, place: Place) -> Option<Took> {
        let (stored, out) = self.since.get(&place)?;
        Some(Took { since_stored: self.spool.now().saturating_sub(*stored), on_the_way: out.elapsed() })
    }

    /// The letter is done with.
    pub(crate) fn settle(&mut self, place: Place) -> Option<Record> {
        let open = &mut self.queues[place.queue];
        if open.queue.settle(place.sequence) {
            self.unsaved += 1;
            self.spool.unsettled.settled(place.sequence, open.cursor);
        }
        self.since.remove(&place);
        self.out_before.remove(&place);
        self.on_the_way.remove(&place)
    }

    /// The letter is to go out again.
    pub(crate) fn give_back(&mut self, place: Place) {
        self.since.remove(&place);
        self.on_the_way.remove(&place);
        self.queues[place.queue].queue.give_back(place.sequence);
    }

    pub(crate) fn record(&self, place: Place) -> Option<&Record> {
        self.on_the_way.get(&place)
    }

    pub(crate) fn is_to_be_saved(&self) -> bool {
        self.unsaved >= UNSAVED_MAX
    }

    pub(crate) fn has_unsaved(&self) -> bool {
        self.unsaved > 0
    }

    /// Tells the log what was settled.
    pub(crate) async fn save(&mut self) {
        let mut noting = self.begin_save();
        while let Some(saving) = noting {
            let saved = saving.await;
            noting = self.end_save(saved);
        }
    }

    /// The same, while letters go on: the log may be waiting for its disk.
    pub(crate) fn begin_save(&mut self) -> Option<Noting> {
        self.unsaved = 0;
        let open = self.queues.iter_mut().enumerate();
        noting(open.filter_map(|(at, open)| Some((at, open.queue.begin_save()?))).collect())
    }

    /// What became of it, and what is to be told then.
    pub(crate) fn end_save(&mut self, saved: Vec<(usize, Saved)>) -> Option<Noting> {
        let mut again = Vec::new();
        for (at, saved) in saved {
            let open = &mut self.queues[at];
            match open.queue.end_save(saved) {
                // The rest is told when there is room.
                Ok(()) | Err(CursorError::Full(_)) => {}
                // Only the position, until the oldest is settled.
                Err(CursorError::TooFarAhead { .. }) => {
                    again.extend(open.queue.begin_save().map(|saving| (at, saving)));
                }
                Err(error) => {
                    tracing::error!(queue = %open.name.cursor(), %error, "What was delivered could not be noted, it may go out again.");
                }
            }
        }
        noting(again)
    }

    /// Files go only when what settled them cannot be lost any more.
    async fn sync(&mut self) {
        let places: Vec<_> = self.queues.iter().map(|open| (open.cursor, open.queue.below())).collect();
        for (cursor, below) in places {
            let progress = Progress { below, durability: Durability::Synced, ..Progress::default() };
            if let Err(error) = self.spool.log.advance(cursor, progress).await {
                tracing::warn!(%error, "Room may be given back late.");
            }
        }
    }

    /// Drops what is too old at the head of each queue, while nobody takes letters.
    pub(crate) async fn sweep(&mut self) {
        for at in 0..self.queues.len() {
            loop {
                if self.in_flight() > self.window {
                    break;
                }
                let Some(leased) = now_or_never(self.queues[at].queue.lease()).await else { break };
                match leased {
                    Ok(leased) => match self.judge(at, leased) {
                        Some(ready) => {
                            self.give_back(ready.place);
                            if ready.is_first {
                                self.is_passed(ready.place);
                            }
                            break;
                        }
                        None if self.is_to_be_saved() => self.save().await,
                        None => {}
                    },
                    Err(error) => {
                        tracing::warn!(%error, "A queue cannot be looked through at the moment.");
                        break;
                    }
                }
            }
        }
        self.save().await;
    }

    /// Drops as many of the oldest letters as were asked for since, of a queue that is full, or those of the last
    /// priority first, and says so if there were any.
    pub(crate) async fn give_way(&mut self, before: &GivingWay, now: &GivingWay) {
        let mut order: Vec<usize> = (0..self.queues.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(self.queues[*at].name.priority));
        let mut anywhere = now.anywhere_since(before);
        let mut is_any = false;
        self.spool.shedding.fetch_add(1, SeqCst);
        for at in order {
            let here = now.of_queue_since(before, &self.queues[at].name);
            let dropped = self.drop_oldest(at, here.saturating_add(anywhere)).await;
            anywhere -= anywhere.min(dropped.saturating_sub(here));
            is_any |= dropped > 0;
        }
        self.save().await;
        if is_any {
            self.sync().await;
        }
        self.spool.shedding.fetch_sub(1, SeqCst);
        if is_any {
            self.spool.has_shed.notify_waiters();
        }
    }

    async fn drop_oldest(&mut self, at: usize, count: u64) -> u64 {
        let mut dropped = 0;
        while dropped < count {
            let Some(Ok(leased)) = now_or_never(self.queues[at].queue.lease()).await else { break };
            dropped += 1;
            if let Some(ready) = self.judge(at, leased) {
                self.spool.drop_letter("storage_full", &ready.letter);
                self.pass_over(ready.place, ready.is_first);
            }
        }
        dropped
    }
}

fn noting(all: Vec<(usize, Saving)>) -> Option<Noting> {
    if all.is_empty() {
        return None;
    }
    Some(Box::pin(async move {
        let mut saved = Vec::with_capacity(all.len());
        for (at, saving) in all {
            saved.push((at, saving.await));
        }
        saved
    }))
}

/// Waits for it, if there is any.
pub(super) async fn noted(noting: &mut Option<Noting>) -> Vec<(usize, Saved)> {
    match noting {
        Some(noting) => noting.await,
        None => std::future::pending().await,
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.is_taking(false);
    }
}

/// What is there after one look, which may read from the disk.
async fn now_or_never<T>(future: impl Future<Output = T>) -> Option<T> {
    /// Long enough for a page from a slow disk.
    const LOOK: Duration = Duration::from_millis(200);
    tokio::time::timeout(LOOK, pin!(future)).await.ok()
}
