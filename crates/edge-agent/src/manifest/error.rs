//! Why a section is no manifest. The codes are those of the reported twin.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Nothing was deployed to this device yet.
    #[error("the device has an empty configuration: $edgeAgent has no desired properties, set modules")]
    Empty,
    #[error("schemaVersion {found} is not supported, write 1.0 or 1.1")]
    SchemaVersion { found: String },
    #[error("the configuration format is invalid: {}", list(faults))]
    Invalid { faults: Vec<Fault> },
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Members from the section down, with dots between them.
    pub path: String,
    pub text: String,
}

impl ManifestError {
    /// What `lastDesiredStatus` shows.
    pub fn code(&self) -> u16 {
        match self {
            Self::Empty => 417,
            Self::SchemaVersion { .. } => 412,
            Self::Invalid { .. } => 400,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.text)
    }
}

fn list(faults: &[Fault]) -> String {
    let texts: Vec<String> = faults.iter().map(Fault::to_string).collect();
    texts.join("; ")
}
