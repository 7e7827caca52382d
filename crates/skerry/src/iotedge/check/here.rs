//! This machine, as the checks see it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rustls::pki_types::ServerName;
use serde_json::Value;
use skerry_edge_daemon::cloud::{explained, tunnel};
use skerry_model::{Clock as _, Timestamp};
use skerry_runtime::{Answer, DockerOptions, DockerRuntime, EngineError, Runtime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::world::{Disk, Inside, LocalApi, LocalCall, OtherClock, Target, World};
use crate::edge::Directories;
use crate::failure::Failure;
use crate::iotedge::Place;
use crate::iotedge::diagnostics::run_in_container;
use crate::iotedge::socket::Local;
use crate::world::{MachineClock, host_name, variable};

const LIMIT: Duration = Duration::from_secs(20);
/// Of an answer's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Between the beginning of NTP's time, 1900, and that of Unix.
const NTP_SECONDS_BEFORE_UNIX: i64 = 2_208_988_800;
const NTP_BYTES: usize = 48;
/// No leap second is told, version 3, a client.
const NTP_CLIENT: u8 = 0x1b;
/// Systems of files that live in memory only, or are a container's own layer: tmpfs, ramfs, overlay.
const PASSING: [u64; 3] = [0x0102_1994, 0x8584_58f6, 0x794c_7630];

/// The sockets of the device that is meant.
pub struct Here {
    /// `None`: what was given as the host cannot be used; the text says why.
    management: Result<PathBuf, String>,
    services: PathBuf,
}

impl Here {
    pub fn new(place: &Place) -> Self {
        let management = place.management().map(Local::into_socket).map_err(|failure| failure.to_string());
        Self { management, services: place.directories(None).services() }
    }

    pub fn of(directories: &Directories) -> Self {
        Self { management: Ok(directories.management()), services: directories.services() }
    }

    fn api(&self, api: LocalApi) -> Result<Local, Failure> {
        let service = |name: &str, version| Ok(Local::at(self.services.join(name), version));
        match api {
            LocalApi::Management => match &self.management {
                Ok(socket) => Ok(Local::management(socket.clone())),
                Err(text) => Err(Failure::usage(text)),
            },
            // It lies beside the other.
            LocalApi::Workload => match &self.management {
                Ok(socket) => Ok(Local::management(socket.with_file_name("workload.sock"))),
                Err(text) => Err(Failure::usage(text)),
            },
            LocalApi::Keyd => service("keyd.sock", "2021-05-01"),
            LocalApi::Certd => service("certd.sock", "2020-09-01"),
            LocalApi::Identityd => service("identityd.sock", "2022-08-01"),
        }
    }
}

impl World for Here {
    fn now(&self) -> Timestamp {
        MachineClock.now()
    }

    fn host_name(&self) -> Option<String> {
        host_name()
    }

    fn variable(&self, name: &str) -> Option<String> {
        variable(name)
    }

    fn disk(&self, folder: &Path) -> io::Result<Disk> {
        let (room, kind) = (rustix::fs::statvfs(folder)?, rustix::fs::statfs(folder)?);
        Ok(Disk {
            free_bytes: room.f_bavail * room.f_frsize,
            bytes: room.f_blocks * room.f_frsize,
            is_passing: PASSING.contains(&(kind.f_type as u64 & 0xffff_ffff)),
        })
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<String, String> {
        let ran = Command::new(program).args(arguments).output();
        let ran = ran.map_err(|error| format!("{program}: {error}"))?;
        if !ran.status.success() {
            return Err(format!("{program}: {}", String::from_utf8_lossy(&ran.stderr).trim()));
        }
        Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
    }

    fn engine(&self, socket: &Path) -> Arc<dyn Runtime> {
        Arc::new(DockerRuntime::new(DockerOptions::new(socket)))
    }

    fn gateway<'a>(&'a self, socket: &'a Path, network: &'a str) -> Answer<'a, Option<IpAddr>, EngineError> {
        Box::pin(async move {
            let networks = self.engine(socket).networks().await?;
            let own = networks.iter().find(|known| known["Name"] == network);
            let ranges = own.and_then(|own| own["IPAM"]["Config"].as_array());
            let gateways = ranges.into_iter().flatten().filter_map(|range| range["Gateway"].as_str());
            let bare = gateways.map(|gateway| gateway.split('/').next().unwrap_or(gateway));
            Ok(bare.filter_map(|gateway| gateway.parse().ok()).next())
        })
    }

    fn ask(&self, call: LocalCall) -> Answer<'_, Value, Failure> {
        Box::pin(async move { self.api(call.api)?.ask(call.method, &call.path, call.body.as_ref()).await })
    }

    fn connect<'a>(&'a self, target: &'a Target) -> Answer<'a, (), String> {
        Box::pin(async move { handshake(target).await.map(drop) })
    }

    fn time<'a>(&'a self, clock: &'a OtherClock) -> Answer<'a, i64, String> {
        Box::pin(async move {
            let asked: Answer<'_, i64, String> = match clock {
                OtherClock::Ntp(server) => Box::pin(ntp(server)),
                OtherClock::Https(target) => Box::pin(date_of(target)),
            };
            timeout(2 * LIMIT, asked).await.unwrap_or_else(|_| Err(late()))
        })
    }

    fn inside<'a>(&'a self, inside: &'a Inside) -> Answer<'a, String, String> {
        // It ends by itself: whatever was made has to be taken away, too.
        Box::pin(run_in_container(inside))
    }
}

