//! Where hub and edge listen: each on an address of its own on the loopback, so that both have the ports that
//! every client looks for. Where a port is taken everywhere, or only for root, another one has to do: our own
//! clients can be told, SDKs cannot.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// `127.0.0.1` and those behind it.
const ADDRESSES: u8 = 64;
/// Tries for one port.
const PORTS: u16 = 32;

/// The ports that clients know, and from where others are looked for.
const HTTPS: (u16, u16) = (443, 8443);
const MQTT: (u16, u16) = (8883, 18_883);
const AMQP: (u16, u16) = (5671, 15_671);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    pub ip: IpAddr,
    pub https: u16,
    pub mqtt: u16,
    pub amqp: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    Yes,
    Taken,
    /// Only others may have it.
    Denied,
}

/// Heads that listen where only our own clients find them, and why not where every client looks.
#[derive(Debug, PartialEq, Eq)]
pub struct Unusual {
    heads: Vec<&'static str>,
    taken: Vec<u16>,
    for_root: Vec<u16>,
}

impl Unusual {
    /// Short enough for a usual terminal.
    pub fn lines(&self) -> Vec<String> {
        let Self { heads, taken, for_root } = self;
        let mut lines = vec![
            format!("SDKs do not find its {}, connection strings carry no port;", and(heads)),
            "what is skerry's own does. To change it:".to_owned(),
        ];
        if !taken.is_empty() {
            lines.push(format!("- free {}, which others have", and(taken)));
        }
        if !for_root.is_empty() {
            lines.push(format!("- run it as root, who alone may have {}", and(for_root)));
        }
        lines
    }
}

