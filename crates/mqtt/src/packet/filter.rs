//! Topic filters: names with wildcards.

use super::{Malformed, Text};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter(Text);

impl Filter {
    /// `#` stands alone at the end, `+` alone between slashes.
    pub fn new(text: Text) -> Result<Self, Malformed> {
        let mut levels = text.split('/').peekable();
        let mut is_fit = !text.is_empty();
        while let Some(level) = levels.next() {
            is_fit &= match level {
                "#" => levels.peek().is_none(),
                "+" => true,
                other => !other.contains(['#', '+']),
            };
        }
        if is_fit { Ok(Self(text)) } else { Err(Malformed::Filter) }
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub fn text(&self) -> &Text {
        &self.0
    }

    /// Whether a topic name lies under the filter. Names that begin with `$` only do where the
    /// filter says so.
    pub fn matches(&self, topic: &str) -> bool {
        let (filter, is_private) = (self.as_str(), topic.starts_with('$'));
        if is_private && filter.starts_with(['#', '+']) {
            return false;
        }
        let (mut levels, mut names) = (filter.split('/'), topic.split('/'));
        loop {
            match (levels.next(), names.next()) {
                (Some("#"), _) | (None, None) => return true,
                (Some("+"), Some(_)) => {}
                (Some(level), Some(name)) if level == name => {}
                _ => return false,
            }
        }
    }
}
