//! A host name with an optional port, as it stands in connection strings and in tokens.

use std::fmt;
use std::str::FromStr;

const NAME_BYTES_MAX: usize = 253;

/// `hub.example.com`, `hub.example.com:8443`, `10.0.0.7` or `[fd00::7]:8443`. Equal without regard to case.
#[derive(Clone, Debug)]
pub struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    /// The name or address alone, as it was written, without brackets.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// What SDKs take as the name of the hub: the first label, or the whole text of an IP address.
    pub fn hub_name(&self) -> &str {
        if self.name.parse::<std::net::IpAddr>().is_ok() {
            return &self.name;
        }
        self.name.split('.').next().unwrap_or(&self.name)
    }
}

/// The name in a `name[:port]` text, without brackets; the port is not looked at.
pub(crate) fn name_of(text: &str) -> &str {
    if let Some((inner, _)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return inner;
    }
    match text.split_once(':') {
        Some((name, port)) if !port.contains(':') => name,
        _ => text,
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let name = name_of(text);
        let (name, rest) = match text.strip_prefix('[') {
            Some(inner) => (name, inner.strip_prefix(name).and_then(|rest| rest.strip_prefix(']'))),
            None => (name, text.strip_prefix(name)),
        };
        let bad_name = || HostError::Name { text: clip(text) };
        let rest = rest.ok_or_else(bad_name)?;
        let is_v6 = name.parse::<std::net::Ipv6Addr>().is_ok();
        // A URL is no port that went wrong.
        if text.contains('/') || text.starts_with('[') != is_v6 || !(is_v6 || is_dns_name(name)) {
            return Err(bad_name());
        }
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                let port = digits.parse::<u16>().ok().filter(|port| *port != 0);
                Some(port.ok_or_else(|| HostError::Port { text: clip(digits) })?)
            }
            _ => return Err(HostError::Port { text: clip(rest.trim_start_matches(':')) }),
        };
        Ok(Self { name: name.to_owned(), port })
    }
}

fn is_dns_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.len() <= NAME_BYTES_MAX && name.split('.').all(label)
}

/// Repeats foreign text in a message without letting it flood a log.
pub(crate) fn clip(text: &str) -> String {
    text.chars().take(80).collect()
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]", self.name)?;
        } else {
            f.write_str(&self.name)?;
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        self.port == other.port && self.name.eq_ignore_ascii_case(&other.name)
    }
}

impl Eq for Host {}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    #[error("{text:?} is not a host name: write a DNS name or an IP address, such as hub.example.com")]
    Name { text: String },
    #[error("{text:?} is not a port: write a number from 1 to 65535 after the host name, or leave it out")]
    Port { text: String },
}
