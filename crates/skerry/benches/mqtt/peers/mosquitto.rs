//! mosquitto, as Debian has it.

use std::fs;
use std::process::Command;

use super::Start;
use crate::ground::free_port;
use crate::meter::Trouble;
use crate::server::Server;

pub(super) fn start(start: &Start<'_>, persistent: bool) -> Result<Server, Trouble> {
    let (port, papers, folder) = (free_port()?, start.ground.papers, start.ground.folder.display());
    let mutual = if start.mutual { "require_certificate true\nuse_identity_as_username true\n" } else { "" };
    // What it does not hold back for a subscriber it drops, so that the queue has no end here.
    let settings = format!(
        "user root\nlistener {port} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\n{mutual}allow_anonymous true\n\
         set_tcp_nodelay true\nlog_type error\nmax_queued_messages 0\npersistence {persistent}\n\
         persistence_location {folder}/\n",
        papers.root().display(),
        papers.certificate().display(),
        papers.key().display(),
    );
    let file = start.ground.folder.join("mosquitto.conf");
    fs::write(&file, settings)?;
    let tree = start.ground.launch(Command::new(&start.options.mosquitto).arg("-c").arg(&file))?;
    Ok(start.server(port, tree))
}
