//! Images go when nobody has needed them for long, at their hour, in simulated time.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use skerry_model::{Clock, Timestamp};
use skerry_runtime::{
    Answer, Behaviour, Collector, CollectorOptions, CreateRequest, CreateRules, EngineError, Keeps, Machine,
    MemoryRuntime, PullRequest, Record, RecordedRuntime, Runtime, Schedule,
};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const DAY: Duration = Duration::from_secs(86_400);

/// Goes with tokio's, and can be set.
struct SimClock {
    began: Instant,
    base: Mutex<Timestamp>,
}

impl SimClock {
    fn new() -> Arc<Self> {
        let base = Mutex::new("2024-05-01T12:00:00Z".parse().unwrap());
        Arc::new(Self { began: Instant::now(), base })
    }

    fn set(&self, to: &str) {
        let to: Timestamp = to.parse().unwrap();
        let ticks = i64::try_from(self.began.elapsed().as_nanos() / 100).unwrap();
        *self.base.lock().unwrap() = Timestamp::from_ticks(to.ticks() - ticks);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.base.lock().unwrap().plus(self.began.elapsed())
    }
}

#[derive(Default)]
struct Kept(Mutex<Vec<String>>);

impl Keeps for Kept {
    fn kept(&self) -> Answer<'_, Vec<String>, EngineError> {
        Box::pin(async { Ok(self.0.lock().unwrap().clone()) })
    }
}

struct World {
    folder: TempDir,
    machine: Machine,
    engine: Arc<MemoryRuntime>,
    runtime: Arc<dyn Runtime>,
    clock: Arc<SimClock>,
    kept: Arc<Kept>,
    tasks: JoinSet<()>,
}

impl World {
    fn new() -> Self {
        let clock = SimClock::new();
        let engine = Arc::new(MemoryRuntime::new(clock.clone(), CreateRules::default()));
        let machine = engine.machine();
        for image in ["old:1", "used:1", "kept:1", "foreign:1"] {
            machine.publish(image, Behaviour::runs());
        }
        let (folder, kept) = (tempfile::tempdir().unwrap(), Arc::default());
        let runtime = engine.clone();
        let mut world = Self { folder, machine, engine, runtime, clock, kept, tasks: JoinSet::new() };
        world.start();
        world
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("gc/image_use")
    }

    /// A process of its own life, on the record of before.
    fn start(&mut self) {
        let record = Record::open(self.path(), self.clock.clone());
        self.runtime = Arc::new(RecordedRuntime::new(self.engine.clone(), record.clone()));
        let collector = Collector::new(CollectorOptions {
            runtime: Arc::clone(&self.runtime),
            record: record.clone(),
            keeps: self.kept.clone(),
            clock: self.clock.clone(),
            // Two hours ahead of Greenwich.
            offset: Box::new(|_| 7200),
            schedule: Schedule::new(DAY, 3 * 60),
            age: 7 * DAY,
        });
        self.tasks.spawn(collector.run());
        self.tasks.spawn(async move { record.keep().await });
    }

    async fn kill(&mut self) {
        self.tasks.shutdown().await;
    }

    async fn pull(&self, image: &str) -> String {
        let request = PullRequest { image: image.to_owned(), credentials: None };
        self.runtime.pull(&request, &|_| {}).await.unwrap()
    }

    async fn run(&self, name: &str, image: &str) {
        self.pull(image).await;
        let request = CreateRequest {
            name: name.to_owned(),
            image: image.to_owned(),
            env: Vec::new(),
            options: serde_json::Map::new(),
        };
        self.runtime.create(&request).await.unwrap();
        self.runtime.start(name).await.unwrap();
    }

    async fn has(&self, image: &str) -> bool {
        self.engine.image(image).await.unwrap().is_some()
    }

    /// How long until an image is gone, in whole hours.
    async fn hours_until_gone(&self, image: &str) -> u64 {
        let began = Instant::now();
        while self.has(image).await {
            assert!(began.elapsed() < 100 * DAY, "{image} stays");
            sleep(Duration::from_secs(60)).await;
        }
        began.elapsed().as_secs() / 3600
    }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn what_nobody_needs_goes_at_its_hour_and_all_else_stays() {
    let world = World::new();
    world.pull("old:1").await;
    world.run("sensor", "used:1").await;
    let kept = world.pull("kept:1").await;
    world.kept.0.lock().unwrap().push(kept);
    // Somebody else's, who pulled it without us.
    let request = PullRequest { image: "foreign:1".to_owned(), credentials: None };
    world.engine.pull(&request, &|_| {}).await.unwrap();
    // From noon until three o'clock where it stands, seven days later and the night after that.
    assert_eq!(world.hours_until_gone("old:1").await, 7 * 24 + 13);
    sleep(30 * DAY).await;
    for image in ["used:1", "kept:1", "foreign:1"] {
        assert!(world.has(image).await, "{image}");
    }
    // Once the container is gone, the week begins.
    world.runtime.remove("sensor").await.unwrap();
    let hours = world.hours_until_gone("used:1").await;
    assert!((7 * 24..=8 * 24).contains(&hours), "{hours}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_at_the_hour_is_asked_later() {
    let world = World::new();
    world.pull("old:1").await;
    sleep(7 * DAY).await;
    world.machine.set_down(true);
    sleep(Duration::from_secs(20 * 3600)).await;
    world.machine.set_down(false);
    assert_eq!(world.hours_until_gone("old:1").await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_neither_removes_early_nor_stops_it() {
    let world = World::new();
    world.pull("old:1").await;
    sleep(DAY).await;
    world.clock.set("2004-01-01T00:00:00Z");
    // To the collector the image is from the future: it waits until its time has come.
    sleep(30 * DAY).await;
    assert!(world.has("old:1").await);
    world.clock.set("2024-05-20T12:00:00Z");
    assert_eq!(world.hours_until_gone("old:1").await, 0, "its hour has passed meanwhile");
}

#[tokio::test(start_paused = true)]
async fn the_record_outlives_its_process_and_damage() {
    let mut world = World::new();
    let id = world.pull("old:1").await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(text(&world.path()), format!("{id} {}\n", 1_714_564_800));
    world.kill().await;
    sleep(6 * DAY).await;
    world.start();
    assert_eq!(world.hours_until_gone("old:1").await, 24 + 13);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(text(&world.path()), "");

    world.kill().await;
    std::fs::write(world.path(), "nonsense\n").unwrap();
    world.start();
    assert_eq!(text(&world.path().with_extension("damaged")), "nonsense\n");
    world.pull("used:1").await;
    let hours = world.hours_until_gone("used:1").await;
    assert!((7 * 24..=8 * 24).contains(&hours), "{hours}");
}
