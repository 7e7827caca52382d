//! Reading the tree by its schema: every mistake is noted with its place, and reading goes on.

use std::cell::RefCell;

use super::problem::{Problem, Severity};
use super::tree::{At, Table, Value};

/// A table that is being read. Whoever is done calls [`Reader::finish`], which finds what nobody asked for.
pub(super) struct Reader<'a> {
    path: String,
    /// Where the table begins.
    pub(super) offset: usize,
    entries: &'a [(At<String>, At<Value>)],
    asked: RefCell<Vec<&'static str>>,
    notes: &'a Notes,
}

/// What was noted so far.
#[derive(Default)]
pub(super) struct Notes(RefCell<Vec<(usize, Problem)>>);

impl Notes {
    pub(super) fn error(&self, offset: usize, key: &str, text: impl Into<String>) {
        self.note(offset, key, text.into(), Severity::Error);
    }

    pub(super) fn warn(&self, offset: usize, key: &str, text: impl Into<String>) {
        self.note(offset, key, text.into(), Severity::Warning);
    }

    fn note(&self, offset: usize, key: &str, text: String, severity: Severity) {
        let problem = Problem { line: 0, column: 0, key: key.to_owned(), text, severity };
        self.0.borrow_mut().push((offset, problem));
    }

    /// In the order of the text, with lines and columns.
    pub(super) fn placed(self, source: &str) -> Vec<Problem> {
        let mut notes = self.0.into_inner();
        notes.sort_by_key(|(offset, _)| *offset);
        notes
            .into_iter()
            .map(|(offset, problem)| {
                let before = source.get(..offset).unwrap_or(source);
                let line_start = before.rfind('\n').map_or(0, |at| at + 1);
                let line = before.matches('\n').count() + 1;
                Problem { line, column: before[line_start..].chars().count() + 1, ..problem }
            })
            .collect()
    }
}

impl<'a> Reader<'a> {
    pub(super) fn root(table: &'a Table, notes: &'a Notes) -> Self {
        Self { path: String::new(), offset: 0, entries: table, asked: RefCell::default(), notes }
    }

