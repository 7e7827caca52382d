//! Producers, readers and settlers at work on a log, as chance has it.
//!
//! Everything is told to the model before it is asked and after it is answered. The work ends
//! early when the log says that it is broken or closed, as it does when its disk is gone.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use skerry_model::Timestamp;
use skerry_store::log::{
    AppendError, Batch, CursorKind, Durability, Early, From, Log, Name, Order, Outcome, Partition, Progress,
    ReadError, Reading, Seen, Sequence, Start, Winner,
};
use tokio::sync::Notify;

use super::model::{Id, Model, PARTITIONS, Sent, Wants};
use crate::samples::Dice;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    pub(crate) seed: u64,
    pub(crate) rounds: usize,
    pub(crate) winner: Winner,
    /// The largest records.
    pub(crate) record_bytes_max: usize,
}

const PRODUCERS: usize = 3;

/// Works until all rounds are done or the log ends.
pub(crate) async fn work(log: &dyn Log, model: &Mutex<Model>, work: Work) {
    let worker = |nth: u64| Worker { log, model, work, dice: Dice(work.seed * 31 + nth) };
    let (mut settler, mut reader) = (worker(0), worker(1));
    if settler.make_cursors().await.is_err() {
        return;
    }
    let [mut one, mut two, mut three] = [worker(2), worker(3), worker(4)];
    tokio::join!(one.produce(0), two.produce(1), three.produce(2), settler.settle(), reader.read());
}

struct Worker<'a> {
    log: &'a dyn Log,
    model: &'a Mutex<Model>,
    work: Work,
    dice: Dice,
}

/// The log is no more.
struct Ended;

/// Whether all records of a batch were seen early.
struct Heard {
    count: usize,
    all: Notify,
}

impl Seen for Heard {
    fn seen(self: Arc<Self>, sequences: &[Sequence]) {
        if sequences.len() == self.count {
            self.all.notify_one();
        }
    }
}

