//! Connection strings: `Key=value;Key=value`, the one line that people copy between tools.
//!
//! Keys are read without regard to case and in any order, and written in the canonical case and order. What
//! is unknown, doubled, missing or contradictory is refused with the name of the part: a string that is
//! silently half understood costs an operator hours. Values with `;` cannot be written, because every SDK
//! splits there; such a device is connected with explicit host, id and key instead.
//!
//! ```text
//! HostName=H[:port];SharedAccessKeyName=P;SharedAccessKey=K            policy     HubString
//! HostName=H;DeviceId=D[;ModuleId=M];SharedAccessKey=K                 identity   HubString
//! HostName=H;DeviceId=D;x509=true                                      identity   HubString
//! HostName=H;DeviceId=D;SharedAccessSignature=SharedAccessSignature …  identity   HubString
//!   … each with [;GatewayHostName=G]
//! Endpoint=sb://H/;SharedAccessKeyName=P;SharedAccessKey=K[;EntityPath=E]         EventHubsString
//! ```

mod events;
mod hub;
mod parts;

use std::str::FromStr;

pub use events::EventHubsString;
pub use hub::{Credential, HubString};
pub use parts::{ConnectionStringError, Part};

use parts::Parts;

/// A connection string of either family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectionString {
    Hub(HubString),
    EventHubs(EventHubsString),
}

impl ConnectionString {
    /// The string with its secrets; the name is there to be noticed in a review.
    pub fn reveal(&self) -> String {
        match self {
            Self::Hub(hub) => hub.reveal(),
            Self::EventHubs(events) => events.reveal(),
        }
    }
}

impl FromStr for ConnectionString {
    type Err = ConnectionStringError;

    fn from_str(text: &str) -> Result<Self, ConnectionStringError> {
        let parts = Parts::split(text)?;
        if parts.has(Part::Endpoint) {
            EventHubsString::from_parts(parts).map(Self::EventHubs)
        } else {
            HubString::from_parts(parts).map(Self::Hub)
        }
    }
}
