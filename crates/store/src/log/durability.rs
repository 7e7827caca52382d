//! How safe a record is when its sender hears "yes", and what is asked for each kind of data.

/// A floor: an engine may do more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// In the memory of this process, written soon after.
    Memory,
    /// With the operating system: survives the end of the process, not a power cut.
    Written,
    /// On the disk: survives a power cut.
    #[default]
    Synced,
}

impl Durability {
    /// As configuration files say it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Written => "written",
            Self::Synced => "synced",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Memory, Self::Written, Self::Synced].into_iter().find(|class| class.word() == word)
    }
}

/// What a log carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Messages from devices, on the hub.
    Telemetry,
    /// Twin changes, life cycle and connection events, on the hub.
    Event,
    /// How far consumers and routes have read.
    Checkpoint,
    /// Messages between modules and towards the hub, on the edge.
    EdgeMessage,
    /// Which messages the edge's queues have delivered.
    EdgeSettlement,
}

/// The class of one kind of data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    pub kind: Kind,
    /// The key under `[durability]` in the configuration.
    pub key: &'static str,
    pub default: Durability,
    /// What a power cut may cost by default.
    pub cost: &'static str,
}

/// Every kind of data with its default, in one table.
pub const CLASSES: [Class; 5] = [
    Class {
        kind: Kind::Telemetry,
        key: "telemetry",
        default: Durability::Synced,
        cost: "nothing that was acknowledged",
    },
    Class {
        kind: Kind::Event,
        key: "events",
        default: Durability::Synced,
        cost: "nothing that was acknowledged",
    },
    Class {
        kind: Kind::Checkpoint,
        key: "checkpoints",
        default: Durability::Written,
        cost: "up to a second of progress: those messages come again",
    },
    Class {
        kind: Kind::EdgeMessage,
        key: "edge-messages",
        default: Durability::Synced,
        cost: "nothing that was acknowledged",
    },
    Class {
        kind: Kind::EdgeSettlement,
        key: "edge-settlements",
        default: Durability::Written,
        cost: "up to a second of progress: those messages come again",
    },
];

impl Kind {
    pub fn class(self) -> &'static Class {
        CLASSES.iter().find(|class| class.kind == self).expect("the table has a row for every kind")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_row_and_every_word_comes_back() {
        for kind in [Kind::Telemetry, Kind::Event, Kind::Checkpoint, Kind::EdgeMessage, Kind::EdgeSettlement]
        {
            assert_eq!(CLASSES.iter().filter(|class| class.kind == kind).count(), 1);
            let default = kind.class().default;
            assert_eq!(Durability::from_word(default.word()), Some(default));
        }
        assert!(Durability::Memory < Durability::Written && Durability::Written < Durability::Synced);
        assert_eq!(Durability::from_word("fsync"), None);
    }
}
