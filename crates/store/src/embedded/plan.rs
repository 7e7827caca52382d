//! Which way a scan walks. Every way goes in key order, so a walk may change it between pages.

use std::collections::BTreeSet;

use rusqlite::types::Value as Sql;

use super::index::Definition;
use super::narrow::behind;
use crate::documents::{Comparison, Field, Literal, Narrow, Scan};

#[derive(Debug)]
pub(super) enum Walk {
    /// Nothing can match.
    Nothing,
    /// These groups, sorted.
    Groups(Vec<String>),
    /// The entries of an index with these values.
    Index(u32, Vec<Sql>),
    /// All groups from the first to the second text (both included).
    Range(Option<String>, Option<String>),
}

pub(super) fn plan(scan: &Scan, indexes: &[Definition]) -> Walk {
    if let Some(group) = &scan.group {
        return Walk::Groups(vec![group.clone()]);
    }
    let mut all = Vec::new();
    if !conjuncts(&scan.narrow, &mut all) {
        return Walk::Nothing;
    }
    if let Some(groups) = all.iter().filter_map(|part| groups(part)).min_by_key(BTreeSet::len) {
        return Walk::Groups(groups.into_iter().map(str::to_owned).collect());
    }
    let usable = indexes.iter().filter(|index| index.space == scan.space && index.complete());
    let usable = usable.filter_map(|index| Some((index, values(index, &all)?)));
    if let Some((index, values)) = usable.max_by_key(|(index, _)| index.fields.len()) {
        return Walk::Index(index.id, values);
    }
    let (mut from, mut to): (Option<String>, Option<String>) = (None, None);
    for part in all {
        let (low, high) = range(part);
        from = from.max(low.map(str::to_owned));
        to = match (to, high) {
            (Some(to), Some(high)) => Some(to.min(high)),
            (to, high) => to.or(high),
        };
    }
    Walk::Range(from, to)
}

/// What has to hold at once; `false` when that is impossible.
fn conjuncts<'a>(narrow: &'a Narrow, all: &mut Vec<&'a Narrow>) -> bool {
    match narrow {
        Narrow::All => true,
        Narrow::Nothing => false,
        Narrow::And(parts) => parts.iter().all(|part| conjuncts(part, all)),
        other => {
            all.push(other);
            true
        }
    }
}

fn groups(part: &Narrow) -> Option<BTreeSet<&str>> {
    let literals = match part {
        Narrow::Compare { field: Field::Group, comparison: Comparison::Equal, literal } => {
            std::slice::from_ref(literal)
        }
        Narrow::OneOf { field: Field::Group, literals } => literals,
        _ => return None,
    };
    Some(literals.iter().filter_map(text).collect())
}

fn text(literal: &Literal) -> Option<&str> {
    match literal {
        Literal::Text(text) => Some(text),
        _ => None,
    }
}

/// The first and last group that a condition leaves.
fn range(part: &Narrow) -> (Option<&str>, Option<String>) {
    match part {
        Narrow::Compare { field: Field::Group, comparison, literal: Literal::Text(text) } => match comparison
        {
            Comparison::Less | Comparison::LessOrEqual => (None, Some(text.clone())),
            Comparison::Greater | Comparison::GreaterOrEqual => (Some(text), None),
            Comparison::Equal => (Some(text), Some(text.clone())),
        },
        Narrow::Prefix { field: Field::Group, start } => (Some(start), behind(start)),
        _ => (None, None),
    }
}

/// The values of an index whose every field is equal to something; only then are its entries in
/// key order.
fn values(index: &Definition, all: &[&Narrow]) -> Option<Vec<Sql>> {
    let value = |wanted: &Field| {
        all.iter().find_map(|part| match part {
            Narrow::Compare { field, comparison: Comparison::Equal, literal } if field == wanted => {
                super::index::key_value(literal)
            }
            Narrow::OneOf { field, literals } if field == wanted && literals.len() == 1 => {
                super::index::key_value(&literals[0])
            }
            _ => None,
        })
    };
    index.fields.iter().map(value).collect()
}
