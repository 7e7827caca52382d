//! A subscriber who came once and is away: for some servers the only reason to keep a message.

use std::time::Duration;

use skerry_mqtt::client::{ClientLimits, Event};
use skerry_mqtt::packet::{Connect, Filter, Qos, Text};
use skerry_uplink::Client;
use tokio::time::timeout;

use crate::meter::Trouble;
use crate::server::Server;

/// What was kept comes at once, or was not kept.
const DELIVERY_MAX: Duration = Duration::from_secs(10);

pub(super) async fn subscribe_and_go(server: &Server) -> Result<(), Trouble> {
    let mut reader = connect(server).await?;
    reader.subscribe(vec![(Filter::new(Text::from("devices/#"))?, Qos::AtLeastOnce)])?;
    while !matches!(reader.event().await?, Event::Subscribed { .. }) {}
    reader.close().await;
    Ok(())
}

/// Comes back: a server that has nothing for the reader has not done what its row says.
pub(super) async fn check(server: &Server) -> Result<(), Trouble> {
    let mut reader = connect(server).await?;
    let event = timeout(DELIVERY_MAX, reader.event()).await;
    match event.map_err(|_| "the server kept no message for the absent reader")?? {
        Event::Message(_) => Ok(()),
        other => Err(format!("the server sends {other:?} where a kept message was expected").into()),
    }
}

async fn connect(server: &Server) -> Result<Client<()>, Trouble> {
    let connect = Connect { keep_alive_s: 600, client_id: Text::from("reader"), ..Connect::default() };
    Ok(Client::connect(&server.place(false)?, connect, ClientLimits::default()).await?)
}
