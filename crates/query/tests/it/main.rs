//! The tests of the query language, as one binary.

mod bounds;
mod cases;
mod fuzz;
mod properties;
mod tree;
