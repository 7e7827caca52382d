//! Why a verb failed, told to a person.
//!
//! One type is enough: nobody acts on the kind of a failure here, a developer reads it. So each
//! text names what was wrong and what to do next.

use std::fmt;

#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Many findings of one check, each on its own line.
    pub(crate) fn of_findings(what: &str, findings: &[String]) -> Result<(), Self> {
        if findings.is_empty() {
            return Ok(());
        }
        Err(Self(format!("{what}\n  {}", findings.join("\n  "))))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
