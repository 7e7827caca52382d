//! SUBSCRIBE: what a client wants to hear.

use super::frame::put_head;
use super::input::{Input, put_bytes};
use super::{Filter, Malformed, PacketId, Qos};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    pub packet_id: PacketId,
    /// At least one, each with the quality of service that is asked for.
    pub filters: Vec<(Filter, Qos)>,
}

impl Subscribe {
    pub(super) fn decode(input: &mut Input) -> Result<Self, Malformed> {
        let packet_id = input.packet_id()?;
        let mut filters = Vec::new();
        while !input.is_empty() {
            let filter = Filter::new(input.text()?)?;
            let qos = input.byte()?;
            // The six bits above are reserved.
            filters.push((filter, Qos::from_bits(qos)?));
        }
        if filters.is_empty() { Err(Malformed::NoFilter) } else { Ok(Self { packet_id, filters }) }
    }

    pub(super) fn encode(&self, into: &mut Vec<u8>) {
        let body: usize = self.filters.iter().map(|(filter, _)| 2 + filter.text().as_bytes().len() + 1).sum();
        put_head(into, 0x82, 2 + body);
        into.extend_from_slice(&self.packet_id.get().to_be_bytes());
        for (filter, qos) in &self.filters {
            put_bytes(into, filter.text().as_bytes());
            into.push(qos.bits());
        }
    }
}
