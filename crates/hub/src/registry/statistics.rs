//! Counts of devices.

use skerry_store::documents::{Comparison, Field, Literal, Narrow, Part, Scan, Step};

use super::{Registry, RegistryError};
use crate::spaces::{DEVICES, consumer_group_key};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceStatistics {
    pub total: u64,
    pub enabled: u64,
    pub disabled: u64,
}

impl Registry {
    pub async fn device_statistics(&self) -> Result<DeviceStatistics, RegistryError> {
        let all = Scan { at_least: Some(self.documents.revision()), ..Scan::all(DEVICES) };
        let disabled = Scan {
            narrow: Narrow::Compare {
                field: Field::In(Part::Identity, vec![Step::Name("status".to_owned())]),
                comparison: Comparison::Equal,
                literal: Literal::Text("disabled".to_owned()),
            },
            ..all.clone()
        };
        let total = self.documents.count(all).await?;
        let disabled = self.documents.count(disabled).await?.min(total);
        Ok(DeviceStatistics { total, enabled: total - disabled, disabled })
    }

    /// Whether documents are read, asked for one that need not exist.
    pub(crate) async fn is_reached(&self) -> bool {
        self.documents.get(&consumer_group_key(""), None).await.is_ok()
    }

    /// Devices and modules whose connection is open now.
    pub fn connected_count(&self) -> u64 {
        self.connections.connected_count()
    }
}
