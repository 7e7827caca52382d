//! What the manifest's `env` says.

use std::time::Duration;

use crate::WalkOptions;

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub delay: Duration,
    /// `None`: without an end.
    pub count: Option<u64>,
    pub walk: WalkOptions,
    pub transport: Transport,
    /// Where the edge says that its ports are not the usual ones.
    pub mqtt_port: Option<u16>,
    pub https_port: Option<u16>,
    pub level: Level,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Mqtt,
    MqttWebSocket,
}

/// Of what is written to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Fatal,
    Error,
    Warning,
    Information,
    Debug,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the variable {name} is {value:?}, write {wanted}")]
pub struct SettingsError {
    pub name: &'static str,
    pub value: String,
    pub wanted: &'static str,
}

impl Settings {
    /// `variable` looks one up.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let number = |name, default| read(&variable, name, default, "a number such as 21.5", number);
        let walk = WalkOptions::default();
        Ok(Self {
            delay: read(
                &variable,
                "MessageDelay",
                Duration::from_secs(5),
                "a time span such as 00:00:05",
                time_span,
            )?,
            count: read(&variable, "MessageCount", Some(500), "a number, or -1 for no end", count)?,
            walk: WalkOptions {
                temperature_min: number("machineTempMin", walk.temperature_min)?,
                temperature_max: number("machineTempMax", walk.temperature_max)?,
                pressure_min: number("machinePressureMin", walk.pressure_min)?,
                pressure_max: number("machinePressureMax", walk.pressure_max)?,
                ambient: number("ambientTemp", walk.ambient)?,
            },
            transport: read(
                &variable,
                "ClientTransportType",
                Transport::Mqtt,
                "Mqtt_Tcp_Only, Mqtt_WebSocket_Only, or one of the Amqp ones",
                transport,
            )?,
            mqtt_port: read(&variable, "SKERRY_GATEWAY_MQTT_PORT", None, "a port", port)?,
            https_port: read(&variable, "SKERRY_GATEWAY_HTTPS_PORT", None, "a port", port)?,
            level: read(
                &variable,
                "RuntimeLogLevel",
                Level::Information,
                "fatal, error, warning, info, debug or verbose",
                level,
            )?,
        })
    }
}

fn read<T>(
    variable: &impl Fn(&str) -> Option<String>,
    name: &'static str,
    default: T,
    wanted: &'static str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, SettingsError> {
    let Some(value) = variable(name).filter(|value| !value.trim().is_empty()) else { return Ok(default) };
    parse(value.trim()).ok_or(SettingsError { name, value, wanted })
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

fn port(text: &str) -> Option<Option<u16>> {
    text.parse().ok().filter(|port| *port > 0).map(Some)
}

fn count(text: &str) -> Option<Option<u64>> {
    if text == "-1" { Some(None) } else { text.parse().ok().map(Some) }
}

fn transport(text: &str) -> Option<Transport> {
    let text = text.to_ascii_lowercase();
    match text.as_str() {
        // The edge hub speaks both, and this module only one: what is sent is the same.
        "mqtt_tcp_only" | "mqtt" | "amqp" | "amqp_tcp_only" => Some(Transport::Mqtt),
        "mqtt_websocket_only" | "amqp_websocket_only" => Some(Transport::MqttWebSocket),
        _ => None,
    }
}

/// Words of both the original's configuration and of .NET; text before a comma counts.
fn level(text: &str) -> Option<Level> {
    let text = text.split(',').next()?.trim().to_ascii_lowercase();
    match text.as_str() {
        "fatal" => Some(Level::Fatal),
        "error" => Some(Level::Error),
        "warning" | "warn" => Some(Level::Warning),
        "info" | "information" => Some(Level::Information),
        "debug" | "verbose" => Some(Level::Debug),
        _ => None,
    }
}

/// `[days.]hours:minutes:seconds[.fraction]`, or days alone.
fn time_span(text: &str) -> Option<Duration> {
    if let Ok(days) = text.parse::<u64>() {
        return Some(Duration::from_secs(days.checked_mul(86_400)?));
    }
    let mut parts = text.split(':');
    let (first, minutes, seconds) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    if parts.next().is_some() {
        return None;
    }
    let (days, hours) = first.split_once('.').unwrap_or(("0", first));
    let whole = |text: &str, below: u64| text.parse::<u64>().ok().filter(|number| *number < below);
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let digits: String = fraction.chars().chain("0000000".chars()).take(7).collect();
    let ticks = digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse::<u64>().ok())??;
    let seconds = days.parse::<u64>().ok()?.checked_mul(86_400)?
        + whole(hours, 24)? * 3600
        + whole(minutes, 60)? * 60
        + whole(seconds, 60)?;
    Some(Duration::from_secs(seconds) + Duration::from_nanos(ticks * 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::read(|name| {
            variables.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn without_variables_it_is_as_the_original() {
        let settings = settings(&[]).unwrap();
        assert_eq!((settings.delay, settings.count), (Duration::from_secs(5), Some(500)));
        assert_eq!(settings.walk, WalkOptions::default());
        assert_eq!((settings.transport, settings.level), (Transport::Mqtt, Level::Information));
    }

    #[test]
    fn time_spans_are_read() {
        for (text, milliseconds) in [
            ("00:00:05", 5000),
            ("00:01", 60_000),
            ("1.02:03:04.5", 93_784_500),
            ("2", 172_800_000),
            ("00:00:00.1234567", 123),
        ] {
            let read = settings(&[("MessageDelay", text)]).unwrap().delay;
            assert_eq!(read.as_millis(), milliseconds, "{text}");
        }
        for text in ["5s", "00:60:00", "24:00:00", "0:0:0:0", "-00:00:05", "00:00:0x"] {
            assert_eq!(settings(&[("MessageDelay", text)]).unwrap_err().name, "MessageDelay", "{text}");
        }
    }

    #[test]
    fn everything_else_is_read_or_refused_by_name() {
        let settings_read = settings(&[
            ("MessageCount", "-1"),
            ("machineTempMax", "80.5"),
            ("ClientTransportType", "Mqtt_WebSocket_Only"),
            ("RuntimeLogLevel", "Debug,more"),
            ("SKERRY_GATEWAY_MQTT_PORT", "18883"),
        ])
        .unwrap();
        assert_eq!((settings_read.count, settings_read.walk.temperature_max), (None, 80.5));
        assert_eq!((settings_read.mqtt_port, settings_read.https_port), (Some(18_883), None));
        assert_eq!((settings_read.transport, settings_read.level), (Transport::MqttWebSocket, Level::Debug));
        for name in [
            "MessageCount",
            "machineTempMin",
            "ambientTemp",
            "ClientTransportType",
            "RuntimeLogLevel",
            "SKERRY_GATEWAY_MQTT_PORT",
        ] {
            assert_eq!(settings(&[(name, "nonsense")]).unwrap_err().name, name);
        }
    }
}
