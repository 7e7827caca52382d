//! Deployments: what a configuration's content says about the desired properties of a device, of its modules, or
//! of modules wherever they are.
//!
//! ```text
//! {"modulesContent": {"$edgeAgent": {"properties.desired": {…}},
//!                     "m1": {"properties.desired.limits.high": 5}}}
//! ```
//! `properties.desired` stands for the whole section; `properties.desired.<place>` for one place in it, with dots
//! between keys. Both replace what was there. The whole comes first, then places from the shortest to the longest, so
//! that the order of members means nothing.
//!
//! What the edge's agent and hub make of their sections is their business: a service that refused what an older or
//! newer runtime understands would stand in its way.

mod content;
mod error;

pub use content::Content;
pub use error::ContentError;
