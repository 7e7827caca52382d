//! Continuation tokens: where the next page begins, and of which query. They hold a key and no
//! server-side state, so they survive restarts and any change of the documents between pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use skerry_store::documents::Position;

/// Longest token that is looked at.
const TOKEN_CHARS_MAX: usize = 2048;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Continuation {
    /// The fingerprint of the query.
    #[serde(rename = "q")]
    pub query: u64,
    #[serde(rename = "a")]
    pub after: After,
    /// What is left of `TOP n`.
    #[serde(rename = "t", skip_serializing_if = "Option::is_none", default)]
    pub left: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum After {
    /// The last document shown: group and name.
    #[serde(rename = "d")]
    Document(String, String),
    /// How many groups of an aggregation were shown; they are made anew for each page.
    #[serde(rename = "g")]
    Groups(u64),
}

impl Continuation {
    pub(super) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("numbers and strings are JSON"))
    }

    pub(super) fn decode(text: &str) -> Option<Self> {
        if text.len() > TOKEN_CHARS_MAX {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }

    pub(super) fn position(&self) -> Option<Position> {
        match &self.after {
            After::Document(group, name) => Some(Position { group: group.clone(), name: name.clone() }),
            After::Groups(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_header_and_nonsense_does_not() {
        let token = Continuation {
            query: u64::MAX,
            after: After::Document("d;1".into(), "m\u{7f}".into()),
            left: Some(3),
        };
        assert_eq!(Continuation::decode(&token.encode()), Some(token.clone()));
        assert!(token.encode().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        for bad in ["", "x", "e30", "\u{e9}", &"A".repeat(3000)] {
            assert_eq!(Continuation::decode(bad), None, "{bad}");
        }
    }
}
