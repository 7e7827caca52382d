//! The text level: keys and values, each once, none empty.

use std::fmt;

use crate::host::clip;
use crate::{HostError, KeyError, TokenError};

/// Longest string that is looked at; a token inside it may have 4 KiB.
const BYTES_MAX: usize = 8192;

/// The keys, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Endpoint,
    HostName,
    DeviceId,
    ModuleId,
    SharedAccessKeyName,
    SharedAccessKey,
    SharedAccessSignature,
    X509,
    GatewayHostName,
    EntityPath,
}

impl Part {
    const ALL: [Part; 10] = [
        Part::Endpoint,
        Part::HostName,
        Part::DeviceId,
        Part::ModuleId,
        Part::SharedAccessKeyName,
        Part::SharedAccessKey,
        Part::SharedAccessSignature,
        Part::X509,
        Part::GatewayHostName,
        Part::EntityPath,
    ];

    /// The canonical spelling.
    pub fn key(self) -> &'static str {
        match self {
            Part::Endpoint => "Endpoint",
            Part::HostName => "HostName",
            Part::DeviceId => "DeviceId",
            Part::ModuleId => "ModuleId",
            Part::SharedAccessKeyName => "SharedAccessKeyName",
            Part::SharedAccessKey => "SharedAccessKey",
            Part::SharedAccessSignature => "SharedAccessSignature",
            Part::X509 => "x509",
            Part::GatewayHostName => "GatewayHostName",
            Part::EntityPath => "EntityPath",
        }
    }

    fn find(key: &str) -> Option<Part> {
        // The C# SDK spells it so.
        if key.eq_ignore_ascii_case("X509Cert") {
            return Some(Part::X509);
        }
        Self::ALL.into_iter().find(|part| part.key().eq_ignore_ascii_case(key))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

/// Values by key. What nobody takes is refused by [`Parts::finish`].
pub(super) struct Parts<'a> {
    values: Vec<(Part, &'a str)>,
}

impl<'a> Parts<'a> {
    pub(super) fn split(text: &'a str) -> Result<Self, ConnectionStringError> {
        if text.len() > BYTES_MAX {
            return Err(ConnectionStringError::TooLong { bytes: text.len() });
        }
        let mut values: Vec<(Part, &str)> = Vec::new();
        for pair in text.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
            // The text of a pair without `=` is not repeated: it may be a key that was cut off.
            let (key, value) = pair.split_once('=').ok_or(ConnectionStringError::NoValue)?;
            let (key, value) = (key.trim(), value.trim());
            let part = Part::find(key).ok_or_else(|| ConnectionStringError::Unknown { key: clip(key) })?;
            if values.iter().any(|(known, _)| *known == part) {
                return Err(ConnectionStringError::Duplicate { part });
            }
            if value.is_empty() {
                return Err(ConnectionStringError::Empty { part });
            }
            values.push((part, value));
        }
        if values.is_empty() { Err(ConnectionStringError::Nothing) } else { Ok(Self { values }) }
    }

    pub(super) fn has(&self, part: Part) -> bool {
        self.values.iter().any(|(known, _)| *known == part)
    }

    pub(super) fn take(&mut self, part: Part) -> Option<&'a str> {
        let at = self.values.iter().position(|(known, _)| *known == part)?;
        Some(self.values.swap_remove(at).1)
    }

    pub(super) fn need(&mut self, part: Part) -> Result<&'a str, ConnectionStringError> {
        self.take(part).ok_or(ConnectionStringError::Missing { part })
    }

    pub(super) fn finish(self) -> Result<(), ConnectionStringError> {
        match self.values.first() {
            None => Ok(()),
            Some((part, _)) => Err(ConnectionStringError::DoesNotBelong { part: *part }),
        }
    }
}

/// Joins parts to the written form.
pub(super) fn join<'a>(parts: impl IntoIterator<Item = (Part, &'a str)>) -> String {
    let mut text = String::new();
    for (part, value) in parts {
        if !text.is_empty() {
            text.push(';');
        }
        text.push_str(part.key());
        text.push('=');
        text.push_str(value);
    }
    text
}

/// Refuses a value that would not come back from its written form.
pub(super) fn writable(part: Part, value: &str) -> Result<String, ConnectionStringError> {
    if value.is_empty() {
        return Err(ConnectionStringError::Empty { part });
    }
    if value.trim() != value || value.contains(|c: char| c == ';' || c.is_control()) {
        return Err(ConnectionStringError::Unwritable { part });
    }
    Ok(value.to_owned())
}

/// The text is not a connection string. Secrets are never repeated in the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionStringError {
    #[error("the connection string is empty: copy it whole, it begins with HostName= or Endpoint=")]
    Nothing,
    #[error("the connection string has {bytes} bytes, more than {BYTES_MAX}: copy one string only")]
    TooLong { bytes: usize },
    #[error(
        "a part of the connection string has no `=`: write Key=value, separated by `;`, and quote the string in a shell"
    )]
    NoValue,
    #[error("{key:?} is not a key of a connection string: check its spelling or remove it")]
    Unknown { key: String },
    #[error("{part} stands twice in the connection string: keep one")]
    Duplicate { part: Part },
    #[error("{part} has no value: fill it in or remove it")]
    Empty { part: Part },
    #[error("{part} is missing: add {part}=…")]
    Missing { part: Part },
    #[error("{part} does not belong into this kind of connection string: remove it")]
    DoesNotBelong { part: Part },
    #[error(
        "{part} contains `;`, a control character or outer spaces, which no SDK reads back: connect with host, id and key given one by one"
    )]
    Unwritable { part: Part },
    #[error("no credential for the device: add SharedAccessKey=…, SharedAccessSignature=… or x509=true")]
    NoCredential,
    #[error("{first} and {second} stand together: keep the one that is meant")]
    TwoCredentials { first: Part, second: Part },
    #[error("x509 is {value:?}: write x509=true or remove it")]
    X509 { value: String },
    #[error("Endpoint is {value:?}: write it as sb://HOST/")]
    Endpoint { value: String },
    #[error("{part}: {source}")]
    Host { part: Part, source: HostError },
    #[error("SharedAccessKey: {source}")]
    Key { source: KeyError },
    #[error("SharedAccessSignature: {source}")]
    Token { source: TokenError },
}
