//! What all local APIs share: HTTP/1.1 on unix sockets, versions, bodies, errors and throttles.
//!
//! ```text
//! listener ──► throttle per user ──► HTTP/1.1 ──► Call ──► Api::answer ──► Reply
//! ```
//!
//! Every answer has a reason phrase and a known length or chunks, which the original's clients insist on.

mod call;
mod reply;
mod server;
mod version;

pub(crate) use call::{Body, Call, Peer};
pub(crate) use reply::{Problem, Reply};
pub use server::ServerFigures;
pub(crate) use server::{Api, Server, ServerLimits};
pub(crate) use version::{CERTIFICATE_VERSIONS, EDGE_VERSIONS, IDENTITY_VERSIONS, KEY_VERSIONS, Versions};
