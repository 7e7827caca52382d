//! What readers were shown, each record compared with what was sent.

use skerry_model::Timestamp;
use skerry_store::log::{Loss, Lost, Page, Partition, Sequence};

use super::{Damage, Id, Model, Sent};

impl Model {
    /// Record `id` lies at `sequence`: so it was answered, or seen.
    pub(super) fn place(&mut self, id: Id, sequence: Sequence, time: Timestamp, how: &str) {
        let sent = &self.sent[id];
        let (partition, bytes) = (sent.partition, sent.bytes());
        let line = self.lines.entry(partition).or_default();
        let place = format!("sequence {sequence} of {partition:?}");
        let wrong = match (sent.at, self.places.get(&(partition, sequence))) {
            (_, Some(other)) if *other != id => format!("{place} held {other}, now {id} ({how})"),
            (Some(at), _) if at != (sequence, time) => format!("{id} is at {at:?} and at {place} ({how})"),
            (None, _) if sequence < line.scanned && !sent.is_retired => {
                format!("{id} appeared at {place}, behind a reader that had passed ({how})")
            }
            _ => String::new(),
        };
        let is_new = sent.at.is_none();
        if is_new {
            let sent = &mut self.sent[id];
            sent.at = Some((sequence, time));
            if !std::mem::take(&mut sent.is_counted) {
                self.placed_bytes += bytes;
                sent.placed_bytes = self.placed_bytes;
            }
        }
        line.newest = line.newest.max(Some(sequence));
        if is_new {
            self.check_not_passed(id, sequence);
        }
        self.places.insert((partition, sequence), id);
        if !wrong.is_empty() {
            self.complain(wrong);
        }
    }

    /// Somebody read a page, from `from` on.
    pub(crate) fn shown(&mut self, partition: Partition, from: Option<Sequence>, page: &Page) {
        let mut last: Option<(Sequence, Timestamp)> = None;
        for record in &page.records {
            let (sequence, time) = (record.sequence, record.time);
            let in_order = last.is_none_or(|(before, earlier)| before < sequence && earlier <= time);
            if !in_order || from.is_some_and(|from| sequence < from) || sequence >= page.next {
                self.complain(format!("{sequence} at {time} after {last:?}, from {from:?} to {}", page.next));
            } else if page.lost.iter().any(|lost| (lost.from..lost.to).contains(&sequence)) {
                self.complain(format!("{sequence} is there and lost: {:?}", page.lost));
            }
            last = Some((sequence, time));
            match Sent::recognize(&record.headers, &record.payload).filter(|id| *id < self.sent.len()) {
                None => self.complain(format!("nobody sent what is at {sequence}: {record:?}")),
                Some(id) => {
                    let sent = &self.sent[id];
                    let is_whole = (&sent.headers, &sent.payload) == (&record.headers, &record.payload);
                    if !is_whole || sent.partition != partition {
                        self.complain(format!("{id} is torn at {sequence} of {partition:?}"));
                    } else if !sent.may_be_there() {
                        self.complain(format!("{id} was refused, yet is at {sequence}: {sent:?}"));
                    }
                    self.place(id, sequence, time, "read");
                }
            }
        }
        self.judge_losses(partition, from, page);
    }

    fn judge_losses(&mut self, partition: Partition, from: Option<Sequence>, page: &Page) {
        let mut end = from.unwrap_or_default();
        for Lost { from, to, why } in page.lost.iter().copied() {
            if from < end || from >= to || to > page.next {
                self.complain(format!(
                    "losses out of order in {partition:?}: {:?} of {}",
                    page.lost, page.next
                ));
            }
            if why == Loss::Damaged && self.damage == Damage::None {
                self.complain(format!("{from} to {to} of {partition:?} is said to be damaged"));
            }
            end = to;
        }
    }

    /// A page that was asked for after all trims so far were answered.
    pub(crate) fn shown_after_trims(&mut self, partition: Partition, from: Option<Sequence>, page: &Page) {
        let hidden = self.lines.entry(partition).or_default().hidden;
        if let Some(record) = page.records.first().filter(|record| record.sequence < hidden) {
            self.complain(format!("{} was trimmed with all before {hidden}", record.sequence));
        }
        self.shown(partition, from, page);
    }
}
