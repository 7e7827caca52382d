//! Who connects: the CONNECT and the tokens of a device or module.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use skerry_model::{DeviceId, IdentityId, ModuleId, Timestamp};
use skerry_mqtt::packet::{Connect, Text};
use skerry_mqtt::topic::{UserName, client_id};
use skerry_tokens::{Claim, SharedKey, Signer, resource};

/// The service's version, as its documentation tells clients to write it.
const API_VERSION: &str = "2021-04-12";

/// A device or module towards one hub.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The hub's name, as its tokens have it.
    pub host: String,
    pub device: DeviceId,
    pub module: Option<ModuleId>,
    pub proof: Proof,
}

#[derive(Clone)]
pub enum Proof {
    /// Signs a token for each connection.
    Key(SharedKey),
    /// A token that somebody else has signed, for one connection.
    Ticket(Bytes),
    /// The certificate of the TLS connection says it all.
    Certificate,
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key(***)",
            Self::Ticket(_) => "Ticket(***)",
            Self::Certificate => "Certificate",
        })
    }
}

impl Identity {
    /// What a connection begins with. A token ends `token_life` after `now`, and with it the
    /// connection.
    pub fn connect(&self, now: Timestamp, token_life: Duration, keep_alive_s: u16) -> Connect {
        let user_name = UserName {
            host: self.host.clone(),
            device: self.device.clone(),
            module: self.module.clone(),
            api_version: Some(API_VERSION.to_owned()),
            model: None,
            client_type: Some(concat!("skerry/", env!("CARGO_PKG_VERSION")).to_owned()),
            auth_chain: None,
        };
        let password = match &self.proof {
            Proof::Ticket(token) => Some(token.clone()),
            _ => self.token(now.plus(token_life)).map(|token| Bytes::from(token.text)),
        };
        Connect {
            keep_alive_s,
            client_id: Text::from(client_id(&self.device, self.module.as_ref()).as_str()),
            user_name: Some(Text::from(user_name.to_string().as_str())),
            password,
            ..Connect::default()
        }
    }

    /// A token of its own that is good until then; none where it has no key.
    pub fn token(&self, expiry: Timestamp) -> Option<Token> {
        let Proof::Key(key) = &self.proof else { return None };
        let claim = match &self.module {
            None => Claim::Device(self.device.as_str()),
            Some(module) => Claim::Module(self.device.as_str(), module.as_str()),
        };
        let audience = resource(&self.host, claim);
        let text = Signer::identity(key.clone()).issue(&audience, expiry).reveal();
        Some(Token { audience, text })
    }

    /// As links are addressed.
    pub fn id(&self) -> IdentityId {
        IdentityId { device: self.device.clone(), module: self.module.clone() }
    }
}

/// What is shown for an identity.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub audience: String,
    /// Whoever has it is the identity.
    pub text: String,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("audience", &self.audience).field("text", &"***").finish()
    }
}