    /// The name of a key of this table from the top.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn value(&self, key: &'static str) -> Option<&'a At<Value>> {
        self.asked.borrow_mut().push(key);
        self.entries.iter().find(|(name, _)| name.value == key).map(|(_, value)| value)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(name, _)| name.value == key)
    }

    /// Takes the key as known without reading it.
    pub(super) fn skip(&self, key: &'static str) {
        self.asked.borrow_mut().push(key);
    }

    pub(super) fn error(&self, offset: usize, key: &str, text: impl Into<String>) {
        self.notes.error(offset, &self.path_of(key), text);
    }

    pub(super) fn warn(&self, offset: usize, key: &str, text: impl Into<String>) {
        self.notes.warn(offset, &self.path_of(key), text);
    }

    pub(super) fn missing(&self, key: &str, hint: &str) {
        self.error(self.offset, key, format!("is missing: {hint}"));
    }

    fn wrong(&self, key: &str, found: &At<Value>, wanted: &str) {
        self.error(found.offset, key, format!("is {}, not {wanted}", found.value.kind()));
    }

    pub(super) fn string(&self, key: &'static str) -> Option<At<String>> {
        let found = self.value(key)?;
        match &found.value {
            Value::String(text) if text.is_empty() => {
                self.error(found.offset, key, "is empty: give it a value, or remove it");
                None
            }
            Value::String(text) => Some(At { offset: found.offset, value: text.clone() }),
            _ => {
                self.wrong(key, found, "a text");
                None
            }
        }
    }

    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        self.string(key).map(|found| found.value)
    }

    /// A text that has to be there; `hint` says what to write.
    pub(super) fn need(&self, key: &'static str, hint: &str) -> Option<At<String>> {
        if !self.has(key) {
            self.skip(key);
            self.missing(key, hint);
            return None;
        }
        self.string(key)
    }

    pub(super) fn boolean(&self, key: &'static str) -> Option<bool> {
        let found = self.value(key)?;
        match found.value {
            Value::Boolean(value) => Some(value),
            _ => {
                self.wrong(key, found, "true or false");
                None
            }
        }
    }

    pub(super) fn integer(&self, key: &'static str, least: i64, most: i64) -> Option<i64> {
        let found = self.value(key)?;
        match found.value {
            Value::Integer(value) if (least..=most).contains(&value) => Some(value),
            Value::Integer(value) => {
                self.error(found.offset, key, format!("is {value}, allowed are {least} to {most}"));
                None
            }
            _ => {
                self.wrong(key, found, "a number");
                None
            }
        }
    }

    pub(super) fn table(&self, key: &'static str) -> Option<Reader<'a>> {
        let found = self.value(key)?;
        self.open(key, found)
    }

    /// The value as a table, if it is one.
    pub(super) fn open(&self, key: &str, found: &'a At<Value>) -> Option<Reader<'a>> {
        match &found.value {
            Value::Table(entries) => Some(Reader {
                path: self.path_of(key),
                offset: found.offset,
                entries,
                asked: RefCell::default(),
                notes: self.notes,
            }),
            _ => {
                self.wrong(key, found, "a table");
                None
            }
        }
    }

    pub(super) fn list(&self, key: &'static str) -> Option<&'a [At<Value>]> {
        let found = self.value(key)?;
        match &found.value {
            Value::Array(items) => Some(items),
            _ => {
                self.wrong(key, found, "a list");
                None
            }
        }
    }

    pub(super) fn strings(&self, key: &'static str) -> Vec<At<String>> {
        let mut out = Vec::new();
        for item in self.list(key).unwrap_or_default() {
            match &item.value {
                Value::String(text) => out.push(At { offset: item.offset, value: text.clone() }),
                _ => self.wrong(key, item, "a text"),
            }
        }
        out
    }

    /// All entries of a table whose keys are free.
    pub(super) fn entries(&self) -> &'a [(At<String>, At<Value>)] {
        self.entries
    }

    /// All entries of a table of texts whose keys are free.
    pub(super) fn free_texts(&self) -> Vec<(String, String)> {
        let mut out = Vec::new();
        for (key, value) in self.entries {
            match &value.value {
                Value::String(text) => out.push((key.value.clone(), text.clone())),
                _ => self.wrong(&key.value, value, "a text"),
            }
        }
        out
    }

    /// Done with this table.
    pub(super) fn finish(self) {
        self.unknown();
    }

    /// Notes what nobody asked for, with the name that was probably meant.
    pub(super) fn unknown(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.entries.iter().filter(|(key, _)| !asked.contains(&key.value.as_str())) {
            let name = &key.value;
            let hint = match OLD.iter().find(|(old, _)| *old == name.as_str() && self.path.is_empty()) {
                Some((_, hint)) => (*hint).to_owned(),
                None => match nearest(name, &asked) {
                    Some(known) => format!("did you mean `{known}`?"),
                    None => "check its spelling, or remove it".to_owned(),
                },
            };
            self.warn(key.offset, name, format!("is not known and has no effect: {hint}"));
        }
    }
}

/// Keys of earlier versions that people still ask for.
const OLD: &[(&str, &str)] = &[
    ("http", "a proxy is set by the environment variable https_proxy of the service"),
    ("log", "the level of the log is set by `iotedge system set-log-level`"),
    ("dynamic_reprovisioning", "write auto_reprovisioning_mode = \"Dynamic\""),
    ("always_reprovision_on_startup", "write auto_reprovisioning_mode = \"AlwaysOnStartup\""),
    ("import_master_encryption_key", "write imported_master_encryption_key"),
    ("manifest_trust_bundle_cert", "write it into the table [skerry]"),
];

fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let most = (name.len() / 3).clamp(1, 3);
    known
        .iter()
        .map(|known| (distance(name, known), *known))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// How many letters have to be added, dropped or replaced; letters of either case are the same.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<u8> = other.bytes().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.bytes().enumerate().take(64) {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, against) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(!letter.eq_ignore_ascii_case(against));
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}
