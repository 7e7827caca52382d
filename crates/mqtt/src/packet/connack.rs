//! CONNACK: in or not.

use super::Malformed;
use super::input::Input;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connack {
    /// The server remembers the client's session.
    pub session_present: bool,
    pub code: ConnectCode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectCode {
    Accepted,
    Protocol,
    ClientId,
    Unavailable,
    Credentials,
    Unauthorised,
}

impl ConnectCode {
    const ALL: [Self; 6] = [
        Self::Accepted,
        Self::Protocol,
        Self::ClientId,
        Self::Unavailable,
        Self::Credentials,
        Self::Unauthorised,
    ];

    pub fn number(self) -> u8 {
        self as u8
    }
}

impl Connack {
    pub fn refused(code: ConnectCode) -> Self {
        Self { session_present: false, code }
    }

    pub(super) fn decode(input: &mut Input) -> Result<Self, Malformed> {
        let (flags, code) = (input.byte()?, input.byte()?);
        if flags > 1 {
            return Err(Malformed::Reserved);
        }
        let code = *ConnectCode::ALL.get(usize::from(code)).ok_or(Malformed::Code)?;
        // Only who is let in has a session.
        if flags == 1 && code != ConnectCode::Accepted {
            return Err(Malformed::Code);
        }
        Ok(Self { session_present: flags == 1, code })
    }

    pub(super) fn encode(self, into: &mut Vec<u8>) {
        into.extend_from_slice(&[0x20, 2, u8::from(self.session_present), self.code.number()]);
    }
}
