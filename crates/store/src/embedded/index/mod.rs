//! Declared indexes: side tables of (values, group, name), kept by triggers, filled aside.
//!
//! A table beside the documents rather than an expression index, because it can be built a piece
//! at a time while everything goes on. A document that has not a primitive at every field is not
//! in it. Texts stand in it with their first [`TEXT_MAX`] characters.

mod builder;
mod tables;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Result};
use serde_json::{Value, json};

use super::narrow::{column, plain_integer};
use crate::documents::{Field, IndexState, Literal, Part, Space, Step};

pub(super) use builder::Builder;

/// Characters of a text that an index keeps.
const TEXT_MAX: usize = 200;

const BUILDING: i64 = 0;
const COMPLETE: i64 = 1;
const DROPPING: i64 = 2;

/// What is asked of the writer.
pub(super) enum Declaration {
    Declare(Space, Vec<Field>),
    Drop(Space, Vec<Field>),
}

#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) id: u32,
    pub(super) space: Space,
    pub(super) fields: Vec<Field>,
    stage: i64,
    filled: u64,
}

impl Definition {
    pub(super) fn complete(&self) -> bool {
        self.stage == COMPLETE
    }

    fn values(&self) -> String {
        (0..self.fields.len()).map(|number| format!("v{number}, ")).collect()
    }
}

/// Whether the index is complete in the state that this transaction sees.
pub(super) fn is_complete(connection: &Connection, id: u32) -> Result<bool> {
    let stage: Option<i64> = connection
        .prepare_cached("SELECT stage FROM indexes WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    Ok(stage == Some(COMPLETE))
}

/// A literal as it stands in an index; `None` when an index does not help to find it.
pub(super) fn key_value(literal: &Literal) -> Option<Sql> {
    match literal {
        Literal::Text(text) if text.contains('\0') => None,
        Literal::Text(text) => Some(text.chars().take(TEXT_MAX).collect::<String>().into()),
        Literal::Number(number) if plain_integer(*number) => Some((*number).into()),
        Literal::Number(_) => None,
        Literal::Bool(truth) => Some(i64::from(*truth).into()),
    }
}

pub(super) fn states(definitions: &[Definition]) -> Vec<IndexState> {
    let known = definitions.iter().filter(|definition| definition.stage != DROPPING);
    known
        .map(|definition| IndexState {
            space: definition.space,
            fields: definition.fields.clone(),
            complete: definition.complete(),
            filled: definition.filled,
        })
        .collect()
}

fn fields_text(fields: &[Field]) -> String {
    let steps = |path: &[Step]| -> Vec<Value> {
        let step = |step: &Step| match step {
            Step::Name(name) => json!(name),
            Step::Index(index) => json!(index),
        };
        path.iter().map(step).collect()
    };
    let field = |field: &Field| match field {
        Field::Group => json!("group"),
        Field::Name => json!("name"),
        Field::In(part, path) => json!([column(*part), steps(path)]),
    };
    Value::Array(fields.iter().map(field).collect()).to_string()
}

/// What this program cannot read it does not use: the index is then simply of no help.
fn fields_from(text: &str) -> Vec<Field> {
    let step = |step: &Value| match step {
        Value::String(name) => Some(Step::Name(name.clone())),
        other => Some(Step::Index(usize::try_from(other.as_u64()?).ok()?)),
    };
    let field = |field: &Value| {
        let part = Part::ALL.into_iter().find(|part| field[0] == column(*part))?;
        Some(Field::In(part, field[1].as_array()?.iter().map(step).collect::<Option<_>>()?))
    };
    let value: Value = serde_json::from_str(text).unwrap_or_default();
    value.as_array().into_iter().flatten().map(field).collect::<Option<_>>().unwrap_or_default()
}
