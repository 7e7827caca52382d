//! The writer's side: declares, fills a piece at a time, removes the same way.

use std::sync::{Arc, PoisonError};

use rusqlite::{Connection, Result, params};

use super::tables::{create, drop_triggers, fill_piece, remove_piece};
use super::{BUILDING, COMPLETE, DROPPING, Declaration, Definition, fields_from, fields_text};
use crate::documents::index::declarable;
use crate::documents::{Field, Misuse, Space};
use crate::embedded::engine::Shared;

/// All declared indexes and the work on them.
pub(in crate::embedded) struct Builder {
    definitions: Arc<Vec<Definition>>,
    resting: bool,
}

impl Builder {
    pub(in crate::embedded) fn load(connection: &Connection, shared: &Shared) -> Result<Self> {
        let mut builder = Self { definitions: Arc::default(), resting: false };
        builder.reload(connection, shared)?;
        Ok(builder)
    }

    /// Takes over what is committed, for itself and for readers.
    pub(in crate::embedded) fn reload(&mut self, connection: &Connection, shared: &Shared) -> Result<()> {
        let mut all =
            connection.prepare_cached("SELECT id, space, fields, stage, filled FROM indexes ORDER BY id")?;
        let rows = all.query_map([], |row| {
            Ok(Definition {
                id: row.get(0)?,
                space: Space::new(row.get(1)?),
                fields: fields_from(&row.get::<_, String>(2)?),
                stage: row.get(3)?,
                filled: row.get::<_, i64>(4)? as u64,
            })
        })?;
        self.definitions = Arc::new(rows.collect::<Result<_>>()?);
        *shared.indexes.lock().unwrap_or_else(PoisonError::into_inner) = self.definitions.clone();
        Ok(())
    }

    /// Whether an index waits to be filled or removed.
    pub(in crate::embedded) fn has_work(&self) -> bool {
        !self.resting && self.definitions.iter().any(|definition| definition.stage != COMPLETE)
    }

    /// Stops until something was committed again: there was no room on the disk.
    pub(in crate::embedded) fn rest(&mut self) {
        self.resting = true;
    }

    pub(in crate::embedded) fn wake(&mut self) {
        self.resting = false;
    }

    pub(in crate::embedded) fn carry_out(
        &mut self,
        connection: &Connection,
        order: &Declaration,
    ) -> Result<Option<Misuse>> {
        self.resting = false;
        match order {
            Declaration::Declare(space, fields) => self.declare(connection, *space, fields),
            Declaration::Drop(space, fields) => {
                if let Some(index) = self.find(*space, fields) {
                    drop_triggers(connection, index.id)?;
                    connection.execute(
                        "UPDATE indexes SET stage = ?1 WHERE id = ?2",
                        params![DROPPING, index.id],
                    )?;
                }
                Ok(None)
            }
        }
    }

    fn find(&self, space: Space, fields: &[Field]) -> Option<&Definition> {
        let same =
            |index: &&Definition| index.space == space && index.fields == fields && index.stage != DROPPING;
        self.definitions.iter().find(same)
    }

    fn declare(&self, connection: &Connection, space: Space, fields: &[Field]) -> Result<Option<Misuse>> {
        if self.find(space, fields).is_some() {
            return Ok(None);
        }
        let others = self.definitions.iter().filter(|index| index.stage != DROPPING).count();
        if let Err(misuse) = declarable(fields, others) {
            return Ok(Some(misuse));
        }
        connection.execute(
            "INSERT INTO indexes (space, fields, stage, done, filled) VALUES (?1, ?2, ?3, 0, 0)",
            params![space.number(), fields_text(fields), BUILDING],
        )?;
        create(connection, connection.last_insert_rowid(), space, fields)?;
        Ok(None)
    }

    /// One piece of the first unfinished index. Answers how many documents or entries it touched.
    pub(in crate::embedded) fn piece(&mut self, connection: &Connection, busy: bool) -> Result<u64> {
        match self.definitions.iter().find(|definition| definition.stage != COMPLETE) {
            Some(index) if index.stage == DROPPING => remove_piece(connection, index, busy),
            Some(index) => fill_piece(connection, index, busy),
            None => Ok(0),
        }
    }
}
