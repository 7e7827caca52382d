//! What containers write can be read, chosen from, and followed.

use std::time::Duration;

use skerry_model::Timestamp;
use skerry_runtime::{LogFrames, LogQuery, Stream};

use super::{Bed, run};

/// Everything that a query finds, line by line.
async fn read(bed: &dyn Bed, query: &LogQuery) -> Vec<(Stream, String)> {
    let mut stream = bed.runtime().logs("mod-a", query).await.unwrap();
    let mut frames = LogFrames::default();
    let mut lines = Vec::new();
    while let Some(piece) = stream.next().await.unwrap() {
        frames.push(&piece);
        while let Some(frame) = frames.next_frame() {
            lines.push((frame.stream, String::from_utf8(frame.text.to_vec()).unwrap()));
        }
    }
    lines
}

/// Waits until both lines are there; containers write when they like.
async fn written(bed: &dyn Bed) -> Vec<(Stream, String)> {
    let look = async {
        loop {
            let lines = read(bed, &LogQuery::default()).await;
            if lines.len() == 2 {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), look).await.expect("both lines are written")
}

pub(crate) async fn output_is_framed(bed: &dyn Bed) {
    run(bed, "mod-a", bed.images().talks).await;
    let mut lines = written(bed).await;
    // Two streams of one container have no order between them.
    lines.sort_by(|a, b| a.1.cmp(&b.1));
    assert_eq!(lines, [(Stream::Output, "one\n".to_owned()), (Stream::Error, "two\n".to_owned())]);
}

pub(crate) async fn output_is_chosen(bed: &dyn Bed) {
    run(bed, "mod-a", bed.images().talks).await;
    written(bed).await;
    let count = async |query: LogQuery| read(bed, &query).await.len();
    assert_eq!(count(LogQuery { tail: Some(1), ..LogQuery::default() }).await, 1);
    assert_eq!(count(LogQuery { tail: Some(0), ..LogQuery::default() }).await, 0);
    // What is written at once may be older than the moment that the engine calls the start.
    let early = Timestamp::from_unix_seconds(1_000_000_000);
    let late = bed.runtime().inspect("mod-a").await.unwrap().started.unwrap().plus(Duration::from_secs(3600));
    assert_eq!(count(LogQuery { since: Some(late), ..LogQuery::default() }).await, 0);
    assert_eq!(count(LogQuery { since: Some(early), until: Some(late), ..LogQuery::default() }).await, 2);
    assert_eq!(count(LogQuery { until: Some(early), ..LogQuery::default() }).await, 0);
    let timed = read(bed, &LogQuery { timestamps: true, ..LogQuery::default() }).await;
    for (_, line) in timed {
        let (time, text) = line.split_once(' ').unwrap();
        let time: Timestamp = time.parse().unwrap();
        assert!(time > early && time < late, "{line}");
        assert!(matches!(text, "one\n" | "two\n"), "{line}");
    }
}

pub(crate) async fn output_is_followed(bed: &dyn Bed) {
    run(bed, "mod-a", bed.images().talks).await;
    written(bed).await;
    let query = LogQuery { tail: Some(0), follow: true, ..LogQuery::default() };
    let mut stream = bed.runtime().logs("mod-a", &query).await.unwrap();
    // Nothing comes while nothing is written; waiting may be broken off.
    let nothing = tokio::time::timeout(Duration::from_millis(300), stream.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    bed.runtime().stop("mod-a", None).await.unwrap();
    assert_eq!(stream.next().await.unwrap(), None);
}
