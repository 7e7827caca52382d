//! The kinds of a route's expressions, found before any message is there.
//!
//! A property of a message is a string, `LENGTH(x)` a number, a part of the body anything. What
//! can never have an answer is refused where it stands, and not left to be undefined for every
//! message: `level > 5`, `AS_NUMBER(true)`, `NOT name`.

use crate::dialect::Dialect;
use crate::error::{Error, quote};
use crate::syntax::{Arithmetic, Comparison, Expr, Function, Literal, Path, Root};

use super::check_arity;

/// What is known of a value in advance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A part of a body or a twin.
    Any,
    Bool,
    Number,
    String,
    Null,
    Undefined,
}

impl Kind {
    /// Whether a value of this kind can be where `wanted` is.
    fn fits(self, wanted: Kind) -> bool {
        self == wanted
            || (self == Kind::Any && wanted != Kind::Undefined)
            || (wanted == Kind::Any && self != Kind::Undefined)
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Any => "a value",
            Kind::Bool => "a boolean",
            Kind::Number => "a number",
            Kind::String => "a string",
            Kind::Null => "null",
            Kind::Undefined => "undefined",
        }
    }
}

/// Checks the condition of a route. Chains with the word `null` become what they are: `null`
/// beside `AND` gives `null`, and so does `OR` with nothing else.
pub(crate) fn check_route(expr: &mut Expr, dialect: Dialect) -> Result<(), Error> {
    // Whatever a condition gives that is no boolean is undefined.
    Check { dialect }.kind(expr).map(|_| ())
}

struct Check {
    dialect: Dialect,
}

impl Check {
    fn kind(&self, expr: &mut Expr) -> Result<Kind, Error> {
        match expr {
            Expr::Literal { value, .. } => Ok(kind_of(value)),
            Expr::Path(path) => Ok(if path.is_dynamic() { Kind::Any } else { Kind::String }),
            Expr::Call { function, arguments, span } => {
                check_arity(*function, arguments.len(), *span)?;
                self.call(*function, arguments)
            }
            Expr::Negate { operand, .. } => match self.kind(operand)? {
                // -undefined is undefined, and was never refused.
                kind @ (Kind::Number | Kind::Any | Kind::Undefined) => Ok(kind),
                kind => Err(no_number(operand, kind, "a number behind the sign")),
            },
            Expr::Not { operand, .. } => {
                let kind = self.kind(operand)?;
                if kind == Kind::String && operand.as_path().is_some() {
                    return Err(unfit(operand, kind, "a condition behind NOT")
                        .hint("NOT binds like a sign, write NOT (name = 'x')"));
                }
                self.want_condition(operand, kind, "a condition behind NOT")?;
                Ok(if kind == Kind::Any { Kind::Any } else { Kind::Bool })
            }
            Expr::And(_) | Expr::Or(_) => self.chain(expr),
            Expr::Arithmetic { op, left, right } => {
                let kinds = [self.kind(left)?, self.kind(right)?];
                for (side, kind) in [&**left, &**right].into_iter().zip(kinds) {
                    if !kind.fits(Kind::Number) {
                        let error = no_number(side, kind, &format!("a number beside {op}"));
                        let join = *op == Arithmetic::Add && kinds == [Kind::String; 2];
                        return Err(if join { error.hint("Strings are joined with ||") } else { error });
                    }
                }
                Ok(if kinds.contains(&Kind::Any) { Kind::Any } else { Kind::Number })
            }
            Expr::Compare { op, left, right } => {
                let equality = matches!(op, Comparison::Equal | Comparison::NotEqual);
                self.same(left, right, equality)?;
                Ok(Kind::Bool)
            }
            Expr::Coalesce { left, right } => {
                let (first, second) = self.same(left, right, false)?;
                Ok(if first == Kind::Any { first } else { second })
            }
            Expr::In { operand, .. } => self.kind(operand).map(|_| Kind::Bool),
        }
    }

    /// Two sides of one kind, as far as that is known. Equality with the word `undefined` is a
    /// question of its own in the hub's routes.
    fn same(&self, left: &mut Expr, right: &mut Expr, equality: bool) -> Result<(Kind, Kind), Error> {
        let (first, second) = (self.kind(left)?, self.kind(right)?);
        let asks = |side: &Expr| side.as_literal() == Some(&Literal::Undefined);
        let asked = equality && self.dialect == Dialect::HubRoute && (asks(left) || asks(right));
        if second.fits(first) || asked {
            return Ok((first, second));
        }
        let error = unfit(right, second, &format!("{} as on the left side", first.name()));
        Err(match (first, second) {
            (Kind::Undefined, _) | (_, Kind::Undefined) => {
                error.hint("IS_DEFINED(x) asks whether a value is there")
            }
            (Kind::String, Kind::Number) => string_hint(error, left),
            (Kind::Number, Kind::String) => string_hint(error, right),
            (Kind::String, Kind::Bool) | (Kind::Bool, Kind::String) => {
                error.hint("Properties are strings, compare them with 'true' or 'false'")
            }
            (Kind::Null, _) | (_, Kind::Null) => error.hint("IS_NULL(x) asks for a value that is null"),
            (Kind::Bool, _) => error.hint("Comparisons do not chain, write a < b AND b < c"),
            _ => error,
        })
    }

