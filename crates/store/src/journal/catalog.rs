//! The files of the journal, from the oldest to the one that grows.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Files;
use super::segment::{Head, Segment};

#[derive(Default)]
pub(super) struct Catalog {
    /// By first number.
    segments: Mutex<BTreeMap<u64, Arc<Segment>>>,
    /// Bytes on disk, files in the making included.
    bytes: AtomicU64,
}

impl Catalog {
    pub(super) fn insert(&self, segment: Arc<Segment>) {
        self.bytes.fetch_add(segment.bytes(), SeqCst);
        self.lock().insert(segment.first, segment);
    }

    /// A file became longer.
    pub(super) fn grow(&self, segment: &Segment, by: u64) {
        segment.bytes.fetch_add(by, SeqCst);
        self.bytes.fetch_add(by, SeqCst);
    }

    /// Bytes that are on disk, or about to be, outside of any segment.
    pub(super) fn lend(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, SeqCst);
    }

    pub(super) fn give_back(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, SeqCst);
    }

    /// Takes a segment out; its file is the caller's to remove.
    pub(super) fn take(&self, first: u64) -> Option<Arc<Segment>> {
        let segment = self.lock().remove(&first)?;
        self.bytes.fetch_sub(segment.bytes(), SeqCst);
        Some(segment)
    }

    /// Puts one segment in the place of several.
    pub(super) fn replace(&self, old: &[Arc<Segment>], new: Arc<Segment>) {
        let mut segments = self.lock();
        for segment in old {
            segments.remove(&segment.first);
            self.bytes.fetch_sub(segment.bytes(), SeqCst);
        }
        self.bytes.fetch_add(new.bytes(), SeqCst);
        segments.insert(new.first, new);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(SeqCst)
    }

    pub(super) fn all(&self) -> Vec<Arc<Segment>> {
        self.lock().values().cloned().collect()
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// What comes behind a segment: the next, or the one that it was merged into meanwhile.
    pub(super) fn after(&self, segment: &Segment) -> Option<Arc<Segment>> {
        let segments = self.lock();
        let holding = segments.range(..=segment.last + 1).next_back();
        let holding = holding.filter(|(_, found)| found.last > segment.last);
        let after = holding.or_else(|| segments.range(segment.last + 1..).next());
        after.map(|(_, found)| found.clone())
    }

    /// Whether a segment, what it was merged into or one that is older is still there.
    pub(super) fn reaches_back_to(&self, segment: &Segment) -> bool {
        self.lock().first_key_value().is_some_and(|(first, _)| *first <= segment.last)
    }

    pub(super) fn oldest(&self) -> Option<Arc<Segment>> {
        self.lock().first_key_value().map(|(_, segment)| segment.clone())
    }

    pub(super) fn holds(&self, segment: &Segment) -> bool {
        self.lock().get(&segment.first).is_some_and(|known| std::ptr::eq(&**known, segment))
    }

    /// Where the blocks of a file end, as its own head or the next file's says it. `None` for a
    /// file whose successor cannot be read: then it ends where no more blocks are found.
    pub(super) fn end(&self, files: &dyn Files, segment: &Segment, head: &Head) -> io::Result<Option<u64>> {
        if let Some(end) = segment.known_end() {
            return Ok(Some(end));
        }
        if let Some(end) = head.prelude.end {
            segment.set_end(end);
            return Ok(Some(end));
        }
        let Some(after) = self.after(segment) else { return Ok(None) };
        let said = after.head(files)?.and_then(|after| after.previous);
        let end = said.filter(|(number, _)| *number == segment.last).map(|(_, end)| end);
        end.into_iter().for_each(|end| segment.set_end(end));
        Ok(end)
    }

    /// The last segment for which `is_before` holds, of those from the oldest on for which it
    /// does; looked for by halves, so that few heads are read. Damaged heads are passed over.
    pub(super) fn last_where(
        &self,
        files: &dyn Files,
        is_before: impl Fn(&Head) -> bool,
    ) -> io::Result<Option<Arc<Segment>>> {
        let all = self.all();
        let (mut low, mut high) = (0, all.len());
        while low < high {
            let middle = (low + high) / 2;
            // A neighbour answers for a head that cannot be read; where none does, it is looked for
            // further down: reading goes on through what lies between.
            let mut at = middle;
            let answer = loop {
                match all[at].head(files) {
                    Ok(Some(head)) => break Some(is_before(&head)),
                    // Removed meanwhile: as good as too early.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break Some(true),
                    Ok(None) | Err(_) if at + 1 < high => at += 1,
                    Ok(None) | Err(_) => break None,
                }
            };
            match answer {
                Some(true) => low = at + 1,
                Some(false) | None => high = middle,
            }
        }
        Ok(all.get(low.saturating_sub(1)).or(all.first()).cloned())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Segment>>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
