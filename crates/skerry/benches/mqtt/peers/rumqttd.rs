//! rumqttd, as every bench starts it.

use super::Start;
use crate::ground::{free_port, rumqttd};
use crate::meter::Trouble;
use crate::server::Server;

pub(super) fn start(start: &Start<'_>) -> Result<Server, Trouble> {
    let port = free_port()?;
    Ok(start.server(port, rumqttd::start(&start.ground, &start.options.rumqttd, port)?))
}
