//! Numbers as JSON has them: integers kept exactly, everything else as a finite double.
//!
//! `tags.serial = 9007199254740993` must not match `…992`, so integers and doubles are compared
//! by their true values and never by converting the integer. What is not a number does not exist
//! here: the operation is then undefined. Infinity exists in routes only, as JSON cannot write it.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Number as JsonNumber;

/// A number. Equality and order are those of the values: `1` equals `1.0`.
#[derive(Clone, Copy, Debug)]
pub struct Number(Repr);

/// Which doubles are a result: [`Number::from_f64`] or [`Number::from_ieee`].
pub(crate) type Floats = fn(f64) -> Option<Number>;

#[derive(Clone, Copy, Debug)]
enum Repr {
    /// Between `i64::MIN` and `u64::MAX`, which is what JSON numbers can carry.
    Int(i128),
    /// Not NaN.
    Float(f64),
}

impl Number {
    /// An integer, or the nearest double where 64 bits do not hold it.
    pub fn from_int(value: i128) -> Self {
        if (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value) {
            Self(Repr::Int(value))
        } else {
            Self(Repr::Float(value as f64))
        }
    }

    /// A double; infinite and not-a-number values are refused.
    pub fn from_f64(value: f64) -> Option<Self> {
        value.is_finite().then_some(Self(Repr::Float(value)))
    }

    /// A double that may be infinite.
    pub fn from_ieee(value: f64) -> Option<Self> {
        (!value.is_nan()).then_some(Self(Repr::Float(value)))
    }

    /// A number of a JSON document.
    pub fn from_json(value: &JsonNumber) -> Option<Self> {
        if let Some(int) = value.as_i64() {
            Some(Self(Repr::Int(int.into())))
        } else if let Some(int) = value.as_u64() {
            Some(Self(Repr::Int(int.into())))
        } else {
            value.as_f64().and_then(Self::from_f64)
        }
    }

    /// A decimal text such as `-12`, `1.5` or `2e3`; nothing else.
    pub fn from_text(text: &str) -> Option<Self> {
        let decimal = |c: u8| c.is_ascii_digit() || matches!(c, b'.' | b'-' | b'+' | b'e' | b'E');
        if !text.bytes().all(decimal) {
            return None;
        }
        match text.parse::<i128>() {
            Ok(int) => Some(Self::from_int(int)),
            Err(_) => text.parse().ok().and_then(Self::from_f64),
        }
    }

    /// What `AS_NUMBER` of a route reads: blanks around, a sign before or behind, commas between
    /// digits, brackets for negative numbers, `Infinity`. .NET reads such texts, so properties
    /// that were written for it hold them.
    pub fn from_loose_text(text: &str) -> Option<Self> {
        let text = text.trim();
        let (text, negative) = match text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
            Some(inner) => (inner.trim(), true),
            None => (text, false),
        };
        let (digits, minus) = match (text.strip_prefix(['-', '+']), text.strip_suffix(['-', '+'])) {
            (Some(_), Some(_)) => return None,
            (Some(rest), None) => (rest, text.starts_with('-')),
            (None, Some(rest)) => (rest, text.ends_with('-')),
            (None, None) => (text, false),
        };
        let digits = digits.trim();
        let number = if digits.eq_ignore_ascii_case("Infinity") {
            Self::from_ieee(f64::INFINITY)?
        } else {
            // Commas stand between digits of the whole part only.
            let whole = digits.find(['.', 'e', 'E']).unwrap_or(digits.len());
            let (whole, rest) = digits.split_at_checked(whole)?;
            if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') || rest.contains(',') {
                return None;
            }
            let plain = whole.replace(',', "") + rest;
            match Self::from_text(&plain) {
                Some(number) => number,
                // Too large for a double, and still digits.
                None if plain
                    .bytes()
                    .all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'-' | b'+' | b'e' | b'E')) =>
                {
                    plain.parse().ok().and_then(Self::from_ieee)?
                }
                None => return None,
            }
        };
        Some(if negative != minus { number.negated() } else { number })
    }

    /// Whether it is a number that JSON can write.
    pub fn is_finite(self) -> bool {
        match self.0 {
            Repr::Int(_) => true,
            Repr::Float(float) => float.is_finite(),
        }
    }

    /// As a number of a JSON document; integers stay integers.
    pub fn to_json(self) -> Option<JsonNumber> {
        match self.0 {
            Repr::Int(int) => i64::try_from(int)
                .map(JsonNumber::from)
                .or_else(|_| u64::try_from(int).map(JsonNumber::from))
                .ok(),
            Repr::Float(float) => JsonNumber::from_f64(float),
        }
    }

    /// The integer, if it was written as one.
    pub fn as_int(self) -> Option<i128> {
        match self.0 {
            Repr::Int(int) => Some(int),
            Repr::Float(_) => None,
        }
    }

    /// The nearest double.
    pub fn as_f64(self) -> f64 {
        match self.0 {
            Repr::Int(int) => int as f64,
            Repr::Float(float) => float,
        }
    }

    /// The value as an integer, if it is one: `2.0` gives 2.
    pub fn as_whole(self) -> Option<i128> {
        match self.0 {
            Repr::Int(int) => Some(int),
            Repr::Float(float) if float.fract() == 0.0 && float.abs() < INT_EDGE => Some(float as i128),
            Repr::Float(_) => None,
        }
    }

    /// Without what stands behind the point; none if an `i128` does not hold it for sure.
    pub(crate) fn truncated(self) -> Option<i128> {
        match self.0 {
            Repr::Int(int) => Some(int),
            Repr::Float(float) => (float.abs() < INT_EDGE).then(|| float.trunc() as i128),
        }
    }

    /// With the other sign.
    pub fn negated(self) -> Self {
        match self.0 {
            Repr::Int(int) => Self::from_int(-int),
            Repr::Float(float) => Self(Repr::Float(-float)),
        }
    }
}

