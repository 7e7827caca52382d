use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio_rustls::TlsConnector;

use super::*;

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(30);
const NAME: &str = "hub1.iot.test";

struct Papers {
    server: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
}

fn papers() -> Papers {
    let own = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
    let certificate = own.cert.der().clone();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    // Through a narrow pipe nothing goes that the client does not wait for.
    server.send_tls13_tickets = 0;
    Papers { server: Arc::new(server), certificate }
}

impl Papers {
    fn client(&self, version: &'static SupportedProtocolVersion) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
        TlsConnector::from(Arc::new(client.with_root_certificates(roots).with_no_client_auth()))
    }

    fn accept(&self, stream: DuplexStream) -> tokio::task::JoinHandle<io::Result<TlsStream<DuplexStream>>> {
        tokio::spawn(TlsStream::accept(Arc::clone(&self.server), stream))
    }

    /// Both ends of a connection through a pipe of so many bytes.
    async fn connected(
        &self,
        version: &'static SupportedProtocolVersion,
        pipe_bytes: usize,
    ) -> (TlsStream<DuplexStream>, tokio_rustls::client::TlsStream<DuplexStream>) {
        let (near, far) = duplex(pipe_bytes);
        let accepting = self.accept(near);
        let client = self.client(version).connect(ServerName::try_from(NAME).unwrap(), far).await.unwrap();
        (accepting.await.unwrap().unwrap(), client)
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("this should have happened by now")
}

/// Bytes that show whether any is missing or out of place.
fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[tokio::test]
async fn bytes_arrive_as_they_were_in_both_directions_through_pipes_of_any_width() {
    let papers = papers();
    for version in [&version::TLS12, &version::TLS13] {
        // Less than a record's head, less than a record, more than is read at once.
        for pipe_bytes in [3, 1000, 200_000] {
            let (server, client) = within(papers.connected(version, pipe_bytes)).await;
            let sent = sample(if pipe_bytes == 3 { 20_000 } else { 300_000 });
            let (mut from_server, mut to_client) = tokio::io::split(server);
            let (mut from_client, mut to_server) = tokio::io::split(client);
            let (mut up, mut down) = (vec![0; sent.len()], vec![0; sent.len()]);
            let done = within(async {
                tokio::join!(
                    async { to_client.write_all(&sent).await.and(to_client.flush().await) },
                    async { to_server.write_all(&sent).await.and(to_server.flush().await) },
                    from_server.read_exact(&mut up),
                    from_client.read_exact(&mut down),
                )
            });
            let (written, sent_up, read_up, read_down) = done.await;
            written.and(sent_up).and(read_up.map(drop)).and(read_down.map(drop)).unwrap();
            assert!(up == sent && down == sent, "{version:?} through {pipe_bytes}");
        }
    }
}

#[tokio::test]
async fn nothing_is_held_while_nothing_is_under_way() {
    let (mut server, mut client) = within(papers().connected(&version::TLS13, 100_000)).await;
    client.write_all(&sample(30_000)).await.unwrap();
    client.flush().await.unwrap();
    let mut some = [0; 1000];
    within(server.read_exact(&mut some)).await.unwrap();
    assert!(server.plain.len() <= 16 << 10 && server.incoming.len() <= 16 << 10, "a record each at most");
    for _ in 1..30 {
        within(server.read_exact(&mut some)).await.unwrap();
    }
    within(server.write_all(&some)).await.unwrap();
    within(server.flush()).await.unwrap();
    assert_eq!((server.incoming.capacity(), server.plain.capacity(), server.outgoing.capacity()), (0, 0, 0));
}

#[tokio::test]
async fn who_does_not_read_stops_the_writer() {
    let (mut server, _client) = within(papers().connected(&version::TLS13, 4096)).await;
    let bytes = sample(1 << 20);
    let mut taken = 0;
    poll_fn(|context| {
        while let Poll::Ready(len) = Pin::new(&mut server).poll_write(context, &bytes) {
            taken += len.unwrap();
        }
        Poll::Ready(())
    })
    .await;
    assert_eq!(taken, WRITE_BYTES_MAX, "one write waits, and nothing more");
    assert!(server.outgoing.len() <= WRITE_BYTES_MAX + OVERHEAD);
}

#[tokio::test]
async fn a_goodbye_ends_the_stream_and_an_end_without_one_is_a_fault() {
    let papers = papers();
    for version in [&version::TLS12, &version::TLS13] {
        let (mut server, mut client) = within(papers.connected(version, 1000)).await;
        client.write_all(b"last words").await.unwrap();
        within(client.shutdown()).await.unwrap();
        let mut heard = Vec::new();
        within(server.read_to_end(&mut heard)).await.unwrap();
        assert_eq!(heard, b"last words");
        within(server.write_all(b"good night")).await.unwrap();
        within(server.shutdown()).await.unwrap();
        let mut heard = Vec::new();
        within(client.read_to_end(&mut heard)).await.unwrap();
        assert_eq!(heard, b"good night");
        assert!(within(server.write_all(b"more")).await.is_err());

        let (mut server, client) = within(papers.connected(version, 1000)).await;
        drop(client);
        let cut = within(server.read_u8()).await.unwrap_err();
        assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[tokio::test]
async fn what_is_no_tls_is_told_so_and_not_asked_again() {
    let papers = papers();
    let (near, mut far) = duplex(1000);
    let accepting = papers.accept(near);
    far.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let refused = within(accepting).await.unwrap().map(drop).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    let mut alert = Vec::new();
    within(far.read_to_end(&mut alert)).await.unwrap();
    // A fatal alert: its content cannot be decoded.
    assert_eq!((alert[0], &alert[5..]), (21, &[2, 50][..]));

    let (mut server, mut client) = within(papers.connected(&version::TLS13, 1000)).await;
    client
        .get_mut()
        .0
        .write_all(&[
            0x17, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20,
        ])
        .await
        .unwrap();
    assert_eq!(within(server.read_u8()).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert!(within(server.read_u8()).await.is_err());
    assert!(within(server.write_all(b"x")).await.is_err());
    assert!(within(client.read_u8()).await.unwrap_err().to_string().contains("BadRecordMac"));
}

#[tokio::test]
async fn a_client_that_goes_in_the_middle_of_its_handshake_is_no_connection() {
    let papers = papers();
    let (near, mut far) = duplex(1000);
    let accepting = papers.accept(near);
    far.write_all(b"\x16\x03\x01\x02\x00\x01\x00").await.unwrap();
    drop(far);
    assert_eq!(within(accepting).await.unwrap().map(drop).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn however_a_hello_is_damaged_or_cut_it_is_answered_or_refused() {
    let papers = papers();
    let client = papers.client(&version::TLS13);
    let mut client =
        rustls::ClientConnection::new(Arc::clone(client.config()), NAME.try_into().unwrap()).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    for at in 0..hello.len() {
        let (near, mut far) = duplex(100_000);
        let accepting = papers.accept(near);
        let mut damaged = hello.clone();
        damaged[at] ^= 1 << (at % 8);
        // What comes behind it may be anything.
        damaged.truncate(hello.len() - at % 3);
        damaged.extend_from_slice(&hello[..at % 50]);
        far.write_all(&damaged).await.unwrap();
        far.shutdown().await.unwrap();
        assert!(within(accepting).await.unwrap().is_err(), "{at}");
    }
}
