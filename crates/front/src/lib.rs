#![forbid(unsafe_code)]
pub mod tls;
