//! The front door: listeners, TLS and HTTP, with a bound on everything a stranger can do.
//!
//! ```text
//! Options ──► Front::bind ──► run(shutdown)          TlsMaterial: certificates that keep themselves good
//!                  └──► Handle: figures, addresses   HttpService, DeviceService, LinkService: behind it
//! ```
//!
//! It turns addresses into streams (`listen`), strangers into TLS peers (`tls`), bytes into whole requests
//! (`http`), sessions of devices (`mqtt`, `amqp`, `websocket`) or links (`amqp`), and hands them to the services behind
//! it ([`HttpService`], [`device::DeviceService`], [`link::LinkService`]). What a token means, or who a device is, it does not know.
#![forbid(unsafe_code)]

mod amqp;
mod certificate;
mod chain;
pub mod device;
mod durations;
mod figures;
mod front;
mod http;
mod ingest;
pub mod link;
mod listen;
mod mqtt;
mod tls;
mod websocket;

pub use crate::http::{
    Body, BodyCut, BodyGone, BodyLimits, BodySender, HttpLimits, HttpService, IncomingBody, Refusal, Request,
    Response, StreamHandler, StreamLimits, StreamedRequest, Streaming,
};
pub use amqp::AmqpLimits;
pub use certificate::{Certificate, CertificateAuthority, CertificateUnreadable};
pub use chain::{ChainError, check_chain};
pub use durations::{DURATION_STEPS, DurationCounts, Durations};
pub use figures::{Figure, Figures};
pub use front::{DRAIN, Front, Handle, Options, Services, StartError};
pub use listen::{Address, AddressError, BindError, ConnectionLimits};
pub use mqtt::MqttLimits;
pub use tls::{
    Alpn, Authority, AuthorityError, CertificateError, Check, FileError, Issued, OperatorFiles,
    SERVER_LIFETIME, TlsError, TlsMaterial, TlsOptions,
};
