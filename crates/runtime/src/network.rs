//! The network that modules share.

use std::net::IpAddr;

use serde_json::Value;

/// A bridge with a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkOptions {
    pub name: String,
    pub ipv6: bool,
    /// Without any, the engine chooses.
    pub subnets: Vec<SubnetOptions>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubnetOptions {
    pub gateway: Option<String>,
    pub subnet: Option<String>,
    pub ip_range: Option<String>,
}

/// From what the engine tells of all networks.
pub(crate) fn gateway(networks: &[Value], name: &str) -> Option<IpAddr> {
    let own = networks.iter().find(|known| known["Name"] == name)?;
    let ranges = own["IPAM"]["Config"].as_array()?;
    ranges.iter().find_map(|range| range["Gateway"].as_str()?.split('/').next()?.parse().ok())
}