/// 2^65: above every integer here, and small enough that a double below it fits an `i128`.
const INT_EDGE: f64 = 36_893_488_147_419_103_232.0;

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0, other.0) {
            (Repr::Int(a), Repr::Int(b)) => a.cmp(&b),
            (Repr::Int(a), Repr::Float(b)) => compare_mixed(a, b),
            (Repr::Float(a), Repr::Int(b)) => compare_mixed(b, a).reverse(),
            // Not NaN, so there always is an order.
            (Repr::Float(a), Repr::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        }
    }
}

fn compare_mixed(int: i128, float: f64) -> Ordering {
    if float >= INT_EDGE {
        return Ordering::Less;
    }
    if float <= -INT_EDGE {
        return Ordering::Greater;
    }
    // Exact: a double below 2^65 has an integral part that i128 holds.
    let whole = float.trunc();
    int.cmp(&(whole as i128)).then_with(|| 0.0_f64.partial_cmp(&(float - whole)).unwrap_or(Ordering::Equal))
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Number {}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self(Repr::Int(value.into()))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self(Repr::Int(value.into()))
    }
}

/// As the language writes it; reading it back gives the same number and the same kind.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Repr::Int(int) => write!(f, "{int}"),
            // Any literal beyond the doubles is infinite.
            Repr::Float(float) if float.is_infinite() => {
                f.write_str(if float > 0.0 { "1e999" } else { "-1e999" })
            }
            Repr::Float(float) => write!(f, "{float:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(value: f64) -> Number {
        Number::from_f64(value).unwrap()
    }

    #[test]
    fn integers_and_doubles_compare_by_their_true_values() {
        // 2^53 + 1 rounds to 2^53 as a double; the comparison must not.
        assert!(Number::from(9_007_199_254_740_993_i64) > float(9_007_199_254_740_992.0));
        assert_eq!(Number::from(9_007_199_254_740_992_i64), float(9_007_199_254_740_992.0));
        assert!(Number::from(u64::MAX) < float(18_446_744_073_709_551_616.0));
        assert!(Number::from(u64::MAX) > Number::from(u64::MAX - 1));
        assert!(Number::from(i64::MIN) > float(-1e300));
        assert!(Number::from(-1_i64) > float(-1.5));
        assert!(Number::from(-2_i64) < float(-1.5));
        assert_eq!(Number::from(0_i64), float(-0.0));
    }

    #[test]
    fn only_decimal_texts_are_numbers() {
        for text in ["", " 1", "inf", "NaN", "0x10", "1_000", "e", "--1", "1e999"] {
            assert!(Number::from_text(text).is_none(), "{text}");
        }
        assert_eq!(Number::from_text("-12"), Some(Number::from(-12_i64)));
        assert_eq!(Number::from_text("2e3"), Some(float(2000.0)));
    }
}
