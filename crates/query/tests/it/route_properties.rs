//! Laws that hold for every condition of a route and every message.

use proptest::prelude::*;
use skerry_query::route::{Message, Route, RouteCondition};
use skerry_query::{Condition, Dialect, Expr, Span, Truth};

use crate::route_tree as tree;

fn not(expr: &Expr) -> Expr {
    Expr::Not { operand: Box::new(expr.clone()), span: Span::NONE }
}

fn evaluate(expr: &Expr, message: &Message, dialect: Dialect) -> Truth {
    RouteCondition::of_expr(expr.clone(), dialect).unwrap().evaluate(message)
}

proptest! {
    #[test]
    fn a_printed_condition_parses_to_the_same_tree(expr in tree::condition(), dialect in tree::dialect()) {
        let condition = Condition::of_expr(expr, dialect).unwrap();
        let text = condition.to_string();
        match Condition::parse(&text, dialect) {
            Ok(again) => {
                prop_assert_eq!(&again, &condition, "{}", text);
                // Numbers compare by value, the text also tells 1 from 1.0.
                prop_assert_eq!(again.to_string(), text.as_str());
            }
            Err(error) => prop_assert!(false, "{text}: {error}"),
        }
        if dialect == Dialect::EdgeRoute {
            let route = format!("FROM /messages/* WHERE {text} INTO $upstream");
            match Route::parse(&route) {
                Ok(route) => prop_assert_eq!(route.condition.expr(), condition.expr()),
                Err(error) => prop_assert!(false, "{route}: {error}"),
            }
        }
    }

    #[test]
    fn logic_is_three_valued(
        terms in prop::collection::vec(tree::condition(), 2..4), message in tree::message(), dialect in tree::dialect()
    ) {
        let message = Message::from_json(&message).unwrap();
        let answers: Vec<_> = terms.iter().map(|term| evaluate(term, &message, dialect)).collect();
        let all = if answers.contains(&Truth::False) {
            Truth::False
        } else if answers.contains(&Truth::Undefined) {
            Truth::Undefined
        } else {
            Truth::True
        };
        prop_assert_eq!(evaluate(&Expr::And(terms.clone()), &message, dialect), all);
        let negated: Vec<_> = terms.iter().map(not).collect();
        prop_assert_eq!(evaluate(&not(&Expr::Or(negated)), &message, dialect), all);
        prop_assert_eq!(evaluate(&not(&not(&terms[0])), &message, dialect), answers[0]);
    }

    #[test]
    fn a_body_that_is_not_asked_for_makes_no_difference(
        expr in tree::condition(), message in tree::message(), dialect in tree::dialect()
    ) {
        let condition = RouteCondition::of_expr(expr, dialect).unwrap();
        let mut without = message.clone();
        without.as_object_mut().unwrap().remove("body");
        let [with, without] = [message, without].map(|json| Message::from_json(&json).unwrap());
        if !condition.wants_body() {
            prop_assert_eq!(condition.evaluate(&with), condition.evaluate(&without));
        }
    }

    #[test]
    fn any_text_is_answered(text in "\\PC{0,60}") {
        let _ = RouteCondition::parse(&text, Dialect::HubRoute);
        let _ = RouteCondition::parse(&text, Dialect::EdgeRoute);
        let _ = Route::parse(&text);
        let _ = Route::parse(&format!("FROM /{text}"));
        let _ = Route::parse(&format!("FROM /* WHERE {text} INTO $upstream"));
        let _ = Route::parse(&format!("FROM /* INTO BrokeredEndpoint({text})"));
    }
}
