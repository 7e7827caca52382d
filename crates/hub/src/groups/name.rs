//! What a group may be called.

use std::fmt;
use std::str::FromStr;

/// The group that is always there.
pub const DEFAULT: &str = "$Default";
const CHARS_MAX: usize = 50;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a consumer group takes 1 to {CHARS_MAX} ASCII letters, digits, - . or _, and begins and ends with a letter or digit"
)]
pub struct GroupNameError;

impl GroupName {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name is this one.
    pub fn is(&self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name)
    }

    /// The same for all names that are equal.
    pub fn key(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for GroupName {
    type Err = GroupNameError;

    fn from_str(text: &str) -> Result<Self, GroupNameError> {
        if text.eq_ignore_ascii_case(DEFAULT) {
            return Ok(Self(DEFAULT.to_owned()));
        }
        let is_inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let fits = text.len() <= CHARS_MAX
            && text.chars().all(is_inside)
            && is_end(text.chars().next())
            && is_end(text.chars().next_back());
        if fits { Ok(Self(text.to_owned())) } else { Err(GroupNameError) }
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_their_characters_and_no_case() {
        let longest = "x".repeat(CHARS_MAX);
        for good in ["a", "Line-1", "a.b_c", "7", longest.as_str()] {
            assert_eq!(good.parse::<GroupName>().unwrap().as_str(), good);
        }
        assert_eq!("$default".parse::<GroupName>().unwrap().as_str(), DEFAULT);
        let longer = "x".repeat(CHARS_MAX + 1);
        for bad in ["", "-a", "a-", ".", "a b", "a/b", "$Other", "ä", longer.as_str()] {
            assert!(bad.parse::<GroupName>().is_err(), "{bad}");
        }
        let name: GroupName = "Line-1".parse().unwrap();
        assert!(name.is("lINE-1") && !name.is("line-2"));
    }
}
