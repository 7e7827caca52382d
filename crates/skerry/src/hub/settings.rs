//! What a hub runs with: command line and environment first, then the file, then the defaults.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use skerry_front::{Address, OperatorFiles};
use skerry_hub::commands::CommandLimits;
use skerry_hub::devices::Rates;
use skerry_hub::groups::GROUPS_MAX;
use skerry_store::documents::{Field, Part, Step};
use skerry_store::log::{Durability, Kind};
use skerry_tokens::CLOCK_SKEW;

use super::files::FilesTable;
use crate::args::RunOptions;
use crate::failure::Failure;
use crate::logging::LogFormat;
use crate::world;

/// Largest skew between clocks that an operator may allow.
const SKEW_SECONDS_MAX: u64 = 24 * 3600;
/// Of messages, and of files as much again, in a hub that keeps them in memory; then the oldest messages go,
/// and files are refused.
const MEMORY_BYTES_MAX: u64 = 256 << 20;

/// The configuration file. Unknown keys are errors, so that a typing mistake is not silence.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ConfigFile {
    /// Data directory.
    data: Option<PathBuf>,
    /// Names under which clients reach the hub.
    hostnames: Vec<String>,
    /// Where HTTPS listens.
    https: Option<String>,
    /// Where MQTT listens.
    mqtt: Option<String>,
    /// Where AMQP listens.
    amqp: Option<String>,
    /// The file with the key that encrypts device keys.
    device_key_file: Option<PathBuf>,
    /// How far clients' clocks may be behind.
    token_skew_seconds: Option<u64>,
    /// Log filter.
    log: Option<String>,
    /// Lines for people, or JSON.
    log_format: Option<LogFormat>,
    /// Twin paths that queries ask for often, such as [["tags.site"], ["tags.site", "tags.kind"]].
    indexes: Vec<Vec<String>>,
    tls: TlsTable,
    telemetry: TelemetryTable,
    limits: LimitsTable,
    commands: CommandsTable,
    files: FilesTable,
    /// How safe each kind of data is before its sender hears "yes", by the keys of `CLASSES`.
    durability: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TelemetryTable {
    /// Partitions; never fewer than before.
    partitions: u32,
    /// How long messages are kept.
    retention_hours: u64,
    /// How many bytes of them are kept; then the oldest go.
    bytes_max: u64,
    /// How many groups may read them, `$Default` among them.
    consumer_groups_max: usize,
}

/// What devices may do in a second, and how many may be there; left out is no limit.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LimitsTable {
    messages_per_second_per_device: Option<u32>,
    messages_per_second: Option<u32>,
    connects_per_second: Option<u32>,
    /// Connections of all kinds.
    connections: Option<usize>,
}

impl Default for TelemetryTable {
    fn default() -> Self {
        Self { partitions: 4, retention_hours: 24, bytes_max: 16 << 30, consumer_groups_max: GROUPS_MAX }
    }
}

