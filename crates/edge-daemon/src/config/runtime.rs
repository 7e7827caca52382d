//! `[agent]`, `[connect]`, `[listen]`, `[watchdog]`, `[moby_runtime]`, `[image_garbage_collection]`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value as Json};
use skerry_tokens::Secret;

use super::provisioning::parsed;
use super::reader::Reader;
use super::tree::{Value, secret};
use super::uri::SocketPlace;

/// The bootstrap agent, before a deployment names another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub name: String,
    pub kind: String,
    pub pulls: bool,
    pub image: String,
    pub create_options: Map<String, Json>,
    pub digest: Option<String>,
    pub auth: Option<RegistryAuth>,
    pub env: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryAuth {
    pub server: Option<String>,
    pub username: Option<String>,
    pub password: Option<Secret>,
    pub email: Option<String>,
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            name: "edgeAgent".to_owned(),
            kind: "docker".to_owned(),
            pulls: true,
            image: "mcr.microsoft.com/azureiotedge-agent:1.6".to_owned(),
            create_options: Map::new(),
            digest: None,
            auth: None,
            env: BTreeMap::new(),
        }
    }
}

/// Where the two APIs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    pub workload: SocketPlace,
    pub management: SocketPlace,
}

impl Endpoints {
    pub(super) fn connect() -> Self {
        let unix = |name: &str| SocketPlace::Unix(PathBuf::from(format!("/var/run/iotedge/{name}.sock")));
        Self { workload: unix("workload"), management: unix("mgmt") }
    }

