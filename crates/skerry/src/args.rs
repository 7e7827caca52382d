//! The command line: nouns, then verbs.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::SimulateOptions;
use crate::logging::LogFormat;

/// An open, self-hosted IoT hub and edge in one program.
#[derive(Parser)]
#[command(name = "skerry", version, propagate_version = true, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// See it run: a hub, an edge device and a module of it, on this machine.
    Quickstart(crate::quickstart::QuickstartOptions),
    /// The module of the quickstart.
    #[command(hide = true, name = crate::quickstart::SENSOR_COMMAND)]
    TemperatureSensor(crate::quickstart::SensorArgs),
    /// Run a hub, get its connection string, back it up.
    #[command(subcommand)]
    Hub(HubCommand),
    /// A hub in memory for tests and CI: `skerry dev -- npm test`.
    Dev(crate::dev::DevArgs),
    /// Devices: create, show, list, update, delete, rotate keys.
    Device(DeviceArgs),
    /// Modules of a device.
    Module(ModuleArgs),
    /// Twins of devices and modules.
    Twin(TwinArgs),
    /// Ask the hub in the query language: `skerry query "SELECT * FROM devices"`.
    Query(QueryArgs),
    /// Routes of messages: try a condition on a message, without a hub.
    Route(crate::commands::RouteArgs),
    /// Access policies of the hub and their keys.
    Policy(PolicyArgs),
    /// Direct methods of devices and modules.
    Method(crate::commands::MethodArgs),
    /// Certificate authorities whose devices are let in by their certificates.
    Ca(crate::commands::CaArgs),
    /// Edge devices: their modules, parents and children.
    Edge(crate::commands::EdgeArgs),
    /// This machine as an edge device, with the commands of `iotedge`.
    Iotedge(crate::iotedge::IotedgeArgs),
    /// Files that devices have uploaded.
    Files(crate::commands::FilesArgs),
    /// Names under which applications read events with Event Hubs SDKs.
    ConsumerGroup(crate::commands::ConsumerGroupArgs),
    /// Show what devices send, as it comes in.
    Monitor(MonitorArgs),
    /// Messages for devices and modules: send, purge, and hear what became of them.
    C2d(crate::commands::C2dArgs),
    /// Look at the files of a log, beside a running hub or without one.
    Log(crate::log::LogArgs),
    /// Print what a shell completes: `source <(skerry completions bash)`.
    Completions(crate::manual::CompletionsArgs),
    /// What is made of the program for its manual.
    #[command(hide = true)]
    Manual(crate::manual::ManualArgs),
}

#[derive(Args)]
pub struct MonitorArgs {
    /// Only this device's.
    #[arg(long, value_name = "ID")]
    pub device: Option<String>,
    /// Begin with what comes now, with the oldest that is kept, or at a time such as 2026-01-02T03:04:05Z.
    #[arg(long, default_value = "now", value_name = "WHEN")]
    pub from: String,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Subcommand)]
pub enum HubCommand {
    /// Run the hub until it is told to stop.
    Run(RunOptions),
    /// Print the connection string that service SDKs and `--login` take.
    ConnectionString(ConnectionStringOptions),
    /// Show how a hub goes: connections, rates, latencies, backlog, disk, certificates.
    Status(crate::commands::HubStatusArgs),
    /// Write everything the hub is made of into one archive, while it runs or not.
    Backup(BackupOptions),
    /// Put a backup in the place of a data directory.
    Restore(RestoreOptions),
}

