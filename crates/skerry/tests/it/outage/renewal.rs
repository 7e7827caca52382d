//! The edge hub's certificate is renewed while its clients are connected: they notice nothing, and who comes next
//! sees another one. Clocks are set meanwhile, forwards and back.

use std::time::Duration;

use skerry_edge_agent::link::Upstream;
use skerry_front::Certificate;
use skerry_uplink::Place;
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

use super::edge::Edge;
use super::in_a_world;
use super::received;
use super::relay::Relay;
use super::sender::Senders;
use crate::preload::Clocks;

/// Of the 30 that a certificate is good for.
const AHEAD_DAYS: i64 = 25;
/// More than there is between two looks at the clock.
const LOOK_SECONDS: i64 = 31;
const TRIES: usize = 300;

#[test]
fn a_renewed_certificate_reaches_newcomers_and_drops_nobody() {
    if std::env::var_os("WORLD").is_some() {
        tokio::runtime::Runtime::new().unwrap().block_on(it_is_renewed());
    } else {
        in_a_world("outage::renewal::a_renewed_certificate_reaches_newcomers_and_drops_nobody", 240);
    }
}

async fn it_is_renewed() {
    let _relay = Relay::start(Upstream::Mqtt).await;
    let mut edge = Edge::new(Upstream::Mqtt);
    let clocks = Clocks::new(&edge.path("."));
    edge.set_variables(&clocks.variables());
    edge.start().await;
    let newcomer = [edge.identities.pop().unwrap()];
    let early = Senders::start(&edge.place(Duration::ZERO), &edge.identities, 100);
    more(&early).await;
    let first = shown(&edge.place(Duration::ZERO)).await.unwrap();

    clocks.set_ahead(AHEAD_DAYS * 86_400);
    clocks.pass(LOOK_SECONDS);
    let ahead = Duration::from_secs(AHEAD_DAYS.unsigned_abs() * 86_400);
    let second = another(&edge.place(ahead), &first).await;
    assert!(second[0].not_after > first[0].not_after, "{} {}", second[0].not_after, first[0].not_after);
    more(&early).await;
    let late = Senders::start(&edge.place(ahead), &newcomer, 100);
    more(&late).await;

    // What was made then is not good yet.
    clocks.set_ahead(0);
    clocks.pass(2 * LOOK_SECONDS);
    let third = another(&edge.place(Duration::ZERO), &second).await;
    assert!(third[0].not_after < second[0].not_after, "{} {}", third[0].not_after, second[0].not_after);
    for chain in [second, third] {
        assert_eq!(der(&chain[1..]), der(&first[1..]), "it is the same Edge CA's");
    }
    for senders in [&early, &late] {
        more(senders).await;
        assert_eq!(senders.ended(), 0, "somebody was dropped:\n{}", edge.log());
    }

    let mut sent = early.stop().await;
    sent.extend(late.stop().await);
    let again = received::all(&sent).await;
    println!("{sent:?} were sent, {again} of them came again");
    edge.stop();
}

/// Waits until more is acknowledged.
async fn more(senders: &Senders) {
    let enough = senders.acknowledged() + 100;
    for _ in 0..TRIES {
        if senders.acknowledged() >= enough {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("nothing more is acknowledged, {} connections ended", senders.ended());
}

/// The chain that somebody gets who comes now, and trusts the edge.
async fn shown(place: &Place) -> Result<Vec<Certificate>, std::io::Error> {
    let (name, config) = place.tls.clone().unwrap();
    let stream = TlsConnector::from(config).connect(name, TcpStream::connect(place.address).await?).await?;
    let chain = stream.get_ref().1.peer_certificates().unwrap();
    Ok(chain.iter().map(|certificate| Certificate::parse(certificate).unwrap()).collect())
}

/// Waits until it is another one, which who comes takes.
async fn another(place: &Place, known: &[Certificate]) -> Vec<Certificate> {
    let mut last = String::new();
    for _ in 0..TRIES {
        match shown(place).await {
            Ok(chain) if chain[0].der != known[0].der => return chain,
            Ok(_) => last = "it is the same one".to_owned(),
            Err(error) => last = error.to_string(),
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("there is no other certificate: {last}");
}

fn der(chain: &[Certificate]) -> Vec<&[u8]> {
    chain.iter().map(|certificate| certificate.der.as_slice()).collect()
}
