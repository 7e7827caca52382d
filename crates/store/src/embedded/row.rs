//! A row of `documents`, read and bound.

use bytes::Bytes;
use rusqlite::{Row, types::ValueRef};

use crate::documents::{Body, Document, Json, Key, Revision, Space};

/// What [`document`] reads, in this order. Small pieces stand first: SQLite reads long rows only
/// as far as it has to.
macro_rules! columns {
    () => {
        "d.space, d.grp, d.name, d.revision, d.packed, d.identity, d.tags, d.sealed, d.desired, d.reported"
    };
}

pub(super) const COLUMNS: &str = columns!();

/// The document under (space, group, name).
pub(super) const ONE: &str =
    concat!("SELECT ", columns!(), " FROM documents d WHERE d.space = ?1 AND d.grp = ?2 AND d.name = ?3");

/// The four JSON parts share one allocation: they come and go together.
pub(super) fn document(row: &Row<'_>) -> rusqlite::Result<Document> {
    let blob = |column| match row.get_ref(column)? {
        ValueRef::Blob(bytes) => Ok(bytes),
        other => Err(rusqlite::Error::InvalidColumnType(column, "blob".into(), other.data_type())),
    };
    let parts = [blob(5)?, blob(6)?, blob(8)?, blob(9)?];
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
    let (packed, sealed) = (blob(4)?.to_vec(), blob(7)?.to_vec());
    Ok(Document {
        key: Key { space: Space::new(row.get(0)?), group: row.get(1)?, name: row.get(2)? },
        revision: revision(row, 3)?,
        body: Body { identity, tags, desired, reported, packed, sealed },
    })
}

pub(super) fn revision(row: &Row<'_>, column: usize) -> rusqlite::Result<Revision> {
    Ok(Revision::from_number(row.get::<_, i64>(column)? as u64))
}
