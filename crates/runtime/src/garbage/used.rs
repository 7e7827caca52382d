//! Which images were ours, and when they were last of use.
//!
//! A line per image: its id, a space, seconds since 1970. Only images that stand here are ever
//! removed: others on the machine belong to somebody else. The text is the original's
//! (`gc/image_use`), so that its file is read as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use skerry_model::Timestamp;

use crate::Container;

/// Beyond it, the image that was of use the longest ago is forgotten, and stays on the machine.
const IMAGES_MAX: usize = 10_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageUse {
    last: BTreeMap<String, Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the record of images is no `id seconds`; remove the file to begin anew")]
pub struct ImageUseError {
    pub line: usize,
}

impl ImageUse {
    pub fn parse(text: &str) -> Result<Self, ImageUseError> {
        let mut images = Self::default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let read = line.split_once(' ').and_then(|(id, seconds)| {
                Some((id, Timestamp::from_unix_seconds(seconds.trim().parse().ok()?)))
            });
            let (id, at) = read.ok_or(ImageUseError { line: index + 1 })?;
            images.touch(id, at);
        }
        Ok(images)
    }

    pub fn text(&self) -> String {
        self.last.iter().map(|(id, at)| format!("{id} {}\n", at.unix_seconds())).collect()
    }

    /// Notes that an image is of use: at its pull, and when a container is made of it or removed.
    pub fn touch(&mut self, id: &str, now: Timestamp) {
        self.last.insert(id.to_owned(), now);
        if self.last.len() > IMAGES_MAX {
            let oldest = self.last.iter().min_by_key(|(_, at)| **at).map(|(id, _)| id.clone());
            self.last.remove(&oldest.expect("there are more than none"));
        }
    }

    pub fn forget(&mut self, id: &str) {
        self.last.remove(id);
    }

    /// Images that no container of ours uses, and that nobody needed for longer than `age`. What is
    /// used now is noted as such. `kept` are ids that stay in any case.
    pub fn unused(
        &mut self,
        containers: &[Container],
        kept: &[String],
        age: Duration,
        now: Timestamp,
    ) -> Vec<String> {
        let used: BTreeSet<&str> = containers.iter().map(|container| container.image_id.as_str()).collect();
        for (id, at) in &mut self.last {
            if used.contains(id.as_str()) {
                *at = now;
            }
        }
        let is_old = |at: &Timestamp| now.since(*at) > age;
        let unused = self.last.iter().filter(|(id, at)| is_old(at) && !kept.contains(id));
        unused.map(|(id, _)| id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::State;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[test]
    fn old_images_that_nothing_uses_go() {
        let mut images =
            ImageUse::parse("sha256:a 100\nsha256:b 100\n\nsha256:c 950\nsha256:d 100\n").unwrap();
        let container = Container {
            name: "b".to_owned(),
            image_id: "sha256:b".to_owned(),
            labels: BTreeMap::new(),
            state: State::Exited,
            health: None,
            started: None,
            exit: None,
            reason: None,
            pid: None,
        };
        let kept = ["sha256:d".to_owned()];
        let unused = images.unused(&[container], &kept, Duration::from_secs(100), at(1000));
        assert_eq!(unused, ["sha256:a"]);
        images.forget("sha256:a");
        assert_eq!(images.text(), "sha256:b 1000\nsha256:c 950\nsha256:d 100\n");
    }

    #[test]
    fn a_clock_that_was_set_back_removes_nothing() {
        let mut images = ImageUse::parse("sha256:a 5000\n").unwrap();
        assert!(images.unused(&[], &[], Duration::from_secs(1), at(1000)).is_empty());
    }

    #[test]
    fn a_damaged_line_is_named() {
        for text in ["sha256:a 1\nnonsense\n", "sha256:a 1\nsha256:b x\n"] {
            assert_eq!(ImageUse::parse(text), Err(ImageUseError { line: 2 }));
        }
    }
}
