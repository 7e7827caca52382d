//! What a run measures, and for how long.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

/// Measures the hub of an edge device beside mosquitto, rumqttd, RabbitMQ, fe2o3-amqp, JetStream and SQLite, and
/// its line to a hub over MQTT beside the one over AMQP.
///
/// The default takes ten minutes on two processors. Nothing is asserted: the numbers are for people, on the machine
/// they were taken on. The edge has ports 443, 5671 and 8883 of `--address`.
#[derive(Parser, Clone, Debug)]
#[command(name = "edge-hub")]
pub(crate) struct Options {
    /// Only these servers; the first that is measured is what the others are compared with.
    #[arg(long, value_enum, value_name = "NAME", value_delimiter = ',')]
    only: Vec<Name>,
    /// Only this part; may be given several times.
    #[arg(long, value_enum, value_name = "NAME", value_delimiter = ',')]
    section: Vec<Section>,
    /// Times that the servers take turns.
    #[arg(long, default_value_t = 3, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// How long each measure takes.
    #[arg(long, default_value_t = 5.0, value_name = "S")]
    seconds: f64,
    /// Messages on their way from module to module, where there is more than one.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u16).range(1..1000))]
    pub(crate) window: u16,
    /// Messages that wait while the hub is away; ten million take 4 GB of the disk.
    #[arg(long, default_value_t = 200_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1000..=10_000_000))]
    pub(crate) backlog: u64,
    /// Bytes of a message.
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u32).range(16..=100_000))]
    pub(crate) payload: u32,
    /// Where the edge listens.
    #[arg(long, default_value = "127.66.88.83", value_name = "ADDRESS")]
    pub(crate) address: Ipv4Addr,
    /// Where the data lies while the bench runs; a real disk, or fsync costs nothing
    /// [default: the system's folder for temporary files].
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// Another build of the edge, to be compared.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_skerry"), value_name = "PROGRAM")]
    pub(crate) edge: PathBuf,
    #[arg(long, default_value = "/usr/sbin/mosquitto", value_name = "PROGRAM")]
    pub(crate) mosquitto: PathBuf,
    #[arg(long, default_value = "rumqttd", value_name = "PROGRAM")]
    pub(crate) rumqttd: PathBuf,
    #[arg(long, default_value = "/usr/lib/rabbitmq/bin/rabbitmq-server", value_name = "PROGRAM")]
    pub(crate) rabbitmq: PathBuf,
    /// 2.12 or newer.
    #[arg(long, default_value = "nats-server", value_name = "PROGRAM")]
    pub(crate) nats_server: PathBuf,
    /// Is the independent implementation, with the papers of this folder.
    #[arg(long, hide = true, value_name = "DIR")]
    pub(crate) handing: Option<PathBuf>,
    /// Cargo says this to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The servers, in the order of their turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// This one: a rule looks at each message, and it is on the disk, or settled by the other module, before
    /// it is acknowledged.
    Skerry,
    /// Without a rule: who publishes and who subscribes have the same topic. It persists nothing.
    Mosquitto,
    /// The same in Rust, in memory as well.
    Rumqttd,
    /// Over AMQP: a durable queue, without a rule.
    Rabbitmq,
    /// Over AMQP: the library as a server that hands on, without a rule, and keeps nothing.
    Independent,
    /// Beside what waits: a table, in this process.
    Sqlite,
    /// Beside what waits: each message is on the disk before it is acknowledged.
    Jetstream,
    /// The same, which syncs every two minutes.
    JetstreamDefault,
    /// This one once more: its line to a hub, over MQTT.
    LineMqtt,
    /// The same over AMQP.
    LineAmqp,
}

impl Name {
    /// Whether it is somebody else, without whom there are numbers still.
    pub(crate) fn is_peer(self) -> bool {
        !matches!(self, Self::Skerry | Self::LineMqtt | Self::LineAmqp)
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Skerry => "skerry edge",
            Self::Mosquitto => "mosquitto, nothing persisted",
            Self::Rumqttd => "rumqttd, in memory",
            Self::Rabbitmq => "RabbitMQ, durable, no rule",
            Self::Independent => "fe2o3-amqp, keeps nothing",
            Self::Sqlite => "SQLite, 512 a transaction",
            Self::Jetstream => "JetStream, sync always",
            Self::JetstreamDefault => "JetStream, default sync",
            Self::LineMqtt => "skerry edge, line over MQTT",
            Self::LineAmqp => "skerry edge, line over AMQP",
        }
    }
}

/// The parts of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Section {
    /// From module to module by a rule, with QoS 1 both ways.
    Hop,
    /// The same over AMQP, accepted both ways.
    Amqp,
    /// What waits while the hub is away: how fast it is taken and given on, and what memory it costs.
    Backlog,
    /// The edge's line to a hub that runs beside it: what is given on at once, what has waited, and what memory both
    /// cost, over MQTT and over AMQP.
    Line,
}

impl Section {
    pub(crate) fn names(self) -> &'static [Name] {
        match self {
            Self::Hop => &[Name::Skerry, Name::Mosquitto, Name::Rumqttd],
            Self::Amqp => &[Name::Skerry, Name::Rabbitmq, Name::Independent],
            Self::Backlog => &[Name::Skerry, Name::Sqlite, Name::Jetstream, Name::JetstreamDefault],
            Self::Line => &[Name::LineMqtt, Name::LineAmqp],
        }
    }
}

impl Options {
    pub(crate) fn span(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.5, 60.0))
    }

    pub(crate) fn wants(&self, section: Section) -> bool {
        self.section.is_empty() || self.section.contains(&section)
    }

    /// Those of the part that are wanted, in the order of the command line if it names them.
    pub(crate) fn names(&self, section: Section) -> Vec<Name> {
        let all = section.names();
        match self.only.is_empty() {
            true => all.to_vec(),
            false => self.only.iter().copied().filter(|name| all.contains(name)).collect(),
        }
    }

    /// A large backlog takes its time.
    pub(crate) fn rounds(&self, section: Section) -> u32 {
        let waits = matches!(section, Section::Backlog | Section::Line);
        if waits && self.backlog > 1_000_000 { 1 } else { self.rounds }
    }
}