fn late() -> String {
    format!("no answer within {} s", LIMIT.as_secs())
}

/// Also what `iotedge diagnostics connect` does inside of a container.
pub async fn handshake(target: &Target) -> Result<TlsStream<TcpStream>, String> {
    let server = ServerName::try_from(target.host.clone()).map_err(|error| error.to_string())?;
    let failed = |error: io::Error| error.to_string();
    let connecting = async {
        let tcp = match (&target.proxy, target.address) {
            (Some(proxy), _) => tunnel(proxy, &format!("{}:{}", target.host, target.port)).await?,
            (None, Some(address)) => {
                TcpStream::connect(SocketAddr::new(address, target.port)).await.map_err(failed)?
            }
            (None, None) => TcpStream::connect((target.host.as_str(), target.port)).await.map_err(failed)?,
        };
        let tls = TlsConnector::from(Arc::clone(&target.tls)).connect(server, tcp).await;
        tls.map_err(|error| explained(&error))
    };
    timeout(LIMIT, connecting).await.map_err(|_| late())?
}

/// A server's own clock, from the head of any answer.
async fn date_of(target: &Target) -> Result<i64, String> {
    let mut stream = handshake(target).await?;
    let request = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", target.host);
    stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
    let mut head = Vec::new();
    // Whoever closes without a farewell has said what is needed before.
    let _ = stream.take(HEAD_BYTES_MAX as u64).read_to_end(&mut head).await;
    date(&String::from_utf8_lossy(&head)).ok_or_else(|| "its answer has no date".to_owned())
}

fn date(head: &str) -> Option<i64> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with("date:"))?;
    let (_, date) = line.split_once(':')?;
    let time = httpdate::parse_http_date(date.trim()).ok()?;
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// One question: whole seconds are enough here.
async fn ntp(server: &str) -> Result<i64, String> {
    let failed = |error: io::Error| error.to_string();
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host(server).await.map_err(failed)?.collect();
    let address = addresses.first().ok_or("the name has no address")?;
    let own = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(own).await.map_err(failed)?;
    socket.connect(address).await.map_err(failed)?;
    let mut packet = [0; NTP_BYTES];
    packet[0] = NTP_CLIENT;
    socket.send(&packet).await.map_err(failed)?;
    let got = timeout(LIMIT, socket.recv(&mut packet)).await.map_err(|_| late())?.map_err(failed)?;
    seconds_of(&packet[..got]).ok_or_else(|| "its answer has no time".to_owned())
}

/// When the server sent its answer. Its counter of seconds begins anew in 2036.
fn seconds_of(packet: &[u8]) -> Option<i64> {
    let sent: [u8; 4] = packet.get(40..44)?.try_into().ok()?;
    let seconds = i64::from(u32::from_be_bytes(sent));
    let era = if seconds < 1 << 31 { 1 << 32 } else { 0 };
    (packet.len() == NTP_BYTES && seconds != 0).then_some(seconds + era - NTP_SECONDS_BEFORE_UNIX)
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

    #[tokio::test]
    async fn a_server_of_time_is_asked() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap().to_string();
        let answering = tokio::spawn(async move {
            let mut packet = [0; 64];
            let (count, from) = server.recv_from(&mut packet).await.unwrap();
            assert_eq!((count, packet[0] & 7), (NTP_BYTES, 3), "a client of NTP asks");
            let mut answer = [0; NTP_BYTES];
            let seconds = u32::try_from(NTP_SECONDS_BEFORE_UNIX + 1_700_000_000).unwrap();
            answer[40..44].copy_from_slice(&seconds.to_be_bytes());
            server.send_to(&answer, from).await.unwrap();
        });
        assert_eq!(ntp(&address).await, Ok(1_700_000_000));
        answering.await.unwrap();
        assert_eq!(seconds_of(&[0; NTP_BYTES]), None, "a server that does not know it says nothing");
        assert_eq!(seconds_of(&[1; 20]), None);
        let mut later = [0; NTP_BYTES];
        later[43] = 100;
        assert_eq!(seconds_of(&later), Some((1 << 32) + 100 - NTP_SECONDS_BEFORE_UNIX), "2036");
    }
}
