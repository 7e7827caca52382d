//! Where a route of an edge takes messages.

use std::fmt;

use crate::syntax::Literal;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Sink {
    /// `$upstream`: the hub, or the parent edge.
    Upstream,
    /// `BrokeredEndpoint("/modules/{module}/inputs/{input}")`
    Module { module: String, input: String },
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sink::Upstream => f.write_str("$upstream"),
            Sink::Module { module, input } => {
                let address = format!("/modules/{module}/inputs/{input}");
                if address.contains(['"', '\\']) {
                    write!(f, "BrokeredEndpoint({})", Literal::String(address))
                } else {
                    write!(f, "BrokeredEndpoint(\"{address}\")")
                }
            }
        }
    }
}
