//! Who may do what: access policies, and the check of a request's token.

mod authorize;
mod policies;
mod policy;
mod sender;

pub use authorize::{AccessError, Authorizer, Caller};
pub use policies::{Policies, PoliciesError, PolicyError};
pub use policy::{Policy, Right, Rights, RightsError};
pub use sender::SenderError;
