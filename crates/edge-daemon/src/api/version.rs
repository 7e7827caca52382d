//! Versions that clients ask with. They are dates, so their order is that of their texts.

/// The versions of one API, oldest first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Versions(pub &'static [&'static str]);

/// Management and workload.
pub(crate) const EDGE_VERSIONS: Versions = Versions(&[
    "2018-06-28",
    "2019-01-30",
    "2019-10-22",
    "2019-11-05",
    "2020-07-07",
    "2021-12-07",
    "2022-08-03",
]);
pub(crate) const IDENTITY_VERSIONS: Versions = Versions(&["2020-09-01", "2021-12-01", "2022-08-01"]);
pub(crate) const KEY_VERSIONS: Versions = Versions(&["2020-09-01", "2021-05-01"]);
pub(crate) const CERTIFICATE_VERSIONS: Versions = Versions(&["2020-09-01"]);

impl Versions {
    pub(super) fn find(self, text: &str) -> Option<&'static str> {
        self.0.iter().copied().find(|version| *version == text)
    }
}
