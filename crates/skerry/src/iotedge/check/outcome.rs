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

    /// Of several things that one check looks at, the worst counts; reasons of the same weight stand side by side.
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
            (Self::Warning(one), Self::Warning(two)) => Self::Warning(beside(one, two)),
            (Self::Error(one), Self::Error(two)) => Self::Error(beside(one, two)),
            (one, two) if weight(&two) > weight(&one) => two,
            (one, _) => one,
        }
    }
}

/// Both reasons come first, their causes behind them.
fn beside(one: Vec<String>, two: Vec<String>) -> Vec<String> {
    let (mut one, mut two) = (one.into_iter(), two.into_iter());
    let first: Vec<String> = one.next().into_iter().chain(two.next()).collect();
    std::iter::once(first.join("\n")).chain(one).chain(two).collect()
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
            (vec![error(), warning(), error()], Outcome::error("e\ne")),
            (
                vec![Outcome::because("e", "c"), error(), Outcome::because("f", "d")],
                Outcome::Error(["e\ne\nf", "c", "d"].map(str::to_owned).to_vec()),
            ),
        ] {
            assert_eq!(Outcome::worst(all), expected);
        }
    }
}
