//! Which of a connection's tokens lets a client have a link.

use std::sync::Arc;

use super::Shared;
use crate::access::{AccessError, Right};

/// What all links here need.
const RIGHT: &[Right] = &[Right::ServiceConnect];

impl Shared {
    /// The one that lasts longest of those that do. They were looked at when they were shown, and are
    /// looked at again: the policy may have gone, or have other keys.
    pub(super) fn allow(&self, tokens: &[Arc<str>]) -> Result<usize, AccessError> {
        self.best(tokens, RIGHT)
    }

    /// The same of any policy. Requests are answered one by one: a client that may not ask is told so
    /// in an answer, which SDKs understand better than a link that is refused.
    pub(super) fn recognise(&self, tokens: &[Arc<str>]) -> Result<usize, AccessError> {
        self.best(tokens, &Right::ALL)
    }

    fn best(&self, tokens: &[Arc<str>], rights: &[Right]) -> Result<usize, AccessError> {
        let mut best = None;
        let mut why = AccessError::Missing;
        for (at, token) in tokens.iter().enumerate() {
            let policy = self.authorizer.link_policy(token);
            match policy.and_then(|policy| policy.caller.require_any(rights).map(|()| policy.ends)) {
                Ok(ends) => {
                    let lasts = (ends.is_none(), ends);
                    if best.is_none_or(|(longest, _)| lasts > longest) {
                        best = Some((lasts, at));
                    }
                }
                // A right that lacks says more than a token that is over.
                Err(_) if matches!(why, AccessError::Right { .. }) => {}
                Err(error) => why = error,
            }
        }
        best.map(|(_, at)| at).ok_or(why)
    }
}
