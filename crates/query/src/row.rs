//! What a query runs over.

use serde_json::{Map, Value as Json};

use crate::syntax::Path;
use crate::value::Value;

/// One row of a source: a twin, or what a job did on a device.
///
/// The evaluator asks only for the paths that the query names, so a row need not exist as a
/// document: it can look into several stored parts, and make values such as `$metadata` only
/// when they are asked for.
pub trait Row {
    /// The value at a path, whose system names are in canonical form; undefined if there is
    /// none. [`Value::at`] walks the part of a path that lies inside stored JSON.
    fn resolve<'a>(&'a self, path: &Path) -> Value<'a>;

    /// The whole document, for `SELECT *`.
    fn whole(&self) -> Map<String, Json>;
}

/// A document in memory.
impl Row for Map<String, Json> {
    fn resolve<'a>(&'a self, path: &Path) -> Value<'a> {
        let Some((first, rest)) = path.steps.split_first() else { return Value::Undefined };
        match first.as_name().and_then(|name| self.get(name)) {
            Some(below) => Value::at(below, rest),
            None => Value::Undefined,
        }
    }

    fn whole(&self) -> Map<String, Json> {
        self.clone()
    }
}

/// A document in memory; anything but an object has no properties.
impl Row for Json {
    fn resolve<'a>(&'a self, path: &Path) -> Value<'a> {
        Value::at(self, &path.steps)
    }

    fn whole(&self) -> Map<String, Json> {
        self.as_object().cloned().unwrap_or_default()
    }
}
