//! MQTT over real sockets, against a device service that does what the test says.

mod client;
mod commands;
mod conversation;
mod hostile;
mod room;
mod websocket;
