//! Licences of everything in the lock file, against a list of those that we may ship.
//!
//! An expression is read as SPDX writes it (`OR`, `AND`, `WITH`, brackets) with the old slash as `OR`:
//! one side of an `OR` must be on the list, both sides of an `AND`.

use crate::failure::Failure;
use crate::graph::Graph;

/// Permissive licences that ask for no more than their notice.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

pub(super) fn check(graph: &Graph) -> Result<(), Failure> {
    let mut findings = Vec::new();
    for package in &graph.packages {
        let Some(license) = &package.license else {
            findings.push(format!("{} names no licence: do not use it", package.shown()));
            continue;
        };
        match Reader::new(license).whole() {
            Ok(missing) if missing.is_empty() => {}
            Ok(missing) => findings.push(format!(
                "{} is under `{license}`, of which {} is not allowed: replace the package, or add the \
                 licence to ALLOWED in check/licence.rs if it asks for no more than its notice",
                package.shown(),
                missing.join(", ")
            )),
            Err(at) => findings.push(format!(
                "{} is under `{license}`, which cannot be read at `{at}`: teach check/licence.rs its form",
                package.shown()
            )),
        }
    }
    Failure::of_findings("licences:", &findings)
}

/// Gives what an expression still lacks: nothing when it may be shipped.
struct Reader<'a> {
    words: Vec<&'a str>,
    at: usize,
}

type Missing = Vec<String>;

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let mut words = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let single = rest.starts_with(['(', ')', '/']);
            let end = if single { 1 } else { rest.find([' ', '(', ')', '/']).unwrap_or(rest.len()) };
            let (word, after) = rest.split_at(end);
            words.push(word);
            rest = after.trim_start();
        }
        Self { words, at: 0 }
    }

    fn whole(mut self) -> Result<Missing, String> {
        let missing = self.either()?;
        match self.peek() {
            None => Ok(missing),
            Some(word) => Err(word.to_owned()),
        }
    }

    fn either(&mut self) -> Result<Missing, String> {
        let mut missing = self.both()?;
        while matches!(self.peek(), Some("OR" | "/")) {
            self.at += 1;
            let other = self.both()?;
            if other.is_empty() || missing.is_empty() {
                missing.clear();
            } else {
                missing.extend(other);
            }
        }
        Ok(missing)
    }

    fn both(&mut self) -> Result<Missing, String> {
        let mut missing = self.one()?;
        while self.peek() == Some("AND") {
            self.at += 1;
            missing.extend(self.one()?);
        }
        Ok(missing)
    }

    fn one(&mut self) -> Result<Missing, String> {
        let word = self.next().ok_or("its end")?;
        if word == "(" {
            let missing = self.either()?;
            return if self.next() == Some(")") { Ok(missing) } else { Err("(".to_owned()) };
        }
        if matches!(word, ")" | "/" | "AND" | "OR" | "WITH") {
            return Err(word.to_owned());
        }
        let mut name = word.to_owned();
        if self.peek() == Some("WITH") {
            self.at += 1;
            name = format!("{name} WITH {}", self.next().ok_or("WITH")?);
        }
        Ok(if ALLOWED.contains(&name.as_str()) { Vec::new() } else { vec![name] })
    }

    fn peek(&self) -> Option<&'a str> {
        self.words.get(self.at).copied()
    }

    fn next(&mut self) -> Option<&'a str> {
        let word = self.peek();
        self.at += 1;
        word
    }
}

#[cfg(test)]
mod tests {
    use super::Reader;

    #[test]
    fn expressions_are_judged_as_they_bind() {
        for (text, missing) in [
            ("MIT", ""),
            ("MIT/Apache-2.0", ""),
            ("Apache-2.0 / MIT", ""),
            ("MIT OR LGPL-2.1-or-later", ""),
            ("LGPL-2.1-or-later OR GPL-3.0", "LGPL-2.1-or-later GPL-3.0"),
            ("ISC AND (Apache-2.0 OR GPL-3.0)", ""),
            ("ISC AND GPL-3.0", "GPL-3.0"),
            ("GPL-3.0 OR ISC AND MIT", ""),
            ("(MIT OR GPL-3.0) AND MPL-2.0", "MPL-2.0"),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", ""),
            ("GPL-2.0 WITH Classpath-exception-2.0", "GPL-2.0 WITH Classpath-exception-2.0"),
        ] {
            assert_eq!(Reader::new(text).whole().unwrap().join(" "), missing, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_let_through() {
        for text in ["", "MIT OR", "MIT MIT", "(MIT", "MIT)", "AND MIT", "MIT WITH"] {
            assert!(Reader::new(text).whole().is_err(), "{text}");
        }
    }
}
