//! What a client has to know of the hub: as lines for shells, as JSON, as variables of a command.

use std::collections::HashSet;

use serde_json::{Map, Value, json};
use skerry_hub::access::Policy;
use skerry_model::Authentication;
use skerry_model::identity::Identity;
use skerry_tokens::{Credential, EventHubsString, Host, HubString};

use crate::failure::Failure;
use crate::hub::{DataDirectory, HubFile};
use crate::world;

const READY: &str = "# skerry dev ready";

pub struct Facts {
    host: String,
    /// By the names of the policies.
    policies: Vec<(&'static str, String)>,
    events: String,
    devices: Vec<Known>,
    ca: String,
    /// What is in that file.
    ca_pem: String,
    data: String,
    addresses: Vec<(&'static str, String)>,
    /// Of modules that an edge device serves.
    edge: Vec<(String, String)>,
}

/// A device or module, and how it connects.
struct Known {
    device: String,
    module: Option<String>,
    connection_string: String,
}

/// The policies that tests act as, and the variables of their connection strings.
const POLICIES: [(&str, &str); 3] = [
    ("iothubowner", "IOTHUB_CONNECTION_STRING"),
    ("service", "IOTHUB_SERVICE_CONNECTION_STRING"),
    ("device", "IOTHUB_DEVICE_POLICY_CONNECTION_STRING"),
];
/// The policy by which events are read.
const EVENTS_POLICY: &str = "service";

impl Facts {
    pub fn new(
        data: &DataDirectory,
        file: &HubFile,
        policies: &[Policy],
        identities: &[Identity],
    ) -> Result<Self, Failure> {
        let name = file.host_names.first().cloned().unwrap_or_default();
        let host: Host = name.parse().map_err(Failure::failed)?;
        let policy = |name: &str| {
            let policy = policies.iter().find(|policy| policy.name == name);
            policy.ok_or_else(|| Failure::failed(format!("the hub has no policy {name}")))
        };
        let mut strings = Vec::new();
        for (name, _) in POLICIES {
            let string = HubString::for_policy(host.clone(), name, policy(name)?.primary.clone());
            strings.push((name, string.map_err(Failure::failed)?.reveal()));
        }
        let events = policy(EVENTS_POLICY)?;
        let events = EventHubsString::new(host.clone(), &events.name, events.primary.clone(), &file.hub_name);
        let devices = identities.iter().map(|identity| Known::new(&host, identity));
        let addresses = [
            ("https", &file.addresses.https),
            ("mqtt", &file.addresses.mqtt),
            ("amqp", &file.addresses.amqp),
        ];
        let listening = addresses.into_iter().filter_map(|(of, address)| Some((of, address.clone()?)));
        let ca = data.file("tls/root-ca.pem");
        let ca_pem = std::fs::read_to_string(&ca)
            .map_err(|error| Failure::failed(format!("{}: {error}", ca.display())))?;
        Ok(Self {
            host: name,
            policies: strings,
            events: events.map_err(Failure::failed)?.reveal(),
            devices: devices.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect(),
            ca: ca.display().to_string(),
            ca_pem,
            data: data.path().display().to_string(),
            addresses: listening.collect(),
            edge: Vec::new(),
        })
    }

    /// With what modules of an edge device are told.
    pub fn with_edge(self, edge: Vec<(String, String)>) -> Self {
        Self { edge, ..self }
    }

    /// Names that the SDKs' own samples and tools know, and ours.
    pub fn variables(&self) -> Vec<(String, String)> {
        let mut variables = vec![("IOTHUB_HOSTNAME".to_owned(), self.host.clone())];
        let mut put = |name: &str, value: &str| variables.push((name.to_owned(), value.to_owned()));
        for ((_, string), (_, variable)) in self.policies.iter().zip(POLICIES) {
            put(variable, string);
        }
        put("EVENTHUB_CONNECTION_STRING", &self.events);
        if let Some(first) = self.devices.first() {
            put("IOTHUB_DEVICE_CONNECTION_STRING", &first.connection_string);
        }
        let mut taken = HashSet::new();
        for known in &self.devices {
            put(&known.variable(&mut taken), &known.connection_string);
        }
        put("SKERRY_DATA", &self.data);
        put("SKERRY_CA", &self.ca);
        for (of, address) in &self.addresses {
            put(&format!("SKERRY_{}", of.to_ascii_uppercase()), address);
        }
        for (name, value) in &self.edge {
            put(name, value);
        }
        // Node adds these to what it trusts; elsewhere such a variable replaces what the system trusts, which
        // is the caller's to decide.
        if world::variable("NODE_EXTRA_CA_CERTS").is_none() {
            put("NODE_EXTRA_CA_CERTS", &self.ca);
        }
        variables
    }

    /// For shells; the last line is a comment that says that all of them are there.
    pub fn lines(&self) -> String {
        let lines = self.variables().into_iter().map(|(name, value)| format!("{name}={}\n", quoted(&value)));
        lines.collect::<String>() + READY + "\n"
    }

    pub fn json(&self) -> Value {
        let devices = self.devices.iter().map(|known| {
            json!({
                "deviceId": known.device,
                "moduleId": known.module,
                "connectionString": known.connection_string,
            })
        });
        let text = |pairs: &[(&str, String)]| -> Map<String, Value> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect()
        };
        let variables = self.variables().into_iter().map(|(name, value)| (name, value.into()));
        json!({
            "hostName": self.host,
            "policies": text(&self.policies),
            "events": self.events,
            "devices": devices.collect::<Vec<_>>(),
            "ca": self.ca,
            "caPem": self.ca_pem,
            "data": self.data,
            "addresses": text(&self.addresses),
            "variables": variables.collect::<Map<_, _>>(),
        })
    }
}

impl Known {
    /// `None` for an identity that cannot connect by itself yet.
    fn new(host: &Host, identity: &Identity) -> Result<Option<Self>, Failure> {
        let credential = match &identity.authentication {
            Authentication::Sas(keys) => Credential::Key(keys.primary().parse().map_err(Failure::failed)?),
            Authentication::SelfSigned(_) | Authentication::CertificateAuthority => Credential::X509,
            Authentication::None => return Ok(None),
        };
        let (host, device) = (host.clone(), identity.device.as_str());
        let string = match &identity.module {
            Some(module) => HubString::for_module(host, device, module.as_str(), credential),
            None => HubString::for_device(host, device, credential),
        };
        Ok(Some(Self {
            device: device.to_owned(),
            module: identity.module.as_ref().map(|module| module.as_str().to_owned()),
            connection_string: string.map_err(Failure::failed)?.reveal(),
        }))
    }

    /// `pump-1` is `IOTHUB_DEVICE_CONNECTION_STRING_PUMP_1`, its module `m` has `__M` at the end. Where two ids
    /// come to the same, the later gets a number.
    fn variable(&self, taken: &mut HashSet<String>) -> String {
        let plain = |id: &str| -> String {
            let kept = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
            id.chars().map(kept).collect()
        };
        let module = self.module.as_ref().map(|module| format!("__{}", plain(module))).unwrap_or_default();
        let name = format!("IOTHUB_DEVICE_CONNECTION_STRING_{}{module}", plain(&self.device));
        let mut unique = name.clone();
        let mut number = 2;
        while !taken.insert(unique.clone()) {
            unique = format!("{name}_{number}");
            number += 1;
        }
        unique
    }
}

/// One word for every shell, whatever is in it.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}
