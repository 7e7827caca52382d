//! AMQP over real sockets, against services that do what the test says.

mod client;
mod commands;
mod faults;
mod foreign;
mod hostile;
mod openings;
mod room;
mod service;
mod telemetry;
mod tokens;
mod twin;
mod websocket;
