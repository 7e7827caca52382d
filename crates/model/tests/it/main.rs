//! Tests of the model as its users see it.

mod packed_properties;
mod twin_cases;
