//! The front door: listeners, TLS and HTTP, with a bound on everything a stranger can do.
//!
//! ```text
//! Options ──► Front::bind ──► run(shutdown)          TlsMaterial: certificates that keep themselves good
//!                  └──► Handle: figures, addresses   HttpService, DeviceService: what stands behind
//! ```
//!
//! It turns addresses into streams (`listen`), strangers into TLS peers (`tls`), bytes into whole requests
//! (`http`) or sessions of devices (`mqtt`, `websocket`), and hands them to the services behind it ([`HttpService`],
//! [`device::DeviceService`]). What a token means, or who a device is, it does not know.
#![forbid(unsafe_code)]

mod certificate;
pub mod device;
mod figures;
mod front;
mod http;
pub mod link;
mod listen;
mod mqtt;
mod tls;
mod websocket;

pub use crate::http::{
    Body, BodyCut, BodyGone, BodyLimits, BodySender, HttpLimits, HttpService, IncomingBody, Refusal, Request,
    Response, StreamHandler, StreamLimits, StreamedRequest, Streaming,
};
pub use certificate::{Certificate, CertificateAuthority, CertificateUnreadable};
pub use figures::{Figure, Figures};
pub use front::{DRAIN, Front, Handle, Options, Services, StartError};
pub use listen::{Address, AddressError, BindError, ConnectionLimits};
pub use mqtt::MqttLimits;
pub use tls::{
    Alpn, Authority, AuthorityError, CertificateError, Check, FileError, Issued, OperatorFiles,
    SERVER_LIFETIME, TlsError, TlsMaterial, TlsOptions,
};
