//! From a query's condition to one that the store can skip documents by.
//!
//! The result is weaker than the condition and never stronger: what it drops, the evaluator would
//! have dropped too. Whatever has no exact counterpart (NOT, !=, functions, arithmetic, null) says
//! nothing about the documents.

use skerry_query::syntax::{Comparison, Expr, Function, Literal};
use skerry_query::{Path, Query, Step};
use skerry_store::documents::{self, Field, Narrow, Part};

/// What every document of the query's answer fulfils.
pub fn narrow(query: &Query) -> Narrow {
    query.filter.as_ref().map_or(Narrow::All, condition)
}

fn condition(expr: &Expr) -> Narrow {
    match expr {
        Expr::And(terms) => {
            let terms: Vec<Narrow> =
                terms.iter().map(condition).filter(|term| *term != Narrow::All).collect();
            if terms.is_empty() { Narrow::All } else { Narrow::And(terms) }
        }
        Expr::Or(terms) => {
            let terms: Vec<Narrow> = terms.iter().map(condition).collect();
            if terms.contains(&Narrow::All) { Narrow::All } else { Narrow::Or(terms) }
        }
        Expr::Compare { op, left, right } => match (left.as_path(), right.as_literal()) {
            (Some(path), Some(literal)) => compare(path, *op, literal),
            _ => match (right.as_path(), left.as_literal()) {
                (Some(path), Some(literal)) => compare(path, op.mirrored(), literal),
                _ => Narrow::All,
            },
        },
        Expr::In { operand, values, negated: false, .. } => one_of(operand, values),
        Expr::Call { function, arguments, .. } => call(*function, arguments),
        _ => Narrow::All,
    }
}

fn compare(path: &Path, op: Comparison, with: &Literal) -> Narrow {
    let comparison = match op {
        Comparison::Equal => documents::Comparison::Equal,
        Comparison::Less => documents::Comparison::Less,
        Comparison::LessOrEqual => documents::Comparison::LessOrEqual,
        Comparison::Greater => documents::Comparison::Greater,
        Comparison::GreaterOrEqual => documents::Comparison::GreaterOrEqual,
        Comparison::NotEqual => return Narrow::All,
    };
    match (field(path), literal(with)) {
        (Some(field), Some(literal)) => Narrow::Compare { field, comparison, literal },
        _ => Narrow::All,
    }
}

fn one_of(operand: &Expr, values: &[Literal]) -> Narrow {
    let literals: Option<Vec<_>> = values.iter().map(literal).collect();
    match (operand.as_path().and_then(field), literals) {
        (Some(field), Some(literals)) => Narrow::OneOf { field, literals },
        _ => Narrow::All,
    }
}

fn call(function: Function, arguments: &[Expr]) -> Narrow {
    let [subject, with] = arguments else {
        return Narrow::All;
    };
    let (Some(field), Some(with)) = (subject.as_path().and_then(field), with.as_literal()) else {
        return Narrow::All;
    };
    match (function, with) {
        (Function::StartsWith, Literal::String(start)) => Narrow::Prefix { field, start: start.clone() },
        (Function::ArrayContains, value) => match literal(value) {
            Some(literal) => Narrow::Holds { field, literal },
            None => Narrow::All,
        },
        _ => Narrow::All,
    }
}

/// Literals whose comparison the store and the evaluator see alike. Numbers beyond 53 bits are
/// not among them: the evaluator compares them exactly.
fn literal(literal: &Literal) -> Option<documents::Literal> {
    match literal {
        Literal::String(text) => Some(documents::Literal::Text(text.clone())),
        Literal::Bool(value) => Some(documents::Literal::Bool(*value)),
        Literal::Number(number) => {
            let value = number.as_f64();
            (value.abs() < 9_007_199_254_740_992.0).then_some(documents::Literal::Number(value))
        }
        Literal::Null | Literal::Undefined => None,
    }
}

/// Where the value of a path is stored, if it is stored as it is.
pub(super) fn field(path: &Path) -> Option<Field> {
    let (first, below) = path.steps.split_first()?;
    let identity = |name: &str| Some(Field::In(Part::Identity, vec![documents::Step::Name(name.to_owned())]));
    match (first.as_name()?, below) {
        ("deviceId", []) => Some(Field::Group),
        ("moduleId", []) => Some(Field::Name),
        (name @ ("status" | "authenticationType" | "modelId" | "deviceScope" | "parentScopes"), []) => {
            identity(name)
        }
        ("statusUpdateTime", []) => identity("statusUpdated"),
        ("capabilities", [Step::Name(name)]) if name == "iotEdge" => identity("iotEdge"),
        ("tags", below) if !below.is_empty() => Some(Field::In(Part::Tags, stored_steps(below))),
        ("properties", [Step::Name(section), below @ ..]) if !below.is_empty() => {
            // Versions and metadata are not stored among the properties.
            if below[0].as_name().is_some_and(|name| name.starts_with('$')) {
                return None;
            }
            let part = match section.as_str() {
                "desired" => Part::Desired,
                "reported" => Part::Reported,
                _ => return None,
            };
            Some(Field::In(part, stored_steps(below)))
        }
        _ => None,
    }
}

fn stored_steps(steps: &[Step]) -> Vec<documents::Step> {
    steps.iter().map(stored_step).collect()
}

pub(super) fn stored_step(step: &Step) -> documents::Step {
    match step {
        Step::Name(name) => documents::Step::Name(name.clone()),
        Step::Index(index) => documents::Step::Index(*index),
    }
}
