//! Where a value is found in a row.
//!
//! A path of a query starts in the row. A path of a route starts in one of the parts of a
//! message, which its [`Root`] names.

use crate::position::Span;

/// The way from a row to one of its values, after normalisation: source prefixes are gone and
/// system properties carry their canonical names (`DEVICES.DeviceID` is `deviceId`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub root: Root,
    /// The application property that goes first, if the message has it: `$name` may be one, and
    /// only `{$name}` never is.
    pub shadow: Option<String>,
    pub steps: Vec<Step>,
    pub span: Span,
}

/// Where the steps of a path start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    /// In the row of a device query.
    Row,
    /// The only step names an application property: `name`.
    Application,
    /// The only step names a system property: `$name`.
    System,
    /// In the message's body: `$body.name`.
    Body,
    /// In the twin of the sender: `$twin.tags.name`.
    Twin,
    /// In the body of a change of a twin, asking only whether it is there:
    /// `TWIN_CHANGE_INCLUDES(tags.name)`.
    Change,
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
        Self::of_row(steps, Span::NONE)
    }

    /// A path into the row of a query.
    pub fn of_row(steps: Vec<Step>, span: Span) -> Self {
        Self { root: Root::Row, shadow: None, steps, span }
    }

    /// Whether its value can be of any kind. Properties of a message are always strings.
    pub(crate) fn is_dynamic(&self) -> bool {
        matches!(self.root, Root::Row | Root::Body | Root::Twin)
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
