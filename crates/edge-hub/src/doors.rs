//! AMQP besides the links of devices and modules: tokens are shown, and there is nothing else to be had here.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use skerry_amqp::performative::{Fault, condition};
use skerry_front::device::{Proof, Soon};
use skerry_front::link::{LinkService, NotShown, Opened, Shown, SpeaksFor, Wanted};
use skerry_model::IdentityId;
use skerry_tokens::{SasToken, identities};

use crate::scope::NotAdmitted;
use crate::service::{EdgeHub, Shared};

/// As long as nobody says how long.
const LASTS_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Longest text that is looked for an identity.
const AUDIENCE_BYTES_MAX: usize = 4096;

impl LinkService for EdgeHub {
    fn show(&self, audience: &str, token: &str) -> Soon<Result<Shown, NotShown>> {
        let (shared, audience, token) = (self.shared.clone(), audience.to_owned(), token.to_owned());
        Box::pin(async move { shared.show(&audience, &token).await })
    }

    fn log_in(&self, name: &str, password: &str) -> Soon<Result<Shown, NotShown>> {
        let (shared, name, password) = (self.shared.clone(), name.to_owned(), password.to_owned());
        Box::pin(async move {
            // `{device}@sas.{hub}`, `{device}/modules/{module}@sas.{hub}`.
            let user = name.rsplit_once('@').map_or(name.as_str(), |(user, _)| user);
            let decoded = percent_decode_str(user).decode_utf8_lossy().into_owned();
            let mut named: Vec<_> = [user.to_owned(), decoded].map(|user| parts(&user)).into();
            named.dedup();
            shared.show_own(&named, &password).await
        })
    }

    fn open(&self, wanted: Wanted) -> Soon<Result<Opened, Fault>> {
        Box::pin(async move {
            let text = format!("an edge has no {:?}, connect to its hub for that", wanted.node);
            Err(Fault::new(condition::NOT_FOUND, text))
        })
    }
}

fn parts(user: &str) -> (String, Option<String>) {
    match user.split_once("/modules/") {
        Some((device, module)) => (device.to_owned(), Some(module.to_owned())),
        None => (user.to_owned(), None),
    }
}

impl Shared {
    async fn show(&self, audience: &str, text: &str) -> Result<Shown, NotShown> {
        if audience.len() > AUDIENCE_BYTES_MAX {
            return Err(not_shown(400, "the audience is far too long"));
        }
        let token = SasToken::parse(text).map_err(|error| not_shown(401, error.to_string()))?;
        let (named, signed) = (identities(audience), identities(token.resource()));
        if named.is_empty() && signed.is_empty() {
            return Err(not_shown(401, "the token names no device, sign for host/devices/{id}"));
        }
        if let Some(speaks_for) = SpeaksFor::behind(&signed, &named) {
            let shown = self.show_own(&signed, text).await?;
            return Ok(Shown { speaks_for, ..shown });
        }
        self.show_own(if named.is_empty() { &signed } else { &named }, text).await
    }

    /// Whose key signed, of those that may be meant.
    async fn show_own(&self, named: &[(String, Option<String>)], text: &str) -> Result<Shown, NotShown> {
        let mut why = not_shown(401, "the token is for something that cannot be a device");
        for (device, module) in named {
            let (Ok(device), Ok(module)) = (device.parse(), module.as_deref().map(str::parse).transpose())
            else {
                continue;
            };
            let id = IdentityId { device, module };
            match self.admit(&id, &Proof::Token(text.to_owned()), None).await {
                Ok(admitted) => {
                    let now = self.clock.now();
                    let lasts = admitted.ends.map_or(LASTS_MAX, |ends| ends.since(now).min(LASTS_MAX));
                    return Ok(Shown { speaks_for: SpeaksFor::Identity(id), lasts });
                }
                Err(error) => {
                    let status = if matches!(error, NotAdmitted::Disabled { .. }) { 403 } else { 401 };
                    why = not_shown(status, error.to_string());
                }
            }
        }
        Err(why)
    }
}

fn not_shown(status: u16, what: impl Into<String>) -> NotShown {
    NotShown { status, what: what.into() }
}