fn and(words: &[impl ToString]) -> String {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

impl Door {
    /// What clients that cannot be told a port do not find here; `None` where they find everything.
    pub fn unusual(&self, is_free: impl Fn(SocketAddr) -> Free) -> Option<Unusual> {
        let other: Vec<_> =
            [("HTTPS", self.https, HTTPS), ("MQTT", self.mqtt, MQTT), ("AMQP", self.amqp, AMQP)]
                .into_iter()
                .filter(|(_, port, (usual, _))| port != usual)
                .map(|(name, _, (usual, _))| (name, usual))
                .collect();
        let is_for_root = |port: u16| is_free(SocketAddr::new(self.ip, port)) == Free::Denied;
        let ports = other.iter().map(|(_, port)| *port);
        let (for_root, taken) = ports.partition(|port| is_for_root(*port));
        let heads = other.iter().map(|(name, _)| *name).collect();
        Some(Unusual { heads, taken, for_root }).filter(|unusual| !unusual.heads.is_empty())
    }

    fn unusual_count(&self) -> usize {
        [(self.https, HTTPS), (self.mqtt, MQTT), (self.amqp, AMQP)]
            .iter()
            .filter(|(port, (usual, _))| port != usual)
            .count()
    }

    pub fn at(&self, port: u16) -> String {
        SocketAddr::new(self.ip, port).to_string()
    }

    /// Where a hub listens: one at 127.0.0.1 is called `localhost`, which is also `::1`, and some clients try no other.
    pub fn of_hub(&self, port: u16) -> String {
        if self.ip == Ipv4Addr::LOCALHOST { format!("localhost:{port}") } else { self.at(port) }
    }
}

/// One door for the hub and one for the edge; what they had before comes first.
pub fn find(
    before: (Option<Door>, Option<Door>),
    is_free: impl Fn(SocketAddr) -> Free,
) -> Result<(Door, Door), Failure> {
    let hub = door(before.0, None, &is_free)?;
    let edge = door(before.1, Some(hub.ip), &is_free)?;
    Ok((hub, edge))
}

/// Asks the machine. What `localhost` stands for is one address.
pub fn is_free(address: SocketAddr) -> Free {
    let twin = SocketAddr::from((Ipv6Addr::LOCALHOST, address.port()));
    if address.ip() == Ipv4Addr::LOCALHOST
        && TcpListener::bind(twin).is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
    {
        return Free::Taken;
    }
    match TcpListener::bind(address) {
        Ok(_) => Free::Yes,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Free::Denied,
        Err(_) => Free::Taken,
    }
}

fn door(
    before: Option<Door>,
    not: Option<IpAddr>,
    is_free: &impl Fn(SocketAddr) -> Free,
) -> Result<Door, Failure> {
    let all = (1..=ADDRESSES).map(|last| IpAddr::from(Ipv4Addr::new(127, 0, 0, last)));
    let known = before.map(|door| door.ip);
    let mut best: Option<Door> = None;
    for ip in known.into_iter().chain(all).filter(|ip| Some(*ip) != not) {
        let Some((door, is_full)) = at(ip, is_free) else { continue };
        if is_full {
            return Ok(door);
        }
        if best.is_none_or(|best| door.unusual_count() < best.unusual_count()) {
            best = Some(door);
        }
    }
    best.ok_or_else(|| {
        Failure::failed(format!(
            "no address from 127.0.0.1 to 127.0.0.{ADDRESSES} has free ports. See whether the loopback is up (`ip link set lo up`), and what listens on it (`ss -tln`)"
        ))
    })
}

/// The ports at one address, and whether they are as usual as this user can have them.
fn at(ip: IpAddr, is_free: &impl Fn(SocketAddr) -> Free) -> Option<(Door, bool)> {
    let mut is_full = true;
    let mut port = |(usual, other): (u16, u16)| {
        match is_free(SocketAddr::new(ip, usual)) {
            Free::Yes => return Some(usual),
            Free::Taken => is_full = false,
            Free::Denied => {}
        }
        (0..PORTS).map(|more| other + more).find(|port| is_free(SocketAddr::new(ip, *port)) == Free::Yes)
    };
    let (https, mqtt, amqp) = (port(HTTPS)?, port(MQTT)?, port(AMQP)?);
    Some((Door { ip, https, mqtt, amqp }, is_full))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(last: u8, ports: [u16; 3]) -> Door {
        let [https, mqtt, amqp] = ports;
        Door { ip: IpAddr::from(Ipv4Addr::new(127, 0, 0, last)), https, mqtt, amqp }
    }

    const USUAL: [u16; 3] = [443, 8883, 5671];

    #[test]
    fn each_has_an_address_of_its_own() {
        let found = find((None, None), |_| Free::Yes).unwrap();
        assert_eq!(found, (door(1, USUAL), door(2, USUAL)));
        // Somebody has 8883 on the first, as a broker would.
        let taken = |address: SocketAddr| match address.to_string().as_str() {
            "127.0.0.1:8883" => Free::Taken,
            _ => Free::Yes,
        };
        assert_eq!(find((None, None), taken).unwrap(), (door(2, USUAL), door(3, USUAL)));
    }

    #[test]
    fn they_come_back_to_where_they_were() {
        let before = (Some(door(7, USUAL)), Some(door(9, USUAL)));
        assert_eq!(find(before, |_| Free::Yes).unwrap(), (door(7, USUAL), door(9, USUAL)));
        let taken = |address: SocketAddr| {
            if address.to_string() == "127.0.0.7:443" { Free::Taken } else { Free::Yes }
        };
        assert_eq!(find(before, taken).unwrap(), (door(1, USUAL), door(9, USUAL)));
    }

    #[test]
    fn who_may_not_have_443_has_the_others() {
        let denied = |address: SocketAddr| if address.port() < 1024 { Free::Denied } else { Free::Yes };
        let ports = [8443, 8883, 5671];
        assert_eq!(find((None, None), denied).unwrap(), (door(1, ports), door(2, ports)));
    }

    #[test]
    fn who_has_other_ports_hears_whether_they_are_taken_or_for_root() {
        let crowded = |address: SocketAddr| match address.port() {
            443 => Free::Denied,
            8883 => Free::Taken,
            _ => Free::Yes,
        };
        assert_eq!(door(1, USUAL).unusual(crowded), None);
        let unusual = door(1, [8443, 18_883, 5671]).unusual(crowded).unwrap();
        assert_eq!(unusual, Unusual { heads: vec!["HTTPS", "MQTT"], taken: vec![8883], for_root: vec![443] });
        let expected = [
            "SDKs do not find its HTTPS and MQTT, connection strings carry no port;",
            "what is skerry's own does. To change it:",
            "- free 8883, which others have",
            "- run it as root, who alone may have 443",
        ];
        assert_eq!(unusual.lines(), expected);
    }

    #[test]
    fn ports_that_are_taken_everywhere_are_replaced() {
        let taken = |address: SocketAddr| match address.port() {
            443 | 8883 | 18_883 => Free::Taken,
            _ => Free::Yes,
        };
        let ports = [8443, 18_884, 5671];
        let (hub, edge) = find((None, None), taken).unwrap();
        assert_eq!((hub, edge), (door(1, ports), door(2, ports)));
        let error = find((None, None), |_| Free::Taken).unwrap_err();
        assert!(error.to_string().contains("lo up"), "{error}");
    }
}
