//! Commits whose outcome stays unknown are asked about until it is known.
//!
//! A store may answer that a commit perhaps happened. Expectations make a second try harmless: if
//! it succeeds, the first had not happened; if it conflicts, the documents are read as they are
//! now, and when they hold what was to be written, the first had.
//!
//! When somebody else wrote in between, that cannot be told any more, and the caller decides anew:
//! a merge made twice is a merge made once, though a version may count it twice.

use skerry_store::documents::{Action, Change, Commit, CommitError, Document, Documents};

use super::RegistryError;

/// Tries of one commit while its outcome is unknown, before the caller is told to come back.
const TRIES_MAX: usize = 8;

/// How a commit ended.
pub(crate) enum Settled {
    Committed,
    /// An expectation did not hold; look again and decide anew.
    Conflict,
}

pub(crate) async fn settle(documents: &dyn Documents, commit: Commit) -> Result<Settled, RegistryError> {
    let mut in_doubt = false;
    for _ in 0..TRIES_MAX {
        match documents.commit(commit.clone()).await {
            Ok(_) => return Ok(Settled::Committed),
            Err(CommitError::Unknown) => in_doubt = true,
            Err(CommitError::Conflict(_)) => {
                if in_doubt && happened(documents, &commit).await? {
                    return Ok(Settled::Committed);
                }
                return Ok(Settled::Conflict);
            }
            Err(error) => return Err(RegistryError::Commit(error)),
        }
    }
    Err(RegistryError::Commit(CommitError::Unknown))
}

/// Whether the documents are as the commit would have left them.
async fn happened(documents: &dyn Documents, commit: &Commit) -> Result<bool, RegistryError> {
    // Not before our first try, whatever became of it.
    let at_least = Some(documents.latest().await?);
    for change in &commit.changes {
        let now = documents.get(&change.key, at_least).await?;
        if !shows(change, now.as_ref()) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn shows(change: &Change, now: Option<&Document>) -> bool {
    match (&change.action, now) {
        (Action::Put(body), Some(now)) => &now.body == body,
        (Action::Update(update), Some(now)) => {
            let same = |wanted: &Option<_>, found| wanted.as_ref().is_none_or(|wanted| wanted == found);
            let bytes = |wanted: &Option<Vec<u8>>, found: &Vec<u8>| {
                wanted.as_ref().is_none_or(|wanted| wanted == found)
            };
            same(&update.identity, &now.body.identity)
                && same(&update.tags, &now.body.tags)
                && same(&update.desired, &now.body.desired)
                && same(&update.reported, &now.body.reported)
                && bytes(&update.packed, &now.body.packed)
                && bytes(&update.sealed, &now.body.sealed)
        }
        (Action::Delete | Action::DeleteGroup, now) => now.is_none(),
        // These leave nothing behind by which to know them; the other changes of the commit tell.
        (Action::Touch | Action::Check, now) => now.is_some(),
        (Action::Put(_) | Action::Update(_), None) => false,
    }
}
