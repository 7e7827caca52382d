//! What the agent says of itself and its modules: the reported properties, in the original's form.

mod delta;
mod picture;
mod section;
mod trim;

pub use delta::delta;
pub use picture::{LastDesired, Picture, Platform, Row, Update};
pub use section::section;
pub use trim::trim;
