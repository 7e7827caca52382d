//! The nouns of an IoT hub and the rules that hold for them everywhere: ids, identities, twins,
//! messages, limits and the error vocabulary. Pure: no socket, file, clock or random source.
#![forbid(unsafe_code)]

pub mod deployment;
mod error_code;
mod id;
pub mod identity;
pub mod limits;
pub mod message;
mod metric;
mod time;
pub mod twin;

pub use error_code::{ErrorCode, Fault, Retry};
pub use id::{DeviceId, EDGE_AGENT, EDGE_HUB, IdError, IdentityId, ModuleId};
pub use identity::{Authentication, AuthenticationKind, Identity, Status};
pub use metric::{Metric, MetricKind};
pub use time::{Clock, Random, Timestamp, TimestampError};
