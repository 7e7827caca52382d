//! `Endpoint=sb://…`: how back ends reach the Event Hubs-compatible endpoint.

use std::str::FromStr;

use super::hub::{parse_host, parse_key};
use super::parts::{ConnectionStringError, Part, Parts, join, writable};
use crate::host::clip;
use crate::{Host, SharedKey};

const SCHEME: &str = "sb://";

/// A connection string for the Event Hubs endpoint. Its key signs as text: [`crate::KeyUse::EventHubs`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventHubsString {
    host: Host,
    policy: String,
    key: SharedKey,
    entity_path: Option<String>,
}

impl EventHubsString {
    pub fn new(
        host: Host,
        policy: &str,
        key: SharedKey,
        entity_path: &str,
    ) -> Result<Self, ConnectionStringError> {
        let policy = writable(Part::SharedAccessKeyName, policy)?;
        let entity_path = Some(writable(Part::EntityPath, entity_path)?);
        Ok(Self { host, policy, key, entity_path })
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    pub fn policy(&self) -> &str {
        &self.policy
    }

    pub fn key(&self) -> &SharedKey {
        &self.key
    }

    /// The event hub's name; some tools leave it out and ask for it apart.
    pub fn entity_path(&self) -> Option<&str> {
        self.entity_path.as_deref()
    }

    /// The string with its key; the name is there to be noticed in a review.
    pub fn reveal(&self) -> String {
        let (endpoint, key) = (format!("{SCHEME}{}/", self.host), self.key.reveal());
        let parts = [
            Some((Part::Endpoint, endpoint.as_str())),
            Some((Part::SharedAccessKeyName, self.policy.as_str())),
            Some((Part::SharedAccessKey, key.as_str())),
            self.entity_path.as_deref().map(|path| (Part::EntityPath, path)),
        ];
        join(parts.into_iter().flatten())
    }

    pub(super) fn from_parts(mut parts: Parts<'_>) -> Result<Self, ConnectionStringError> {
        let endpoint = parts.need(Part::Endpoint)?;
        let host = endpoint
            .get(..SCHEME.len())
            .filter(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
            .and_then(|_| endpoint.get(SCHEME.len()..))
            .ok_or_else(|| ConnectionStringError::Endpoint { value: clip(endpoint) })?;
        let host = parse_host(Part::Endpoint, host.strip_suffix('/').unwrap_or(host))?;
        let policy = parts.need(Part::SharedAccessKeyName)?.to_owned();
        let key = parse_key(parts.need(Part::SharedAccessKey)?)?;
        let entity_path = parts.take(Part::EntityPath).map(str::to_owned);
        parts.finish()?;
        Ok(Self { host, policy, key, entity_path })
    }
}

impl FromStr for EventHubsString {
    type Err = ConnectionStringError;

    fn from_str(text: &str) -> Result<Self, ConnectionStringError> {
        Self::from_parts(Parts::split(text)?)
    }
}
