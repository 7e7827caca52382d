//! One event taken apart: its sentence, and the fields behind it.

use std::fmt;

use serde_json::Value;
use tracing::Event;
use tracing::field::{Field, Visit};

#[derive(Default)]
pub struct Text {
    pub sentence: String,
    fields: Vec<(&'static str, Shown)>,
}

enum Shown {
    Words(String),
    /// With quotes where people read it.
    Quoted(String),
    Other(Value),
}

impl Text {
    pub fn of(event: &Event<'_>) -> Self {
        let mut text = Self::default();
        event.record(&mut text);
        text
    }

    /// ` name=value` for each field.
    pub fn write_fields(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.fields.iter().try_for_each(|(name, value)| match value {
            Shown::Words(words) => write!(out, " {name}={words}"),
            Shown::Quoted(words) => write!(out, " {name}={words:?}"),
            Shown::Other(value) => write!(out, " {name}={value}"),
        })
    }

    pub fn fields(self) -> impl Iterator<Item = (&'static str, Value)> {
        self.fields.into_iter().map(|(name, value)| match value {
            Shown::Words(words) | Shown::Quoted(words) => (name, words.into()),
            Shown::Other(value) => (name, value),
        })
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.fields.push((field.name(), Shown::Other(value.into())));
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // A line break in a module's name or an engine's words would begin a line of its own.
        let value = format!("{value:?}").replace('\n', "\\n");
        match field.name() {
            "message" => self.sentence.push_str(&value),
            name => self.fields.push((name, Shown::Words(value))),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.sentence.push_str(value),
            name => self.fields.push((name, Shown::Quoted(value.to_owned()))),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}
