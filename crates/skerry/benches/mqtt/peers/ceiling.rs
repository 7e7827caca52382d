//! The counting server: this very program once more.

use super::Start;
use crate::counting::ADDRESS_FILE;
use crate::meter::Trouble;
use crate::server::Server;

pub(super) async fn start(start: &Start<'_>) -> Result<Server, Trouble> {
    let (port, tree) = start.ground.launch_again("--count-only", ADDRESS_FILE).await?;
    Ok(start.server(port, tree))
}
