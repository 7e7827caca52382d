//! Which partition holds a device's messages.

use skerry_model::DeviceId;
use skerry_store::log::Partition;

/// FNV-1a of 64 bits over the id's bytes, its halves folded, modulo the number of partitions. It
/// must never change: a device's messages would lie in two partitions, out of order.
pub fn partition_of(device: &DeviceId, partitions: u32) -> Partition {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash =
        device.as_str().bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    let folded = (hash >> 32) as u32 ^ hash as u32;
    Partition::new(folded % partitions.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_stay_where_they_are() {
        let table = [("d1", 1), ("d2", 0), ("press-17", 0), ("a", 0)];
        let found = table.map(|(id, _)| (id, partition_of(&id.parse().unwrap(), 4).number()));
        assert_eq!(found, table);
    }

    #[test]
    fn devices_spread_evenly() {
        let mut counts = [0u32; 4];
        for number in 0..10_000 {
            let device: DeviceId = format!("device-{number:05}").parse().unwrap();
            counts[partition_of(&device, 4).number() as usize] += 1;
        }
        assert!(counts.iter().all(|count| (2_300..2_700).contains(count)), "{counts:?}");
    }
}
