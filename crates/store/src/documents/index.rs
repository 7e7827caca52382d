//! Declared indexes: what may be indexed, and how far an index is.

use super::{Field, Misuse, Space, Step};

/// Indexes at once; one more is a misuse.
pub const INDEXES_MAX: usize = 16;
/// Fields of one index; one more is a misuse.
pub const INDEX_FIELDS_MAX: usize = 4;
/// Positions in arrays beyond this are not narrowed by.
const ARRAY_INDEX_MAX: usize = 1_000_000;

/// A declared index. It serves scans whose condition makes every one of its fields equal to
/// something.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexState {
    pub space: Space,
    pub fields: Vec<Field>,
    /// Scans use it.
    pub complete: bool,
    /// Documents looked at while filling it.
    pub filled: u64,
}

impl Field {
    /// Whether an engine can narrow by this field, and index it: the names on its path are of
    /// ASCII letters, digits, `_` and `-`. Groups and names need no index.
    pub fn is_indexable(&self) -> bool {
        matches!(self, Field::In(_, path) if path.iter().all(Step::is_plain))
    }
}

impl Step {
    pub(crate) fn is_plain(&self) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        match self {
            Step::Name(name) => !name.is_empty() && name.bytes().all(plain),
            Step::Index(index) => *index < ARRAY_INDEX_MAX,
        }
    }
}

/// Whether an index on `fields` may be declared beside `others` that exist.
pub(crate) fn declarable(fields: &[Field], others: usize) -> Result<(), Misuse> {
    let misuse = |what: String| Err(Misuse { what });
    if others >= INDEXES_MAX {
        return misuse(format!("there are {INDEXES_MAX} indexes already; drop one first"));
    }
    if fields.is_empty() || fields.len() > INDEX_FIELDS_MAX {
        return misuse(format!("an index has 1 to {INDEX_FIELDS_MAX} fields"));
    }
    match fields.iter().find(|field| !field.is_indexable()) {
        Some(field) => misuse(format!("{field:?} cannot be indexed")),
        None => Ok(()),
    }
}
