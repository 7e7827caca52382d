//! A row of `documents`, read and bound.

use bytes::Bytes;
use rusqlite::{Row, Statement, params, types::ValueRef};

use crate::documents::{Body, Document, Json, Key, Revision, Space};

/// What [`document`] reads, in this order: the key, then what [`with_key`] reads. Small pieces
/// stand first: SQLite reads long rows only as far as it has to.
macro_rules! pieces {
    () => {
        "d.revision, d.packed, d.identity, d.tags, d.sealed, d.desired, d.reported"
    };
}

pub(super) const COLUMNS: &str = concat!("d.space, d.grp, d.name, ", pieces!());

/// How many columns the key takes in [`COLUMNS`].
const KEY_COLUMNS: usize = 3;

/// The document under (space, group, name), whose key the asker knows.
pub(super) const ONE: &str =
    concat!("SELECT ", pieces!(), " FROM documents d WHERE d.space = ?1 AND d.grp = ?2 AND d.name = ?3");

/// Runs [`ONE`].
pub(super) fn one(statement: &mut Statement<'_>, key: Key) -> rusqlite::Result<Option<Document>> {
    let mut rows = statement.query(params![key.space.number(), key.group, key.name])?;
    rows.next()?.map(|row| with_key(row, 0, key)).transpose()
}

pub(super) fn document(row: &Row<'_>) -> rusqlite::Result<Document> {
    let key = Key { space: Space::new(row.get(0)?), group: row.get(1)?, name: row.get(2)? };
    with_key(row, KEY_COLUMNS, key)
}

/// The four JSON parts share one allocation: they come and go together.
fn with_key(row: &Row<'_>, from: usize, key: Key) -> rusqlite::Result<Document> {
    let blob = |column| match row.get_ref(from + column)? {
        ValueRef::Blob(bytes) => Ok(bytes),
        other => Err(rusqlite::Error::InvalidColumnType(from + column, "blob".into(), other.data_type())),
    };
    let parts = [blob(2)?, blob(3)?, blob(5)?, blob(6)?];
    let mut joined = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
    parts.iter().for_each(|part| joined.extend_from_slice(part));
    let joined = Bytes::from(joined);
    let mut start = 0;
    let [identity, tags, desired, reported] = parts.map(|part| {
        let end = start + part.len();
        let json = Json::sound(joined.slice(start..end));
        start = end;
        json
    });
    let (packed, sealed) = (blob(1)?.to_vec(), blob(4)?.to_vec());
    Ok(Document {
        key,
        revision: revision(row, from)?,
        body: Body { identity, tags, desired, reported, packed, sealed },
    })
}

pub(super) fn revision(row: &Row<'_>, column: usize) -> rusqlite::Result<Revision> {
    Ok(Revision::from_number(row.get::<_, i64>(column)? as u64))
}
