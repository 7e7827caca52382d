//! The network that modules share.

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
