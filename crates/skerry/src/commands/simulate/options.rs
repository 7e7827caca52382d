//! What is simulated, and for how long.

use std::time::Duration;

use clap::{Args, ValueEnum};

#[derive(Args, Clone, Debug)]
pub struct SimulateOptions {
    /// Devices; each has a connection, so the limit of open files must allow that many (ulimit -n).
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub count: u32,
    /// Messages a second, from each device.
    #[arg(long, default_value_t = 1.0, value_name = "R", value_parser = rate)]
    pub rate: f64,
    /// Ends after so many seconds; without it, at Ctrl-C.
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..))]
    duration: Option<u64>,
    /// Bytes of a message's body.
    #[arg(long, default_value_t = 256, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(2..=250_000))]
    pub size: u32,
    /// The devices are called this with a number behind it; those that are missing are created.
    #[arg(long, default_value = "sim-", value_name = "PREFIX")]
    pub device_prefix: String,
    /// What they speak; inside WebSockets it goes to the port of HTTPS.
    #[arg(long, value_enum, default_value_t, value_name = "NAME")]
    pub protocol: Protocol,
    /// Where the hub listens for MQTT [default: as the local hub says, else its name and port 8883].
    #[arg(long, value_name = "HOST:PORT")]
    pub mqtt: Option<String>,
    /// Where the hub listens for AMQP [default: as the local hub says, else its name and port 5671].
    #[arg(long, value_name = "HOST:PORT")]
    pub amqp: Option<String>,
    /// Leave the created devices there for the next time.
    #[arg(long)]
    pub keep: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Protocol {
    #[default]
    Mqtt,
    MqttWs,
    Amqp,
    AmqpWs,
}

impl SimulateOptions {
    pub fn duration(&self) -> Option<Duration> {
        self.duration.map(Duration::from_secs)
    }

    /// Between two messages of a device.
    pub fn period(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.rate)
    }

    pub fn ids(&self) -> impl Iterator<Item = String> {
        (1..=self.count).map(|number| format!("{}{number}", self.device_prefix))
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "this is not a number".to_owned())?;
    let is_fit = (0.001..=10_000.0).contains(&rate);
    if is_fit { Ok(rate) } else { Err("choose a rate from 0.001 to 10000".to_owned()) }
}
