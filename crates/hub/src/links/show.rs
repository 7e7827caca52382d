//! Looking at tokens that are shown for a connection.
//!
//! | shown for | by whom |
//! |---|---|
//! | `host`, `sb://host/hub/…`, `host/messages/…`, anything at this host | a policy: the token names it |
//! | `host/devices/{id}`, with `/modules/{id}` or not | the device or module, by its own key |
//! | the same | the hub of an edge that it is behind, by that hub's key: the token names it |
//!
//! Names that come with a password:
//!
//! | name | password |
//! |---|---|
//! | `{policy}@sas.root.{hub}` | a token of that policy |
//! | `{device}@sas.{hub}`, `{device}/modules/{module}@sas.{hub}` | its own token, or a policy's |
//! | `{policy}` | the policy's key, as Event Hubs take it |

use std::time::Duration;

use percent_encoding::percent_decode_str;
use skerry_front::device::Proof;
use skerry_front::link::{NotShown, Shown, SpeaksFor};
use skerry_model::{ErrorCode, IdentityId, Timestamp};
use skerry_tokens::{Claim, Host, ModuleRule, SasToken, TokenError, covers, identities};

use super::Shared;
use super::fault::told;
use crate::access::{AccessError, Caller, LinkPolicy, SenderError};
use crate::registry::RegistryError;

/// As long as nobody says how long; also the longest, for clocks of connections count from now.
const LASTS_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// Longest text that is looked for an identity; two ids, encoded twice, are half of it.
const AUDIENCE_BYTES_MAX: usize = 4096;

impl Shared {
    pub(super) async fn show(&self, audience: &str, text: &str) -> Result<Shown, NotShown> {
        if audience.len() > AUDIENCE_BYTES_MAX {
            return Err(not_shown(400, "the audience is far too long"));
        }
        let token = SasToken::parse(text).map_err(|error| malformed(&error))?;
        if token.policy().is_some() {
            // The token says for which host it is; what it is shown for must not be another.
            covers(audience, &self.authorizer.host_names, Claim::Hub, ModuleRule::OwnTokenOnly)
                .map_err(|error| refused(&AccessError::Audience { what: error.to_string() }))?;
            return self.shown_policy(&self.authorizer.link_policy(text).map_err(|error| refused(&error))?);
        }
        let signed = identities(token.resource());
        let named = identities(audience);
        if named.is_empty() && signed.is_empty() {
            let text = "the token names no policy and no device, sign for host/devices/{id} or with skn";
            return Err(not_shown(401, text));
        }
        if let Some(speaks_for) = SpeaksFor::behind(&signed, &named) {
            let shown = self.show_own(&signed, text).await?;
            return Ok(Shown { speaks_for, ..shown });
        }
        self.show_own(if named.is_empty() { &signed } else { &named }, text).await
    }

    pub(super) async fn log_in(&self, name: &str, password: &str) -> Result<Shown, NotShown> {
        let Some((user, hub)) = sas_name(name) else {
            let policy = self.authorizer.policy_by_key(name, password).map_err(|error| refused(&error))?;
            return self.shown_policy(&policy);
        };
        if !self.is_hub(hub) {
            return Err(not_shown(401, format!("the name is for {hub:?}, this hub is {}", self.hub_name)));
        }
        let token = SasToken::parse(password).map_err(|error| malformed(&error))?;
        match (user, token.policy()) {
            (User::Policy(user), Some(policy)) if user == policy => self.show_login_policy(password),
            (User::Policy(user), _) => {
                Err(not_shown(401, format!("the token is not one of the policy {user:?}")))
            }
            (User::Identity(_), Some(_)) => self.show_login_policy(password),
            (User::Identity(user), None) => {
                let decoded = percent_decode_str(user).decode_utf8_lossy().into_owned();
                let mut named: Vec<_> = [user.to_owned(), decoded].map(|user| parts(&user)).into();
                named.dedup();
                self.show_own(&named, password).await
            }
        }
    }

    fn show_login_policy(&self, token: &str) -> Result<Shown, NotShown> {
        self.shown_policy(&self.authorizer.link_policy(token).map_err(|error| refused(&error))?)
    }

    fn shown_policy(&self, policy: &LinkPolicy) -> Result<Shown, NotShown> {
        match &policy.caller {
            Caller::Policy { .. } => {
                Ok(Shown { speaks_for: SpeaksFor::Policy, lasts: self.lasts(policy.ends) })
            }
            Caller::Device(_) => Err(refused(&AccessError::NotForDevices)),
        }
    }