#[derive(Args, Clone, Default)]
pub struct RunOptions {
    /// Configuration file [default: /etc/skerry/hub.toml, or below ~/.config].
    #[arg(long, env = "SKERRY_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data directory [default: /var/lib/skerry/hub, or below ~/.local/share].
    #[arg(long, env = "SKERRY_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A name under which clients reach the hub; repeat it for more. The first names the hub.
    #[arg(long = "hostname", value_name = "NAME")]
    pub host_names: Vec<String>,
    /// Where HTTPS listens: IP:PORT, localhost:PORT, :PORT for all interfaces, or off [default: :443].
    #[arg(long, value_name = "ADDR")]
    pub https: Option<String>,
    /// Where MQTT listens, likewise [default: :8883].
    #[arg(long, value_name = "ADDR")]
    pub mqtt: Option<String>,
    /// Where AMQP listens, likewise [default: :5671].
    #[arg(long, value_name = "ADDR")]
    pub amqp: Option<String>,
    /// Let messages of devices ask for faults, as the vendors' own test suites do. Not for production.
    #[arg(long)]
    pub fault_injection: bool,
    /// A server certificate of your own (PEM, with its intermediates) instead of one by the hub.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// The key of that certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
    /// The file with the key that encrypts device keys [default: device-keys.key in the data directory].
    #[arg(long, value_name = "FILE")]
    pub device_key_file: Option<PathBuf>,
    /// What is logged to stderr, such as info, debug, or skerry_store=debug [default: info].
    #[arg(long, env = "SKERRY_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    /// How it is logged [default: text].
    #[arg(long, env = "SKERRY_LOG_FORMAT", value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

#[derive(Args)]
pub struct ConnectionStringOptions {
    /// Data directory of the hub.
    #[arg(long, env = "SKERRY_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The policy whose key it holds.
    #[arg(long, default_value = "iothubowner", value_name = "NAME")]
    pub policy: String,
    /// The Event Hubs-compatible form, for reading telemetry.
    #[arg(long)]
    pub events: bool,
    /// The secondary key instead of the primary.
    #[arg(long)]
    pub secondary: bool,
}

#[derive(Args)]
pub struct BackupOptions {
    /// Where to write the archive; it holds every key of the hub.
    pub file: PathBuf,
    /// Data directory of the hub.
    #[arg(long, env = "SKERRY_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
}

#[derive(Args)]
pub struct RestoreOptions {
    /// The archive.
    pub file: PathBuf,
    /// Data directory to put it into.
    #[arg(long, env = "SKERRY_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Replace the data that is there; it is kept beside, with the ending `.before-restore`.
    #[arg(long)]
    pub force: bool,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// How to reach a hub; the same for every command that speaks to one.
#[derive(Args, Clone, Default)]
pub struct Target {
    /// Connection string of the hub. Without it, the hub of the local data directory is used.
    #[arg(
        long,
        global = true,
        env = "SKERRY_LOGIN",
        hide_env_values = true,
        value_name = "CONNECTION_STRING"
    )]
    pub login: Option<String>,
    /// Data directory of a hub on this machine.
    #[arg(long, global = true, env = "SKERRY_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Trust anchor (PEM) [default: the local hub's own root, else the system's].
    #[arg(long, global = true, env = "SKERRY_CA", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Args)]
pub struct DeviceArgs {
    #[command(subcommand)]
    pub verb: DeviceVerb,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Subcommand)]
pub enum DeviceVerb {
    /// Register a device.
    Create {
        id: String,
        #[command(flatten)]
        change: DeviceChange,
    },
    /// Show a device with its keys.
    Show { id: String },
    /// List devices.
    List {
        /// At most this many.
        #[arg(long, value_name = "N")]
        top: Option<usize>,
        /// Only edge devices.
        #[arg(long)]
        edge: bool,
    },
    /// Change a device; what is not named stays.
    Update {
        id: String,
        #[command(flatten)]
        change: DeviceChange,
        /// Only if the device still has this etag.
        #[arg(long, value_name = "ETAG")]
        etag: Option<String>,
    },
    /// Delete a device with its modules and twins.
    Delete {
        id: String,
        #[command(flatten)]
        deletion: Deletion,
    },
    /// Print the connection string that a device or module SDK takes.
    ConnectionString {
        id: String,
        #[arg(long, value_name = "MODULE")]
        module: Option<String>,
        /// With the secondary key.
        #[arg(long)]
        secondary: bool,
    },
    /// Print a token made with the key of a device or module, for tools that make none.
    SasToken {
        #[arg(long = "device", value_name = "ID")]
        id: String,
        #[arg(long, value_name = "MODULE")]
        module: Option<String>,
        #[command(flatten)]
        token: TokenOptions,
    },
    /// Keys of a device or module.
    #[command(subcommand)]
    Key(KeyVerb),
    /// Many devices with real MQTT connections that send telemetry, and how the hub takes it.
    Simulate(SimulateOptions),
}

#[derive(Args)]
pub struct TokenOptions {
    /// It is good for so many seconds.
    #[arg(long, default_value_t = 3600, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=TOKEN_SECONDS_MAX))]
    pub ttl: u64,
    /// With the secondary key.
    #[arg(long)]
    pub secondary: bool,
}

/// A century.
const TOKEN_SECONDS_MAX: u64 = 100 * 365 * 24 * 3600;

