//! A server that lets everybody in, acknowledges everything, and keeps nothing: what is left is TLS,
//! the loopback, and the generator. It asks for a certificate and takes clients with and without one;
//! unlike a hub that knows thumbprints it verifies the chain of a certificate, one signature more.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use bytes::BytesMut;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use skerry_mqtt::packet::{Ack, Connack, ConnectCode, Packet, Packets, Sender, whole};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::ground::tell_port;
use crate::meter::Trouble;
use crate::papers::Papers;

/// Where it writes its port, beside the papers.
pub(crate) const ADDRESS_FILE: &str = "counting.port";
const READ_BYTES: usize = 64 << 10;
const PACKET_BYTES_MAX: usize = 1 << 20;

pub(crate) async fn serve(folder: &Path) -> Result<(), Trouble> {
    let papers = Papers::in_folder(folder);
    let acceptor = acceptor(&papers)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    tell_port(folder, ADDRESS_FILE, listener.local_addr()?.port())?;
    loop {
        let (tcp, _) = listener.accept().await?;
        // A client that breaks off is none of our business.
        let acceptor = acceptor.clone();
        tokio::spawn(async move { drop(converse(&acceptor, tcp).await) });
    }
}

fn acceptor(papers: &Papers) -> Result<TlsAcceptor, Trouble> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(papers.root())?)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier.allow_unauthenticated().build()?)
        .with_single_cert(
            vec![CertificateDer::from_pem_file(papers.certificate())?],
            PrivateKeyDer::from_pem_file(papers.key())?,
        )?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn converse(acceptor: &TlsAcceptor, tcp: TcpStream) -> Result<(), Trouble> {
    tcp.set_nodelay(true)?;
    let mut stream = acceptor.accept(tcp).await?;
    let (mut input, mut out) = (BytesMut::with_capacity(READ_BYTES), Vec::new());
    while stream.read_buf(&mut input).await? > 0 {
        let found = whole(&input, PACKET_BYTES_MAX)?;
        for packet in Packets::new(input.split_to(found.bytes).freeze(), Sender::Client) {
            match packet? {
                Packet::Connect(_) => {
                    Packet::Connack(Connack { session_present: false, code: ConnectCode::Accepted })
                        .encode(&mut out);
                }
                Packet::Publish(publish) => {
                    publish
                        .packet_id
                        .into_iter()
                        .for_each(|id| Packet::Ack(Ack::puback(id)).encode(&mut out));
                }
                Packet::Pingreq => Packet::Pingresp.encode(&mut out),
                Packet::Disconnect => return Ok(()),
                _ => {}
            }
        }
        stream.write_all(&out).await?;
        stream.flush().await?;
        out.clear();
        input.reserve(READ_BYTES);
    }
    Ok(())
}
