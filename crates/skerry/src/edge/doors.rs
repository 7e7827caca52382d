//! Where a server is, and by which way it is reached: its name may not resolve, and a proxy may stand between.

use std::net::{IpAddr, SocketAddr};

use skerry_edge_daemon::cloud::{Proxy, ProxySettings};
use skerry_uplink::Relay;

pub struct Doors {
    /// The hub, or the parent.
    hub: String,
    /// Where that is, whatever its name resolves to.
    address: Option<IpAddr>,
    proxies: ProxySettings,
}

impl Doors {
    pub fn new(hub: &str, address: Option<IpAddr>, proxies: ProxySettings) -> Self {
        Self { hub: hub.to_owned(), address, proxies }
    }

    pub fn hub(&self) -> &str {
        &self.hub
    }

    /// The proxy that leads to a host, if one does.
    pub fn proxy(&self, host: &str) -> Option<&Proxy> {
        self.proxies.of(host)
    }

    /// Where to connect to, and what to ask for there.
    pub async fn find(
        &self,
        host: &str,
        port: u16,
        proxy: Option<&Proxy>,
        tries: usize,
    ) -> Result<(SocketAddr, Option<Relay>), String> {
        let known = self.address.filter(|_| host.eq_ignore_ascii_case(&self.hub));
        match (proxy, known) {
            (Some(proxy), _) => {
                let host = known.map_or_else(|| host.to_owned(), |address| address.to_string());
                let relay = Relay { host, port, authorization: proxy.authorization.clone() };
                Ok((resolve(&proxy.host, proxy.port, tries).await?, Some(relay)))
            }
            (None, Some(address)) => Ok((SocketAddr::new(address, port), None)),
            (None, None) => Ok((resolve(host, port, tries).await?, None)),
        }
    }
}

/// A name may have an address that does not answer; the next try takes the next.
async fn resolve(host: &str, port: u16, tries: usize) -> Result<SocketAddr, String> {
    let found = tokio::net::lookup_host((host, port)).await.map_err(|error| format!("{host}: {error}"))?;
    let found: Vec<SocketAddr> = found.collect();
    let chosen = found.get(tries % found.len().max(1)).copied();
    chosen.ok_or_else(|| format!("{host}: the name has no address"))
}