    fn chain(&self, expr: &mut Expr) -> Result<Kind, Error> {
        let span = expr.span();
        let (terms, word) = match expr {
            Expr::And(terms) => (terms, "AND"),
            Expr::Or(terms) => (terms, "OR"),
            _ => return Ok(Kind::Bool),
        };
        let mut nulls = 0;
        for term in terms.iter_mut() {
            let kind = self.kind(term)?;
            if kind != Kind::Undefined {
                self.want_condition(term, kind, &format!("a condition beside {word}"))?;
            }
            nulls += usize::from(kind == Kind::Null);
        }
        if nulls == terms.len() || (nulls > 0 && word == "AND") {
            *expr = Expr::Literal { value: Literal::Null, span };
            return Ok(Kind::Null);
        }
        Ok(Kind::Bool)
    }

    fn want_condition(&self, expr: &Expr, kind: Kind, wanted: &str) -> Result<(), Error> {
        match kind {
            Kind::Any | Kind::Bool | Kind::Null => Ok(()),
            // In the hub's routes undefined is what it is everywhere.
            Kind::Undefined if self.dialect == Dialect::HubRoute => Ok(()),
            Kind::String if expr.as_path().is_some() => {
                Err(unfit(expr, kind, wanted).hint("Compare it with something, name = 'true'"))
            }
            _ => Err(unfit(expr, kind, wanted)),
        }
    }

    fn call(&self, function: Function, arguments: &mut [Expr]) -> Result<Kind, Error> {
        let (wanted, gives) = signature(function);
        for (at, argument) in arguments.iter_mut().enumerate() {
            let kind = self.kind(argument)?;
            let Some(wanted) = wanted.get(at).or(wanted.last()).copied() else { continue };
            // A number is a number already.
            let numeric = function == Function::AsNumber && kind == Kind::Number;
            if !kind.fits(wanted) && !numeric {
                let place = format!("{} as argument {} of {}", wanted.name(), at + 1, function.name());
                return Err(match wanted {
                    Kind::Number => no_number(argument, kind, &place),
                    _ => unfit(argument, kind, &place),
                });
            }
        }
        Ok(gives)
    }
}

fn kind_of(literal: &Literal) -> Kind {
    match literal {
        Literal::Undefined => Kind::Undefined,
        Literal::Null => Kind::Null,
        Literal::Bool(_) => Kind::Bool,
        Literal::Number(_) => Kind::Number,
        Literal::String(_) => Kind::String,
    }
}

/// What a function takes, the last of it again and again, and what it gives. Nothing is anything.
fn signature(function: Function) -> (&'static [Kind], Kind) {
    use Kind::{Any, Bool, Number, String};
    match function {
        Function::Abs
        | Function::Ceiling
        | Function::Exp
        | Function::Floor
        | Function::Power
        | Function::Sign
        | Function::Sqrt
        | Function::Square => (&[Number], Number),
        Function::AsNumber | Function::Length => (&[String], Number),
        Function::IndexOf => (&[String, String], Number),
        Function::Concat | Function::Lower | Function::Upper => (&[String], String),
        Function::Substring => (&[String, Number, Number], String),
        Function::Contains | Function::EndsWith | Function::StartsWith => (&[String], Bool),
        Function::ArrayContains => (&[Any, Any], Bool),
        Function::IsArray
        | Function::IsBool
        | Function::IsDefined
        | Function::IsNull
        | Function::IsNumber
        | Function::IsObject
        | Function::IsPrimitive
        | Function::IsString
        | Function::TwinChangeIncludes => (&[], Bool),
    }
}

/// The error for a value that cannot be where it stands.
fn unfit(expr: &Expr, kind: Kind, wanted: &str) -> Error {
    let found = match expr {
        Expr::Path(path) => format!("the property {}, a string", quote(&path.to_string())),
        Expr::Literal { value: Literal::String(text), .. } => format!("the string {}", quote(text)),
        Expr::Literal { value: Literal::Number(number), .. } => format!("the number {number}"),
        _ => kind.name().to_owned(),
    };
    Error::new(expr.span(), wanted, found)
}

/// The error for a value where a number is wanted.
fn no_number(expr: &Expr, kind: Kind, wanted: &str) -> Error {
    let error = unfit(expr, kind, wanted);
    if kind == Kind::String { string_hint(error, expr) } else { error }
}

/// What to do with a string where a number was meant.
fn string_hint(error: Error, string: &Expr) -> Error {
    match string {
        Expr::Path(path) if is_property(path) && looks_calculated(path) => {
            error.hint("With blanks around them + - * and % are operators, without they belong to the name")
        }
        Expr::Path(path) if is_property(path) => {
            error.hint(format!("Properties are strings, AS_NUMBER({}) is the number in it", short(path)))
        }
        Expr::Literal { .. } => error.hint("A number stands without quotes"),
        _ => error.hint("AS_NUMBER(x) makes a number of a string"),
    }
}

/// The name as it may stand in a message: nothing that breaks clients, and not long.
fn short(path: &Path) -> String {
    quote(&path.to_string()).trim_matches('"').to_owned()
}

fn is_property(path: &Path) -> bool {
    matches!(path.root, Root::Application | Root::System)
}

/// Whether a name reads like a calculation: `3+4`, `a*b`.
fn looks_calculated(path: &Path) -> bool {
    let text = path.to_string();
    text.contains(['+', '*', '%']) || (text.contains('-') && text.starts_with(|c: char| c.is_ascii_digit()))
}
