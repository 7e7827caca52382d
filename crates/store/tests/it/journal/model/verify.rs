//! What is found after a crash, compared with what was answered before.

use std::collections::{BTreeMap, BTreeSet};

use skerry_store::log::{
    Batch, CursorKind, Durability, Extent, From, Log, Loss, Lost, Partition, Placed, Reading, Sequence,
    Winner,
};

use super::{Damage, Id, Model, Sent};

/// Everything that a partition gives.
struct Scan {
    present: BTreeSet<Id>,
    lost: Vec<Lost>,
    next: Sequence,
}

/// So many partitions do the tests use.
pub(crate) const PARTITIONS: u32 = 4;

fn partitions() -> impl Iterator<Item = Partition> {
    (0..PARTITIONS).map(Partition::new)
}

impl Model {
    /// Reads everything after the log was opened, then sends again what was not answered, and uses
    /// the log once more.
    pub(crate) async fn verify(&mut self, log: &dyn Log) -> Result<(), String> {
        self.compare_records(log).await?;
        self.outcome()?;
        self.retry(log).await?;
        self.outcome()?;
        // Once more, with what was sent again.
        self.compare_records(log).await?;
        self.check_order();
        self.outcome()
    }

    /// The same without a crash in between: what is there, and what the log says of it.
    pub(crate) async fn check(&mut self, log: &dyn Log) -> Result<(), String> {
        self.compare_records(log).await?;
        self.check_order();
        self.outcome()
    }

    async fn compare_records(&mut self, log: &dyn Log) -> Result<(), String> {
        let mut all = BTreeSet::new();
        for partition in partitions() {
            let scan = self.scan(log, partition).await?;
            self.compare_partition(partition, &scan);
            all.extend(scan.present);
        }
        let damaged = log.figures().damaged;
        if damaged > 0 && self.damage == Damage::None {
            self.complain(format!("the log says that {damaged} places are damaged"));
        }
        self.check_cursors(&log.cursors(), &all);
        self.check_queues(log, &all).await
    }

    /// Reads a partition from its first sequence to its end.
    async fn scan(&mut self, log: &dyn Log, partition: Partition) -> Result<Scan, String> {
        let extent = async || log.extent(partition).await.map_err(|error| format!("extent: {error}"));
        let Extent { first, .. } = extent().await?;
        let mut scan = Scan { present: BTreeSet::new(), lost: Vec::new(), next: Sequence::ZERO };
        loop {
            // Small pages, so that there are borders between them.
            let reading = Reading::new(partition, From::Sequence(scan.next)).at_most(100, 64 << 10);
            let page = log.read(reading).await.map_err(|error| format!("read: {error}"))?;
            self.shown(partition, Some(scan.next), &page);
            // What was given up when it was seen is shown a moment later, so the end is asked for after the page.
            let extent = Extent { first, ..extent().await? };
            scan.lost.extend(&page.lost);
            for record in &page.records {
                if record.sequence < first || record.time > extent.newest {
                    self.complain(format!("{} at {} is not in {extent:?}", record.sequence, record.time));
                }
                if let Some(id) = Sent::recognize(&record.headers, &record.payload)
                    && id < self.sent.len()
                    && !scan.present.insert(id)
                {
                    self.complain(format!("{id} is there twice"));
                }
            }
            if page.next < scan.next || page.next > extent.next {
                return Err(format!("reading goes from {} to {} of {extent:?}", scan.next, page.next));
            }
            if page.next == scan.next {
                return Ok(scan);
            }
            scan.next = page.next;
        }
    }

    fn compare_partition(&mut self, partition: Partition, scan: &Scan) {
        if self.is_gone() {
            return;
        }
        self.look_at_the_clock();
        for id in 0..self.sent.len() {
            if self.sent[id].partition != partition {
                continue;
            }
            if scan.present.contains(&id) {
                let sent = &mut self.sent[id];
                sent.acked = sent.acked.max(Some(Durability::Memory));
                (sent.is_unsure, sent.is_retired) = (false, false);
                continue;
            }
            let sent = &self.sent[id];
            let lost = |why| {
                let covers = |lost: &Lost, at| lost.why == why && lost.from <= at && at < lost.to;
                match sent.sequence() {
                    Some(at) => scan.lost.iter().any(|lost| covers(lost, at)),
                    // Nobody knows where it would be.
                    None => scan.lost.iter().any(|lost| lost.why == why),
                }
            };
            // A file that is rewritten for a queue leaves holes where nobody wanted anything.
            let is_told = self.winner == Winner::Cursors || lost(Loss::Removed);
            let removed = is_told && self.may_be_removed(id);
            let is_synced = sent.acked == Some(Durability::Synced);
            let excused = removed || self.damage == Damage::Unsynced && !is_synced && lost(Loss::Damaged);
            if sent.is_retired {
                continue;
            }
            if sent.is_there() && !excused {
                let who = self.who_wants(id);
                let wrong = format!("{id} is gone: {sent:?}; wanted by {who:?}; lost: {:?}", scan.lost);
                self.complain(wrong);
            }
            let sent = &mut self.sent[id];
            if excused && sent.may_be_there() {
                (sent.is_retired, sent.is_unsure) = (true, false);
            } else if !excused {
                // Then it is not there, and has to be sent again if anybody wants it there.
                (sent.at, sent.is_unsure) = (None, false);
            }
        }
        let line = self.lines.entry(partition).or_default();
        line.scanned = line.scanned.max(scan.next);
    }

