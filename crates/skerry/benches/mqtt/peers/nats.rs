//! nats-server with its MQTT, which keeps messages of QoS 1 in JetStream.

use std::fs;
use std::process::Command;

use super::Start;
use crate::ground::free_port;
use crate::meter::Trouble;
use crate::server::Server;

pub(super) fn start(start: &Start<'_>, sync_always: bool) -> Result<Server, Trouble> {
    let (port, papers) = (free_port()?, start.ground.papers);
    let interval = if sync_always { "sync_interval: always" } else { "" };
    let settings = format!(
        "host: \"127.0.0.1\"\nport: -1\nserver_name: bench\n\
         jetstream {{\n  store_dir: \"{}\"\n  max_file_store: 16GB\n  {interval}\n}}\n\
         mqtt {{\n  host: \"127.0.0.1\"\n  port: {port}\n  tls {{\n    cert_file: \"{}\"\n    key_file: \"{}\"\n  }}\n}}\n",
        start.ground.folder.display(),
        papers.certificate().display(),
        papers.key().display(),
    );
    let file = start.ground.folder.join("nats.conf");
    fs::write(&file, settings)?;
    let tree = start.ground.launch(Command::new(&start.options.nats_server).arg("--config").arg(&file))?;
    Ok(start.server(port, tree))
}
