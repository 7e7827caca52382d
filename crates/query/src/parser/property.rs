//! What routes name: properties of a message, and paths into its body and its sender's twin.

use super::Parser;
use crate::dialect::Dialect;
use crate::error::{Error, quote};
use crate::names;
use crate::position::{Position, Span};
use crate::syntax::{Path, Root, Step};
use crate::token::{Symbol, Token};

const BODY: &str = "$body.";
const TWIN: &str = "$twin";

/// Where a twin can be looked into, by its change or from a route of the hub.
const SECTIONS: [&str; 3] = ["tags.", "properties.desired.", "properties.reported."];
const SECTIONS_TEXT: &str = "a path below tags, properties.desired or properties.reported";

impl Parser {
    /// `name`, or `$name`, which can be an application property all the same.
    pub(super) fn property(&mut self) -> Result<Path, Error> {
        let located = self.advance();
        let Token::Name(name) = located.token else {
            return Err(Error::new(located.span, "a property", located.token.describe()));
        };
        let span = located.span;
        if !name.starts_with('$') {
            let steps = vec![Step::Name(name)];
            return Ok(Path { root: Root::Application, shadow: None, steps, span });
        }
        let mut path = self.system(&name, span)?;
        // No property has brackets in its name.
        path.shadow = (!name.contains(['[', ']'])).then_some(name);
        Ok(path)
    }

    /// The rest of `{$name}`, which is never an application property.
    pub(super) fn braced(&mut self) -> Result<Path, Error> {
        let start = self.last_span();
        let located = self.look(0).clone();
        let name = match &located.token {
            Token::Name(name) if name.starts_with('$') => name,
            _ => return Err(self.unexpected("a system property, as in {$messageId}")),
        };
        self.advance();
        let mut path = self.system(name, located.span)?;
        self.want(Symbol::CloseCurly, "} behind the system property")?;
        path.span = start.to(self.last_span());
        Ok(path)
    }

    /// What a name with `$` means where no application property is called so.
    fn system(&self, name: &str, span: Span) -> Result<Path, Error> {
        if let Some(path) = strip_prefix(name, BODY) {
            let steps = steps(path, behind(span.start, BODY))?;
            return Ok(Path { root: Root::Body, shadow: None, steps, span });
        }
        if let Some(rest) = strip_prefix(name, TWIN)
            && (rest.is_empty() || rest.starts_with('.'))
        {
            return self.twin(name, rest, span);
        }
        if name.contains(['[', ']']) {
            return Err(Error::new(span, "the name of a property", quote(name))
                .hint("Only paths into the body have elements, $body.list[0]"));
        }
        let name = name.strip_prefix('$').unwrap_or(name).to_owned();
        Ok(Path { root: Root::System, shadow: None, steps: vec![Step::Name(name)], span })
    }

    fn twin(&self, name: &str, rest: &str, span: Span) -> Result<Path, Error> {
        if self.dialect == Dialect::EdgeRoute {
            return Err(Error::new(span, "a property or $body", quote(name)).hint(
                "$twin exists in the hub's routes only, an edge does not look into the sender's twin",
            ));
        }
        let path = rest.strip_prefix('.').unwrap_or(rest);
        if !is_in_section(path) {
            return Err(Error::new(span, SECTIONS_TEXT, quote(name)).hint("As in $twin.tags.city"));
        }
        let mut steps = steps(path, behind(behind(span.start, TWIN), "."))?;
        names::canonicalize(&mut steps);
        Ok(Path { root: Root::Twin, shadow: None, steps, span })
    }

    /// The argument of `TWIN_CHANGE_INCLUDES` and the bracket behind it.
    pub(super) fn changed(&mut self) -> Result<Path, Error> {
        let located = self.look(0).clone();
        let Token::Name(name) = &located.token else {
            return Err(self.unexpected(SECTIONS_TEXT));
        };
        if !is_in_section(name) {
            return Err(self.unexpected(SECTIONS_TEXT));
        }
        let mut steps = steps(name, located.span.start)?;
        names::canonicalize(&mut steps);
        self.advance();
        self.want(Symbol::CloseRound, ") behind the path")?;
        Ok(Path { root: Root::Change, shadow: None, steps, span: located.span })
    }
}

/// What stands behind a prefix, whose case does not matter.
fn strip_prefix<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = name.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn is_in_section(path: &str) -> bool {
    SECTIONS.iter().any(|section| strip_prefix(path, section).is_some())
}

fn behind(start: Position, text: &str) -> Position {
    text.chars().fold(start, Position::after)
}

/// Takes `a.b[0].c` apart; `start` is where it stands.
fn steps(path: &str, start: Position) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    let mut here = start;
    for part in path.split('.') {
        let end = behind(here, part);
        let refuse = |at: Position, expected: &str, found: &str| {
            let found = if found.is_empty() { "none".to_owned() } else { quote(found) };
            Error::new(Span { start: at, end }, expected, found)
                .hint("A path is names with points between them and elements of lists, a.b[0].c")
        };
        let (name, elements) = part.split_at(part.find('[').unwrap_or(part.len()));
        if name.is_empty() || name.contains(']') {
            return Err(refuse(here, "a name in the path", part));
        }
        steps.push(Step::Name(name.to_owned()));
        let mut at = behind(here, name);
        for element in elements.split_inclusive(']') {
            let number = element.strip_prefix('[').and_then(|element| element.strip_suffix(']'));
            let digits = number.filter(|digits| digits.bytes().all(|c| c.is_ascii_digit()));
            let Some(index) = digits.and_then(|digits| digits.parse().ok()) else {
                return Err(refuse(at, "the number of a list's element in brackets, from 0", element));
            };
            steps.push(Step::Index(index));
            at = behind(at, element);
        }
        here = end.after('.');
    }
    Ok(steps)
}
