//! What one aggregate of one group has seen so far.

use serde_json::Value as Json;

use super::key::Key;
use crate::evaluate::{add, divide};
use crate::number::Number;
use crate::syntax::AggregateFunction;
use crate::value::Value;

#[derive(Clone, Debug)]
pub(super) enum Accumulator {
    Count(u64),
    Avg { sum: Sum, count: u64 },
    Sum { sum: Sum, any: bool },
    Min(Option<Key>),
    Max(Option<Key>),
}

/// Integers are summed exactly and apart from doubles: a double among them does not cost the
/// others their last digits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    ints: i128,
    floats: f64,
    any_float: bool,
}

impl Accumulator {
    pub(super) fn new(function: AggregateFunction) -> Self {
        match function {
            AggregateFunction::Count => Accumulator::Count(0),
            AggregateFunction::Avg => Accumulator::Avg { sum: Sum::default(), count: 0 },
            AggregateFunction::Sum => Accumulator::Sum { sum: Sum::default(), any: false },
            AggregateFunction::Min => Accumulator::Min(None),
            AggregateFunction::Max => Accumulator::Max(None),
        }
    }

    /// A row of the group, whatever it holds.
    pub(super) fn count(&mut self) {
        if let Accumulator::Count(count) = self {
            *count += 1;
        }
    }

    /// The argument's value in a row of the group.
    pub(super) fn take(&mut self, value: Value<'_>) {
        match (self, value) {
            (Accumulator::Avg { sum, count }, Value::Number(number)) => {
                sum.add(number);
                *count += 1;
            }
            (Accumulator::Sum { sum, any }, Value::Number(number)) => {
                sum.add(number);
                *any = true;
            }
            (Accumulator::Min(best), value @ (Value::Number(_) | Value::String(_))) => {
                let value = Key::new(value);
                if best.as_ref().is_none_or(|best| value < *best) {
                    *best = Some(value);
                }
            }
            (Accumulator::Max(best), value @ (Value::Number(_) | Value::String(_))) => {
                let value = Key::new(value);
                if best.as_ref().is_none_or(|best| value > *best) {
                    *best = Some(value);
                }
            }
            _ => {}
        }
    }

    /// Bytes kept beside the accumulator itself.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Accumulator::Min(Some(best)) | Accumulator::Max(Some(best)) => best.bytes(),
            _ => 0,
        }
    }

    pub(super) fn finish(self) -> Option<Json> {
        match self {
            Accumulator::Count(count) => Some(Json::from(count)),
            Accumulator::Avg { sum, count } => {
                let average = divide(sum.total()?, Number::from(count), Number::from_f64)?;
                average.to_json().map(Json::Number)
            }
            Accumulator::Sum { sum, any } => {
                let total = if any { sum.total() } else { None };
                total.and_then(Number::to_json).map(Json::Number)
            }
            Accumulator::Min(best) | Accumulator::Max(best) => best.and_then(|best| best.to_json()),
        }
    }
}

impl Sum {
    fn add(&mut self, number: Number) {
        match number.as_int() {
            // A row adds at most 2^64: 2^63 rows fit.
            Some(int) => self.ints = self.ints.saturating_add(int),
            None => {
                self.floats += number.as_f64();
                self.any_float = true;
            }
        }
    }

    /// None if it is too large for a double.
    fn total(self) -> Option<Number> {
        let ints = Number::from_int(self.ints);
        if self.any_float { add(ints, Number::from_f64(self.floats)?, Number::from_f64) } else { Some(ints) }
    }
}