impl TelemetryTable {
    fn check(&self) -> Result<(), Failure> {
        check_bounds(&[
            ("telemetry.partitions", u64::from(self.partitions), 1, 1024),
            ("telemetry.retention_hours", self.retention_hours, 1, 24 * 366),
            ("telemetry.bytes_max", self.bytes_max, 1 << 20, 1 << 50),
            ("telemetry.consumer_groups_max", self.consumer_groups_max as u64, 1, 1000),
        ])
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CommandsTable {
    /// Commands that wait for one device or module.
    depth_max: usize,
    /// How long a command waits whose sender does not say.
    ttl_seconds: u64,
    /// Deliveries that may be given up before a command counts as undeliverable.
    deliveries_max: u32,
    /// How long a device that receives over HTTPS holds a command.
    lock_seconds: u64,
    /// How long feedback waits to be read.
    feedback_ttl_seconds: u64,
    /// How long a reader of feedback holds a batch.
    feedback_lock_seconds: u64,
    /// Times that a reader may give a batch back.
    feedback_deliveries_max: u32,
    /// Records of feedback that wait altogether.
    feedback_max: usize,
}

impl Default for CommandsTable {
    fn default() -> Self {
        let limits = CommandLimits::default();
        Self {
            depth_max: limits.depth_max,
            ttl_seconds: limits.ttl.as_secs(),
            deliveries_max: limits.deliveries_max,
            lock_seconds: limits.lock.as_secs(),
            feedback_ttl_seconds: limits.feedback_ttl.as_secs(),
            feedback_lock_seconds: limits.feedback_lock.as_secs(),
            feedback_deliveries_max: limits.feedback_deliveries_max,
            feedback_max: limits.feedback_max,
        }
    }
}

impl CommandsTable {
    fn limits(&self) -> Result<CommandLimits, Failure> {
        check_bounds(&[
            ("commands.depth_max", self.depth_max as u64, 1, 1000),
            ("commands.ttl_seconds", self.ttl_seconds, 60, 2 * 24 * 3600),
            ("commands.deliveries_max", self.deliveries_max.into(), 1, 100),
            ("commands.lock_seconds", self.lock_seconds, 1, 300),
            ("commands.feedback_ttl_seconds", self.feedback_ttl_seconds, 60, 2 * 24 * 3600),
            ("commands.feedback_lock_seconds", self.feedback_lock_seconds, 5, 300),
            ("commands.feedback_deliveries_max", self.feedback_deliveries_max.into(), 1, 100),
            ("commands.feedback_max", self.feedback_max as u64, 64, 10_000_000),
        ])?;
        Ok(CommandLimits {
            depth_max: self.depth_max,
            ttl: Duration::from_secs(self.ttl_seconds),
            deliveries_max: self.deliveries_max,
            lock: Duration::from_secs(self.lock_seconds),
            feedback_ttl: Duration::from_secs(self.feedback_ttl_seconds),
            feedback_lock: Duration::from_secs(self.feedback_lock_seconds),
            feedback_deliveries_max: self.feedback_deliveries_max,
            feedback_max: self.feedback_max,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TlsTable {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

/// Everything decided.
#[derive(Debug)]
pub struct Settings {
    pub data: PathBuf,
    /// Empty: as at the last start, or this machine's.
    pub host_names: Vec<String>,
    pub https: Address,
    pub mqtt: Address,
    pub amqp: Address,
    pub device_key_file: Option<PathBuf>,
    pub operator_tls: Option<OperatorFiles>,
    pub token_skew: Duration,
    pub log: String,
    pub log_format: LogFormat,
    pub indexes: Vec<Vec<Field>>,
    pub rates: Rates,
    pub connections_max: Option<usize>,
    pub has_faults: bool,
    pub partitions: u32,
    pub retention: Duration,
    pub log_bytes_max: u64,
    pub consumer_groups_max: usize,
    pub commands: CommandLimits,
    pub files: FilesTable,
    /// What differs from the defaults of `CLASSES`.
    pub durability: Vec<(Kind, Durability)>,
}

impl Settings {
    pub fn read(options: RunOptions) -> Result<Self, Failure> {
        let file = read_file(options.config.as_deref())?;
        Self::settle(options, file)
    }

    /// Of a hub that takes nothing from the machine's configuration.
    pub fn alone(options: RunOptions) -> Result<Self, Failure> {
        Self::settle(options, ConfigFile::default())
    }

    /// Of a hub in memory, which takes nothing from the machine's configuration.
    pub fn in_memory(options: RunOptions) -> Result<Self, Failure> {
        let telemetry = TelemetryTable { bytes_max: MEMORY_BYTES_MAX, ..TelemetryTable::default() };
        let files = FilesTable::in_memory(MEMORY_BYTES_MAX);
        Self::settle(options, ConfigFile { telemetry, files, ..ConfigFile::default() })
    }

    fn settle(options: RunOptions, file: ConfigFile) -> Result<Self, Failure> {
        let https = options.https.or(file.https).unwrap_or_else(|| ":443".to_owned());
        let mqtt = options.mqtt.or(file.mqtt).unwrap_or_else(|| ":8883".to_owned());
        let amqp = options.amqp.or(file.amqp).unwrap_or_else(|| ":5671".to_owned());
        let host_names = if options.host_names.is_empty() { file.hostnames } else { options.host_names };
        for name in &host_names {
            check_host_name(name)?;
        }
        let certificate = options.tls_certificate.or(file.tls.certificate);
        let operator_tls = match (certificate, options.tls_key.or(file.tls.key)) {
            (Some(certificate), Some(key)) => Some(OperatorFiles { certificate, key }),
            (None, None) => None,
            _ => return Err(Failure::usage("give tls.certificate and tls.key together, or neither")),
        };
        let skew_seconds = file.token_skew_seconds.unwrap_or(CLOCK_SKEW.as_secs());
        if skew_seconds > SKEW_SECONDS_MAX {
            return Err(Failure::usage(format!(
                "token_skew_seconds is {skew_seconds}, at most {SKEW_SECONDS_MAX} is allowed"
            )));
        }
        let telemetry = &file.telemetry;
        telemetry.check()?;
        let rates = Rates {
            messages_per_device: file.limits.messages_per_second_per_device,
            messages: file.limits.messages_per_second,
            connects: file.limits.connects_per_second,
        };
        Ok(Self {
            rates,
            connections_max: file.limits.connections,
            has_faults: options.fault_injection,
            partitions: telemetry.partitions,
            retention: Duration::from_secs(telemetry.retention_hours * 3600),
            log_bytes_max: telemetry.bytes_max,
            consumer_groups_max: telemetry.consumer_groups_max,
            commands: file.commands.limits()?,
            files: file.files.checked()?,
            durability: file.durability.iter().map(durability).collect::<Result<_, _>>()?,
            data: options.data.or(file.data).unwrap_or_else(world::default_data),
            host_names,
            https: https.parse().map_err(Failure::usage)?,
            mqtt: mqtt.parse().map_err(Failure::usage)?,
            amqp: amqp.parse().map_err(Failure::usage)?,
            device_key_file: options.device_key_file.or(file.device_key_file),
            operator_tls,
            token_skew: Duration::from_secs(skew_seconds),
            log: options.log.or(file.log).unwrap_or_else(|| "info".to_owned()),
            log_format: options.log_format.or(file.log_format).unwrap_or_default(),
            indexes: file.indexes.iter().map(|paths| index(paths)).collect::<Result<_, _>>()?,
        })
    }
}

impl Settings {
    pub fn durability_of(&self, kind: Kind) -> Durability {
        let set = self.durability.iter().find(|(of, _)| *of == kind);
        set.map_or(kind.class().default, |(_, durability)| *durability)
    }
}

/// Key, value, the least and the most that it may be.
fn check_bounds(bounds: &[(&str, u64, u64, u64)]) -> Result<(), Failure> {
    for &(key, value, least, most) in bounds {
        if value < least || value > most {
            return Err(Failure::usage(format!("{key} is {value}, allowed are {least} to {most}")));
        }
    }
    Ok(())
}

/// The kinds of data that a hub keeps.
const KINDS: [Kind; 3] = [Kind::Telemetry, Kind::Event, Kind::Checkpoint];

fn durability((key, word): (&String, &String)) -> Result<(Kind, Durability), Failure> {
    let kind = KINDS.into_iter().find(|kind| kind.class().key == key).ok_or_else(|| {
        let known = KINDS.map(|kind| kind.class().key).join(", ");
        Failure::usage(format!("durability.{key} is no kind of data of a hub, use {known}"))
    })?;
    let durability = Durability::from_word(word).ok_or_else(|| {
        Failure::usage(format!("durability.{key} is {word:?}, use memory, written or synced"))
    })?;
    Ok((kind, durability))
}

fn read_file(path: Option<&Path>) -> Result<ConfigFile, Failure> {
    let (path, asked_for) = match path {
        Some(path) => (path.to_owned(), true),
        None => (world::default_config(), false),
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound && !asked_for => return Ok(ConfigFile::default()),
        Err(error) => {
            return Err(Failure::usage(format!("cannot read the configuration {}: {error}", path.display())));
        }
    };
    toml::from_str(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

/// A name that fits into a certificate and a connection string.
fn check_host_name(name: &str) -> Result<(), Failure> {
    let host: Result<skerry_tokens::Host, _> = name.parse();
    match host {
        Ok(host) if host.port().is_none() => Ok(()),
        Ok(_) => {
            Err(Failure::usage(format!("the host name {name:?} has a port, the port belongs to --https")))
        }
        Err(error) => Err(Failure::usage(format!("{name:?} cannot be a host name: {error}"))),
    }
}

/// The fields of a declared index, from paths as queries write them.
fn index(paths: &[String]) -> Result<Vec<Field>, Failure> {
    paths.iter().map(|path| field(path)).collect()
}

fn field(path: &str) -> Result<Field, Failure> {
    let (part, below) = [
        ("tags.", Part::Tags),
        ("properties.desired.", Part::Desired),
        ("properties.reported.", Part::Reported),
    ]
    .into_iter()
    .find_map(|(prefix, part)| path.strip_prefix(prefix).map(|below| (part, below)))
    .ok_or_else(|| {
        Failure::usage(format!(
            "{path:?} cannot be indexed, use a path below tags, properties.desired or properties.reported"
        ))
    })?;
    let steps: Vec<Step> = below.split('.').map(|name| Step::Name(name.to_owned())).collect();
    if below.split('.').any(str::is_empty) {
        return Err(Failure::usage(format!("{path:?} has an empty step")));
    }
    Ok(Field::In(part, steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_wins_over_the_file_and_mistakes_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.toml");
        let text = "data = '/d'\nhttps = '127.0.0.1:1'\nhostnames = ['a.test']\nindexes = [['tags.site', 'properties.desired.x.y']]\ntoken_skew_seconds = 7\n";
        fs::write(&path, text).unwrap();
        let options =
            RunOptions { config: Some(path.clone()), https: Some(":8443".into()), ..RunOptions::default() };
        let settings = Settings::read(options.clone()).unwrap();
        assert_eq!(settings.data, Path::new("/d"));
        assert_eq!(settings.https, Address::Everywhere { port: 8443 });
        assert_eq!(settings.host_names, ["a.test"]);
        assert_eq!(settings.token_skew, Duration::from_secs(7));
        assert_eq!(settings.indexes[0].len(), 2);
        for (text, told) in [
            ("dat = 1", "unknown field `dat`"),
            ("https = 'everywhere'", "not an address"),
            ("hostnames = ['a b']", "cannot be a host name"),
            ("hostnames = ['a:1']", "belongs to --https"),
            ("indexes = [['deviceId']]", "cannot be indexed"),
            ("tls.key = 'k'", "together"),
            ("token_skew_seconds = 1000000", "at most"),
            ("commands.depth_max = 0", "commands.depth_max is 0, allowed are 1 to 1000"),
            ("commands.ttl_seconds = 1", "allowed are 60 to"),
            ("files.link_minutes = 0", "allowed are 1 to 1440"),
            ("files.keep = true", "unknown field `keep`"),
            ("log_format = 'xml'", "unknown variant `xml`"),
        ] {
            fs::write(&path, text).unwrap();
            let options = RunOptions { config: Some(path.clone()), ..RunOptions::default() };
            let error = Settings::read(options).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
        let options = RunOptions { config: Some(folder.path().join("absent.toml")), ..RunOptions::default() };
        assert!(Settings::read(options).is_err(), "a file that was named must be there");
    }
}
