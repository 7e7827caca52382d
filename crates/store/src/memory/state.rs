//! The documents, the changes that followers may still ask for, and the way back to older states.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use crate::documents::{
    Action, ChangeKind, ChangeRecord, Commit, Document, Field, Key, Page, Position, Revision, Scan, Space,
    Update,
};

#[derive(Default)]
pub(super) struct State {
    documents: BTreeMap<Key, Arc<Document>>,
    pub(super) revision: Revision,
    pub(super) records: VecDeque<ChangeRecord>,
    /// The newest revision of which a record was thrown away.
    pub(super) trimmed: Revision,
    /// Declared and of no use here: everything is looked at.
    pub(super) indexes: Vec<(Space, Vec<Field>)>,
    /// What each of the last commits replaced, oldest first.
    undo: VecDeque<Undo>,
}

struct Undo {
    revision: Revision,
    replaced: Vec<(Key, Option<Arc<Document>>)>,
}

/// The documents as they were at some revision.
pub(super) struct View<'a> {
    state: &'a State,
    older: HashMap<&'a Key, Option<&'a Arc<Document>>>,
    pub(super) revision: Revision,
}

impl State {
    pub(super) fn find(&self, key: &Key) -> Option<Revision> {
        self.documents.get(key).map(|document| document.revision)
    }

    /// Makes the changes of a commit that was judged.
    pub(super) fn apply(&mut self, commit: Commit, records_max: usize, undo_max: usize) -> Revision {
        let revision = Revision::from_number(self.revision.number() + 1);
        let mut undo = Undo { revision, replaced: Vec::new() };
        for change in commit.changes {
            let written = match change.action {
                Action::Check => continue,
                Action::Put(body) => Some((ChangeKind::Put, body)),
                Action::Update(update) => self.updated(&change.key, update),
                Action::Touch => self.updated(&change.key, Update::default()),
                Action::Delete => None,
                Action::DeleteGroup => {
                    let group = &change.key.group;
                    let members: Vec<Key> =
                        self.documents.keys().filter(|key| key.group == *group).cloned().collect();
                    for key in members {
                        self.replace(key, None, ChangeKind::Delete, change.note.clone(), &mut undo);
                    }
                    continue;
                }
            };
            let (kind, document) = match written {
                Some((kind, body)) => {
                    (kind, Some(Arc::new(Document { key: change.key.clone(), revision, body })))
                }
                None => (ChangeKind::Delete, None),
            };
            self.replace(change.key, document, kind, change.note, &mut undo);
        }
        self.revision = revision;
        self.undo.push_back(undo);
        while self.undo.len() > undo_max {
            self.undo.pop_front();
        }
        while self.records.len() > records_max {
            if let Some(gone) = self.records.pop_front() {
                self.trimmed = gone.revision;
            }
        }
        revision
    }

    fn updated(&self, key: &Key, update: Update) -> Option<(ChangeKind, crate::documents::Body)> {
        let mut body = self.documents.get(key)?.body.clone();
        update.apply(&mut body);
        Some((ChangeKind::Update, body))
    }

    fn replace(
        &mut self,
        key: Key,
        document: Option<Arc<Document>>,
        kind: ChangeKind,
        note: Vec<u8>,
        undo: &mut Undo,
    ) {
        let absent = document.is_none();
        let before = match document {
            Some(document) => self.documents.insert(key.clone(), document),
            None => self.documents.remove(&key),
        };
        if absent && before.is_none() {
            return;
        }
        undo.replaced.push((key.clone(), before));
        self.records.push_back(ChangeRecord { revision: undo.revision, key, kind, note });
    }

    /// The state `behind` commits ago, as far as it is still known, but not before `floor`.
    pub(super) fn view(&self, behind: usize, floor: Revision) -> View<'_> {
        let mut view = View { state: self, older: HashMap::new(), revision: self.revision };
        for undo in self.undo.iter().rev().take(behind) {
            if undo.revision <= floor {
                break;
            }
            for (key, before) in undo.replaced.iter().rev() {
                view.older.insert(key, before.as_ref());
            }
            view.revision = Revision::from_number(undo.revision.number() - 1);
        }
        view
    }
}

impl<'a> View<'a> {
    pub(super) fn get(&self, key: &Key) -> Option<&'a Arc<Document>> {
        match self.older.get(key) {
            Some(older) => *older,
            None => self.state.documents.get(key),
        }
    }

    /// The documents of a space in key order, behind a position.
    fn walk(&self, space: Space, after: Option<&Position>) -> impl Iterator<Item = &'a Arc<Document>> {
        let start = match after {
            Some(at) => Bound::Excluded(Key::new(space, at.group.as_str(), at.name.as_str())),
            None => Bound::Included(Key::new(space, "", "")),
        };
        let range = (start, Bound::Unbounded);
        let current = self.state.documents.range(range.clone());
        let mut all: BTreeMap<&Key, &Arc<Document>> = BTreeMap::new();
        // Only a late view needs the detour over a second map.
        let late = !self.older.is_empty();
        if late {
            all.extend(current.clone().take_while(|(key, _)| key.space == space));
            for (&key, &document) in &self.older {
                let inside = std::ops::RangeBounds::contains(&range, key) && key.space == space;
                match document {
                    Some(document) if inside => drop(all.insert(key, document)),
                    _ => drop(all.remove(key)),
                }
            }
        }
        let current = current.take_while(move |(key, _)| key.space == space && !late);
        all.into_values().chain(current.map(|(_, document)| document))
    }

    /// One page, and how many documents were looked at.
    pub(super) fn page(&self, scan: &Scan) -> (Page, u64) {
        let mut page = Page { documents: Vec::new(), next: None, revision: self.revision };
        let (mut examined, mut bytes) = (0, 0);
        let mut last = None;
        for document in self.walk(scan.space, scan.after.as_ref()) {
            if scan.group.as_ref().is_some_and(|group| *group != document.key.group) {
                continue;
            }
            let full = page.documents.len() >= scan.limit.max(1) || examined >= scan.examine_max.max(1);
            let size = document.body.size();
            let wanted = !full && wanted(scan, document);
            if full || (wanted && !page.documents.is_empty() && bytes + size > scan.bytes_max) {
                page.next = last;
                break;
            }
            examined += 1;
            last = Some(Position { group: document.key.group.clone(), name: document.key.name.clone() });
            if wanted {
                bytes += size;
                page.documents.push(Document::clone(document));
            }
        }
        (page, examined as u64)
    }

    pub(super) fn count(&self, scan: &Scan) -> u64 {
        let in_group =
            |document: &&&Arc<Document>| scan.group.as_ref().is_none_or(|group| *group == document.key.group);
        let counted = |document: &&Arc<Document>| in_group(&document) && wanted(scan, document);
        self.walk(scan.space, None).filter(counted).count() as u64
    }
}

/// `Narrow` is ignored where `accept` decides: nobody may lean on it.
fn wanted(scan: &Scan, document: &Document) -> bool {
    match &scan.accept {
        Some(accept) => accept(document),
        None => scan.narrow.meets(document),
    }
}