    /// Whether trimming, retention or settling can have taken the record.
    fn may_be_removed(&self, id: Id) -> bool {
        let sent = &self.sent[id];
        let Some(sequence) = sent.sequence() else { return !self.is_wanted(id) };
        if self.lines.get(&sent.partition).is_some_and(|line| sequence < line.trimmed) {
            return true;
        }
        let is_old = |age| sent.time().is_some_and(|time| self.latest.since(time) >= age);
        match self.winner {
            Winner::Retention if self.age_max.is_some_and(is_old) => true,
            // The cap is that of the files. What comes after a record that had to go fills at least
            // what is left of the cap without the segment of the record, one being begun and what
            // they hold beside records.
            Winner::Retention => self.placed_bytes - sent.placed_bytes >= self.bytes_max / 5,
            Winner::Cursors => !self.is_wanted(id),
        }
    }

    /// Queues give what their cursors want and have not settled.
    async fn check_queues(&mut self, log: &dyn Log, present: &BTreeSet<Id>) -> Result<(), String> {
        for cursor in log.cursors() {
            let is_known = self.wanting().iter().any(|wants| wants.id == cursor.id);
            if cursor.kind != CursorKind::Wanted || !is_known {
                continue;
            }
            let (mut next, mut queue) = (cursor.below, BTreeSet::new());
            loop {
                let reading = Reading::new(cursor.partition, From::Sequence(next))
                    .wanted_by(cursor.id)
                    .at_most(50, 64 << 10);
                let page = log.read(reading).await.map_err(|error| format!("read: {error}"))?;
                self.shown(cursor.partition, Some(next), &page);
                queue.extend(page.records.iter().map(|record| record.sequence));
                if page.next <= next {
                    break;
                }
                next = page.next;
            }
            for id in present {
                let sent = &self.sent[*id];
                let Some(sequence) = sent.sequence() else { continue };
                let wants = sent.wanted_by.contains(&cursor.id) && sent.partition == cursor.partition;
                let settled = sequence < cursor.below || cursor.settled.contains(&sequence);
                if queue.contains(&sequence) && sent.partition == cursor.partition && !wants {
                    self.complain(format!("{sequence} is not for {cursor:?}"));
                } else if wants && !settled && !queue.contains(&sequence) {
                    self.complain(format!("{sequence} does not come to {cursor:?}"));
                }
            }
        }
        Ok(())
    }

    /// The senders send again what was not answered, in their order; once it is there, a further
    /// try changes nothing. Something new is taken too.
    async fn retry(&mut self, log: &dyn Log) -> Result<(), String> {
        let mut ids: Vec<Id> = (0..self.sent.len()).filter(|id| self.sent[*id].is_to_be_retried()).collect();
        ids.sort_by_key(|id| self.sent[*id].order);
        // Some that are known to be there: these must not come twice either.
        let known = (0..self.sent.len()).rev().filter(|id| self.sent[*id].is_there());
        let known: Vec<Id> = known.filter(|id| self.sent[*id].name.is_some()).step_by(3).take(10).collect();
        for partition in partitions() {
            ids.push(self.record(|id| Sent::new(id, partition, 100)));
        }
        for id in ids.iter().chain(&known).copied() {
            let is_there = self.sent[id].is_there();
            let floor = self.floor();
            let batch = Batch::new(vec![self.try_to_place(id)], Durability::Synced);
            let outcomes = log.append(batch).await;
            let [outcome] = &outcomes[..] else { return Err(format!("{} outcomes for one", outcomes.len())) };
            self.answered(id, Durability::Synced, &floor, outcome);
            match outcome {
                Err(error) if !self.excuses(error) => {
                    return Err(format!("{id} was not taken after the crash: {error}"));
                }
                Err(_) => self.give_up(id),
                Ok(Placed::At { .. }) if is_there => return Err(format!("{id} was placed twice")),
                _ => {}
            }
        }
        Ok(())
    }

    /// A log at its cap whose readers do not read may refuse.
    fn excuses(&self, error: &skerry_store::log::AppendError) -> bool {
        use skerry_store::log::{AppendError, Full};
        self.winner == Winner::Cursors && matches!(error, AppendError::Full(Full::Cap { .. }))
    }

    /// What one sender sent in order lies in that order.
    fn check_order(&mut self) {
        let mut lines: BTreeMap<(usize, Partition), Vec<(Sequence, usize)>> = BTreeMap::new();
        for sent in self.sent.iter().filter(|sent| sent.is_there()) {
            if let (Some((line, nth)), Some(sequence)) = (sent.order, sent.sequence()) {
                lines.entry((line, sent.partition)).or_default().push((sequence, nth));
            }
        }
        for (line, mut records) in lines {
            records.sort_unstable();
            if let Some(pair) = records.windows(2).find(|pair| pair[0].1 >= pair[1].1) {
                self.complain(format!("{line:?} is out of order: {pair:?}"));
            }
        }
    }
}
