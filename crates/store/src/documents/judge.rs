//! Whether a commit is well-formed, and whether what it expects is true. Every engine asks here,
//! so that they refuse alike.

use std::collections::HashMap;

use super::{
    Action, Body, Change, Commit, CommitError, Conflict, Expect, Key, Misuse, Part, Revision, TooLarge,
    Update,
};

impl Body {
    /// How many bytes the pieces take.
    pub fn size(&self) -> usize {
        let parts = [&self.identity, &self.tags, &self.desired, &self.reported];
        let parts: usize = parts.iter().map(|part| part.as_bytes().len()).sum();
        parts + self.packed.len() + self.sealed.len()
    }
}

impl Update {
    /// How many bytes the new pieces take.
    pub fn size(&self) -> usize {
        let parts = [&self.identity, &self.tags, &self.desired, &self.reported];
        let parts: usize =
            parts.iter().filter_map(|part| part.as_ref()).map(|part| part.as_bytes().len()).sum();
        parts + self.packed.as_ref().map_or(0, Vec::len) + self.sealed.as_ref().map_or(0, Vec::len)
    }
}

impl Change {
    fn size(&self) -> usize {
        let written = match &self.action {
            Action::Put(body) => body.size(),
            Action::Update(update) => update.size(),
            Action::Touch | Action::Check | Action::Delete | Action::DeleteGroup => 0,
        };
        written + self.note.len() + self.key.group.len() + self.key.name.len()
    }
}

impl Commit {
    /// How many bytes of bodies, notes and keys the commit carries.
    pub fn size(&self) -> usize {
        self.changes.iter().map(Change::size).sum()
    }
}

/// The size of a commit that an engine may look at.
pub(crate) fn measured(commit: &Commit, changes_max: usize, bytes_max: usize) -> Result<usize, CommitError> {
    if let Some(stray) = commit.changes.iter().find(|change| change.key.group != commit.group) {
        let what = format!("a commit of group {:?} changes {:?}", commit.group, stray.key);
        return Err(Misuse { what }.into());
    }
    for change in &commit.changes {
        let parts = match &change.action {
            Action::Put(body) => Part::ALL.map(|part| Some(body.part(part))),
            Action::Update(new) => {
                [&new.identity, &new.tags, &new.desired, &new.reported].map(Option::as_ref)
            }
            _ => continue,
        };
        if let Some(error) = parts.into_iter().flatten().find_map(|json| json.check().err()) {
            return Err(Misuse { what: format!("{:?} is written with {error}", change.key) }.into());
        }
    }
    if commit.changes.len() > changes_max {
        let what = format!("a commit has {} changes, {changes_max} are allowed", commit.changes.len());
        return Err(Misuse { what }.into());
    }
    let bytes = commit.size();
    if bytes > bytes_max {
        return Err(TooLarge { bytes, bytes_max }.into());
    }
    Ok(bytes)
}

/// Expectations are about the state before the commit; then the actions happen in order, and an
/// update or touch of a document that is absent by then is a conflict as well.
pub(crate) fn judge<E>(
    commit: &Commit,
    mut find: impl FnMut(&Key) -> Result<Option<Revision>, E>,
) -> Result<Result<(), Conflict>, E> {
    let mut emptied = false;
    let mut written: HashMap<&Key, bool> = HashMap::new();
    for change in &commit.changes {
        let key = &change.key;
        let blind =
            change.expect == Expect::Anything && !matches!(change.action, Action::Update(_) | Action::Touch);
        let found = if blind { None } else { find(key)? };
        let expected = match change.expect {
            Expect::Anything => true,
            Expect::Absent => found.is_none(),
            Expect::Present => found.is_some(),
            Expect::Revision(revision) => found == Some(revision),
        };
        let present = written.get(key).copied().unwrap_or(!emptied && found.is_some());
        let possible = present || !matches!(change.action, Action::Update(_) | Action::Touch);
        if !expected || !possible {
            return Ok(Err(Conflict { key: key.clone(), found }));
        }
        match change.action {
            _ if commit.changes.len() == 1 => {}
            Action::Put(_) => drop(written.insert(key, true)),
            Action::Delete => drop(written.insert(key, false)),
            Action::DeleteGroup => {
                written.clear();
                emptied = true;
            }
            Action::Update(_) | Action::Touch | Action::Check => {}
        }
    }
    Ok(Ok(()))
}
