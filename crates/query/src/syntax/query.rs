//! A whole query: what to show, of which rows, filtered and grouped how.

use super::{Expr, Path};
use crate::position::Span;

/// `SELECT … FROM … [WHERE …] [GROUP BY …]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub select: Select,
    pub source: Source,
    pub filter: Option<Expr>,
    pub group_by: Vec<Path>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// How many rows the whole result has at most, over all its pages.
    pub top: Option<u64>,
    pub items: Items,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Items {
    /// `*`
    Star,
    List(Vec<Item>),
}

/// One column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub output: Output,
    pub alias: Option<String>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    Path(Path),
    Aggregate(Aggregate),
}

/// A value over many rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregate {
    pub function: AggregateFunction,
    /// None for `COUNT()`, something for all others.
    pub argument: Option<Path>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AggregateFunction {
    Count,
    Avg,
    Sum,
    Min,
    Max,
}

/// What the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Twins of devices.
    Devices,
    /// Twins of modules.
    Modules,
    /// What jobs did, one row per device and job.
    Jobs,
}

/// What the rows of the result are; the names are those of the header `x-ms-item-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResultKind {
    Twin,
    Raw,
    DeviceJob,
}

impl Query {
    /// What a client finds in the result's rows.
    pub fn result_kind(&self) -> ResultKind {
        match (self.source, &self.select.items) {
            (Source::Jobs, _) => ResultKind::DeviceJob,
            (_, Items::Star) => ResultKind::Twin,
            (_, Items::List(_)) => ResultKind::Raw,
        }
    }

    /// Whether the result is one row per group, and so needs all rows before the first answer.
    pub fn is_aggregated(&self) -> bool {
        !self.group_by.is_empty() || self.select.has_aggregates()
    }
}

impl Select {
    pub fn has_aggregates(&self) -> bool {
        self.list().iter().any(|item| matches!(item.output, Output::Aggregate(_)))
    }

    /// The columns; none for `*`.
    pub fn list(&self) -> &[Item] {
        match &self.items {
            Items::Star => &[],
            Items::List(items) => items,
        }
    }
}

impl Item {
    /// The key of this column in the result: the alias, else the path's last name, else the
    /// aggregate's name (`Count`, `Avg`; what Azure writes there is not documented).
    pub fn output_name(&self) -> &str {
        match (&self.alias, &self.output) {
            (Some(alias), _) => alias,
            (None, Output::Path(path)) => path.output_name(),
            (None, Output::Aggregate(aggregate)) => aggregate.function.output_name(),
        }
    }
}

impl AggregateFunction {
    pub const ALL: [AggregateFunction; 5] = [
        AggregateFunction::Count,
        AggregateFunction::Avg,
        AggregateFunction::Sum,
        AggregateFunction::Min,
        AggregateFunction::Max,
    ];

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            AggregateFunction::Count => "COUNT",
            AggregateFunction::Avg => "AVG",
            AggregateFunction::Sum => "SUM",
            AggregateFunction::Min => "MIN",
            AggregateFunction::Max => "MAX",
        }
    }

    fn output_name(self) -> &'static str {
        match self {
            AggregateFunction::Count => "Count",
            AggregateFunction::Avg => "Avg",
            AggregateFunction::Sum => "Sum",
            AggregateFunction::Min => "Min",
            AggregateFunction::Max => "Max",
        }
    }
}

impl Source {
    pub fn name(self) -> &'static str {
        match self {
            Source::Devices => "devices",
            Source::Modules => "devices.modules",
            Source::Jobs => "devices.jobs",
        }
    }
}

impl ResultKind {
    /// The name as the header `x-ms-item-type` carries it; C# reads it with regard to case.
    pub fn name(self) -> &'static str {
        match self {
            ResultKind::Twin => "Twin",
            ResultKind::Raw => "Raw",
            ResultKind::DeviceJob => "DeviceJob",
        }
    }
}
