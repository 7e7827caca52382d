//! The functions of the language: names, arity, and what they give.

use std::ops::RangeInclusive;

use crate::dialect::Dialect;
use crate::limits::CONCAT_ARGUMENTS_MAX;

/// A function of the language. Names are read without regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    Abs,
    ArrayContains,
    AsNumber,
    Ceiling,
    Concat,
    Contains,
    EndsWith,
    Exp,
    Floor,
    IndexOf,
    IsArray,
    IsBool,
    IsDefined,
    IsNull,
    IsNumber,
    IsObject,
    IsPrimitive,
    IsString,
    Length,
    Lower,
    Power,
    Sign,
    Sqrt,
    Square,
    StartsWith,
    Substring,
    TwinChangeIncludes,
    Upper,
}

impl Function {
    pub const ALL: [Function; 28] = [
        Function::Abs,
        Function::ArrayContains,
        Function::AsNumber,
        Function::Ceiling,
        Function::Concat,
        Function::Contains,
        Function::EndsWith,
        Function::Exp,
        Function::Floor,
        Function::IndexOf,
        Function::IsArray,
        Function::IsBool,
        Function::IsDefined,
        Function::IsNull,
        Function::IsNumber,
        Function::IsObject,
        Function::IsPrimitive,
        Function::IsString,
        Function::Length,
        Function::Lower,
        Function::Power,
        Function::Sign,
        Function::Sqrt,
        Function::Square,
        Function::StartsWith,
        Function::Substring,
        Function::TwinChangeIncludes,
        Function::Upper,
    ];

    /// The function of that name. Device queries of Azure know `STARTSWITH`, its routes
    /// `STARTS_WITH`; both are taken everywhere.
    pub fn from_name(name: &str) -> Option<Self> {
        if name.eq_ignore_ascii_case("STARTSWITH") {
            return Some(Function::StartsWith);
        }
        Self::ALL.into_iter().find(|function| function.name().eq_ignore_ascii_case(name))
    }

    pub fn name(self) -> &'static str {
        match self {
            Function::Abs => "ABS",
            Function::ArrayContains => "ARRAY_CONTAINS",
            Function::AsNumber => "AS_NUMBER",
            Function::Ceiling => "CEILING",
            Function::Concat => "CONCAT",
            Function::Contains => "CONTAINS",
            Function::EndsWith => "ENDS_WITH",
            Function::Exp => "EXP",
            Function::Floor => "FLOOR",
            Function::IndexOf => "INDEX_OF",
            Function::IsArray => "IS_ARRAY",
            Function::IsBool => "IS_BOOL",
            Function::IsDefined => "IS_DEFINED",
            Function::IsNull => "IS_NULL",
            Function::IsNumber => "IS_NUMBER",
            Function::IsObject => "IS_OBJECT",
            Function::IsPrimitive => "IS_PRIMITIVE",
            Function::IsString => "IS_STRING",
            Function::Length => "LENGTH",
            Function::Lower => "LOWER",
            Function::Power => "POWER",
            Function::Sign => "SIGN",
            Function::Sqrt => "SQRT",
            Function::Square => "SQUARE",
            Function::StartsWith => "STARTS_WITH",
            Function::Substring => "SUBSTRING",
            Function::TwinChangeIncludes => "TWIN_CHANGE_INCLUDES",
            Function::Upper => "UPPER",
        }
    }

    /// Whether a dialect has it. Values of the edge's routes are never lists or objects.
    pub fn exists_in(self, dialect: Dialect) -> bool {
        match self {
            Function::TwinChangeIncludes => dialect.is_route(),
            Function::ArrayContains | Function::IsArray | Function::IsObject | Function::IsPrimitive => {
                dialect != Dialect::EdgeRoute
            }
            _ => true,
        }
    }

    /// How many arguments it takes.
    pub fn arity(self) -> RangeInclusive<usize> {
        match self {
            Function::ArrayContains
            | Function::Contains
            | Function::EndsWith
            | Function::IndexOf
            | Function::Power
            | Function::StartsWith => 2..=2,
            Function::Substring => 2..=3,
            Function::Concat => 2..=CONCAT_ARGUMENTS_MAX,
            _ => 1..=1,
        }
    }

    /// Whether it answers a question, and can stand where a condition is wanted.
    pub fn is_predicate(self) -> bool {
        matches!(
            self,
            Function::ArrayContains
                | Function::Contains
                | Function::EndsWith
                | Function::IsArray
                | Function::IsBool
                | Function::IsDefined
                | Function::IsNull
                | Function::IsNumber
                | Function::IsObject
                | Function::IsPrimitive
                | Function::IsString
                | Function::StartsWith
                | Function::TwinChangeIncludes
        )
    }
}
