//! Images that nobody needs any more go at their hour, on the engine itself; all others stay.

use super::device::Bed;
use crate::preload::Clocks;

const DAY: i64 = 86_400;

#[test]
fn images_that_nobody_needs_are_removed_at_their_hour() {
    let mut bed = Bed::new();
    let clocks = Clocks::new(&bed.path("."));
    bed.set_variables(&clocks.variables());
    bed.configure_with(
        &bed.engine.socket(),
        "[image_garbage_collection]\nenabled = true\ncleanup_recurrence = \"1d\"\n\
         image_age_cleanup_threshold = \"3d\"\ncleanup_time = \"00:00\"\n",
    );
    bed.start_edge();
    let [first, second] =
        ["sensor:1", "sensor:2"].map(|name| bed.publish(name, &format!("\"/helper\", \"talk\", \"{name}\"")));
    // Somebody else's, which no module ever had.
    bed.engine.import("foreign:1", &["CMD [\"/helper\", \"talk\", \"foreign\"]"]);
    for image in [&first, &second] {
        bed.deploy(&[("sensor", image)]);
        assert_eq!(bed.settled()["lastDesiredStatus"]["code"], 200);
    }
    let is_there = |bed: &Bed, image: &str| bed.engine.docker(&["image", "inspect", image]).is_ok();

    // At the next midnight nothing is old enough.
    let connects = |bed: &Bed| bed.log("edge.log").matches("Connected to the hub.").count();
    let before = connects(&bed);
    clocks.set_ahead(DAY);
    clocks.pass(DAY);
    bed.wait("the day has passed for it", |bed| (connects(bed) > before).then_some(()));
    assert!(is_there(&bed, &first) && is_there(&bed, &second));
    clocks.set_ahead(6 * DAY);
    clocks.pass(6 * DAY);
    bed.wait("the first one is gone", |bed| (!is_there(bed, &first)).then_some(()));
    assert!(is_there(&bed, &second), "a container is made of it");
    assert!(is_there(&bed, "foreign:1"));
    assert_eq!(bed.inspect("sensor", "{{.State.Running}}"), "true");
    assert_eq!(bed.log("edge.log").matches("An image that nobody needs was removed.").count(), 1);
    bed.stop_edge();
    bed.stop_hub();
}
