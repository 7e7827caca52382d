//! RabbitMQ with its MQTT plugin, as Debian has it, in a world of its own: names, ports and folders
//! are not those of a RabbitMQ that the machine may run.

use std::fs;
use std::process::Command;

use super::{Start, free_port};
use crate::meter::Trouble;
use crate::server::Server;

pub(super) fn start(start: &Start<'_>) -> Result<Server, Trouble> {
    let (port, names, distribution) = (free_port()?, free_port()?, free_port()?);
    let (papers, folder) = (start.papers, start.folder);
    let settings = format!(
        "listeners.tcp = none\nmqtt.listeners.tcp = none\nmqtt.listeners.ssl.1 = 127.0.0.1:{port}\n\
         mqtt.allow_anonymous = true\nssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
         ssl_options.keyfile = {}\nssl_options.verify = verify_none\nssl_options.fail_if_no_peer_cert = false\n\
         log.file.level = error\nlog.console = false\n",
        papers.root().display(),
        papers.certificate().display(),
        papers.key().display(),
    );
    fs::write(folder.join("rabbitmq.conf"), settings)?;
    fs::write(folder.join("plugins"), "[rabbitmq_mqtt].\n")?;
    // It would start one in the background that outlives it.
    let mut daemon = Command::new("epmd");
    daemon.args(["-port", &names.to_string(), "-address", "127.0.0.1"]);
    let beside = start.launch(&mut daemon)?;
    let mut command = Command::new(&start.options.rabbitmq);
    command
        .env("HOME", folder)
        .env("ERL_EPMD_PORT", names.to_string())
        .env("RABBITMQ_NODENAME", format!("bench{port}@localhost"))
        .env("RABBITMQ_DIST_PORT", distribution.to_string())
        .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", folder.join("logs"))
        .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"))
        .env("RABBITMQ_CONF_ENV_FILE", folder.join("none"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"));
    let tree = start.launch(&mut command)?;
    Ok(Server { _beside: Some(beside), ..start.server(port, tree) })
}
