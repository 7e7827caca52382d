//! What every engine promises, written once. A bed brings an engine and its images; `suite!` makes a
//! test of each promise.

mod images;
mod life;
mod output;

pub(crate) use images::*;
pub(crate) use life::*;
pub(crate) use output::*;

use std::time::Duration;

use serde_json::{Map, Value};
use skerry_runtime::{Container, CreateRequest, PullProgress, PullRequest, Runtime};

pub(crate) trait Bed {
    fn runtime(&self) -> &dyn Runtime;
    fn images(&self) -> Images;
}

/// References that the bed's registry has, but `missing`.
pub(crate) struct Images {
    /// Runs until it is told to end.
    pub(crate) runs: &'static str,
    /// Ends at once with code 3.
    pub(crate) fails: &'static str,
    /// Writes `one` to its output and `two` to its errors, and runs.
    pub(crate) talks: &'static str,
    /// Runs with a health check that fails.
    pub(crate) sick: &'static str,
    pub(crate) missing: &'static str,
}

/// One test for each promise; `$mode` says how time runs.
macro_rules! suite {
    ($mode:ident) => {
        crate::conformance::suite!(@each $mode:
            lives_and_dies, exits_are_told, names_are_taken_once, asking_twice_is_no_error,
            options_pass_through, only_ours_are_listed, health_is_told, changes_are_told,
            what_is_not_there_is_not_found, images_come_and_go, a_missing_image_is_told,
            output_is_framed, output_is_chosen, output_is_followed
        );
    };
    (@each $mode:ident: $($name:ident),*) => {
        $(crate::conformance::suite!(@one $mode $name);)*
    };
    (@one start_paused $name:ident) => {
        #[tokio::test(start_paused = true)]
        async fn $name() {
            crate::conformance::$name(&bed()).await;
        }
    };
    (@one real $name:ident) => {
        #[tokio::test]
        async fn $name() {
            crate::conformance::$name(&bed().await).await;
        }
    };
}
pub(crate) use suite;

pub(crate) fn request(name: &str, image: &str) -> CreateRequest {
    CreateRequest { name: name.to_owned(), image: image.to_owned(), env: Vec::new(), options: Map::new() }
}

pub(crate) fn with_options(name: &str, image: &str, options: Value) -> CreateRequest {
    let Value::Object(options) = options else { panic!("options are an object") };
    CreateRequest { options, ..request(name, image) }
}

/// Pulls, creates and starts.
pub(crate) async fn run(bed: &dyn Bed, name: &str, image: &str) {
    pull(bed, image).await;
    bed.runtime().create(&request(name, image)).await.unwrap();
    bed.runtime().start(name).await.unwrap();
}

pub(crate) async fn pull(bed: &dyn Bed, image: &str) -> String {
    let request = PullRequest { image: image.to_owned(), credentials: None };
    bed.runtime().pull(&request, &|_: PullProgress| {}).await.unwrap()
}

/// Waits until a container is as wished.
pub(crate) async fn until(bed: &dyn Bed, name: &str, wished: impl Fn(&Container) -> bool) -> Container {
    let look = async {
        loop {
            let container = bed.runtime().inspect(name).await.unwrap();
            if wished(&container) {
                return container;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), look).await.expect("it becomes as wished")
}
