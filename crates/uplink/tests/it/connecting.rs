//! Into a server, and why not.

use std::time::Duration;

use skerry_model::Timestamp;
use skerry_mqtt::client::{ClientLimits, Ended};
use skerry_mqtt::packet::{Connack, Connect, ConnectCode, Packet};
use skerry_mqtt::topic::UserName;
use skerry_tokens::{CLOCK_SKEW, Claim, KeyPair, KeyUse, ModuleRule, SasToken, SharedKey, covers};
use skerry_uplink::{Client, Error, Identity, Place, Proof, TlsError, TlsOptions};
use tokio::time::timeout;

use crate::peer::{Listener, PATIENCE, Papers, connect};

async fn try_to_connect(place: &Place, connect: Connect) -> Result<Client<()>, Error> {
    let work = Client::connect(place, connect, ClientLimits::default());
    timeout(PATIENCE, work).await.expect("it hangs")
}

#[tokio::test]
async fn a_device_presents_its_id_and_a_token_of_its_key() {
    let listener = Listener::open().await;
    let key = SharedKey::from_bytes(&[7; 32]).unwrap();
    let device = Identity {
        host: "hub1.skerry.test".to_owned(),
        device: "d-1".parse().unwrap(),
        module: Some("m1".parse().unwrap()),
        proof: Proof::Key(key.clone()),
    };
    let now = Timestamp::from_unix_seconds(1_700_000_000);
    let ask = device.connect(now, Duration::from_secs(3600), 60);
    let place = listener.place();
    let (served, client) = tokio::join!(listener.welcome(true), try_to_connect(&place, ask));
    assert!(client.unwrap().session_present());
    let (_, ask) = served;
    assert_eq!((ask.client_id.as_str(), ask.keep_alive_s, ask.clean_session), ("d-1/m1", 60, false));
    let name = UserName::parse(&ask.user_name.unwrap()).unwrap();
    assert_eq!((name.host.as_str(), name.device.as_str()), ("hub1.skerry.test", "d-1"));
    assert!(name.agrees_with("d-1/m1") && name.api_version.is_some());
    let token = SasToken::parse(std::str::from_utf8(&ask.password.unwrap()).unwrap()).unwrap();
    let claim = Claim::Module("d-1", "m1");
    assert_eq!(covers(token.resource(), &["hub1.skerry.test"], claim, ModuleRule::OwnTokenOnly), Ok(()));
    let keys = KeyPair { primary: &key, secondary: &key };
    assert!(token.verify(keys, KeyUse::Hub, now, CLOCK_SKEW).is_ok());
    assert_eq!(token.expiry(), now.plus(Duration::from_secs(3600)));
}

#[tokio::test]
async fn a_certificate_stands_for_a_token() {
    let listener = Listener::open().await;
    let device = Identity {
        host: "hub1.skerry.test".to_owned(),
        device: "d1".parse().unwrap(),
        module: None,
        proof: Proof::Certificate,
    };
    let ask = device.connect(Timestamp::from_unix_seconds(0), Duration::ZERO, 0);
    let place = listener.place_with_certificate();
    let (served, client) = tokio::join!(listener.welcome(false), try_to_connect(&place, ask));
    assert!(!client.unwrap().session_present());
    let (peer, ask) = served;
    assert_eq!(ask.password, None);
    assert_eq!(peer.stream.get_ref().1.peer_certificates().map(<[_]>::len), Some(1));
}

#[tokio::test]
async fn a_server_of_another_root_is_not_trusted() {
    let (listener, others) = (Listener::open().await, Papers::issue());
    let place = listener.place_as(&others, None);
    let (_, client) = tokio::join!(listener.accept_in_vain(), try_to_connect(&place, connect(0)));
    let error = client.unwrap_err();
    assert!(matches!(error, Error::Untrusted { .. }) && !error.is_passing(), "{error}");
}

#[test]
fn trust_anchors_without_a_certificate_are_refused() {
    let build = |roots: &[u8]| TlsOptions { roots, certificate: None, resumption: true }.build();
    assert!(matches!(build(b""), Err(TlsError::NoRoots)));
    assert!(matches!(build(b"-----BEGIN CERTIFICATE-----\n%\n"), Err(TlsError::Roots(_))));
}

#[tokio::test]
async fn a_refusal_is_told_with_its_code() {
    let listener = Listener::open().await;
    for (code, is_passing) in [(ConnectCode::Unauthorised, false), (ConnectCode::Unavailable, true)] {
        let refuse = async {
            let mut peer = listener.accept().await;
            peer.hear().await;
            peer.say(&[Packet::Connack(Connack::refused(code))]).await;
            peer
        };
        let place = listener.place();
        let (_peer, client) = tokio::join!(refuse, try_to_connect(&place, connect(0)));
        let error = client.unwrap_err();
        assert!(matches!(error, Error::Ended(Ended::Refused(found)) if found == code), "{error}");
        assert_eq!(error.is_passing(), is_passing);
    }
}

#[tokio::test]
async fn nobody_there_is_unreachable() {
    let listener = Listener::open().await;
    let place = listener.place();
    drop(listener);
    let error = try_to_connect(&place, connect(0)).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }) && error.is_passing(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_left() {
    let listener = Listener::open().await;
    let place = Place { connect_timeout: Duration::from_secs(10), ..listener.place() };
    // Accepted by the system, and answered by nobody.
    let error = Client::<()>::connect(&place, connect(0), ClientLimits::default()).await.unwrap_err();
    assert!(matches!(error, Error::Late { after, .. } if after == Duration::from_secs(10)), "{error}");
}

#[tokio::test]
async fn a_client_says_goodbye() {
    let listener = Listener::open().await;
    let place = listener.place();
    let (served, client) = tokio::join!(listener.welcome(false), try_to_connect(&place, connect(0)));
    let (mut peer, _) = served;
    let hear = async { (peer.hear_or_end().await, peer.hear_or_end().await) };
    let (heard, ()) = tokio::join!(hear, client.unwrap().close());
    assert_eq!(heard, (Some(Packet::Disconnect), None));
}