    pub(super) fn listen() -> Self {
        let activated = |name: &str| SocketPlace::Activated(format!("aziot-edged.{name}.socket"));
        Self { workload: activated("workload"), management: activated("mgmt") }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MobyRuntime {
    pub socket: PathBuf,
    pub network: Network,
    /// Taken and without effect, as in the original.
    pub content_trust: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    pub name: String,
    pub ipv6: bool,
    pub subnets: Vec<Subnet>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subnet {
    pub subnet: Option<String>,
    pub gateway: Option<String>,
    pub ip_range: Option<String>,
}

impl Default for MobyRuntime {
    fn default() -> Self {
        Self {
            socket: PathBuf::from("/var/run/docker.sock"),
            network: Network { name: "azure-iot-edge".to_owned(), ipv6: false, subnets: Vec::new() },
            content_trust: BTreeMap::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageCollection {
    pub enabled: bool,
    pub recurrence: Duration,
    pub age: Duration,
    /// Minutes after midnight, local time.
    pub minute_of_day: u16,
}

impl Default for ImageCollection {
    fn default() -> Self {
        Self { enabled: true, recurrence: DAY, age: DAY * 7, minute_of_day: 0 }
    }
}

const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn agent(root: &Reader<'_>) -> Option<Agent> {
    let Some(table) = root.table("agent") else { return Some(Agent::default()) };
    let name = table.need("name", "write name = \"edgeAgent\"");
    let kind = table.need("type", "write type = \"docker\"");
    if let Some(name) = name.as_ref().filter(|name| name.value != "edgeAgent") {
        table.error(name.offset, "name", "is not \"edgeAgent\", which the APIs expect");
    }
    if let Some(kind) = kind.as_ref().filter(|kind| kind.value != "docker") {
        table.error(kind.offset, "type", "is not \"docker\", the only type of modules");
    }
    let pulls = table.string("imagePullPolicy").is_none_or(|policy| match policy.value.as_str() {
        "on-create" => true,
        "never" => false,
        other => {
            table.error(
                policy.offset,
                "imagePullPolicy",
                format!("is {other:?}: write \"on-create\" or \"never\""),
            );
            true
        }
    });
    let env = table.table("env").map(|env| env.free_texts()).unwrap_or_default().into_iter().collect();
    let Some(config) = table.table("config") else {
        if !table.has("config") {
            table.missing("config", "write config = { image = \"…\" }");
        }
        table.finish();
        return None;
    };
    let image = config.need("image", "name the agent's image");
    let create_options = match config.value("createOptions") {
        None => Map::new(),
        Some(found) => match found.value.to_json() {
            Json::Object(options) => options,
            _ => {
                let text = format!("is {}, not a table of container options", found.value.kind());
                config.error(found.offset, "createOptions", text);
                Map::new()
            }
        },
    };
    let auth = config.table("auth").map(|auth| {
        let read = RegistryAuth {
            server: auth.text("serveraddress"),
            username: auth.text("username"),
            password: auth.text("password").map(secret),
            email: auth.text("email"),
        };
        auth.finish();
        read
    });
    let digest = config.text("digest");
    config.finish();
    table.finish();
    let (name, kind, image) = (name?.value, kind?.value, image?.value);
    Some(Agent { name, kind, pulls, image, create_options, digest, auth, env })
}

pub(super) fn endpoints(root: &Reader<'_>, key: &'static str, default: Endpoints) -> Endpoints {
    let Some(table) = root.table(key) else { return default };
    let read = |key: &'static str| {
        table.need(key, "write both URIs, or leave the table out").and_then(|text| parsed(&table, key, &text))
    };
    let (workload, management) = (read("workload_uri"), read("management_uri"));
    table.finish();
    match (workload, management) {
        (Some(workload), Some(management)) => Endpoints { workload, management },
        _ => default,
    }
}

/// How often the agent may fail before the daemon gives up; `None` is for ever.
pub(super) fn watchdog(root: &Reader<'_>) -> Option<u64> {
    let table = root.table("watchdog")?;
    let retries = match table.value("max_retries").map(|found| (&found.value, found.offset)) {
        None => None,
        Some((Value::Integer(number), offset)) => {
            let retries = u64::try_from(*number).ok();
            if retries.is_none() {
                table.error(offset, "max_retries", "is negative: write \"infinite\" or a number");
            }
            retries
        }
        Some((Value::String(text), _)) if text == "infinite" => None,
        Some((_, offset)) => {
            table.error(offset, "max_retries", "is neither \"infinite\" nor a number");
            None
        }
    };
    table.finish();
    retries
}

pub(super) fn moby_runtime(root: &Reader<'_>) -> MobyRuntime {
    let mut runtime = MobyRuntime::default();
    let Some(table) = root.table("moby_runtime") else { return runtime };
    if let Some(text) = table.need("uri", "write uri = \"unix:///var/run/docker.sock\"") {
        match parsed(&table, "uri", &text) {
            Some(SocketPlace::Unix(path)) => runtime.socket = path,
            Some(SocketPlace::Activated(_)) => {
                table.error(text.offset, "uri", "must be the socket of the container engine: unix:///…");
            }
            None => {}
        }
    }
    match table.value("network") {
        None => table.missing("network", "write network = \"azure-iot-edge\""),
        Some(found) => match &found.value {
            Value::String(name) => runtime.network.name.clone_from(name),
            _ => {
                if let Some(network) = table.open("network", found) {
                    runtime.network = self::network(&network);
                    network.finish();
                }
            }
        },
    }
    if let Some(trust) = table.table("content_trust") {
        if let Some(certs) = trust.table("ca_certs") {
            runtime.content_trust = certs.free_texts().into_iter().collect();
            trust.warn(
                certs.offset,
                "ca_certs",
                "has no effect: images are verified by the container engine",
            );
        }
        trust.finish();
    }
    table.finish();
    runtime
}

fn network(table: &Reader<'_>) -> Network {
    let name = table.need("name", "name the network").map_or_else(String::new, |name| name.value);
    let ipv6 = table.boolean("ipv6").unwrap_or(false);
    let mut subnets = Vec::new();
    if let Some(ipam) = table.table("ipam") {
        for item in ipam.list("config").unwrap_or_default() {
            if let Some(config) = ipam.open("config", item) {
                subnets.push(Subnet {
                    subnet: config.text("subnet"),
                    gateway: config.text("gateway"),
                    ip_range: config.text("ip_range"),
                });
                config.finish();
            }
        }
        ipam.finish();
    }
    Network { name, ipv6, subnets }
}

pub(super) fn image_collection(root: &Reader<'_>) -> ImageCollection {
    let mut collection = ImageCollection::default();
    let Some(table) = root.table("image_garbage_collection") else { return collection };
    if let Some(enabled) = table.boolean("enabled") {
        collection.enabled = enabled;
    }
    let time = |key: &'static str| {
        let text = table.string(key)?;
        let time = duration(&text.value);
        if time.is_none() {
            table.error(
                text.offset,
                key,
                format!("is {:?}: write for example \"2d\" or \"12h\"", text.value),
            );
        }
        time.map(|time| (time, text.offset))
    };
    if let Some((recurrence, offset)) = time("cleanup_recurrence") {
        if recurrence < DAY || recurrence.as_secs() % DAY.as_secs() != 0 {
            table.error(offset, "cleanup_recurrence", "is not whole days: write \"1d\" or more");
        }
        collection.recurrence = recurrence;
    }
    if let Some((age, _)) = time("image_age_cleanup_threshold") {
        collection.age = age;
    }
    if let Some(text) = table.string("cleanup_time") {
        match minute_of_day(&text.value) {
            Some(minute) => collection.minute_of_day = minute,
            None => {
                table.error(text.offset, "cleanup_time", format!("is {:?}: write it as HH:MM", text.value));
            }
        }
    }
    table.finish();
    collection
}

/// `1d 12h`, in any combination.
fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = rest.split_at(digits);
        let unit = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(unit);
        let seconds = match unit {
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3600,
            "d" | "day" | "days" => 86_400,
            "w" | "week" | "weeks" => 7 * 86_400,
            _ => return None,
        };
        let seconds = number.parse::<u64>().ok()?.checked_mul(seconds)?;
        total = total.checked_add(Duration::from_secs(seconds))?;
        rest = after.trim_start();
    }
    (!text.trim().is_empty()).then_some(total)
}

fn minute_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two = |text: &str| {
        let good = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        good.then(|| text.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}
