//! What is wrong with a configuration, all of it at once.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    Error,
    /// Works, though probably not as meant; strict reading makes it an error.
    Warning,
}

/// One mistake and its place; lines and columns count from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub line: usize,
    pub column: usize,
    /// The key from the top; empty where the text itself cannot be read.
    pub key: String,
    pub text: String,
    pub severity: Severity,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, key, text, severity } = self;
        let word = if *severity == Severity::Error { "error" } else { "warning" };
        write!(f, "{line}:{column}: {word}: ")?;
        if !key.is_empty() {
            write!(f, "{key} ")?;
        }
        f.write_str(text)
    }
}

/// The configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// Errors and warnings in the order of the text.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            let end = if at + 1 < self.problems.len() { "\n" } else { "" };
            write!(f, "{problem}{end}")?;
        }
        Ok(())
    }
}
