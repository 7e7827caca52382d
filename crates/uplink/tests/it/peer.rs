//! The other side of a client: certificates of its own, and packets said and expected one by one.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use skerry_mqtt::packet::{
    Ack, Connack, Connect, ConnectCode, Packet, Packets, Publish, Sender, Text, whole,
};
use skerry_uplink::{ClientCertificate, Place, TlsOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Longer than any machine needs; what takes longer hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
const PACKET_BYTES_MAX: usize = 1 << 20;

/// A root, with one certificate below it for the server and one for a client.
pub(crate) struct Papers {
    root: String,
    server: (String, String),
    client: (String, String),
}

impl Papers {
    pub(crate) fn issue() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let leaf = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let certificate =
                CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &root).unwrap();
            (certificate.pem(), key.serialize_pem())
        };
        Self { root: root.pem(), server: leaf("hub1.skerry.test"), client: leaf("d1") }
    }

    pub(crate) fn client_certificate(&self) -> ClientCertificate<'_> {
        ClientCertificate { chain: self.client.0.as_bytes(), key: self.client.1.as_bytes() }
    }

    fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.root.as_bytes()).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()
            .unwrap();
        let chain = vec![CertificateDer::from_pem_slice(self.server.0.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(self.server.1.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A server that does nothing by itself.
pub(crate) struct Listener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    papers: Papers,
}

impl Listener {
    pub(crate) async fn open() -> Self {
        let papers = Papers::issue();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        Self { listener, acceptor: papers.acceptor(), papers }
    }

    pub(crate) fn place(&self) -> Place {
        self.place_as(&self.papers, None)
    }

    pub(crate) fn place_with_certificate(&self) -> Place {
        self.place_as(&self.papers, Some(self.papers.client_certificate()))
    }

    /// As somebody sees it who trusts the root of other papers.
    pub(crate) fn place_as(&self, trusted: &Papers, certificate: Option<ClientCertificate<'_>>) -> Place {
        let options = TlsOptions { roots: trusted.root.as_bytes(), certificate, resumption: true };
        let name = ServerName::try_from("hub1.skerry.test").unwrap();
        Place {
            address: self.listener.local_addr().unwrap(),
            tls: Some((name, options.build().unwrap())),
            websocket: None,
            relay: None,
            connect_timeout: PATIENCE,
        }
    }

    async fn accept_tcp(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    /// For clients that break the handshake off.
    pub(crate) async fn accept_in_vain(&self) -> std::io::Error {
        self.acceptor.accept(self.accept_tcp().await).await.map(drop).unwrap_err()
    }

    pub(crate) async fn accept(&self) -> Peer {
        let stream = self.acceptor.accept(self.accept_tcp().await).await.unwrap();
        Peer { stream, input: BytesMut::new(), packets: Vec::new().into_iter() }
    }

    /// Accepts and lets in whoever comes.
    pub(crate) async fn welcome(&self, session_present: bool) -> (Peer, Connect) {
        let mut peer = self.accept().await;
        let Packet::Connect(connect) = peer.hear().await else { panic!("the first packet") };
        peer.say(&[Packet::Connack(Connack { session_present, code: ConnectCode::Accepted })]).await;
        (peer, *connect)
    }
}

/// One accepted connection.
pub(crate) struct Peer {
    pub(crate) stream: TlsStream<TcpStream>,
    input: BytesMut,
    packets: std::vec::IntoIter<Packet>,
}

impl Peer {
    pub(crate) async fn say(&mut self, packets: &[Packet]) {
        let mut out = Vec::new();
        packets.iter().for_each(|packet| packet.encode(&mut out));
        self.stream.write_all(&out).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next packet.
    pub(crate) async fn hear(&mut self) -> Packet {
        self.hear_or_end().await.expect("the client has gone")
    }

    /// The next packet, or that the client has closed.
    pub(crate) async fn hear_or_end(&mut self) -> Option<Packet> {
        loop {
            if let Some(packet) = self.packets.next() {
                return Some(packet);
            }
            let found = whole(&self.input, PACKET_BYTES_MAX).unwrap();
            let block = self.input.split_to(found.bytes).freeze();
            let packets: Vec<Packet> = Packets::new(block, Sender::Client).map(Result::unwrap).collect();
            self.packets = packets.into_iter();
            if self.packets.len() == 0 && self.stream.read_buf(&mut self.input).await.unwrap() == 0 {
                return None;
            }
        }
    }

    pub(crate) async fn hear_publish(&mut self) -> Publish {
        match self.hear().await {
            Packet::Publish(publish) => publish,
            other => panic!("{other:?} is no PUBLISH"),
        }
    }
}

pub(crate) fn puback(publish: &Publish) -> Packet {
    Packet::Ack(Ack::puback(publish.packet_id.unwrap()))
}

pub(crate) fn connect(keep_alive_s: u16) -> Connect {
    Connect { keep_alive_s, client_id: Text::from("d1"), ..Connect::default() }
}

pub(crate) fn topic() -> Text {
    Text::from("devices/d1/messages/events/")
}

pub(crate) fn block(byte: u8) -> Bytes {
    Bytes::from(vec![byte; 64 << 10])
}
