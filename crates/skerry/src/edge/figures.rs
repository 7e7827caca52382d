//! The figures of agent and hub over HTTP, for Prometheus: `GET /metrics`. Whoever asks `edgeAgent` or `edgeHub`
//! gets theirs, others those of both. And whether the edge is alive (`/skerry/v1/live`), and whether its clients are
//! served (`/skerry/v1/ready`), with or without a hub above.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use skerry_edge_agent::Handle;
use skerry_edge_hub::EdgeHub;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// The original's port.
pub const PORT: u16 = 9600;
/// Who comes beyond that waits.
const CONNECTIONS_MAX: usize = 8;
/// A connection that has not ended by then is closed.
const CONNECTION_LIMIT: Duration = Duration::from_secs(60);
/// After an accept that failed, mostly for want of files.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

const TEXT: &str = "text/plain";
const JSON: &str = "application/json";

/// Serves until it is dropped. An address that cannot be had is told; modules matter more than figures.
pub async fn serve(address: SocketAddr, agent: Handle, hub: watch::Receiver<Option<EdgeHub>>) {
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%address, %error, "The figures are not shown here: give another --metrics IP:PORT.");
            return;
        }
    };
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!(%address, "The figures are shown at /metrics.");
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (agent, hub) = (agent.clone(), hub.clone());
                tokio::spawn(async move {
                    // Whoever breaks off has what it has.
                    let _ = tokio::time::timeout(CONNECTION_LIMIT, connection(stream, agent, hub)).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "A reader of figures could not be let in.");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    agent: Handle,
    hub: watch::Receiver<Option<EdgeHub>>,
) -> Result<(), hyper::Error> {
    let service = service_fn(move |request| {
        let (agent, hub) = (agent.clone(), hub.borrow().clone());
        async move { Ok::<_, Infallible>(answer(&request, &agent, hub.as_ref()).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10)).keep_alive(false);
    server.serve_connection(TokioIo::new(stream), service).await
}

async fn answer(request: &Request<Incoming>, agent: &Handle, hub: Option<&EdgeHub>) -> Response<Full<Bytes>> {
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => {
            let (status, text) = figures(request, agent, hub).await;
            (status, "text/plain; version=0.0.4", text)
        }
        (&Method::GET, "/skerry/v1/live") => (StatusCode::OK, JSON, json!({"live": true}).to_string()),
        (&Method::GET, "/skerry/v1/ready") => match why_not_ready(agent, hub).await {
            None => (StatusCode::OK, JSON, json!({"ready": true}).to_string()),
            Some(why) => {
                (StatusCode::SERVICE_UNAVAILABLE, JSON, json!({"ready": false, "why": why}).to_string())
            }
        },
        (_, "/metrics" | "/skerry/v1/live" | "/skerry/v1/ready") => {
            (StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET\n".to_owned())
        }
        _ => (StatusCode::NOT_FOUND, TEXT, "the figures are at /metrics\n".to_owned()),
    };
    let response = Response::builder().status(status).header(CONTENT_TYPE, kind);
    response.body(Full::new(Bytes::from(text))).expect("status and header are good ones")
}

async fn figures(request: &Request<Incoming>, agent: &Handle, hub: Option<&EdgeHub>) -> (StatusCode, String) {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let host = host.split([':', '.']).next().unwrap_or_default().to_ascii_lowercase();
    let of_hub = hub.map(EdgeHub::metrics).filter(|_| host != "edgeagent");
    let of_agent = if host == "edgehub" { None } else { agent.metrics().await };
    match (of_agent, of_hub) {
        (None, None) => (StatusCode::SERVICE_UNAVAILABLE, "it has ended, or is not there yet\n".to_owned()),
        (of_agent, of_hub) => (StatusCode::OK, [of_agent, of_hub].into_iter().flatten().collect()),
    }
}

async fn why_not_ready(agent: &Handle, hub: Option<&EdgeHub>) -> Option<&'static str> {
    match hub {
        None => return Some("the edge hub is not there yet"),
        Some(hub) if !hub.is_ready() => return Some("the edge hub does not know its routes yet"),
        Some(_) => {}
    }
    agent.snapshot().await.is_none().then_some("the agent has ended")
}
