//! Messages from devices: checked, stamped with who sent them, and kept in the log before anybody is
//! told that they arrived.
//!
//! A device's messages all lie in one partition, in the order in which they came. A record's
//! headers are what the system and the application say of a message ([`stamp`]), its payload is the
//! body, its sequence is the offset that consumers keep.

mod event;
mod partition;
mod publish;
mod read;
mod stamp;
mod stream;
mod view;

pub use event::Event;
pub use partition::partition_of;
pub use publish::{PublishError, Telemetry, TelemetryOptions};
pub use read::Reader;
pub use stamp::{Letterhead, ProvenBy, Sender, SenderScope, Source, Stamp, StampError};
pub use stream::{Stream, StreamStart};
pub(crate) use view::StampView;
