//! The service API over HTTPS, as the Azure world calls it: devices, modules, twins, queries,
//! statistics, bulk; and the hub's own management below `/skerry/v1/`.
//!
//! A request goes: path decoded once and split, route found, caller checked, body read as JSON,
//! operation run, answer or [`Problem`] rendered. One file per noun.

mod admin;
mod authorities;
mod backup;
mod bulk;
mod commands;
mod devices;
mod edge;
mod events;
mod faults;
mod feedback;
mod files;
mod groups;
mod health;
mod inbox;
mod keys;
mod messages;
mod methods;
mod metrics;
mod modules;
mod path;
mod problem;
mod query;
mod reply;
mod request;
mod route;
mod service;
mod statistics;
mod status;
mod storage;
mod twins;

pub use backup::BackupSource;
pub use metrics::{Disk, Room, metrics};
pub(crate) use path::query_value;
pub use problem::Problem;
pub(crate) use problem::tracking_id;
pub use reply::Reply;
pub use request::Request;
pub use route::{BODY_BYTES_MAX, body_bytes_max};
pub use service::RestService;
pub use storage::Upload;
