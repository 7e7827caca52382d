//! What came of a check.

/// Reasons have the outermost first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Warning(Vec<String>),
    /// It does not apply here.
    Ignored,
    /// What it needs has failed already.
    Skipped,
    /// Nothing here needs what it would look at, for this reason.
    Needless(String),
    Error(Vec<String>),
    /// Nothing after it would make sense.
    Fatal(Vec<String>),
}

impl Outcome {
    pub fn warning(text: impl Into<String>) -> Self {
        Self::Warning(vec![text.into()])
    }

    pub fn error(text: impl Into<String>) -> Self {
        Self::Error(vec![text.into()])
    }

    pub fn because(text: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::Error(vec![text.into(), cause.into()])
    }

    /// As the original's JSON calls it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning(_) => "warning",
            Self::Ignored => "ignored",
            Self::Skipped | Self::Needless(_) => "skipped",
            Self::Error(_) => "error",
            Self::Fatal(_) => "fatal",
        }
    }

    pub fn reasons(&self) -> Option<&[String]> {
        match self {
            Self::Warning(reasons) | Self::Error(reasons) | Self::Fatal(reasons) => Some(reasons),
            Self::Ok | Self::Ignored | Self::Skipped | Self::Needless(_) => None,
        }
    }

    /// Of several things that one check looks at, the worst counts; reasons of the same weight come together.
    /// Without any, the check does not apply.
    pub fn worst(of: impl IntoIterator<Item = Self>) -> Self {
        of.into_iter().reduce(Self::or).unwrap_or(Self::Ignored)
    }

    fn or(self, other: Self) -> Self {
        let weight = |outcome: &Self| match outcome {
            Self::Ignored => 0,
            Self::Needless(_) => 1,
            Self::Ok => 2,
            Self::Skipped => 3,
            Self::Warning(_) => 4,
            Self::Error(_) => 5,
            Self::Fatal(_) => 6,
        };
        match (self, other) {
            (Self::Warning(mut one), Self::Warning(two)) => {
                one.extend(two);
                Self::Warning(one)
            }
            (Self::Error(mut one), Self::Error(two)) => {
                one.extend(two);
                Self::Error(one)
            }
            (one, two) if weight(&two) > weight(&one) => two,
            (one, _) => one,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_counts() {
        let (warning, error) = (|| Outcome::warning("w"), || Outcome::error("e"));
        for (all, expected) in [
            (vec![], Outcome::Ignored),
            (vec![Outcome::Ok, Outcome::Ignored], Outcome::Ok),
            (vec![Outcome::Ok, warning(), Outcome::Skipped], warning()),
            (vec![error(), warning(), error()], Outcome::Error(vec!["e".to_owned(), "e".to_owned()])),
        ] {
            assert_eq!(Outcome::worst(all), expected);
        }
    }
}
