//! Images come from a registry, and go when nothing needs them.

use std::sync::atomic::{AtomicU32, Ordering};

use skerry_runtime::{PullError, PullProgress, PullRequest};

use super::{Bed, pull, request};

pub(crate) async fn images_come_and_go(bed: &dyn Bed) {
    let (runtime, image) = (bed.runtime(), bed.images().runs);
    assert_eq!(runtime.image(image).await.unwrap(), None);
    let told = AtomicU32::new(0);
    let asked = PullRequest { image: image.to_owned(), credentials: None };
    let progress = |progress: PullProgress| {
        assert!(progress.bytes_done <= progress.bytes && progress.layers_done <= progress.layers);
        told.fetch_max(progress.layers_done, Ordering::Relaxed);
    };
    let id = runtime.pull(&asked, &progress).await.unwrap();
    assert_eq!(told.into_inner(), 1);
    assert!(id.starts_with("sha256:"), "{id}");
    assert_eq!(runtime.image(image).await.unwrap().as_ref(), Some(&id));
    assert_eq!(runtime.image(&id).await.unwrap().as_ref(), Some(&id));
    assert_eq!(pull(bed, image).await, id);

    runtime.create(&request("mod-a", image)).await.unwrap();
    assert_eq!(runtime.inspect("mod-a").await.unwrap().image_id, id);
    runtime.start("mod-a").await.unwrap();
    assert!(runtime.remove_image(&id).await.is_err());
    runtime.remove("mod-a").await.unwrap();
    runtime.remove_image(&id).await.unwrap();
    assert_eq!(runtime.image(image).await.unwrap(), None);
    runtime.remove_image(&id).await.unwrap();
}

pub(crate) async fn a_missing_image_is_told(bed: &dyn Bed) {
    let image = bed.images().missing.to_owned();
    let asked = PullRequest { image, credentials: None };
    let error = bed.runtime().pull(&asked, &|_| {}).await.unwrap_err();
    assert!(matches!(error, PullError::NotFound { .. }), "{error:?}");
    assert!(!error.is_passing());
}
