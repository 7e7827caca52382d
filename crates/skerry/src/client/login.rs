//! Which hub a command speaks to, and as whom.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use skerry_hub::access::Policies;
use skerry_tokens::{ConnectionString, Credential, Host, KeyUse, Signer};

use crate::args::Target;
use crate::failure::Failure;
use crate::hub::DataDirectory;
use crate::world;

const HTTPS_PORT: u16 = 443;
/// The policy used on a local data directory.
const LOCAL_POLICY: &str = "iothubowner";

/// Everything that is needed to call a hub.
pub struct Login {
    /// The name for TLS, tokens and the Host header.
    pub host: Host,
    /// Where to connect, when it is not to be looked up by name.
    pub address: Option<SocketAddr>,
    pub port: u16,
    pub doors: Doors,
    pub signer: Signer,
    /// The trust anchor to use instead of the system's.
    pub ca: Option<PathBuf>,
}

/// Where devices connect, as far as the local hub says.
#[derive(Clone, Copy, Default)]
pub struct Doors {
    pub https: Option<SocketAddr>,
    pub mqtt: Option<SocketAddr>,
    pub amqp: Option<SocketAddr>,
}

impl Login {
    pub fn find(target: &Target) -> Result<Self, Failure> {
        match &target.login {
            Some(text) => Self::from_connection_string(text, target),
            None => Self::from_data(target),
        }
    }

    fn from_connection_string(text: &str, target: &Target) -> Result<Self, Failure> {
        let parsed: ConnectionString = text
            .parse()
            .map_err(|error| Failure::usage(format!("the connection string cannot be used: {error}")))?;
        let ConnectionString::Hub(hub) = parsed else {
            return Err(Failure::usage(
                "this is a connection string for reading events, use the one with HostName=",
            ));
        };
        let Credential::Policy { name, key } = hub.credential() else {
            return Err(Failure::usage(
                "this connection string holds no policy key, use one with SharedAccessKeyName and SharedAccessKey",
            ));
        };
        // The hub of this machine is trusted by its own root, also when it is named by a string.
        let data = DataDirectory::new(target.data.clone().unwrap_or_else(world::default_data));
        let local =
            data.read_hub_file().ok().flatten().filter(|file| {
                file.host_names.iter().any(|known| known.eq_ignore_ascii_case(hub.host().name()))
            });
        let own_root = local.map(|_| data.file("tls/root-ca.pem")).filter(|path| path.exists());
        Ok(Self {
            host: hub.host().clone(),
            address: None,
            port: hub.host().port().unwrap_or(HTTPS_PORT),
            doors: Doors::default(),
            signer: Signer::policy(name.clone(), key.clone(), KeyUse::Hub),
            ca: target.ca.clone().or(own_root),
        })
    }

    fn from_data(target: &Target) -> Result<Self, Failure> {
        let data = DataDirectory::new(target.data.clone().unwrap_or_else(world::default_data));
        let file = data.hub_file()?;
        let address = reachable(file.addresses.https.as_deref());
        let Some(address) = address.filter(|_| data.is_held()) else {
            return Err(Failure::unreachable(format!(
                "the hub in {} does not run. Start it with `skerry hub run --data '{0}'`",
                data.path().display()
            )));
        };
        let policies = Policies::read(&data.file("policies.json")).map_err(Failure::failed)?;
        let policy = policies.into_iter().find(|policy| policy.name == LOCAL_POLICY).ok_or_else(|| {
            Failure::NotAuthorised(format!(
                "the hub has no policy {LOCAL_POLICY}, give the connection string of another with --login"
            ))
        })?;
        let name = file.host_names.first().cloned().unwrap_or_else(|| "localhost".to_owned());
        let own_root = data.file("tls/root-ca.pem");
        Ok(Self {
            host: name.parse().map_err(Failure::failed)?,
            address: Some(address),
            port: address.port(),
            doors: Doors {
                https: Some(address),
                mqtt: reachable(file.addresses.mqtt.as_deref()),
                amqp: reachable(file.addresses.amqp.as_deref()),
            },
            signer: Signer::policy(policy.name, policy.primary, KeyUse::Hub),
            ca: target.ca.clone().or_else(|| own_root.exists().then_some(own_root)),
        })
    }
}

/// An address that the local hub wrote down; where it listens everywhere, the loopback.
fn reachable(text: Option<&str>) -> Option<SocketAddr> {
    let mut address: SocketAddr = text?.parse().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(IpAddr::from(Ipv4Addr::LOCALHOST));
    }
    Some(address)
}
