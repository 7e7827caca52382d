//! Where a value is found in a row.

use crate::position::Span;

/// The way from a row to one of its values, after normalisation: source prefixes are gone and
/// system properties carry their canonical names (`DEVICES.DeviceID` is `deviceId`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub steps: Vec<Step>,
    pub span: Span,
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Into an object.
    Name(String),
    /// Into an array, from 0.
    Index(usize),
}

impl Path {
    /// A path over names only, for code that builds trees.
    pub fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let steps = names.into_iter().map(|name| Step::Name(name.to_owned())).collect();
        Self { steps, span: Span::NONE }
    }

    /// The names of all steps, if there is no index among them.
    pub fn names(&self) -> Option<Vec<&str>> {
        self.steps.iter().map(Step::as_name).collect()
    }

    /// The key under which this value appears in a result: the last name, so that
    /// `tags.list[0]` gives `list`.
    pub fn output_name(&self) -> &str {
        self.steps.iter().rev().find_map(Step::as_name).unwrap_or_default()
    }
}

impl Step {
    pub fn as_name(&self) -> Option<&str> {
        match self {
            Step::Name(name) => Some(name),
            Step::Index(_) => None,
        }
    }
}
