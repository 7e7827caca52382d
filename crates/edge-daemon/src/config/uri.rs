//! Places that the configuration names: files, keys in tokens, sockets.

use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

/// `file:///…`.
pub(super) fn file(text: &str) -> Result<PathBuf, UriError> {
    let refused = || UriError::File { text: clip(text) };
    let rest = text.strip_prefix("file:").ok_or_else(refused)?;
    // Both `file:/a` and `file:///a` are written; a host name between the slashes is no path.
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if !path.starts_with('/') || path.contains(['?', '#']) {
        return Err(refused());
    }
    let path = percent_decode_str(path).decode_utf8().map_err(|_| refused())?;
    Ok(PathBuf::from(path.into_owned()))
}

/// Where a key lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    File(PathBuf),
    /// As it was written: `pkcs11:…`.
    Pkcs11(String),
}

impl FromStr for KeyPlace {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if text.starts_with("pkcs11:") {
            return Ok(Self::Pkcs11(text.to_owned()));
        }
        file(text).map(Self::File).map_err(|_| UriError::Key { text: clip(text) })
    }
}

/// Where an API is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketPlace {
    Unix(PathBuf),
    /// A socket that systemd has opened, by name or number.
    Activated(String),
}

impl FromStr for SocketPlace {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        if let Some(path) = text.strip_prefix("unix://").filter(|path| path.starts_with('/')) {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        match text.strip_prefix("fd://").map(|name| name.trim_end_matches('/')) {
            Some(name) if !name.is_empty() => Ok(Self::Activated(name.to_owned())),
            _ => Err(UriError::Socket { text: clip(text) }),
        }
    }
}

fn clip(text: &str) -> String {
    text.chars().take(128).collect()
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("is {text:?}, not the URI of a file: write file:///path/to/file")]
    File { text: String },
    #[error("is {text:?}, not the URI of a key: write file:///path/to/file or pkcs11:…")]
    Key { text: String },
    #[error("is {text:?}, not the URI of a socket: write unix:///path/to/socket or fd://name")]
    Socket { text: String },
}
