//! The frame of a query: `SELECT`, `FROM`, `WHERE`, `GROUP BY`.

use super::{Parser, hint};
use crate::error::Error;
use crate::limits::{GROUP_PATHS_MAX, SELECT_ITEMS_MAX};
use crate::syntax::{Aggregate, AggregateFunction, Expr, Item, Items, Output, Path, Query, Select, Source};
use crate::token::{Keyword, Symbol, Token};

impl Parser {
    pub(super) fn query(mut self) -> Result<Query, Error> {
        if !self.take_keyword(Keyword::Select) {
            return Err(self.unexpected("SELECT"));
        }
        let select = self.select()?;
        let source = self.source()?;
        let filter = if self.take_keyword(Keyword::Where) { Some(self.condition()?.expr) } else { None };
        let group_by = if self.take_keyword(Keyword::Group) { self.group_by()? } else { Vec::new() };
        if *self.peek() != Token::End {
            return Err(self.unexpected_tail(filter.as_ref(), &group_by));
        }
        Ok(Query { select, source, filter, group_by })
    }

    fn unexpected_tail(&self, filter: Option<&Expr>, group_by: &[Path]) -> Error {
        if !group_by.is_empty() {
            return self.unexpected("a comma or the end of the query");
        }
        if let Some(condition) = filter {
            return self.unexpected_behind(condition, "AND, OR, GROUP BY");
        }
        let error = self.unexpected("WHERE, GROUP BY or the end of the query");
        if matches!(self.peek(), Token::Word(_)) && error.hint.is_none() {
            return error.hint("The source has no second name, write tags.x or devices.tags.x");
        }
        error
    }

    fn select(&mut self) -> Result<Select, Error> {
        let top = if self.take_keyword(Keyword::Top) { Some(self.top()?) } else { None };
        if self.take(Symbol::Star) {
            if self.peek_keyword() != Some(Keyword::From) {
                return Err(self.unexpected("FROM").hint("* stands alone, without other items or a name"));
            }
            return Ok(Select { top, items: Items::Star });
        }
        let mut items = Vec::new();
        loop {
            if items.len() == SELECT_ITEMS_MAX {
                return Err(Error::new(self.span(), format!("at most {SELECT_ITEMS_MAX} items"), "more"));
            }
            items.push(self.item()?);
            if !self.take(Symbol::Comma) {
                break;
            }
        }
        Ok(Select { top, items: Items::List(items) })
    }

    fn top(&mut self) -> Result<u64, Error> {
        let top = match self.peek() {
            Token::Number(number) => number.as_int().and_then(|top| u64::try_from(top).ok()),
            _ => None,
        };
        let Some(top) = top else {
            return Err(self.unexpected("a whole number behind TOP"));
        };
        self.advance();
        Ok(top)
    }

    fn item(&mut self) -> Result<Item, Error> {
        let start = self.span();
        let (output, synonym) = if self.next_is(1, Symbol::OpenRound) && matches!(self.peek(), Token::Word(_))
        {
            (Output::Aggregate(self.aggregate()?), None)
        } else if self.path_ahead() {
            let distinct = matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case("DISTINCT"));
            let named = self.path()?;
            if distinct && self.path_ahead() {
                let error = Error::new(start, "a property or an aggregate", "\"DISTINCT\"");
                return Err(error.hint(hint::for_word("DISTINCT").unwrap_or_default()));
            }
            (Output::Path(named.path), named.synonym)
        } else {
            return Err(self.unexpected("*, a property or an aggregate"));
        };
        let alias =
            if self.take_keyword(Keyword::As) { Some(self.alias()?) } else { synonym.map(str::to_owned) };
        Ok(Item { output, alias, span: start.to(self.last_span()) })
    }

    fn alias(&mut self) -> Result<String, Error> {
        if !self.path_ahead() {
            return Err(self.unexpected("a name behind AS"));
        }
        match self.advance().token {
            Token::Word(name) | Token::Raw(name) => Ok(name),
            other => Err(Error::new(self.last_span(), "a name behind AS", other.describe())),
        }
    }

    fn aggregate(&mut self) -> Result<Aggregate, Error> {
        let function = match self.peek() {
            Token::Word(word) => AggregateFunction::from_name(word),
            _ => None,
        };
        let Some(function) = function else {
            return Err(self
                .unexpected("a property or one of COUNT, AVG, SUM, MIN, MAX")
                .hint("Functions other than aggregates stand in WHERE only"));
        };
        self.advance();
        self.advance();
        let argument = if function == AggregateFunction::Count {
            self.take(Symbol::Star);
            if !self.next_is(0, Symbol::CloseRound) {
                return Err(self
                    .unexpected(")")
                    .hint("COUNT() counts rows, add WHERE IS_DEFINED(x) to count those that have x"));
            }
            None
        } else {
            Some(self.path()?.path)
        };
        self.want(Symbol::CloseRound, ")")?;
        Ok(Aggregate { function, argument })
    }

    fn source(&mut self) -> Result<Source, Error> {
        if !self.take_keyword(Keyword::From) {
            let expected = "a comma, AS or FROM";
            let error = self.unexpected(expected);
            return Err(if self.peek_keyword() == Some(Keyword::Where) {
                Error::new(error.span, "FROM", error.found)
                    .hint("Name the source first, FROM devices WHERE ...")
            } else {
                error
            });
        }
        const SOURCES: &str = "devices, devices.modules or devices.jobs";
        if !self.take_word("devices") {
            return Err(self.unexpected(SOURCES));
        }
        if !self.take(Symbol::Dot) {
            return Ok(Source::Devices);
        }
        if self.take_word("modules") {
            Ok(Source::Modules)
        } else if self.take_word("jobs") {
            Ok(Source::Jobs)
        } else {
            Err(self.unexpected("modules or jobs behind devices."))
        }
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.peek(), Token::Word(word) if word.eq_ignore_ascii_case(wanted));
        if found {
            self.advance();
        }
        found
    }

    fn group_by(&mut self) -> Result<Vec<Path>, Error> {
        if !self.take_keyword(Keyword::By) {
            return Err(self.unexpected("BY"));
        }
        let mut paths = Vec::new();
        loop {
            if paths.len() == GROUP_PATHS_MAX {
                let expected = format!("at most {GROUP_PATHS_MAX} properties to group by");
                return Err(Error::new(self.span(), expected, "more"));
            }
            paths.push(self.path()?.path);
            if !self.take(Symbol::Comma) {
                return Ok(paths);
            }
        }
    }
}
