//! Where a message of an edge comes from, and which of them a route takes.

use std::fmt;

use super::name::same_name;

/// Where one message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'a> {
    /// A message of a module, or of a device behind the edge if there is no module; with the
    /// output that the module named, if it did.
    Telemetry { module: Option<&'a str>, output: Option<&'a str> },
    /// A device or module reported properties.
    TwinChange,
}

impl<'a> Origin<'a> {
    pub fn telemetry(module: Option<&'a str>, output: Option<&'a str>) -> Self {
        Origin::Telemetry { module, output }
    }
}

/// What stands behind `FROM`. A source takes everything below it, and its case does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `/*`
    All,
    /// `/messages/*`: all but changes of twins.
    Messages,
    /// `/messages/modules/*`: messages of any module.
    ModuleMessages,
    /// `/messages/modules/{module}/*`
    Module { module: String },
    /// `/messages/modules/{module}/outputs/*`: what the module sent to an output.
    ModuleOutputs { module: String },
    /// `/messages/modules/{module}/outputs/{output}`
    ModuleOutput { module: String, output: String },
    /// `/twinChangeNotifications`
    TwinChanges,
    /// A path that no message comes from. It is no mistake to name one, only of no use.
    Nothing { path: String },
}

impl Source {
    pub(super) fn of_segments(segments: &[String]) -> Self {
        let is = |at: usize, word: &str| {
            segments.get(at).is_some_and(|segment| segment.eq_ignore_ascii_case(word))
        };
        let messages = is(0, "messages");
        let modules = messages && is(1, "modules");
        let outputs = modules && is(3, "outputs");
        match segments {
            [] => Source::All,
            [_] if messages => Source::Messages,
            [_] if is(0, "twinChangeNotifications") => Source::TwinChanges,
            [_, _] if modules => Source::ModuleMessages,
            [_, _, module] if modules => Source::Module { module: module.clone() },
            [_, _, module, _] if outputs => Source::ModuleOutputs { module: module.clone() },
            [_, _, module, _, output] if outputs => {
                Source::ModuleOutput { module: module.clone(), output: output.clone() }
            }
            _ => Source::Nothing { path: segments.iter().map(|segment| format!("/{segment}")).collect() },
        }
    }

    pub fn matches(&self, origin: &Origin<'_>) -> bool {
        match (self, *origin) {
            (Source::All, _) | (Source::TwinChanges, Origin::TwinChange) => true,
            (Source::Messages, Origin::Telemetry { .. }) => true,
            (Source::ModuleMessages, Origin::Telemetry { module, .. }) => module.is_some(),
            (Source::Module { module: wanted }, Origin::Telemetry { module: Some(module), .. }) => {
                same_name(wanted, module)
            }
            (
                Source::ModuleOutputs { module: wanted },
                Origin::Telemetry { module: Some(module), output: Some(_) },
            ) => same_name(wanted, module),
            (
                Source::ModuleOutput { module: wanted, output: wanted_output },
                Origin::Telemetry { module: Some(module), output: Some(output) },
            ) => same_name(wanted, module) && same_name(wanted_output, output),
            _ => false,
        }
    }

    /// Whether there can be messages from there.
    pub fn is_known(&self) -> bool {
        !matches!(self, Source::Nothing { .. })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::All => f.write_str("/*"),
            Source::Messages => f.write_str("/messages/*"),
            Source::ModuleMessages => f.write_str("/messages/modules/*"),
            Source::Module { module } => write!(f, "/messages/modules/{module}/*"),
            Source::ModuleOutputs { module } => write!(f, "/messages/modules/{module}/outputs/*"),
            Source::ModuleOutput { module, output } => {
                write!(f, "/messages/modules/{module}/outputs/{output}")
            }
            Source::TwinChanges => f.write_str("/twinChangeNotifications"),
            Source::Nothing { path } => f.write_str(path),
        }
    }
}
