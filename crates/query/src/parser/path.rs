//! Paths, and their normalisation.

use super::Parser;
use crate::error::Error;
use crate::names;
use crate::syntax::{Path, Step};
use crate::token::{Symbol, Token};

/// A path as it is meant, and the name to show if it was written with a synonym.
pub(super) struct NamedPath {
    pub(super) path: Path,
    pub(super) synonym: Option<&'static str>,
}

impl Parser {
    /// Whether a path starts here.
    pub(super) fn path_ahead(&self) -> bool {
        match self.peek() {
            Token::Raw(_) => true,
            token @ Token::Word(_) => token.keyword().is_none(),
            _ => false,
        }
    }

    pub(super) fn path(&mut self) -> Result<NamedPath, Error> {
        let start = self.span();
        let mut steps = Vec::new();
        // How many steps at the front are bare words: only those can be a prefix.
        let mut bare = 0;
        if !self.path_ahead() {
            return Err(self.unexpected("the path of a property"));
        }
        self.name(&mut steps, &mut bare);
        loop {
            if self.take(Symbol::Dot) {
                if !matches!(self.peek(), Token::Word(_) | Token::Raw(_)) {
                    return Err(self.unexpected("a name behind the point").hint(
                        "Names that are not plain words stand in double brackets, tags.[[1st floor]]",
                    ));
                }
                self.name(&mut steps, &mut bare);
            } else if self.take(Symbol::OpenSquare) {
                steps.push(self.index()?);
            } else {
                break;
            }
        }
        strip_prefix(&mut steps, bare);
        let synonym = names::canonicalize(&mut steps);
        Ok(NamedPath { path: Path::of_row(steps, start.to(self.last_span())), synonym })
    }

    fn name(&mut self, steps: &mut Vec<Step>, bare: &mut usize) {
        match self.advance().token {
            Token::Word(name) => {
                if *bare == steps.len() {
                    *bare += 1;
                }
                steps.push(Step::Name(name));
            }
            Token::Raw(name) => steps.push(Step::Name(name)),
            _ => {}
        }
    }

    fn index(&mut self) -> Result<Step, Error> {
        let index = match self.peek() {
            Token::Number(number) => number.as_int().and_then(|index| usize::try_from(index).ok()),
            _ => None,
        };
        let Some(index) = index else {
            return Err(self.unexpected("the number of an array's element, from 0"));
        };
        self.advance();
        self.want(Symbol::CloseSquare, "] behind the number of the element")?;
        Ok(Step::Index(index))
    }
}

/// `devices.x`, `devices.modules.x` and `devices.jobs.x` all mean `x`.
fn strip_prefix(steps: &mut Vec<Step>, bare: usize) {
    let is = |at: usize, word: &str| {
        at < bare && steps.get(at).and_then(Step::as_name).is_some_and(|name| name.eq_ignore_ascii_case(word))
    };
    let mut prefix = 0;
    if steps.len() > 1 && is(0, "devices") {
        prefix = 1;
        if steps.len() > 2 && (is(1, "modules") || is(1, "jobs")) {
            prefix = 2;
        }
    }
    // `devices[0]` names no property: what remains must start with a name.
    if matches!(steps.get(prefix), Some(Step::Name(_))) {
        steps.drain(..prefix);
    }
}
