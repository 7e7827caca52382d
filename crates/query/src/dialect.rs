//! The faces of the one expression language.
//!
//! Device queries, the hub's message routes and the edge's routes share grammar and logic and
//! differ in their names (`tags.x`, `$body.x`, application properties), in what a missing body
//! path means, and in a few operators.

use crate::number::{Floats, Number};

/// Which face of the language a condition is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// Device queries, target conditions and job conditions: paths lead into the twin.
    #[default]
    Twin,
    /// Message routes of the hub: properties, `$body` and `$twin`; what is not there is undefined.
    HubRoute,
    /// Routes of an edge hub: properties and `$body`; a path that the body does not have is null.
    EdgeRoute,
}

impl Dialect {
    /// Whether names are those of a message. Routes have one grammar; it is not that of queries:
    /// a name goes on over points and hyphens, and `NOT` binds like a sign.
    pub fn is_route(self) -> bool {
        self != Dialect::Twin
    }

    /// Routes calculate as processors do, `3 / 0` is infinite; queries stay inside JSON.
    pub(crate) fn floats(self) -> Floats {
        if self.is_route() { Number::from_ieee } else { Number::from_f64 }
    }
}
