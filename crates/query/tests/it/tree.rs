//! Random trees, rows and texts for the property tests.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value as Json};
use skerry_query::syntax::{
    Aggregate, AggregateFunction, Arithmetic, Comparison, Expr, Function, Item, Items, Literal, Output, Path,
    Query, Select, Source, Step,
};
use skerry_query::{Number, Span};

const NAMES: [&str; 9] = ["a", "b", "c", "$version", "from", "Devices", "my key", "é", "x-1"];

pub(crate) fn path() -> impl Strategy<Value = Path> {
    let name =
        prop_oneof![prop::sample::select(NAMES.as_slice()).prop_map(str::to_owned), "[a-z .;'\"\\\\]{1,6}",];
    let step = prop_oneof![
        4 => name.clone().prop_map(Step::Name),
        1 => (0..4_usize).prop_map(Step::Index),
    ];
    (name, vec(step, 0..3)).prop_map(|(first, rest)| {
        let mut steps = vec![Step::Name(first)];
        steps.extend(rest);
        Path::of_row(steps, Span::NONE)
    })
}

fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        (-3..4_i64).prop_map(Number::from),
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        any::<f64>().prop_filter_map("finite", Number::from_f64),
    ]
}

pub(crate) fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        Just(Literal::Undefined),
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Bool),
        number().prop_map(Literal::Number),
        "\\PC{0,4}".prop_map(Literal::String),
        vec(any::<char>(), 0..4).prop_map(|text| Literal::String(text.into_iter().collect())),
    ]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    prop::sample::select(vec![
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ])
}

fn arithmetic() -> impl Strategy<Value = Arithmetic> {
    prop::sample::select(vec![
        Arithmetic::Add,
        Arithmetic::Subtract,
        Arithmetic::Multiply,
        Arithmetic::Divide,
        Arithmetic::Remainder,
    ])
}

/// Any expression the parser could build, grammar's sorts aside.
pub(crate) fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        literal().prop_map(|value| Expr::Literal { value, span: Span::NONE }),
        path().prop_map(Expr::Path),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            (prop::sample::select(Function::ALL.as_slice()), vec(inner.clone(), 0..4))
                .prop_map(|(function, arguments)| Expr::Call { function, arguments, span: Span::NONE }),
            boxed.clone().prop_map(|operand| Expr::Negate { operand, span: Span::NONE }),
            boxed.clone().prop_map(|operand| Expr::Not { operand, span: Span::NONE }),
            (arithmetic(), boxed.clone(), boxed.clone()).prop_map(|(op, left, right)| Expr::Arithmetic {
                op,
                left,
                right
            }),
            (comparison(), boxed.clone(), boxed.clone()).prop_map(|(op, left, right)| Expr::Compare {
                op,
                left,
                right
            }),
            (boxed, vec(literal(), 1..4), any::<bool>()).prop_map(|(operand, values, negated)| Expr::In {
                operand,
                values,
                negated,
                span: Span::NONE
            }),
            vec(inner.clone(), 2..4).prop_map(Expr::And),
            vec(inner, 2..4).prop_map(Expr::Or),
        ]
    })
}

/// An expression that can stand where a condition is wanted.
pub(crate) fn condition() -> impl Strategy<Value = Expr> {
    // A comparison of anything is a condition, and so is what is built from conditions.
    let leaf = prop_oneof![
        (comparison(), value(), value()).prop_map(|(op, left, right)| Expr::Compare {
            op,
            left: Box::new(left),
            right: Box::new(right)
        }),
        (value(), vec(literal(), 1..4), any::<bool>()).prop_map(|(operand, values, negated)| Expr::In {
            operand: Box::new(operand),
            values,
            negated,
            span: Span::NONE
        }),
        path().prop_map(Expr::Path),
        value().prop_map(|argument| call(Function::IsDefined, vec![argument])),
        (value(), value()).prop_map(|(a, b)| call(Function::ArrayContains, vec![a, b])),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|operand| Expr::Not { operand: Box::new(operand), span: Span::NONE }),
            vec(inner.clone(), 2..4).prop_map(Expr::And),
            vec(inner, 2..4).prop_map(Expr::Or),
        ]
    })
}

fn call(function: Function, arguments: Vec<Expr>) -> Expr {
    Expr::Call { function, arguments, span: Span::NONE }
}

fn value() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        literal().prop_map(|value| Expr::Literal { value, span: Span::NONE }),
        path().prop_map(Expr::Path),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed.clone().prop_map(|operand| Expr::Negate { operand, span: Span::NONE }),
            (arithmetic(), boxed.clone(), boxed).prop_map(|(op, left, right)| Expr::Arithmetic {
                op,
                left,
                right
            }),
            inner.clone().prop_map(|argument| call(Function::Length, vec![argument])),
            vec(inner, 2..4).prop_map(|arguments| call(Function::Concat, arguments)),
        ]
    })
}

pub(crate) fn query() -> impl Strategy<Value = Query> {
    let filter = prop::option::of(condition()).boxed();
    let top = prop::option::of(any::<u64>());
    let source = prop::sample::select(vec![Source::Devices, Source::Modules, Source::Jobs]);
    let star = (top.clone(), source, filter.clone()).prop_map(|(top, source, filter)| Query {
        select: Select { top, items: Items::Star },
        source,
        filter,
        group_by: Vec::new(),
    });
    let plain = (top.clone(), vec(path(), 1..4), filter.clone()).prop_map(|(top, paths, filter)| Query {
        select: Select { top, items: Items::List(named(paths.into_iter().map(Output::Path))) },
        source: Source::Modules,
        filter,
        group_by: Vec::new(),
    });
    let grouped = (top, vec(path(), 1..3), vec(aggregate(), 0..3), filter).prop_map(
        |(top, paths, aggregates, filter)| {
            let outputs = paths.clone().into_iter().map(Output::Path);
            let outputs = outputs.chain(aggregates.into_iter().map(Output::Aggregate));
            Query {
                select: Select { top, items: Items::List(named(outputs)) },
                source: Source::Devices,
                filter,
                group_by: paths,
            }
        },
    );
    prop_oneof![star, plain, grouped]
}

/// Items with names that never collide, some of which need brackets.
fn named(outputs: impl Iterator<Item = Output>) -> Vec<Item> {
    let alias = |at: usize| match at {
        0 => "top".to_owned(),
        at => format!("item {at}"),
    };
    outputs
        .enumerate()
        .map(|(at, output)| Item { output, alias: Some(alias(at)), span: Span::NONE })
        .collect()
}

fn aggregate() -> impl Strategy<Value = Aggregate> {
    (prop::sample::select(AggregateFunction::ALL.as_slice()), path()).prop_map(|(function, path)| Aggregate {
        function,
        argument: (function != AggregateFunction::Count).then_some(path),
    })
}

/// Documents over the names that paths use, so that paths often lead somewhere.
pub(crate) fn row() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        number().prop_map(|number| number.to_json().map_or(Json::Null, Json::Number)),
        (-3..4_i64).prop_map(Json::from),
        "[a-c]{0,3}".prop_map(Json::String),
    ];
    let name = prop::sample::select(NAMES.as_slice()).prop_map(str::to_owned);
    let tree = leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Json::Array),
            vec((name.clone(), inner), 0..5)
                .prop_map(|members| Json::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    });
    let name = prop::sample::select(NAMES.as_slice()).prop_map(str::to_owned);
    vec((name, tree), 0..9).prop_map(|members| Json::Object(members.into_iter().collect()))
}
