//! A server of the independent implementation: it accepts whatever comes, and makes up events for
//! whoever gives credit. What is left is TLS, the loopback and the library.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use fe2o3_amqp::acceptor::{ConnectionAcceptor, LinkAcceptor, LinkEndpoint, SessionAcceptor};
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::types::messaging::{Data, Message};
use fe2o3_amqp::types::primitives::Binary;
use fe2o3_amqp::{Receiver, Sendable, Sender};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::ground::tell_port;
use crate::meter::Trouble;
use crate::papers::Papers;

/// Where it writes its port, beside the papers.
pub(crate) const ADDRESS_FILE: &str = "independent.port";
/// As the hub gives.
const CREDIT: u32 = 1000;
const EVENT_BYTES: usize = 256;

pub(crate) async fn serve(folder: &Path) -> Result<(), Trouble> {
    let acceptor = acceptor(&Papers::in_folder(folder))?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    tell_port(folder, ADDRESS_FILE, listener.local_addr()?.port())?;
    loop {
        let (tcp, _) = listener.accept().await?;
        // A client that breaks off is none of our business.
        let acceptor = acceptor.clone();
        tokio::spawn(async move { drop(Box::pin(converse(acceptor, tcp)).await) });
    }
}

fn acceptor(papers: &Papers) -> Result<TlsAcceptor, Trouble> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(papers.certificate())?],
            PrivateKeyDer::from_pem_file(papers.key())?,
        )?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn converse(acceptor: TlsAcceptor, tcp: TcpStream) -> Result<(), Trouble> {
    tcp.set_nodelay(true)?;
    let stream = acceptor.accept(tcp).await?;
    let mut connection = ConnectionAcceptor::new("independent").accept(stream).await?;
    while let Ok(mut session) = SessionAcceptor::new().accept(&mut connection).await {
        tokio::spawn(async move {
            while let Ok(endpoint) = LinkAcceptor::new().accept(&mut session).await {
                match endpoint {
                    LinkEndpoint::Sender(sender) => drop(tokio::spawn(give(sender))),
                    LinkEndpoint::Receiver(receiver) => drop(tokio::spawn(take(receiver))),
                }
            }
        });
    }
    Ok(())
}

async fn give(mut sender: Sender) {
    let body = Data(Binary::from(vec![b'x'; EVENT_BYTES]));
    let message: Message<Data> = Message::builder().data(body).build();
    let sendable = Sendable::builder().message(message).settled(true).build();
    // Each waits for credit; until the client goes.
    while sender.send_batchable_ref(&sendable).await.is_ok() {}
}

async fn take(mut receiver: Receiver) {
    receiver.set_auto_accept(true);
    receiver.set_credit_mode(CreditMode::Auto(CREDIT));
    if receiver.set_credit(CREDIT).await.is_ok() {
        while receiver.recv::<Data>().await.is_ok() {}
    }
}
