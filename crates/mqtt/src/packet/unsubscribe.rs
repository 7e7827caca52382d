//! UNSUBSCRIBE: what a client no longer wants to hear.

use super::frame::put_head;
use super::input::{Input, put_bytes};
use super::{Filter, Malformed, PacketId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    pub packet_id: PacketId,
    /// At least one.
    pub filters: Vec<Filter>,
}

impl Unsubscribe {
    pub(super) fn decode(input: &mut Input) -> Result<Self, Malformed> {
        let packet_id = input.packet_id()?;
        let mut filters = Vec::new();
        while !input.is_empty() {
            filters.push(Filter::new(input.text()?)?);
        }
        if filters.is_empty() { Err(Malformed::NoFilter) } else { Ok(Self { packet_id, filters }) }
    }

    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        let body: usize = self.filters.iter().map(|filter| 2 + filter.text().as_bytes().len()).sum();
        put_head(into, 0xa2, 2 + body);
        into.extend_from_slice(&self.packet_id.get().to_be_bytes());
        self.filters.iter().for_each(|filter| put_bytes(into, filter.text().as_bytes()));
    }
}
