//! The suite on programs of this machine, and what only processes can show.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};
use skerry_model::{Clock, Timestamp};
use skerry_runtime::{
    CreateError, CreateRules, EngineError, LogFrames, LogQuery, ProcessCheck, ProcessImage, ProcessOptions,
    ProcessRuntime, PullError, PullRequest, Runtime, State, Status,
};
use tempfile::TempDir;

use crate::conformance::{Bed, Images, pull, request, run, suite, until, with_options};

struct MachineClock;

impl Clock for MachineClock {
    #[allow(clippy::disallowed_methods, reason = "processes end when they end")]
    fn now(&self) -> Timestamp {
        let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
        Timestamp::from_unix(now.unwrap())
    }
}

struct ProcessBed {
    runtime: ProcessRuntime,
    folder: TempDir,
}

impl Bed for ProcessBed {
    fn runtime(&self) -> &dyn Runtime {
        &self.runtime
    }

    fn images(&self) -> Images {
        Images { runs: "runs:1", fails: "fails:1", talks: "talks:1", sick: "sick:1", missing: "missing:1" }
    }
}

/// Programs that end with this test, however it ends.
fn image(reference: &str, number: u8, program: &Path, arguments: &[&str]) -> ProcessImage {
    let before = ["--pdeathsig", "KILL"].into_iter().map(Into::into);
    let program = std::iter::once(program.into());
    let arguments = arguments.iter().map(Into::into);
    ProcessImage {
        reference: reference.to_owned(),
        id: format!("sha256:{number:064}"),
        program: PathBuf::from("/usr/bin/setpriv"),
        arguments: before.chain(program).chain(arguments).collect(),
        env: vec![("FROM".to_owned(), "image".to_owned())],
        check: None,
    }
}

async fn bed() -> ProcessBed {
    let folder = tempfile::tempdir().unwrap();
    let helper = helper();
    let sick = image("sick:1", 4, helper, &[]);
    let check = ProcessCheck {
        arguments: [helper.as_os_str(), "exit".as_ref(), "1".as_ref()].map(Into::into).to_vec(),
        every: Duration::from_millis(500),
    };
    let runtime = ProcessRuntime::new(ProcessOptions {
        images: vec![
            image("runs:1", 1, helper, &[]),
            image("fails:1", 2, helper, &["exit", "3"]),
            image("talks:1", 3, helper, &["talk"]),
            ProcessImage { check: Some(check), ..sick },
            image("deaf:1", 5, Path::new("/bin/sh"), &["-c", "trap '' TERM; sleep 1000 & wait; wait"]),
            image("shell:1", 6, Path::new("/bin/sh"), &["-c"]),
            ProcessImage { program: "/nowhere/at all".into(), ..image("broken:1", 7, helper, &[]) },
        ],
        logs: folder.path().join("what they write"),
        rules: CreateRules::default(),
        clock: Arc::new(MachineClock),
    });
    ProcessBed { runtime, folder }
}

suite!(real);

/// The program of the containers' tests, made once.
fn helper() -> &'static Path {
    static HELPER: OnceLock<PathBuf> = OnceLock::new();
    HELPER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let made = tempfile::tempdir_in(folder).unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/containers/helper.rs");
        let mut rustc = std::process::Command::new("rustc");
        rustc.args(["--edition=2024", "-C", "panic=abort", "-o"]).arg(made.path().join("helper")).arg(source);
        assert!(rustc.status().unwrap().success());
        // Whole or not at all, whoever else makes it.
        let helper = folder.join("helper-process");
        std::fs::rename(made.path().join("helper"), &helper).unwrap();
        helper
    })
}

/// A shell as a module, with this to do.
async fn shell(bed: &ProcessBed, name: &str, mut options: Value, script: &str) {
    pull(bed, "shell:1").await;
    options["Cmd"] = json!([script]);
    bed.runtime.create(&with_options(name, "shell:1", options)).await.unwrap();
    bed.runtime.start(name).await.unwrap();
}

async fn said(bed: &ProcessBed, name: &str) -> String {
    let mut stream = bed.runtime.logs(name, &LogQuery::default()).await.unwrap();
    let (mut frames, mut said) = (LogFrames::default(), String::new());
    while let Some(piece) = stream.next().await.unwrap() {
        frames.push(&piece);
        while let Some(frame) = frames.next_frame() {
            said += std::str::from_utf8(&frame.text).unwrap();
        }
    }
    said
}

fn is_there(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // One that nobody has reaped yet is gone, too.
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with('Z'))
}

