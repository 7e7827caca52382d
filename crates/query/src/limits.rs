//! Every bound of the language in one place, so that no query can cost more than it may.
//!
//! The text limit is Azure's; the others are ours. They sit far above what people and tools
//! write, and exist so that a hostile text ends in an error with a position.

/// Characters in one query, condition or route.
pub const TEXT_CHARS_MAX: usize = 8192;

/// Levels of the tree: brackets, `NOT`, signs, calls and arithmetic chains. Chains of `AND`
/// and `OR` are flat and do not count.
pub const DEPTH_MAX: usize = 64;

/// Values in one `IN [...]` list.
pub const LIST_VALUES_MAX: usize = 1000;

/// Arguments of one `CONCAT`.
pub const CONCAT_ARGUMENTS_MAX: usize = 64;

/// Items in one `SELECT`.
pub const SELECT_ITEMS_MAX: usize = 64;

/// Paths in one `GROUP BY`.
pub const GROUP_PATHS_MAX: usize = 16;

/// Bytes of a string that a function builds; a longer one is undefined.
pub const BUILT_STRING_BYTES_MAX: usize = 64 * 1024;

/// Bytes of group keys and kept strings in one aggregation.
pub const AGGREGATE_BYTES_MAX: usize = 64 * 1024 * 1024;
