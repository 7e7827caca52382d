//! What a route's condition asks a message.

use serde_json::{Map, Value as Json};

use crate::dialect::Dialect;
use crate::row::Row;
use crate::syntax::{Path, Root, Step};
use crate::value::Value;

/// A message, as conditions see it.
///
/// Names come as the condition wrote them and are compared **without regard to case**, as
/// [`same_name`](super::same_name) does. Only what
/// a condition names is asked for, so a body can be read when it is, and then once.
pub trait RouteRow {
    /// A property that the sender gave: a string, [`Value::Null`] if it was sent without a value,
    /// [`Value::Undefined`] if it was not sent.
    fn application(&self, name: &str) -> Value<'_>;

    /// A system property by its name without the sign, such as `contentType` or
    /// `connectionDeviceId`; a string or [`Value::Undefined`].
    fn system(&self, name: &str) -> Value<'_>;

    /// The body, if it says that it is JSON in a known encoding and is;
    /// [`read_body`](super::read_body) has the rules.
    fn body(&self) -> Option<&Json>;

    /// The sender's twin, `{"tags", "properties"}`. Only the hub's routes ask.
    fn twin(&self) -> Option<&Json> {
        None
    }
}

/// A message as a row: the paths of a route lead into its parts.
pub(super) struct Parts<'m> {
    pub(super) message: &'m dyn RouteRow,
    pub(super) dialect: Dialect,
}

impl Row for Parts<'_> {
    fn resolve<'a>(&'a self, path: &Path) -> Value<'a> {
        if let Some(name) = &path.shadow {
            let property = self.message.application(name);
            if !property.is_undefined() {
                return property;
            }
        }
        let name = path.steps.first().and_then(Step::as_name).unwrap_or_default();
        match path.root {
            Root::Row => Value::Undefined,
            Root::Application => self.message.application(name),
            Root::System => self.message.system(name),
            Root::Body => match (self.message.body(), self.dialect) {
                (Some(body), Dialect::EdgeRoute) => in_edge(body, path),
                (Some(body), _) => Value::at(body, &path.steps),
                (None, _) => Value::Undefined,
            },
            Root::Twin => self.message.twin().map_or(Value::Undefined, |twin| Value::at(twin, &path.steps)),
            Root::Change => match self.message.body() {
                Some(body) => Value::Bool(!Value::at(body, &path.steps).is_undefined()),
                None => Value::Undefined,
            },
        }
    }

    fn whole(&self) -> Map<String, Json> {
        Map::new()
    }
}

/// An edge takes what an object does not have for null, and knows neither lists nor objects.
fn in_edge<'a>(body: &'a Json, path: &Path) -> Value<'a> {
    match Value::at(body, &path.steps) {
        Value::Undefined if body.is_object() => Value::Null,
        Value::Array(_) | Value::Object(_) => Value::Undefined,
        other => other,
    }
}
