//! The topics of an IoT hub: what devices and modules publish and subscribe to, what they are sent,
//! and the user name with which they connect. Azure's words stay in here.

mod asked;
mod bag;
mod inbound;
mod outbound;
mod published;
mod received;
mod subscription;
mod user_name;

pub use asked::client_id;
pub use bag::{Bag, BagError, read_bag, write_bag};
pub use inbound::{Inbound, TopicError};
pub use outbound::Outbound;
pub use received::{Received, ReceivedError};
pub use subscription::Subscription;
pub use user_name::{UserName, UserNameError};
