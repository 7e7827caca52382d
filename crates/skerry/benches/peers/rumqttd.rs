//! rumqttd, from crates.io: a broker in Rust that keeps its messages in memory.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Ground;
use crate::meter::Trouble;
use crate::tree::Tree;

pub(crate) fn start(ground: &Ground<'_>, program: &Path, port: u16) -> Result<Tree, Trouble> {
    let papers = ground.papers;
    let settings = format!(
        "id = 0\n\n[router]\nid = 0\nmax_connections = 20000\nmax_outgoing_packet_count = 200\n\
         max_segment_size = 104857600\nmax_segment_count = 10\n\n[v4.1]\nname = \"v4-1\"\n\
         listen = \"127.0.0.1:{port}\"\nnext_connection_delay_ms = 0\n\n[v4.1.tls]\ncertpath = \"{}\"\n\
         keypath = \"{}\"\n\n[v4.1.connections]\nconnection_timeout_ms = 60000\nmax_payload_size = 262144\n\
         max_inflight_count = 200\ndynamic_filters = true\n",
        papers.certificate().display(),
        papers.key().display(),
    );
    let file = ground.folder.join("rumqttd.toml");
    fs::write(&file, settings)?;
    ground.launch(Command::new(program).arg("--config").arg(&file))
}
