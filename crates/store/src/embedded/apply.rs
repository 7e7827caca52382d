//! One commit as SQL, inside the writer's transaction.

use rusqlite::types::Value as Sql;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Result, params};

use super::row;
use crate::documents::judge::judge;
use crate::documents::{Action, Body, Change, ChangeKind, Commit, Conflict, Json, Key, Revision, Update};

/// The numbers that the next change and the next commit get; part of the transaction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counter {
    /// The last commit.
    pub(super) revision: u64,
    /// The next change.
    pub(super) next: u64,
    pub(super) change_bytes: u64,
}

/// What a change record takes besides its texts.
const RECORD_OVERHEAD: usize = 32;

/// Judges and makes one commit. A conflict leaves no trace; an error means that the whole
/// transaction has to be rolled back.
pub(super) fn apply(
    connection: &Connection,
    counter: &mut Counter,
    commit: &Commit,
) -> Result<std::result::Result<Revision, Conflict>> {
    if let Err(conflict) = judge(commit, |key| find(connection, key))? {
        return Ok(Err(conflict));
    }
    let revision = counter.next;
    counter.revision = revision;
    let mut applying = Applying { connection, counter, revision };
    for change in &commit.changes {
        applying.change(change)?;
    }
    // A commit without records takes a number as well.
    counter.next = counter.next.max(revision + 1);
    Ok(Ok(Revision::from_number(revision)))
}

fn find(connection: &Connection, key: &Key) -> Result<Option<Revision>> {
    connection
        .prepare_cached("SELECT revision FROM documents WHERE space = ?1 AND grp = ?2 AND name = ?3")?
        .query_row(params![key.space.number(), key.group, key.name], |found| row::revision(found, 0))
        .optional()
}

struct Applying<'a> {
    connection: &'a Connection,
    counter: &'a mut Counter,
    revision: u64,
}