async fn until_gone(pids: &[u32]) {
    let gone = async {
        while pids.iter().any(|pid| is_there(*pid)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.expect("they end");
}

/// Waits until so many processes are in it.
async fn processes(bed: &ProcessBed, name: &str, count: usize) -> Vec<u32> {
    let look = async {
        loop {
            let found = bed.runtime.processes(name).await.unwrap();
            if found.len() == count {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), look).await.expect("they are there")
}

#[tokio::test]
async fn a_module_has_the_environment_of_a_container_and_nothing_of_ours() {
    let bed = bed().await;
    let options = json!({
        "Env": ["FROM=options", "URI=unix:///run/edge/work.sock"], "HostConfig": {"Binds": ["/a b/c:/run/edge"]}
    });
    shell(&bed, "mod-a", options, "pwd; env | sort").await;
    until(&bed, "mod-a", |seen| seen.state == State::Exited).await;
    let said = said(&bed, "mod-a").await;
    let mut lines: BTreeSet<&str> = said.lines().collect();
    // The shell's own.
    lines.retain(|line| {
        !["PWD", "OLDPWD", "SHLVL", "_"].iter().any(|name| line.starts_with(&format!("{name}=")))
    });
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(lines, BTreeSet::from(["/", "FROM=options", path, "URI=unix:///a b/c/work.sock"]));
}

#[tokio::test]
async fn who_does_not_end_when_asked_is_killed_with_its_children() {
    let bed = bed().await;
    run(&bed, "mod-a", "deaf:1").await;
    let pids = processes(&bed, "mod-a", 2).await;
    bed.runtime.stop("mod-a", Some(Duration::from_millis(200))).await.unwrap();
    let stopped = bed.runtime.inspect("mod-a").await.unwrap();
    assert_eq!((stopped.status(), stopped.exit.unwrap().code), (Status::Failed, 137));
    assert_eq!(stopped.reason.as_deref(), Some("ended by signal 9"));
    until_gone(&pids).await;
}

#[tokio::test]
async fn who_handles_no_signal_ends_well_when_asked_and_not_otherwise() {
    let bed = bed().await;
    for (signal, code) in [(None, 0), (Some("TERM"), 143)] {
        shell(&bed, "mod-a", json!({}), "exec sleep 1000").await;
        let pid = bed.runtime.inspect("mod-a").await.unwrap().pid.unwrap();
        match signal {
            None => bed.runtime.stop("mod-a", None).await.unwrap(),
            Some(signal) => {
                let kill = format!("kill -{signal} {pid}");
                assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
            }
        }
        let ended = until(&bed, "mod-a", |seen| seen.state == State::Exited).await;
        assert_eq!(ended.exit.unwrap().code, code);
        bed.runtime.remove("mod-a").await.unwrap();
    }
}

#[tokio::test]
async fn whoever_a_module_leaves_behind_goes_with_it() {
    let bed = bed().await;
    shell(&bed, "mod-a", json!({}), "sleep 1000 & echo $!; exit 4").await;
    let ended = until(&bed, "mod-a", |seen| seen.state == State::Exited).await;
    assert_eq!(ended.exit.unwrap().code, 4);
    let left: u32 = said(&bed, "mod-a").await.trim().parse().unwrap();
    until_gone(&[left]).await;
}

#[tokio::test]
async fn modules_end_with_their_engine() {
    let bed = bed().await;
    run(&bed, "mod-a", "deaf:1").await;
    run(&bed, "mod-b", "runs:1").await;
    let pids = [processes(&bed, "mod-a", 2).await, processes(&bed, "mod-b", 1).await].concat();
    bed.runtime.close(Duration::from_millis(200)).await;
    assert_eq!(bed.runtime.inspect("mod-b").await.unwrap().status(), Status::Stopped);
    until_gone(&pids).await;
    // It was closed for good.
    assert!(matches!(bed.runtime.start("mod-a").await, Err(EngineError::Down { .. })));

    let bed = self::bed().await;
    run(&bed, "mod-a", "deaf:1").await;
    let pids = processes(&bed, "mod-a", 2).await;
    drop(bed);
    until_gone(&pids).await;
}

#[tokio::test]
async fn only_the_table_says_what_runs() {
    let bed = bed().await;
    let asked = PullRequest { image: "/bin/sh".to_owned(), credentials: None };
    let error = bed.runtime.pull(&asked, &|_| {}).await.unwrap_err();
    assert!(
        matches!(&error, PullError::NotFound { text, .. } if text.contains("runs:1, fails:1")),
        "{error}"
    );
    pull(&bed, "runs:1").await;
    let other = with_options("mod-a", "runs:1", json!({"Entrypoint": ["/bin/sh"]}));
    let error = bed.runtime.create(&other).await.unwrap_err();
    assert!(matches!(&error, CreateError::Refused { status: 400, .. }), "{error:?}");
    assert!(!error.is_passing());
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told() {
    let bed = bed().await;
    pull(&bed, "broken:1").await;
    bed.runtime.create(&request("mod-a", "broken:1")).await.unwrap();
    let error = bed.runtime.start("mod-a").await.unwrap_err();
    assert!(!error.is_passing() && error.to_string().contains("/nowhere/at all"), "{error}");
    let seen = bed.runtime.inspect("mod-a").await.unwrap();
    assert_eq!((seen.status(), seen.exit.unwrap().code), (Status::Failed, 127));
    assert!(seen.reason.unwrap().contains("cannot be run"));
}

#[tokio::test]
async fn what_a_module_uses_is_told() {
    let bed = bed().await;
    shell(&bed, "mod-a", json!({}), "while :; do :; done").await;
    let used = |stats: &Value| stats["cpu_stats"]["cpu_usage"]["total_usage"].as_u64().unwrap();
    let look = async {
        loop {
            let stats = bed.runtime.stats("mod-a").await.unwrap();
            if used(&stats) > 0 && stats["precpu_stats"]["system_cpu_usage"].is_u64() {
                return stats;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let stats = tokio::time::timeout(Duration::from_secs(30), look).await.expect("it works");
    assert!(stats["memory_stats"]["usage"].as_u64().unwrap() > 0, "{stats}");
    assert_eq!(stats["pids_stats"]["current"], 1, "{stats}");
    bed.runtime.remove("mod-a").await.unwrap();
}

#[tokio::test]
async fn what_it_wrote_goes_with_the_module() {
    let bed = bed().await;
    let logs = bed.folder.path().join("what they write/mod-a");
    for _ in 0..2 {
        shell(&bed, "mod-a", json!({}), "echo once").await;
        until(&bed, "mod-a", |seen| seen.state == State::Exited).await;
        assert_eq!(said(&bed, "mod-a").await, "once\n");
        assert!(logs.join("log").exists());
        bed.runtime.remove("mod-a").await.unwrap();
        assert!(!logs.exists());
    }
}
