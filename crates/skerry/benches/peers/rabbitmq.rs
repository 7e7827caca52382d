//! RabbitMQ, as Debian has it, in a world of its own: names, ports and folders are not those of a
//! RabbitMQ that the machine may run.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Ground, free_port};
use crate::meter::Trouble;
use crate::tree::Tree;

pub(crate) struct Rabbitmq {
    pub(crate) tree: Tree,
    /// A process that it needs and that is not its work; it ends after it.
    pub(crate) beside: Tree,
}

/// With one plugin, and no door but what `doors` says.
pub(crate) fn start(
    ground: &Ground<'_>,
    program: &Path,
    plugin: &str,
    doors: &str,
) -> Result<Rabbitmq, Trouble> {
    let (names, distribution) = (free_port()?, free_port()?);
    let (papers, folder) = (ground.papers, ground.folder);
    let settings = format!(
        "listeners.tcp = none\n{doors}ssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
         ssl_options.keyfile = {}\nssl_options.verify = verify_none\nssl_options.fail_if_no_peer_cert = false\n\
         log.file.level = error\nlog.console = false\n",
        papers.root().display(),
        papers.certificate().display(),
        papers.key().display(),
    );
    fs::write(folder.join("rabbitmq.conf"), settings)?;
    fs::write(folder.join("plugins"), format!("[{plugin}].\n"))?;
    // It would start one in the background that outlives it.
    let mut daemon = Command::new("epmd");
    daemon.args(["-port", &names.to_string(), "-address", "127.0.0.1"]);
    let beside = ground.launch(&mut daemon)?;
    let mut command = Command::new(program);
    command
        .env("HOME", folder)
        .env("ERL_EPMD_PORT", names.to_string())
        .env("RABBITMQ_NODENAME", format!("bench{names}@localhost"))
        .env("RABBITMQ_DIST_PORT", distribution.to_string())
        .env("RABBITMQ_MNESIA_BASE", folder.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", folder.join("logs"))
        .env("RABBITMQ_CONFIG_FILE", folder.join("rabbitmq"))
        .env("RABBITMQ_CONF_ENV_FILE", folder.join("none"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder.join("plugins"));
    Ok(Rabbitmq { tree: ground.launch(&mut command)?, beside })
}
