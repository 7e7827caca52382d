//! Random conditions of routes that pass the check of kinds, and random messages.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};
use skerry_query::syntax::{Arithmetic, Comparison, Expr, Function, Literal, Path, Root, Step};
use skerry_query::{Dialect, Number, Span};

const NAMES: [&str; 10] = ["a", "b", "a.b", "my-key", "a+b", "1st", "group", "é", "From2", "TRUE"];

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(NAMES.as_slice()).prop_map(str::to_owned)
}

fn path(root: Root, shadow: Option<String>, steps: Vec<Step>) -> Expr {
    Expr::Path(Path { root, shadow, steps, span: Span::NONE })
}

fn literal(value: Literal) -> Expr {
    Expr::Literal { value, span: Span::NONE }
}

fn call(function: Function, arguments: Vec<Expr>) -> Expr {
    Expr::Call { function, arguments, span: Span::NONE }
}

fn property() -> impl Strategy<Value = Expr> {
    prop_oneof![
        3 => name().prop_map(|name| path(Root::Application, None, vec![Step::Name(name)])),
        1 => name().prop_map(|name| {
            path(Root::System, Some(format!("${name}")), vec![Step::Name(name)])
        }),
        1 => name().prop_map(|name| path(Root::System, None, vec![Step::Name(name)])),
    ]
}

/// A path into the body, with braces, without, or with an element.
fn body() -> impl Strategy<Value = Expr> {
    let step = prop::sample::select(vec!["a", "b", "c-d", "é"]).prop_map(str::to_owned);
    (vec(step, 1..4), 0..3_u8).prop_map(|(names, form)| {
        let text = format!("$body.{}", names.join("."));
        let mut steps: Vec<_> = names.into_iter().map(Step::Name).collect();
        match form {
            0 => path(Root::Body, Some(text), steps),
            1 => path(Root::Body, None, steps),
            _ => {
                steps.insert(1, Step::Index(1));
                path(Root::Body, None, steps)
            }
        }
    })
}

fn string() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof!["\\PC{0,4}".prop_map(|text| literal(Literal::String(text))), property(), body()];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..4).prop_map(|arguments| call(Function::Concat, arguments)),
            inner.clone().prop_map(|argument| call(Function::Lower, vec![argument])),
            (inner, -2..9_i64, prop::option::of(-2..9_i64)).prop_map(|(text, start, length)| {
                let numbers = [Some(start), length].into_iter().flatten();
                let numbers = numbers.map(|number| literal(Literal::Number(Number::from(number))));
                call(Function::Substring, [text].into_iter().chain(numbers).collect())
            }),
        ]
    })
}

fn number() -> impl Strategy<Value = Expr> {
    let float = any::<f64>().prop_filter_map("a number", Number::from_ieee);
    let leaf = prop_oneof![
        (-3..4_i64).prop_map(|number| literal(Literal::Number(Number::from(number)))),
        float.prop_map(|number| literal(Literal::Number(number))),
        string().prop_map(|text| call(Function::AsNumber, vec![text])),
        string().prop_map(|text| call(Function::Length, vec![text])),
        body(),
    ];
    let op = prop::sample::select(vec![
        Arithmetic::Add,
        Arithmetic::Subtract,
        Arithmetic::Multiply,
        Arithmetic::Divide,
        Arithmetic::Remainder,
    ]);
    leaf.prop_recursive(4, 16, 2, move |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            (op.clone(), boxed.clone(), boxed.clone()).prop_map(|(op, left, right)| Expr::Arithmetic {
                op,
                left,
                right
            }),
            boxed.prop_map(|operand| Expr::Negate { operand, span: Span::NONE }),
            (inner.clone(), inner.clone())
                .prop_map(|(base, exponent)| call(Function::Power, vec![base, exponent])),
            inner.prop_map(|argument| call(Function::Sqrt, vec![argument])),
        ]
    })
}

/// A condition that both dialects take.
pub(crate) fn condition() -> impl Strategy<Value = Expr> {
    let op = prop::sample::select(vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ]);
    let sides =
        prop_oneof![(string(), string()), (number(), number()), (body(), number()), (string(), body())];
    let tests =
        vec![Function::IsBool, Function::IsDefined, Function::IsNull, Function::IsNumber, Function::IsString];
    let leaf = prop_oneof![
        4 => (op.clone(), sides).prop_map(|(op, (left, right))| Expr::Compare {
            op,
            left: Box::new(left),
            right: Box::new(right)
        }),
        2 => (prop::sample::select(tests), prop_oneof![string(), number()])
            .prop_map(|(function, argument)| call(function, vec![argument])),
        1 => (string(), string()).prop_map(|(text, part)| call(Function::Contains, vec![text, part])),
        1 => any::<bool>().prop_map(|value| literal(Literal::Bool(value))),
        1 => body(),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed.clone().prop_map(|operand| Expr::Not { operand, span: Span::NONE }),
            vec(inner.clone(), 2..4).prop_map(Expr::And),
            vec(inner, 2..4).prop_map(Expr::Or),
            (boxed.clone(), boxed.clone()).prop_map(|(left, right)| Expr::Coalesce { left, right }),
            (op.clone(), boxed.clone(), boxed).prop_map(|(op, left, right)| Expr::Compare {
                op,
                left,
                right
            }),
        ]
    })
}

pub(crate) fn dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(vec![Dialect::HubRoute, Dialect::EdgeRoute])
}

fn properties() -> impl Strategy<Value = Json> {
    let value = prop_oneof![
        Just(Json::Null),
        (-3..4_i64).prop_map(|number| Json::from(number.to_string())),
        "[a-c]{0,3}".prop_map(Json::String),
    ];
    vec((name(), value), 0..6).prop_map(|members| Json::Object(members.into_iter().collect()))
}

/// A message as a file has it, with a body that can be read three times of four.
pub(crate) fn message() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        (-3..4_i64).prop_map(Json::from),
        "[a-c]{0,3}".prop_map(Json::String),
    ];
    let key = prop::sample::select(vec!["a", "b", "c-d", "é"]).prop_map(str::to_owned);
    let tree = leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::Array),
            vec((key.clone(), inner), 0..5)
                .prop_map(|members| Json::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    });
    (tree, properties(), properties(), 0..4_u8).prop_map(|(body, application, mut system, form)| {
        if let Some(system) = system.as_object_mut().filter(|_| form > 0) {
            system.insert("contentType".to_owned(), json!("application/json"));
            system.insert("contentEncoding".to_owned(), json!("utf-8"));
        }
        json!({"body": body, "appProperties": application, "systemProperties": system})
    })
}