    /// Whose key signed, of those that may be meant.
    async fn show_own(&self, named: &[(String, Option<String>)], text: &str) -> Result<Shown, NotShown> {
        let mut why = None;
        for (device, module) in named {
            let (Ok(device), Ok(module)) = (device.parse(), module.as_deref().map(str::parse).transpose())
            else {
                continue;
            };
            let identity = IdentityId { device, module };
            match self.show_identity(identity, text).await {
                Ok(shown) => return Ok(shown),
                // Who is there and has another key tells more than who is not there.
                Err(error) if error.status == 404 && why.is_some() => {}
                Err(error) => why = Some(error),
            }
        }
        Err(why.unwrap_or_else(|| not_shown(401, "the token is for something that cannot be a device")))
    }

    async fn show_identity(&self, identity: IdentityId, text: &str) -> Result<Shown, NotShown> {
        let IdentityId { device, module } = &identity;
        let registry = &self.authorizer.registry;
        let found = match module {
            None => registry.get_device(device).await,
            Some(module) => registry.get_module(device, module).await,
        };
        // Clients of this protocol tell "not there" from "another key" by the status.
        found.map_err(|error| not_registered(&error))?;
        let proof = Proof::Token(text.to_owned());
        match self.authorizer.admit(&proof, device.clone(), module.clone()).await {
            Ok(admitted) => {
                Ok(Shown { lasts: self.lasts(admitted.ends), speaks_for: SpeaksFor::Identity(identity) })
            }
            Err(SenderError::Access(error)) => Err(refused(&error)),
            Err(SenderError::Registry(error)) => Err(not_registered(&error)),
        }
    }

    fn lasts(&self, ends: Option<Timestamp>) -> Duration {
        ends.map_or(LASTS_MAX, |ends| ends.since(self.clock.now()).min(LASTS_MAX))
    }

    /// By its name, or by any name of its host.
    fn is_hub(&self, name: &str) -> bool {
        let is = |own: &str| own.eq_ignore_ascii_case(name);
        let is_host = |own: &String| {
            is(own) || own.parse::<Host>().is_ok_and(|host| host.hub_name().eq_ignore_ascii_case(name))
        };
        is(&self.hub_name) || self.authorizer.host_names.iter().any(is_host)
    }
}

enum User<'a> {
    Policy(&'a str),
    Identity(&'a str),
}

/// The user and the hub of a name that comes with a token. Ids may hold an `@` themselves.
fn sas_name(name: &str) -> Option<(User<'_>, &str)> {
    const WORD: &str = "sas.";
    const ROOT: &str = "root.";
    let after = |text: &'_ str, word: &str| -> Option<usize> {
        text.get(..word.len()).filter(|start| start.eq_ignore_ascii_case(word)).map(|_| word.len())
    };
    let (user, rest) = name.rsplit_once('@')?;
    let rest = &rest[after(rest, WORD)?..];
    Some(match after(rest, ROOT) {
        Some(len) => (User::Policy(user), &rest[len..]),
        None => (User::Identity(user), rest),
    })
}

fn parts(user: &str) -> (String, Option<String>) {
    match user.split_once("/modules/") {
        Some((device, module)) => (device.to_owned(), Some(module.to_owned())),
        None => (user.to_owned(), None),
    }
}

fn malformed(error: &TokenError) -> NotShown {
    refused(&AccessError::Malformed { what: error.to_string() })
}

fn refused(error: &AccessError) -> NotShown {
    let status = match error {
        AccessError::Disabled => 403,
        error => error.code().status(),
    };
    not_shown(status, told(error))
}

fn not_registered(error: &RegistryError) -> NotShown {
    match error.code() {
        ErrorCode::DeviceNotFound | ErrorCode::ModuleNotFound => not_shown(404, error.to_string()),
        _ => not_shown(503, format!("the token could not be checked, {error}")),
    }
}

fn not_shown(status: u16, what: impl Into<String>) -> NotShown {
    NotShown { status, what: what.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_hub_are_taken_apart() {
        let read = |name| match sas_name(name)? {
            (User::Policy(user), hub) => Some(('p', user, hub)),
            (User::Identity(user), hub) => Some(('i', user, hub)),
        };
        let table = [
            ("iothubowner@sas.root.hub1", Some(('p', "iothubowner", "hub1"))),
            ("d@x@SAS.hub1", Some(('i', "d@x", "hub1"))),
            ("d/modules/m@sas.hub1", Some(('i', "d/modules/m", "hub1"))),
            ("iothubowner", None),
            ("d@elsewhere", None),
        ];
        for (name, expected) in table {
            assert_eq!(read(name), expected, "{name}");
        }
    }
}