impl Applying<'_> {
    fn change(&mut self, change: &Change) -> Result<()> {
        let (key, note) = (&change.key, &change.note);
        match &change.action {
            Action::Check => Ok(()),
            Action::Put(body) => {
                self.put(key, body)?;
                self.record(key, ChangeKind::Put, note)
            }
            Action::Update(update) => {
                self.update(key, update)?;
                self.record(key, ChangeKind::Update, note)
            }
            Action::Touch => {
                self.update(key, &Update::default())?;
                self.record(key, ChangeKind::Update, note)
            }
            Action::Delete => match self.delete(key)? {
                true => self.record(key, ChangeKind::Delete, note),
                false => Ok(()),
            },
            Action::DeleteGroup => self.delete_group(&key.group, note),
        }
    }

    fn put(&self, key: &Key, body: &Body) -> Result<()> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO documents (space, grp, name, revision, packed, identity, tags, sealed, desired, reported)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             ON CONFLICT (space, grp, name) DO UPDATE SET revision = excluded.revision,
                 packed = excluded.packed, identity = excluded.identity, tags = excluded.tags,
                 sealed = excluded.sealed, desired = excluded.desired, reported = excluded.reported",
        )?;
        insert.execute(params![
            key.space.number(),
            key.group,
            key.name,
            self.revision as i64,
            body.packed,
            body.identity.as_bytes(),
            body.tags.as_bytes(),
            body.sealed,
            body.desired.as_bytes(),
            body.reported.as_bytes(),
        ])?;
        Ok(())
    }

    /// Names only the pieces that change: SQLite then leaves indexes on the others alone.
    fn update(&self, key: &Key, update: &Update) -> Result<()> {
        let pieces = [
            ("packed", update.packed.as_deref()),
            ("identity", update.identity.as_ref().map(Json::as_bytes)),
            ("tags", update.tags.as_ref().map(Json::as_bytes)),
            ("sealed", update.sealed.as_deref()),
            ("desired", update.desired.as_ref().map(Json::as_bytes)),
            ("reported", update.reported.as_ref().map(Json::as_bytes)),
        ];
        let mut sql = String::with_capacity(160);
        sql.push_str("UPDATE documents SET revision = ?");
        for (column, new) in &pieces {
            if new.is_some() {
                sql.push_str(", ");
                sql.push_str(column);
                sql.push_str(" = ?");
            }
        }
        sql.push_str(" WHERE space = ? AND grp = ? AND name = ?");
        let mut statement = self.connection.prepare_cached(&sql)?;
        statement.raw_bind_parameter(1, self.revision as i64)?;
        let mut at = 1;
        for (_, new) in pieces {
            if let Some(bytes) = new {
                at += 1;
                statement.raw_bind_parameter(at, bytes)?;
            }
        }
        statement.raw_bind_parameter(at + 1, key.space.number())?;
        statement.raw_bind_parameter(at + 2, key.group.as_str())?;
        statement.raw_bind_parameter(at + 3, key.name.as_str())?;
        statement.raw_execute()?;
        Ok(())
    }

    fn delete(&self, key: &Key) -> Result<bool> {
        let mut delete: CachedStatement<'_> = self
            .connection
            .prepare_cached("DELETE FROM documents WHERE space = ?1 AND grp = ?2 AND name = ?3")?;
        Ok(delete.execute(params![key.space.number(), key.group, key.name])? > 0)
    }

    /// Walks the spaces that exist, for the group is the second part of the key.
    fn delete_group(&mut self, group: &str, note: &[u8]) -> Result<()> {
        let mut space: i64 = -1;
        let next = "SELECT space FROM documents WHERE space > ?1 ORDER BY space LIMIT 1";
        let names = "DELETE FROM documents WHERE space = ?1 AND grp = ?2 RETURNING name";
        loop {
            let found: Option<i64> =
                self.connection.prepare_cached(next)?.query_row([space], |row| row.get(0)).optional()?;
            let Some(found) = found else { return Ok(()) };
            space = found;
            let members: Vec<String> = self
                .connection
                .prepare_cached(names)?
                .query_map(params![space, group], |row| row.get(0))?
                .collect::<Result<_>>()?;
            for name in members {
                let number = u8::try_from(space).unwrap_or_default();
                let key = Key::new(crate::documents::Space::new(number), group, name);
                self.record(&key, ChangeKind::Delete, note)?;
            }
        }
    }

    fn record(&mut self, key: &Key, kind: ChangeKind, note: &[u8]) -> Result<()> {
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO changes (id, revision, space, grp, name, kind, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let kind = match kind {
            ChangeKind::Put => 0,
            ChangeKind::Update => 1,
            ChangeKind::Delete => 2,
        };
        let (id, revision) = (self.counter.next as i64, self.revision as i64);
        insert.execute(params![id, revision, key.space.number(), key.group, key.name, kind, note])?;
        self.counter.next += 1;
        self.counter.change_bytes += (key.group.len() + key.name.len() + note.len() + RECORD_OVERHEAD) as u64;
        Ok(())
    }
}

/// Throws the oldest records away, a bounded number, when there are more than may be kept.
/// Answers the bytes that are left.
pub(super) fn trim(
    connection: &Connection,
    counter: &Counter,
    added: u64,
    records_max: u64,
    bytes_max: u64,
) -> Result<u64> {
    let mut bytes = counter.change_bytes;
    let first: Option<i64> =
        connection.prepare_cached("SELECT min(id) FROM changes")?.query_row([], |row| row.get(0))?;
    let Some(first) = first else { return Ok(bytes) };
    let mut count = counter.next.saturating_sub(first as u64);
    if count <= records_max && bytes <= bytes_max {
        return Ok(bytes);
    }
    let mut oldest = connection.prepare_cached(
        "SELECT id, revision, length(CAST(grp AS BLOB)) + length(CAST(name AS BLOB)) + length(note)
         FROM changes ORDER BY id LIMIT ?1",
    )?;
    let mut rows = oldest.query([(added * 2 + 64) as i64])?;
    let mut gone: Option<(i64, i64)> = None;
    while let Some(record) = rows.next()? {
        if count <= records_max && bytes <= bytes_max {
            break;
        }
        let id: i64 = record.get(0)?;
        gone = Some((id, record.get(1)?));
        count = counter.next.saturating_sub(id as u64 + 1);
        bytes = bytes.saturating_sub(record.get::<_, i64>(2)? as u64 + RECORD_OVERHEAD as u64);
    }
    drop(rows);
    if let Some((id, revision)) = gone {
        connection.prepare_cached("DELETE FROM changes WHERE id <= ?1")?.execute([id])?;
        let trimmed: [Sql; 1] = [revision.into()];
        connection.prepare_cached("UPDATE state SET trimmed = ?1")?.execute(trimmed)?;
    }
    Ok(bytes)
}
