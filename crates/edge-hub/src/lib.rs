//! The edge hub: the hub of the modules and devices of one edge device, with or without a hub above.
//!
//! ```text
//!  modules, devices ──► front ──► live/ ──► spool: routes, log ──► pump/ ──► live/, line/ ──► hub
//!                                   └────► twins/ ◄──────────────────────────── line/
//! ```
//!
//! `scope/` says who may come, `line/` leads to the hub above, `twins/` keeps what both sides say of
//! themselves. It knows no socket of its own: [`skerry_front`] is before it, [`skerry_uplink`] behind its
//! lines. [`Home`] is what it leans on.
#![forbid(unsafe_code)]

mod cabinet;
mod config;
mod direct;
mod doors;
mod ending;
mod endpoint;
mod figures;
mod heard;
mod home;
mod http;
mod letter;
mod lifetime;
mod line;
mod live;
mod metrics;
mod moment;
mod noted;
mod pump;
mod room;
mod routes;
mod scope;
mod sending;
mod service;
mod settings;
mod snapshot;
mod spool;
mod summary;
mod ticket;
mod twins;
mod work;

pub use figures::{Count, Family, Figures};
pub use home::{Home, HomeError, Reply};
pub use lifetime::{Machine, MachineTime};
pub use line::{
    AmqpDialer, AmqpDialerOptions, Carrier, DialError, Dialer, Dialing, Heard, LinesOptions, MqttDialer,
    MqttDialerOptions, Parcel, TokenSource, Told, TwinReply, Wants, Way,
};
pub use metrics::{COMMON_LABELS, metrics};
pub use service::{Configured, EdgeHub, EdgeHubOptions, OpenError, Rules};
pub use settings::{Head, Published, Settings};
pub use snapshot::{Queue, Snapshot};
pub use summary::{Summary, Summed};