impl Worker<'_> {
    fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }

    fn durability(&mut self) -> Durability {
        [Durability::Memory, Durability::Written, Durability::Synced, Durability::Synced][self.dice.roll(4)]
    }

    fn partition(&mut self) -> Partition {
        Partition::new(self.dice.roll(PARTITIONS as usize) as u32)
    }

    /// Sends bursts of batches, each before those before it are answered, and again what failed.
    async fn produce(&mut self, line: usize) {
        assert!(line < PRODUCERS);
        let order = Order::default();
        for _ in 0..self.work.rounds {
            let batches: Vec<Vec<Id>> = (0..=self.dice.roll(3))
                .map(|_| (0..=self.dice.roll(4)).map(|_| self.make(line)).collect())
                .collect();
            let Ok(mut failed) = self.send(batches, &order).await else { return };
            for _ in 0..4 {
                if failed.is_empty() {
                    break;
                }
                order.resume();
                tokio::task::yield_now().await;
                match self.send(vec![failed], &order).await {
                    Ok(again) => failed = again,
                    Err(Ended) => return,
                }
            }
            order.resume();
        }
    }

    /// A new record of this producer. Every fourth has no name.
    fn make(&mut self, line: usize) -> Id {
        // Producers share partitions, and each has one more.
        let partition = [Partition::new(0), Partition::new(line as u32 + 1)][self.dice.roll(2)];
        let is_named = self.dice.roll(4) > 0;
        let mut wanted_by = Vec::new();
        let wanting = self.model().wanting();
        for wants in wanting {
            if (wants.kind, wants.partition) == (CursorKind::Wanted, partition) && self.dice.roll(2) == 0 {
                wanted_by.push(wants.id);
            }
        }
        let bytes_max = self.work.record_bytes_max;
        self.model().record(|id| {
            let mut sent = Sent::new(id, partition, bytes_max);
            sent.name = is_named.then_some(Name { producer: line as u64, number: id as u64 });
            sent.wanted_by = wanted_by.into();
            sent.order = Some((line, id));
            sent
        })
    }

    /// Sends batches in order; answers what is to be sent again.
    async fn send(&mut self, batches: Vec<Vec<Id>>, order: &Order) -> Result<Vec<Id>, Ended> {
        let mut asked = Vec::new();
        for ids in batches {
            let durability = self.durability();
            let floor = self.model().floor();
            let drafts = ids.iter().map(|id| self.model().try_to_place(*id)).collect();
            let mut batch = Batch::new(drafts, durability).in_order(order);
            // Half of them may be seen early, and half of those are given up when they are.
            let heard = Arc::new(Heard { count: ids.len(), all: Notify::new() });
            if self.dice.roll(2) == 0 {
                let linger = Duration::from_micros([0, 0, 500][self.dice.roll(3)]);
                let is_urgent = self.dice.roll(2) == 0;
                batch = batch.early(Early { seen: heard.clone(), is_urgent, linger });
            }
            let heard = (self.dice.roll(2) == 0).then_some(heard);
            asked.push((ids, durability, floor, self.log.append(batch), heard));
        }
        let (mut failed, mut ended) = (Vec::new(), false);
        for (ids, durability, floor, answer, heard) in asked {
            let outcomes = match heard {
                None => answer.await,
                Some(heard) => tokio::select! {
                    biased;
                    outcomes = answer => outcomes,
                    () = heard.all.notified() => {
                        ids.iter().for_each(|id| self.model().seen_early(*id));
                        vec![Err(AppendError::Unknown); ids.len()]
                    }
                },
            };
            assert_eq!(outcomes.len(), ids.len());
            for (id, outcome) in ids.into_iter().zip(&outcomes) {
                let mut model = self.model();
                model.answered(id, durability, &floor, outcome);
                ended |= is_end(outcome);
                // What may be there and has no name cannot be sent again.
                let is_unsafe = *outcome == Err(AppendError::Unknown) && model.sent(id).name.is_none();
                if outcome.is_err() && !is_unsafe {
                    failed.push(id);
                }
            }
        }
        if ended { Err(Ended) } else { Ok(failed) }
    }

    async fn make_cursors(&mut self) -> Result<(), Ended> {
        for nth in 0..PARTITIONS + 2 {
            // Of the last two, one reads everything and one is made anew in each life.
            let kind = match self.work.winner {
                Winner::Cursors if nth < PARTITIONS => CursorKind::Wanted,
                _ => CursorKind::Every,
            };
            if nth > PARTITIONS && self.dice.roll(2) == 0 {
                return Ok(());
            }
            let mut name =
                if nth <= PARTITIONS { format!("c{nth}") } else { format!("n{}", self.model().count()) };
            // A crash may bring a dropped one back, which nobody has looked after.
            while self.model().was_dropped(&name) {
                name.push('+');
            }
            let from = [From::Oldest, From::Newest][self.dice.roll(2)];
            let start = Start { partition: Partition::new(nth % PARTITIONS), kind, from };
            self.model().asking_for(&name);
            match self.log.cursor(&name, start).await {
                Ok(cursor) => self.model().opened(&name, kind, &cursor),
                Err(_) => return Err(Ended),
            }
        }
        Ok(())
    }

    async fn settle(&mut self) {
        for round in 0..self.work.rounds * 2 {
            let wanting = self.model().wanting();
            let wants = wanting[self.dice.roll(wanting.len())];
            // The last is never in a hurry, so that the log has to carry it along.
            if wanting.len() > 2 && wants == wanting[wanting.len() - 1] && self.dice.roll(4) > 0 {
                continue;
            }
            if round > 0 && wanting.len() > PARTITIONS as usize && self.dice.roll(30) == 0 {
                self.model().dropping(wants.id);
                if self.log.drop_cursor(wants.id).await.is_err() {
                    return;
                }
                continue;
            }
            let Ok(progress) = self.progress(wants).await else { return };
            self.model().telling(wants.id, &progress);
            let answer = self.log.advance(wants.id, progress.clone()).await;
            self.model().told_so(wants.id, &progress, &answer);
            tokio::task::yield_now().await;
        }
    }

    /// Settles a part of the next page, some of it out of order.
    async fn progress(&mut self, wants: Wants) -> Result<Progress, Ended> {
        let now = self.model().told(wants.id).now.clone();
        let mut reading =
            Reading::new(wants.partition, From::Sequence(now.below)).at_most(1 + self.dice.roll(30), 1 << 20);
        reading.wanted_by = (wants.kind == CursorKind::Wanted).then_some(wants.id);
        let page = self.log.read(reading).await.map_err(|_| Ended)?;
        self.model().shown_to(wants.id, now.below, &page);
        let done = self.dice.roll(page.records.len() + 1);
        let below = page.records.get(done).map_or(page.next, |record| record.sequence).max(now.below);
        let mut progress = Progress { below, durability: self.durability(), ..Progress::default() };
        for (nth, record) in page.records.iter().enumerate() {
            let is_new = !now.has(record.sequence);
            let is_beyond = nth >= done;
            if is_beyond && (!is_new || self.dice.roll(3) > 0) {
                continue;
            }
            if is_beyond {
                progress.settled.push(record.sequence);
            }
            if is_new && wants.kind == CursorKind::Wanted {
                progress.records += 1;
                progress.bytes += (record.headers.len() + record.payload.len()) as u64;
            }
        }
        Ok(progress)
    }

    /// Looks here and there, and trims a log that no queue depends on.
    async fn read(&mut self) {
        for _ in 0..self.work.rounds * 2 {
            let partition = self.partition();
            let newest = self.model().floor().get(&partition).map_or(0, |newest| newest.number());
            let some = Sequence::from_number(self.dice.roll(newest as usize + 3) as u64);
            let from = match self.dice.roll(6) {
                0 => From::Oldest,
                1 => From::Newest,
                2 => From::Time(self.some_time()),
                _ => From::Sequence(some),
            };
            let most = (1 + self.dice.roll(40), 1 + self.dice.roll(20_000));
            match self.log.read(Reading::new(partition, from).at_most(most.0, most.1)).await {
                Ok(page) => {
                    let first = if let From::Sequence(first) = from { Some(first) } else { None };
                    self.model().shown_after_trims(partition, first, &page);
                    if let From::Time(time) = from
                        && page.records.first().is_some_and(|record| record.time < time)
                    {
                        self.model().complain(format!("a page from {time} on: {:?}", page.records[0]));
                    }
                }
                Err(ReadError::Busy(_)) => {}
                Err(_) => return,
            }
            if self.work.winner == Winner::Retention && self.dice.roll(12) == 0 {
                let before = Sequence::from_number(some.number() / 2);
                self.model().trimming(partition, before);
                if self.log.trim(partition, before).await.is_err() {
                    return;
                }
                self.model().trimmed(partition, before);
            }
            tokio::task::yield_now().await;
        }
    }

    /// A time of some record, or somewhat off.
    fn some_time(&mut self) -> Timestamp {
        let model = self.model.lock().unwrap();
        let time = model.any(&mut self.dice).and_then(|id| model.sent(id).time()).unwrap_or_default();
        Timestamp::from_ticks(time.ticks() + self.dice.roll(3) as i64 - 1)
    }
}

/// Whether the log will not answer any more.
fn is_end(outcome: &Outcome) -> bool {
    matches!(outcome, Err(AppendError::Broken(_) | AppendError::Closed))
}
