//! The identity, key and certificate services, for other software on the machine that speaks to them.
//!
//! Root and the daemon's own user may ask for everything; other users for what is public.

mod certd;
mod handles;
mod identityd;
mod keyd;
mod rsa;

pub(crate) use certd::CertificateService;
pub(crate) use handles::Handles;
pub(crate) use identityd::IdentityService;
pub(crate) use keyd::KeyService;

use crate::api::{Call, Problem};
use crate::caller::Callers;

fn check_local(callers: &Callers, call: &Call) -> Result<(), Problem> {
    if callers.is_local(call.peer) { Ok(()) } else { Err(Problem::new(401, "not authorized")) }
}

/// Keys and certificates take their time.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Problem::new(500, "internal error")))
}
