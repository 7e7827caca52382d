//! The edge daemon: what makes a machine an edge device, without its containers' plans.
#![deny(unsafe_code)]

pub mod config;
