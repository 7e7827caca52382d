//! Who may do what: access policies, and the check of a request's token.

mod admit;
mod authorize;
mod behalf;
mod policies;
mod policy;
mod shown;

pub use admit::{Admitted, SenderError};
pub use authorize::{AccessError, Authorizer, Caller};
pub use policies::{Policies, PoliciesError, PolicyError};
pub use policy::{Policy, Right, Rights, RightsError};
pub(crate) use shown::LinkPolicy;
