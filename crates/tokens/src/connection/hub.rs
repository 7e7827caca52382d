//! `HostName=…`: how a service, a device or a module reaches a hub.

use std::fmt;
use std::str::FromStr;

use super::parts::{ConnectionStringError, Part, Parts, join, writable};
use crate::host::clip;
use crate::{Host, SasToken, Secret, SharedKey};

/// With what the holder of the string proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The key of a shared access policy. With a device id, the policy acts for that device.
    Policy { name: String, key: SharedKey },
    /// A ready-made token that names a policy.
    PolicyToken { name: String, token: Secret },
    /// The identity's own key.
    Key(SharedKey),
    /// A ready-made token; it ends when it ends, nobody can renew it.
    Token(Secret),
    /// A client certificate, given elsewhere.
    X509,
}

/// A connection string for a hub. Prints without its secrets; [`HubString::reveal`] gives the text.
#[derive(Clone, PartialEq, Eq)]
pub struct HubString {
    host: Host,
    gateway: Option<Host>,
    device: Option<String>,
    module: Option<String>,
    credential: Credential,
}

impl HubString {
    /// For back ends: the whole hub, with the rights of a policy.
    pub fn for_policy(host: Host, name: &str, key: SharedKey) -> Result<Self, ConnectionStringError> {
        let name = writable(Part::SharedAccessKeyName, name)?;
        Ok(Self {
            host,
            gateway: None,
            device: None,
            module: None,
            credential: Credential::Policy { name, key },
        })
    }

    pub fn for_device(
        host: Host,
        device: &str,
        credential: Credential,
    ) -> Result<Self, ConnectionStringError> {
        let device = Some(writable(Part::DeviceId, device)?);
        Ok(Self { host, gateway: None, device, module: None, credential })
    }

    pub fn for_module(
        host: Host,
        device: &str,
        module: &str,
        credential: Credential,
    ) -> Result<Self, ConnectionStringError> {
        let module = Some(writable(Part::ModuleId, module)?);
        Ok(Self { module, ..Self::for_device(host, device, credential)? })
    }

    /// The same string, through a gateway.
    #[must_use]
    pub fn through(self, gateway: Host) -> Self {
        Self { gateway: Some(gateway), ..self }
    }

    pub fn host(&self) -> &Host {
        &self.host
    }

    pub fn gateway(&self) -> Option<&Host> {
        self.gateway.as_ref()
    }

    /// Where to open the connection: the gateway where there is one, else the hub.
    pub fn connect_to(&self) -> &Host {
        self.gateway.as_ref().unwrap_or(&self.host)
    }

    pub fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    pub fn module(&self) -> Option<&str> {
        self.module.as_deref()
    }

    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The string with its secrets; the name is there to be noticed in a review.
    pub fn reveal(&self) -> String {
        let host = self.host.to_string();
        let gateway = self.gateway.as_ref().map(Host::to_string);
        let (policy, secret) = match &self.credential {
            Credential::Policy { name, key } => (Some(name), (Part::SharedAccessKey, key.reveal())),
            Credential::PolicyToken { name, token } => {
                (Some(name), (Part::SharedAccessSignature, token.reveal().to_owned()))
            }
            Credential::Key(key) => (None, (Part::SharedAccessKey, key.reveal())),
            Credential::Token(token) => (None, (Part::SharedAccessSignature, token.reveal().to_owned())),
            Credential::X509 => (None, (Part::X509, "true".to_owned())),
        };
        let parts = [
            Some((Part::HostName, host.as_str())),
            self.device.as_deref().map(|id| (Part::DeviceId, id)),
            self.module.as_deref().map(|id| (Part::ModuleId, id)),
            policy.map(|name| (Part::SharedAccessKeyName, name.as_str())),
            Some((secret.0, secret.1.as_str())),
            gateway.as_deref().map(|host| (Part::GatewayHostName, host)),
        ];
        join(parts.into_iter().flatten())
    }

    pub(super) fn from_parts(mut parts: Parts<'_>) -> Result<Self, ConnectionStringError> {
        let host = parse_host(Part::HostName, parts.need(Part::HostName)?)?;
        let gateway = parts.take(Part::GatewayHostName);
        let gateway = gateway.map(|text| parse_host(Part::GatewayHostName, text)).transpose()?;
        let module = parts.take(Part::ModuleId).map(str::to_owned);
        let device = match &module {
            Some(_) => Some(parts.need(Part::DeviceId)?),
            None => parts.take(Part::DeviceId),
        };
        let device = device.map(str::to_owned);
        let credential = take_credential(&mut parts, device.is_some())?;
        parts.finish()?;
        Ok(Self { host, gateway, device, module, credential })
    }
}

fn take_credential(parts: &mut Parts<'_>, has_device: bool) -> Result<Credential, ConnectionStringError> {
    let given = [Part::SharedAccessKey, Part::SharedAccessSignature, Part::X509];
    let mut given = given.into_iter().filter(|part| parts.has(*part));
    if let (Some(first), Some(second)) = (given.next(), given.next()) {
        return Err(ConnectionStringError::TwoCredentials { first, second });
    }
    let policy = match has_device {
        true => parts.take(Part::SharedAccessKeyName),
        false => Some(parts.need(Part::SharedAccessKeyName)?),
    };
    if let Some(text) = parts.take(Part::SharedAccessSignature) {
        SasToken::parse(text).map_err(|source| ConnectionStringError::Token { source })?;
        let token = Secret::new(text);
        return Ok(match policy {
            Some(name) => Credential::PolicyToken { name: name.to_owned(), token },
            None => Credential::Token(token),
        });
    }
    if let Some(name) = policy {
        let key = parse_key(parts.need(Part::SharedAccessKey)?)?;
        return Ok(Credential::Policy { name: name.to_owned(), key });
    }
    if let Some(text) = parts.take(Part::SharedAccessKey) {
        return Ok(Credential::Key(parse_key(text)?));
    }
    match parts.take(Part::X509) {
        Some(value) if value.eq_ignore_ascii_case("true") => Ok(Credential::X509),
        Some(value) => Err(ConnectionStringError::X509 { value: clip(value) }),
        None => Err(ConnectionStringError::NoCredential),
    }
}

pub(super) fn parse_host(part: Part, text: &str) -> Result<Host, ConnectionStringError> {
    text.parse().map_err(|source| ConnectionStringError::Host { part, source })
}

pub(super) fn parse_key(text: &str) -> Result<SharedKey, ConnectionStringError> {
    text.parse().map_err(|source| ConnectionStringError::Key { source })
}

impl FromStr for HubString {
    type Err = ConnectionStringError;

    fn from_str(text: &str) -> Result<Self, ConnectionStringError> {
        Self::from_parts(Parts::split(text)?)
    }
}

impl fmt::Debug for HubString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubString")
            .field("host", &self.host)
            .field("gateway", &self.gateway)
            .field("device", &self.device)
            .field("module", &self.module)
            .field("credential", &self.credential)
            .finish()
    }
}