#[derive(Subcommand)]
pub enum KeyVerb {
    /// Make new keys; what signs with the old ones stops being let in.
    Rotate {
        id: String,
        #[arg(long, value_name = "MODULE")]
        module: Option<String>,
        #[arg(long, value_enum, default_value = "primary")]
        key: WhichKey,
        /// Say what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum WhichKey {
    Primary,
    Secondary,
    Both,
}

impl WhichKey {
    /// The service API's word.
    pub fn wire(self) -> &'static str {
        match self {
            WhichKey::Primary => "primaryKey",
            WhichKey::Secondary => "secondaryKey",
            WhichKey::Both => "both",
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub enum AuthKind {
    Sas,
    SelfSigned,
    Ca,
}

#[derive(Clone, Copy, ValueEnum)]
pub enum StatusWord {
    Enabled,
    Disabled,
}

#[derive(Args)]
pub struct IdentityAuth {
    /// How it authenticates [default on creation: sas].
    #[arg(long, value_enum)]
    pub auth: Option<AuthKind>,
    /// Base64; made by the hub when left out.
    #[arg(long, value_name = "KEY")]
    pub primary_key: Option<String>,
    #[arg(long, value_name = "KEY")]
    pub secondary_key: Option<String>,
    /// SHA-1 or SHA-256, in hexadecimal.
    #[arg(long, value_name = "HEX")]
    pub primary_thumbprint: Option<String>,
    #[arg(long, value_name = "HEX")]
    pub secondary_thumbprint: Option<String>,
}

#[derive(Args)]
pub struct DeviceChange {
    #[command(flatten)]
    pub auth: IdentityAuth,
    #[arg(long, value_enum)]
    pub status: Option<StatusWord>,
    /// Why it is enabled or disabled.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Whether it is an edge device: --edge, --edge=false.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    pub edge: Option<bool>,
    /// The edge device it is behind; empty for none.
    #[arg(long, value_name = "DEVICE")]
    pub parent: Option<String>,
}

#[derive(Args)]
pub struct Deletion {
    /// Only if it still has this etag.
    #[arg(long, value_name = "ETAG")]
    pub etag: Option<String>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args)]
pub struct ModuleArgs {
    #[command(subcommand)]
    pub verb: ModuleVerb,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Subcommand)]
pub enum ModuleVerb {
    /// Register a module on a device.
    Create {
        device: String,
        module: String,
        #[command(flatten)]
        auth: IdentityAuth,
        #[arg(long, value_name = "NAME")]
        managed_by: Option<String>,
    },
    /// Show a module with its keys.
    Show { device: String, module: String },
    /// List the modules of a device.
    List { device: String },
    /// Change a module; what is not named stays.
    Update {
        device: String,
        module: String,
        #[command(flatten)]
        auth: IdentityAuth,
        #[arg(long, value_name = "NAME")]
        managed_by: Option<String>,
        /// Only if the module still has this etag.
        #[arg(long, value_name = "ETAG")]
        etag: Option<String>,
    },
    /// Delete a module with its twin.
    Delete {
        device: String,
        module: String,
        #[command(flatten)]
        deletion: Deletion,
    },
}

#[derive(Args)]
pub struct TwinArgs {
    #[command(subcommand)]
    pub verb: TwinVerb,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Subcommand)]
pub enum TwinVerb {
    /// Show a twin.
    Show {
        id: String,
        #[arg(long, value_name = "MODULE")]
        module: Option<String>,
    },
    /// Merge into tags and desired properties; null removes a key.
    Update {
        id: String,
        #[command(flatten)]
        change: TwinChange,
    },
    /// Replace tags and desired properties; what is not sent becomes empty.
    Replace {
        id: String,
        #[command(flatten)]
        change: TwinChange,
    },
}

#[derive(Args)]
pub struct TwinChange {
    #[arg(long, value_name = "MODULE")]
    pub module: Option<String>,
    /// Tags as JSON, such as '{"site":"oslo"}'.
    #[arg(long, value_name = "JSON")]
    pub tags: Option<String>,
    /// Desired properties as JSON.
    #[arg(long, value_name = "JSON")]
    pub desired: Option<String>,
    /// A file with a twin or a part of one ("-" for standard input).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tags", "desired"])]
    pub file: Option<PathBuf>,
    /// Only if the twin still has this etag.
    #[arg(long, value_name = "ETAG")]
    pub etag: Option<String>,
}

#[derive(Args)]
pub struct QueryArgs {
    /// The query.
    pub text: String,
    /// Rows asked for at a time.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub page_size: usize,
    /// Stop after this many rows.
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Args)]
pub struct PolicyArgs {
    #[command(subcommand)]
    pub verb: PolicyVerb,
    #[command(flatten)]
    pub target: Target,
}

#[derive(Subcommand)]
pub enum PolicyVerb {
    /// List policies and their rights.
    List,
    /// Show a policy with its keys.
    Show { name: String },
    /// Make a policy with new keys.
    Create {
        name: String,
        /// Rights joined by commas: RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect.
        #[arg(long, value_name = "RIGHTS")]
        rights: String,
    },
    /// Delete a policy; its keys stop working at once.
    Delete {
        name: String,
        /// Say what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Print a token made with the key of a policy, for tools that make none.
    SasToken {
        name: String,
        #[command(flatten)]
        token: TokenOptions,
    },
    /// Make new keys for a policy; the old ones stop working at once.
    Regenerate {
        name: String,
        #[arg(long, value_enum, default_value = "primary")]
        key: WhichKey,
        /// Say what would be done, and do nothing.
        #[arg(long)]
        dry_run: bool,
    },
}
