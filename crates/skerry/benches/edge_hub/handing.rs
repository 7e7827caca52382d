//! A server of the independent implementation that hands on what it gets, keeps nothing, and has no rule: what is
//! left is TLS, the loopback and the library.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use fe2o3_amqp::acceptor::{ConnectionAcceptor, LinkAcceptor, LinkEndpoint, SessionAcceptor};
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::types::messaging::{Data, Message};
use fe2o3_amqp::{Receiver, Sender};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::ground::tell_port;
use crate::meter::Trouble;
use crate::papers::Papers;

/// Where it writes its port, beside the papers.
pub(crate) const ADDRESS_FILE: &str = "handing.port";
/// More than are ever on the way.
const CREDIT: u32 = 1000;

/// To whoever receives now.
type Way = Arc<Mutex<Option<mpsc::Sender<Data>>>>;

pub(crate) async fn serve(folder: &Path) -> Result<(), Trouble> {
    let papers = Papers::in_folder(folder);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_file(papers.certificate())?],
            PrivateKeyDer::from_pem_file(papers.key())?,
        )?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    tell_port(folder, ADDRESS_FILE, listener.local_addr()?.port())?;
    let way = Way::default();
    loop {
        let (tcp, _) = listener.accept().await?;
        let (acceptor, way) = (acceptor.clone(), Arc::clone(&way));
        // A client that breaks off is none of our business.
        tokio::spawn(async move { drop(Box::pin(converse(acceptor, tcp, way)).await) });
    }
}

async fn converse(acceptor: TlsAcceptor, tcp: TcpStream, way: Way) -> Result<(), Trouble> {
    tcp.set_nodelay(true)?;
    let stream = acceptor.accept(tcp).await?;
    let mut connection = ConnectionAcceptor::new("independent").accept(stream).await?;
    while let Ok(mut session) = SessionAcceptor::new().accept(&mut connection).await {
        let way = Arc::clone(&way);
        tokio::spawn(async move {
            while let Ok(endpoint) = LinkAcceptor::new().accept(&mut session).await {
                match endpoint {
                    LinkEndpoint::Sender(sender) => {
                        let (there, arriving) = mpsc::channel(CREDIT as usize);
                        *way.lock().unwrap_or_else(PoisonError::into_inner) = Some(there);
                        drop(tokio::spawn(give(sender, arriving)));
                    }
                    LinkEndpoint::Receiver(receiver) => {
                        drop(tokio::spawn(take(receiver, Arc::clone(&way))));
                    }
                }
            }
        });
    }
    Ok(())
}

async fn give(mut sender: Sender, mut arriving: mpsc::Receiver<Data>) {
    while let Some(body) = arriving.recv().await {
        let message: Message<Data> = Message::builder().data(body).build();
        // Its outcome is nobody's business here; the next one need not wait for it.
        if sender.send_batchable(message).await.is_err() {
            return;
        }
    }
}

async fn take(mut receiver: Receiver, way: Way) {
    receiver.set_auto_accept(true);
    receiver.set_credit_mode(CreditMode::Auto(CREDIT));
    if receiver.set_credit(CREDIT).await.is_err() {
        return;
    }
    while let Ok(delivery) = receiver.recv::<Data>().await {
        let there = way.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(there) = there
            && there.send(delivery.into_body()).await.is_err()
        {
            return;
        }
    }
}
