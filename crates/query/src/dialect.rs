//! The faces of the one expression language.
//!
//! Device queries, the hub's message routes and the edge's routes share grammar and logic and
//! differ in their names (`tags.x`, `$body.x`, application properties), in what a missing body
//! path means, and in a few operators. Only the first face exists; `HubRoute` and `EdgeRoute`
//! join here.

/// Which face of the language a condition is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// Device queries, target conditions and job conditions: paths lead into the twin.
    #[default]
    Twin,
}
