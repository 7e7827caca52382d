//! What `skerry edge run` is told.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::logging::LogFormat;

#[derive(Args, Clone, Default)]
pub struct EdgeRunOptions {
    #[command(flatten)]
    pub places: PlaceOptions,
    /// Where the figures are shown for Prometheus, or off [default: port 9600 on loopback and where modules look for it].
    #[arg(long, value_name = "IP:PORT", value_parser = metrics)]
    pub metrics: Option<Metrics>,
    /// How it is logged.
    #[arg(long, env = "SKERRY_LOG_FORMAT", value_enum, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// Where an edge device has its files; the same for everybody who looks for them.
#[derive(Args, Clone, Default)]
pub struct PlaceOptions {
    /// The configuration [default: /etc/aziot/config.toml, or below ~/.config].
    #[arg(
        short = 'c',
        long = "config",
        visible_alias = "config-file",
        env = "SKERRY_EDGE_CONFIG",
        value_name = "FILE"
    )]
    pub config: Option<PathBuf>,
    /// Keys, certificates and what is remembered [default: /var/lib/aziot, or below ~/.local/share].
    #[arg(long, env = "SKERRY_EDGE_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// The local APIs' sockets, whatever [listen] says [default: /var/run/iotedge and /run/aziot for root].
    #[arg(long, env = "SKERRY_EDGE_SOCKETS", value_name = "DIR")]
    pub sockets: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metrics {
    Off,
    At(SocketAddr),
}

fn metrics(text: &str) -> Result<Metrics, String> {
    if text == "off" {
        return Ok(Metrics::Off);
    }
    text.parse().map(Metrics::At).map_err(|_| "write IP:PORT, or off".to_owned())
}
