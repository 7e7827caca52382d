//! AMQP: one connection with any number of links, for one device or for many.
//!
//! ```text
//!  connect ──► authorize (a token for each identity) ──► attach ──► send, settle, …
//!     ▲                                                               │
//!     └────────── reconnect, attach anew, send what has no outcome ◄──┘
//! ```
//!
//! As with MQTT the owner drives it by awaiting [`Client::event`]. What is sent comes back as an item
//! with its outcome, some time later and in any number at once.
//!
//! | of | bound | overflow |
//! |---|---|---|
//! | messages without an outcome | `unsettled_max` of the machine, the credit of the link | not ready |
//! | what the server does not read | `out_bytes_max` of the machine | not ready; then nothing is read either, until the server counts as silent |
//! | what comes | the windows of the owner's links | the server has no credit |
//! | tokens that wait for their answers | [`TOKENS_WAITING_MAX`] | refused |

mod client;
mod event;
mod pending;
mod tokens;

pub use client::{Client, Opening};
pub use event::{Event, Unsent};
pub use tokens::{NotShown, TOKENS_WAITING_MAX, TokenNumber};

pub use skerry_amqp::connection::{Credentials, Delivery, LinkId, Offer, Options, Outgoing, SessionId};
pub use skerry_amqp::performative::{Fault, Outcome};
