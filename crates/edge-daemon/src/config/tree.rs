//! A configuration as text with positions: TOML values that know where they stand.

use skerry_tokens::Secret;
use toml::de::{DeTable, DeValue};

/// No configuration is longer.
const TEXT_BYTES_MAX: usize = 1 << 20;

/// A value and the byte at which it begins.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) offset: usize,
    pub(super) value: T,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    String(String),
    Integer(i64),
    Boolean(bool),
    /// Floats and dates: nothing in the schema wants one, but they pass through to containers.
    Other(String),
    Array(Vec<At<Value>>),
    Table(Table),
}

pub(super) type Table = Vec<(At<String>, At<Value>)>;

impl Value {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "a text",
            Self::Integer(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::Other(_) => "a fraction or a date",
            Self::Array(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    pub(super) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::String(text) => text.clone().into(),
            Self::Integer(number) => (*number).into(),
            Self::Boolean(value) => (*value).into(),
            Self::Other(text) => {
                text.parse::<serde_json::Number>().map_or_else(|_| text.clone().into(), Into::into)
            }
            Self::Array(items) => items.iter().map(|item| item.value.to_json()).collect(),
            Self::Table(table) => {
                table.iter().map(|(key, value)| (key.value.clone(), value.value.to_json())).collect()
            }
        }
    }
}

/// A complaint about the text, at a byte.
pub(super) struct Fault {
    pub(super) offset: usize,
    pub(super) text: String,
}

/// As much of the text as can be read, and everything that cannot.
pub(super) fn parse(text: &str) -> (Table, Vec<Fault>) {
    if text.len() > TEXT_BYTES_MAX {
        let text = "the file has more than 1 MiB: it is no configuration".to_owned();
        return (Vec::new(), vec![Fault { offset: 0, text }]);
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    let faults = errors
        .iter()
        .map(|error| Fault {
            offset: error.span().map_or(0, |span| span.start),
            text: error.message().to_owned(),
        })
        .collect();
    (read_table(table.get_ref()), faults)
}

fn read_table(table: &DeTable<'_>) -> Table {
    let mut out: Table = table
        .iter()
        .map(|(key, value)| {
            let key = At { offset: key.span().start, value: key.get_ref().to_string() };
            (key, At { offset: value.span().start, value: read(value.get_ref()) })
        })
        .collect();
    out.sort_by_key(|(key, _)| key.offset);
    out
}

fn read(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            parsed.map_or_else(|_| Value::Other(number.to_string()), Value::Integer)
        }
        DeValue::Float(number) => Value::Other(number.to_string()),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(moment) => Value::Other(moment.to_string()),
        DeValue::Array(items) => {
            let item = |item: &toml::Spanned<DeValue<'_>>| At {
                offset: item.span().start,
                value: read(item.get_ref()),
            };
            Value::Array(items.iter().map(item).collect())
        }
        DeValue::Table(table) => Value::Table(read_table(table)),
    }
}

/// Texts that must not reach a log are taken out of the tree as what they are.
pub(super) fn secret(text: String) -> Secret {
    Secret::new(text)
}
