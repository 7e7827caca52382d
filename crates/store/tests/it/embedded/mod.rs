//! What only a store with a file can get wrong.

mod bounds;
mod differential;
mod files;
mod indexes;
