//! The hub, at its MQTT door.

use super::Start;
use crate::ground::hub::{self, Wanted};
use crate::meter::Trouble;
use crate::server::Server;

pub(super) async fn start(start: &Start<'_>) -> Result<Server, Trouble> {
    let wanted = Wanted { devices: start.devices, mutual: start.mutual, settings: "" };
    let (hub, tree) = hub::start(&start.ground, &wanted).await?;
    let port = hub.door("mqtt")?.port();
    Ok(Server { hub: Some(hub), ..start.server(port, tree) })
}
