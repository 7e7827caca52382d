//! Trees know where their parts stand, for reports that underline them.

use skerry_query::syntax::{Expr, Output};
use skerry_query::{Condition, Dialect, Query, Span};

/// The characters of a one-line text that a span covers.
fn covered(text: &str, span: Span) -> String {
    let (start, end) = (span.start.column as usize, span.end.column as usize);
    text.chars().skip(start - 1).take(end - start).collect()
}

#[test]
fn every_part_of_a_condition_covers_its_text() {
    let text = "NOT LENGTH(tags.[[é x]]) = -5 AND tags.a [0] IN ['x', 'y'] AND -(b) > 1";
    let condition = Condition::parse(text, Dialect::Twin).unwrap();
    assert_eq!(covered(text, condition.expr().span()), text);
    let Expr::And(terms) = condition.expr() else { panic!("{condition}") };
    let spans: Vec<_> = terms.iter().map(|term| covered(text, term.span())).collect();
    assert_eq!(spans, ["NOT LENGTH(tags.[[é x]]) = -5", "tags.a [0] IN ['x', 'y']", "-(b) > 1"]);
    let Expr::Not { operand, .. } = &terms[0] else { panic!("{condition}") };
    let Expr::Compare { left, right, .. } = operand.as_ref() else { panic!("{condition}") };
    assert_eq!(covered(text, left.span()), "LENGTH(tags.[[é x]])");
    assert_eq!(covered(text, right.span()), "-5");
    let Expr::Call { arguments, .. } = left.as_ref() else { panic!("{condition}") };
    assert_eq!(covered(text, arguments[0].span()), "tags.[[é x]]");
}

#[test]
fn columns_of_a_query_cover_their_text() {
    let text = "SELECT devices.tags.a AS b, COUNT() AS n FROM devices GROUP BY tags.a";
    let query = Query::parse(text).unwrap();
    let spans: Vec<_> = query.select.list().iter().map(|item| covered(text, item.span)).collect();
    assert_eq!(spans, ["devices.tags.a AS b", "COUNT() AS n"]);
    let Output::Path(path) = &query.select.list()[0].output else { panic!("{query}") };
    assert_eq!(covered(text, path.span), "devices.tags.a");
    assert_eq!(path.names().unwrap(), ["tags", "a"]);
    assert_eq!(covered(text, query.group_by[0].span), "tags.a");
}
