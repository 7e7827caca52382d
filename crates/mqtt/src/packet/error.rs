//! Why bytes are no packet.

/// The peer's fault, each of them; the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("the packet is {bytes} bytes long, at most {bytes_max} are allowed")]
    TooLong { bytes: usize, bytes_max: usize },
    #[error("the length of the packet takes more than four bytes")]
    Length,
    #[error("the packet ends in the middle of a field")]
    Short,
    #[error("bytes follow the last field of the packet")]
    TrailingBytes,
    #[error("there is no such packet type")]
    Kind,
    #[error("the packet comes from the wrong side")]
    Direction,
    #[error("the flags of the packet are not those of its type")]
    Flags,
    #[error("a quality of service of 3")]
    Qos,
    #[error("a first delivery with quality of service 0 is marked as repeated")]
    Dup,
    #[error("packet identifier 0")]
    PacketId,
    #[error("a text is not UTF-8, or holds a character that texts may not have")]
    Text,
    #[error("a topic name is empty or has a wildcard")]
    Topic,
    #[error("a topic filter is empty or has a wildcard in the wrong place")]
    Filter,
    #[error("the packet names no topic filter")]
    NoFilter,
    #[error("the protocol is not MQTT")]
    Protocol,
    #[error("the reserved flag of CONNECT is set")]
    Reserved,
    #[error("the flags of the will contradict each other")]
    Will,
    #[error("a password without a user name")]
    Password,
    #[error("a return code that does not exist")]
    Code,
}
