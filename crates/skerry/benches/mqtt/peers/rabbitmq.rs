//! RabbitMQ with its MQTT plugin.

use super::Start;
use crate::ground::free_port;
use crate::ground::rabbitmq::{self, Rabbitmq};
use crate::meter::Trouble;
use crate::server::Server;

pub(super) fn start(start: &Start<'_>) -> Result<Server, Trouble> {
    let port = free_port()?;
    let doors = format!(
        "mqtt.listeners.tcp = none\nmqtt.listeners.ssl.1 = 127.0.0.1:{port}\nmqtt.allow_anonymous = true\n"
    );
    let Rabbitmq { tree, beside } =
        rabbitmq::start(&start.ground, &start.options.rabbitmq, "rabbitmq_mqtt", &doors)?;
    Ok(Server { _beside: Some(beside), ..start.server(port, tree) })
}
