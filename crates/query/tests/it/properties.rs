//! Laws that hold for every tree, row and text.

use proptest::prelude::*;
use serde_json::Value as Json;
use skerry_query::syntax::Comparison;
use skerry_query::{Aggregation, Condition, Dialect, Expr, Query, Span, evaluate, truth};

use crate::tree;

fn not(expr: &Expr) -> Expr {
    Expr::Not { operand: Box::new(expr.clone()), span: Span::NONE }
}

proptest! {
    #[test]
    fn a_printed_query_parses_to_the_same_tree(query in tree::query()) {
        let text = query.to_string();
        match Query::parse(&text) {
            Ok(again) => {
                prop_assert_eq!(&again, &query, "{}", text);
                // Numbers compare by value, the text also tells 1 from 1.0.
                prop_assert_eq!(again.to_string(), text);
                prop_assert_eq!(again.hash(), query.hash());
            }
            Err(error) => prop_assert!(false, "{text}: {error}"),
        }
    }

    #[test]
    fn a_printed_condition_parses_to_the_same_tree(expr in tree::condition()) {
        let text = expr.to_string();
        match Condition::parse(&text, Dialect::Twin) {
            Ok(again) => prop_assert_eq!(again.expr(), &expr, "{}", text),
            Err(error) => prop_assert!(false, "{text}: {error}"),
        }
    }

    #[test]
    fn evaluation_has_an_answer_for_every_tree_and_row(expr in tree::expr(), row in tree::row()) {
        let value = evaluate(&expr, &row);
        prop_assert_eq!(value.as_bool(), truth(&expr, &row));
        // What comes out can be written as JSON, unless it is undefined.
        prop_assert_eq!(value.is_undefined(), value.into_json().is_none());
    }

    #[test]
    fn two_negations_cancel(expr in tree::expr(), row in tree::row()) {
        prop_assert_eq!(truth(&not(&not(&expr)), &row), truth(&expr, &row));
    }

    #[test]
    fn de_morgan_holds_with_undefined(terms in prop::collection::vec(tree::expr(), 2..4), row in tree::row()) {
        let negated: Vec<_> = terms.iter().map(not).collect();
        prop_assert_eq!(truth(&not(&Expr::And(terms.clone())), &row), truth(&Expr::Or(negated.clone()), &row));
        prop_assert_eq!(truth(&not(&Expr::Or(terms)), &row), truth(&Expr::And(negated), &row));
    }

    #[test]
    fn a_list_is_a_chain_of_equalities(
        operand in tree::path(), values in prop::collection::vec(tree::literal(), 2..5), row in tree::row()
    ) {
        let operand = Expr::Path(operand);
        let terms = values.iter().map(|value| Expr::Compare {
            op: Comparison::Equal,
            left: Box::new(operand.clone()),
            right: Box::new(Expr::Literal { value: value.clone(), span: Span::NONE }),
        });
        let chain = Expr::Or(terms.collect());
        let list = |negated| Expr::In {
            operand: Box::new(operand.clone()), values: values.clone(), negated, span: Span::NONE
        };
        prop_assert_eq!(truth(&list(false), &row), truth(&chain, &row));
        prop_assert_eq!(truth(&list(true), &row), truth(&not(&chain), &row));
    }

    #[test]
    fn comparisons_mirror(left in tree::expr(), right in tree::expr(), row in tree::row()) {
        for op in [Comparison::Equal, Comparison::NotEqual, Comparison::Less, Comparison::GreaterOrEqual] {
            let (a, b) = (Box::new(left.clone()), Box::new(right.clone()));
            let there = Expr::Compare { op, left: a.clone(), right: b.clone() };
            let back = Expr::Compare { op: op.mirrored(), left: b, right: a };
            prop_assert_eq!(truth(&there, &row), truth(&back, &row));
        }
    }

    #[test]
    fn groups_do_not_depend_on_the_order_of_rows(rows in prop::collection::vec(tree::row(), 0..8)) {
        let text = "SELECT a, b, COUNT() AS n, MIN(c) AS low, MAX(c) AS high FROM devices GROUP BY a, b";
        let query = Query::parse(text).unwrap();
        let run = |rows: &[Json]| {
            let mut aggregation = Aggregation::new(&query, 100);
            rows.iter().for_each(|row| aggregation.push(row).unwrap());
            aggregation.finish()
        };
        let backwards: Vec<_> = rows.iter().rev().cloned().collect();
        prop_assert_eq!(format!("{:?}", run(&rows)), format!("{:?}", run(&backwards)));
        let counted: u64 = run(&rows).iter().filter_map(|row| row["n"].as_u64()).sum();
        prop_assert_eq!(counted, rows.len() as u64);
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,60}") {
        let _ = Query::parse(&text);
        let _ = Condition::parse(&text, Dialect::Twin);
        let _ = Query::parse(&format!("SELECT * FROM devices WHERE {text}"));
    }
}
