//! From the first byte to the opening.

use bytes::Bytes;

use super::{Connection, Event, FRAME_BYTES_MIN, Peer, Side, Violation};
use crate::codec::{Input, Symbol, Value};
use crate::frame::{Kind, put_frame};
use crate::performative::{
    Init, Mechanism, Mechanisms, Open, Performative, SaslCode, SaslFrame, SaslOutcome,
};

const HEADER: [u8; 8] = *b"AMQP\x00\x01\x00\x00";
const SASL_HEADER: [u8; 8] = *b"AMQP\x03\x01\x00\x00";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Greeting {
        sasl_is_done: bool,
    },
    Sasl {
        is_asked: bool,
    },
    Opening,
    Open,
    /// We said goodbye.
    Closing,
    Closed,
}

impl Phase {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Greeting { .. } => "greeting",
            Self::Sasl { .. } => "SASL",
            Self::Opening => "opening",
            Self::Open => "open",
            Self::Closing => "closing",
            Self::Closed => "closed",
        }
    }
}

/// How a client says who it is.
#[derive(Clone, Debug)]
pub struct Credentials {
    pub mechanism: Mechanism,
    pub response: Option<Bytes>,
}

impl Credentials {
    /// Nothing is said here: a token comes later, or a certificate came before.
    pub fn anonymous() -> Self {
        Self { mechanism: Mechanism::Anonymous, response: None }
    }

    /// A name, with a token as its password.
    pub fn plain(name: &str, password: &str) -> Self {
        let response = Bytes::from(format!("\0{name}\0{password}"));
        Self { mechanism: Mechanism::Plain, response: Some(response) }
    }
}

impl Connection {
    /// A client's first bytes.
    pub(super) fn greet(&mut self) {
        let header = if self.credentials.is_some() { SASL_HEADER } else { HEADER };
        self.out.extend(header);
    }

    pub(super) fn handle_header(&mut self, header: &[u8]) -> Result<(), Violation> {
        match (self.phase, self.side) {
            (Phase::Greeting { sasl_is_done: false }, Side::Server) if header == SASL_HEADER => {
                self.phase = Phase::Sasl { is_asked: false };
                self.out.extend(SASL_HEADER);
                let names = Mechanism::ALL.map(|mechanism| Symbol::known(mechanism.wire())).to_vec();
                self.put_sasl(&SaslFrame::Mechanisms(Mechanisms { names }));
                Ok(())
            }
            (Phase::Greeting { .. }, Side::Server) if header == HEADER => {
                self.phase = Phase::Opening;
                self.out.extend(HEADER);
                Ok(())
            }
            (Phase::Greeting { sasl_is_done: false }, Side::Client)
                if header == SASL_HEADER && self.credentials.is_some() =>
            {
                self.phase = Phase::Sasl { is_asked: false };
                Ok(())
            }
            (Phase::Greeting { sasl_is_done }, Side::Client)
                if header == HEADER && sasl_is_done == self.credentials.is_some() =>
            {
                self.phase = Phase::Opening;
                self.put_open();
                Ok(())
            }
            (Phase::Greeting { .. }, Side::Server) => {
                // Whoever speaks another version is told ours.
                self.out.extend(HEADER);
                Err(Violation::Header)
            }
            (Phase::Greeting { .. }, Side::Client) => Err(Violation::Header),
            (phase, _) => Err(Violation::Phase { phase: phase.word() }),
        }
    }

    pub(super) fn handle_sasl(&mut self, input: &mut Input) -> Result<(), Violation> {
        let Phase::Sasl { is_asked } = self.phase else {
            return Err(Violation::Phase { phase: self.phase.word() });
        };
        match (self.side, SaslFrame::decode(input)?) {
            (Side::Server, SaslFrame::Init(init)) if !is_asked => {
                self.phase = Phase::Sasl { is_asked: true };
                self.events.push_back(Event::Sasl(init));
                Ok(())
            }
            (Side::Client, SaslFrame::Mechanisms(mechanisms)) if !is_asked => {
                let credentials = self.credentials.clone().ok_or(Violation::Mechanism)?;
                let name = credentials.mechanism.wire();
                if !mechanisms.names.iter().any(|known| known.as_str() == name) {
                    return Err(Violation::Mechanism);
                }
                self.phase = Phase::Sasl { is_asked: true };
                let init = Init {
                    mechanism: Symbol::known(name),
                    response: credentials.response,
                    hostname: self.options.hostname.clone(),
                };
                self.put_sasl(&SaslFrame::Init(init));
                Ok(())
            }
            (Side::Client, SaslFrame::Outcome(outcome)) if is_asked => {
                if outcome.code != SaslCode::Ok {
                    return Err(Violation::Refused);
                }
                self.phase = Phase::Greeting { sasl_is_done: true };
                self.out.extend(HEADER);
                Ok(())
            }
            _ => Err(Violation::Phase { phase: self.phase.word() }),
        }
    }

    /// Says whether who came is believed; if not, the caller closes.
    pub fn answer_sasl(&mut self, code: SaslCode) {
        if self.phase == (Phase::Sasl { is_asked: true }) && self.side == Side::Server {
            self.put_sasl(&SaslFrame::Outcome(SaslOutcome { code }));
            self.phase = match code {
                SaslCode::Ok => Phase::Greeting { sasl_is_done: true },
                SaslCode::Auth | SaslCode::System => Phase::Closed,
            };
        }
    }

    /// Whether nothing may be handed over before [`Self::answer_sasl`].
    pub fn is_deciding(&self) -> bool {
        self.phase == (Phase::Sasl { is_asked: true }) && self.side == Side::Server
    }

    pub(super) fn handle_open(&mut self, open: Open) -> Result<(), Violation> {
        let frame_bytes_max = open.frame_bytes_max.unwrap_or(u32::MAX);
        if frame_bytes_max < FRAME_BYTES_MIN {
            return Err(Violation::FrameSize);
        }
        let channel_max = open.channel_max.unwrap_or(u16::MAX);
        self.peer = Peer { frame_bytes_max: frame_bytes_max.min(self.options.frame_bytes_max), channel_max };
        self.timing.peer_wants(open.idle_timeout_ms);
        if self.side == Side::Server {
            self.put_open();
        }
        self.phase = Phase::Open;
        self.events.push_back(Event::Opened(Box::new(open)));
        Ok(())
    }

    fn put_open(&mut self) {
        let idle = self.options.idle_timeout.as_millis();
        let open = Open {
            container: self.options.container.clone(),
            hostname: self.options.hostname.clone(),
            frame_bytes_max: Some(self.options.frame_bytes_max),
            channel_max: Some(self.options.sessions_max.saturating_sub(1)),
            idle_timeout_ms: Some(u32::try_from(idle).unwrap_or(u32::MAX)),
            properties: Value::Null,
            ..Open::default()
        };
        self.put(0, &Performative::Open(Box::new(open)));
    }

    fn put_sasl(&mut self, sasl: &SaslFrame) {
        put_frame(&mut self.out, Kind::Sasl, 0, |out| sasl.encode(out));
    }
}
