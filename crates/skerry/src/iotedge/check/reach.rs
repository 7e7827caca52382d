//! Checks that go over the network: the hub's ports, and its clock.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::ServerName;
use skerry_edge_daemon::config::{Config, Provisioning};
use skerry_model::Clock as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::facts::Facts;
use super::{Outcome, settings};
use crate::world::MachineClock;

pub const AMQP: u16 = 5671;
const LIMIT: Duration = Duration::from_secs(20);
/// Of an answer's head.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Where the hub is reached: what the operator names, the parent, or the hub itself.
fn target(config: &Config, facts: &Facts) -> Option<String> {
    if let Some(name) = &facts.hub {
        return Some(name.clone());
    }
    if let Some(parent) = &config.parent_hostname {
        return Some(parent.name().to_owned());
    }
    match &config.provisioning {
        Provisioning::Manual { hub, .. } => Some(hub.name().to_owned()),
        Provisioning::Dps(_) | Provisioning::Off => None,
    }
}

pub async fn connect(config: &Config, facts: &Facts, port: u16) -> Outcome {
    let Some(name) = target(config, facts) else {
        return Outcome::warning("the hub is not named in the configuration: give --iothub-hostname");
    };
    match handshake(config, facts, &name, port).await {
        Ok(_) => Outcome::Ok,
        Err(reason) => Outcome::Error(vec![
            format!(
                "{name}:{port} cannot be reached with a trusted connection: is the port open, and the name right?"
            ),
            reason,
        ]),
    }
}

async fn handshake(
    config: &Config,
    facts: &Facts,
    name: &str,
    port: u16,
) -> Result<TlsStream<TcpStream>, String> {
    let tls = facts.tls.clone()?;
    let server = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
    let connecting = async {
        let tcp = match config.own.hub_address {
            Some(address) => TcpStream::connect(SocketAddr::new(address, port)).await?,
            None => TcpStream::connect((name, port)).await?,
        };
        TlsConnector::from(Arc::clone(&tls)).connect(server, tcp).await
    };
    let late = || format!("no answer within {} s", LIMIT.as_secs());
    timeout(LIMIT, connecting).await.map_err(|_| late())?.map_err(|error: io::Error| error.to_string())
}

/// The hub's own clock, from the head of any answer.
pub async fn clock(config: &Config, facts: &Facts) -> Outcome {
    let Some(name) = target(config, facts) else { return Outcome::Skipped };
    let asked = async {
        let mut stream = handshake(config, facts, &name, config.own.hub_https_port).await?;
        let request = format!("GET / HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut head = Vec::new();
        // Whoever closes without a farewell has said what is needed before.
        let _ = stream.take(HEAD_BYTES_MAX as u64).read_to_end(&mut head).await;
        date(&String::from_utf8_lossy(&head)).ok_or_else(|| "its answer has no date".to_owned())
    };
    match timeout(2 * LIMIT, asked).await {
        Ok(Ok(hub)) => settings::clock(hub - MachineClock.now().unix_seconds()),
        Ok(Err(reason)) => Outcome::Warning(vec![format!("{name} does not tell its time"), reason]),
        Err(_) => Outcome::warning(format!("{name} does not tell its time")),
    }
}

fn date(head: &str) -> Option<i64> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("date:"))?;
    let (_, date) = line.split_once(':')?;
    let time = httpdate::parse_http_date(date.trim()).ok()?;
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hubs_date_is_read() {
        for (head, expected) in [
            ("HTTP/1.1 404 Not Found\r\nDate: Thu, 01 Jan 1970 00:01:40 GMT\r\n\r\n", Some(100)),
            ("HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n", Some(0)),
            ("HTTP/1.1 200 OK\r\nDate: today\r\n\r\n", None),
            ("nothing", None),
        ] {
            assert_eq!(date(head), expected, "{head}");
        }
    }
}
