//! Who connects: the CONNECT of a device or module.

use std::time::Duration;

use bytes::Bytes;
use skerry_model::{DeviceId, ModuleId, Timestamp};
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

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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
            Proof::Key(key) => Some(self.token(key, now.plus(token_life))),
            Proof::Ticket(token) => Some(token.clone()),
            Proof::Certificate => None,
        };
        Connect {
            keep_alive_s,
            client_id: Text::from(client_id(&self.device, self.module.as_ref()).as_str()),
            user_name: Some(Text::from(user_name.to_string().as_str())),
            password,
            ..Connect::default()
        }
    }

    fn token(&self, key: &SharedKey, expiry: Timestamp) -> Bytes {
        let claim = match &self.module {
            None => Claim::Device(self.device.as_str()),
            Some(module) => Claim::Module(self.device.as_str(), module.as_str()),
        };
        let signer = Signer::identity(key.clone());
        Bytes::from(signer.issue(&resource(&self.host, claim), expiry).reveal())
    }
}
