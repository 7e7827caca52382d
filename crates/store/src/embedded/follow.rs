//! Following: change records are read like documents, waiting is on the newest revision.

use rusqlite::{Connection, Result, Row, params};
use tokio::sync::watch;

use super::readers::Readers;
use super::row;
use crate::documents::{
    Answer, ChangeKind, ChangeRecord, FollowError, Follower, Key, Lagged, ReadError, Revision, Space,
};

/// Records handed over at once, plus the rest of the last commit.
const BATCH: usize = 1000;
/// Bytes of notes handed over at once, the same.
const BATCH_BYTES: usize = 4 << 20;

pub(super) struct EmbeddedFollower {
    pub(super) readers: Readers,
    pub(super) newest: watch::Receiver<Revision>,
    pub(super) from: Revision,
}

impl Follower for EmbeddedFollower {
    fn next(&mut self) -> Answer<'_, Vec<ChangeRecord>, FollowError> {
        Box::pin(async move {
            loop {
                let newest = *self.newest.borrow_and_update();
                if newest == self.from {
                    if self.readers.closed() {
                        return Err(FollowError::Closed);
                    }
                    self.newest.changed().await.map_err(|_| FollowError::Closed)?;
                    continue;
                }
                let from = self.from;
                match self.readers.run(move |connection| read(connection, from)).await {
                    Ok(Ok(batch)) => {
                        if let Some(last) = batch.last() {
                            self.from = last.revision;
                            return Ok(batch);
                        }
                        self.newest.changed().await.map_err(|_| FollowError::Closed)?;
                    }
                    Ok(Err(lagged)) => {
                        self.from = lagged.resume;
                        return Err(lagged.into());
                    }
                    // Others read a great deal at the moment; a follower has time.
                    Err(ReadError::Busy(_) | ReadError::Late(_)) => tokio::task::yield_now().await,
                    Err(ReadError::Damaged(damaged)) => return Err(damaged.into()),
                    Err(ReadError::Closed) => return Err(FollowError::Closed),
                }
            }
        })
    }
}

fn read(connection: &Connection, from: Revision) -> Result<std::result::Result<Vec<ChangeRecord>, Lagged>> {
    let (newest, trimmed) = connection
        .prepare_cached("SELECT revision, trimmed FROM state")?
        .query_row([], |found| Ok((row::revision(found, 0)?, row::revision(found, 1)?)))?;
    // A follower from the future followed a store that was since restored from a backup.
    if from < trimmed || from > newest {
        return Ok(Err(Lagged { resume: newest }));
    }
    let mut records = connection.prepare_cached(
        "SELECT revision, space, grp, name, kind, note FROM changes WHERE id > ?1 AND revision > ?1 ORDER BY id",
    )?;
    let mut rows = records.query(params![from.number() as i64])?;
    let mut batch: Vec<ChangeRecord> = Vec::new();
    let mut bytes = 0;
    while let Some(found) = rows.next()? {
        let record = record(found)?;
        let full = batch.len() >= BATCH || bytes >= BATCH_BYTES;
        if full && batch.last().is_some_and(|last| last.revision != record.revision) {
            break;
        }
        bytes += record.note.len();
        batch.push(record);
    }
    Ok(Ok(batch))
}

fn record(row: &Row<'_>) -> Result<ChangeRecord> {
    let kind = match row.get(4)? {
        0 => ChangeKind::Put,
        1 => ChangeKind::Update,
        2 => ChangeKind::Delete,
        other => return Err(rusqlite::Error::IntegralValueOutOfRange(4, other)),
    };
    Ok(ChangeRecord {
        revision: row::revision(row, 0)?,
        key: Key { space: Space::new(row.get(1)?), group: row.get(2)?, name: row.get(3)? },
        kind,
        note: row.get(5)?,
    })
}
