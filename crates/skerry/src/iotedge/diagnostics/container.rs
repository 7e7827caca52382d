//! Runs this program in a container of its own, and takes it away again.
//!
//! No image has to be fetched: an empty one is made by the engine, and this machine's libraries and roots are
//! mounted into it, to be read only. It has none of the labels by which modules are known.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use skerry_runtime::LogFrames;
use tokio::time::timeout;

use super::super::check::Inside;
use super::super::socket::{Local, piece};

static RUNS: AtomicUsize = AtomicUsize::new(0);

const IMAGE: &str = "skerry-diagnostics:empty";
const PROGRAM: &str = "/diagnostics/skerry";
/// What a program needs to start, to find names and to trust; those that this machine has.
const MOUNTED: [&str; 6] = ["/usr", "/lib", "/lib64", "/etc/ssl", "/etc/pki", "/etc/nsswitch.conf"];
/// For what is run; then it is taken away.
const LIMIT: Duration = Duration::from_secs(45);
/// Two empty blocks: the end of an archive in which nothing is.
const EMPTY_ARCHIVE: [u8; 1024] = [0; 1024];

pub async fn run_in_container(inside: &Inside) -> Result<String, String> {
    let engine = Local::engine(inside.engine.clone());
    let image = match &inside.image {
        Some(image) => image.clone(),
        None => {
            make_image(&engine).await?;
            IMAGE.to_owned()
        }
    };
    let program =
        std::env::current_exe().map_err(|error| format!("our own program is not found: {error}"))?;
    // Several run at a time.
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    let name = format!("skerry-diagnostics-{}-{number}", std::process::id());
    let body = body(inside, &image, &program);
    let create = format!("/containers/create?name={name}");
    ask(&engine, Method::POST, &create, Some(&body)).await?;
    let ran = run(&engine, &name).await;
    ask(&engine, Method::DELETE, &format!("/containers/{name}?force=true"), None).await?;
    ran
}

async fn run(engine: &Local, name: &str) -> Result<String, String> {
    ask(engine, Method::POST, &format!("/containers/{name}/start"), None).await?;
    let wait = format!("/containers/{name}/wait");
    let ended = timeout(LIMIT, ask(engine, Method::POST, &wait, None)).await;
    let ended = ended.map_err(|_| format!("it did not end within {} s", LIMIT.as_secs()))??;
    let logs = format!("/containers/{name}/logs?stdout=true&stderr=true");
    let written = engine.get_bytes(&logs).await.map_err(|failure| failure.to_string())?;
    let mut frames = LogFrames::default();
    frames.push(&written);
    let mut said = String::new();
    while let Some(frame) = frames.next_frame() {
        said.push_str(&String::from_utf8_lossy(&frame.text));
    }
    if ended["StatusCode"] == 0 { Ok(said) } else { Err(said.trim().to_owned()) }
}

async fn make_image(engine: &Local) -> Result<(), String> {
    if engine.get(&format!("/images/{}/json", piece(IMAGE))).await.is_ok() {
        return Ok(());
    }
    let (repository, tag) = IMAGE.split_once(':').expect("the image has a tag");
    let path = format!("/images/create?fromSrc=-&repo={repository}&tag={tag}");
    let made = engine.send_bytes(&path, "application/x-tar", Bytes::from_static(&EMPTY_ARCHIVE)).await;
    made.map(drop).map_err(|failure| format!("no image can be made: {failure}"))
}

async fn ask(engine: &Local, method: Method, path: &str, body: Option<&Value>) -> Result<Value, String> {
    engine.ask(method, path, body).await.map_err(|failure| failure.to_string())
}

fn body(inside: &Inside, image: &str, program: &Path) -> Value {
    let shared = MOUNTED.iter().map(PathBuf::from).filter(|path| path.exists());
    let read_only = |path: &Path| format!("{0}:{0}:ro", path.display());
    let mut binds: Vec<String> = shared.map(|path| read_only(&path)).collect();
    // One file may serve two ends, and is mounted once.
    let files: std::collections::BTreeSet<_> = inside.files.iter().collect();
    binds.extend(files.into_iter().map(|path| read_only(path)));
    binds.push(format!("{}:{PROGRAM}:ro", program.display()));
    let mut arguments = vec!["iotedge".to_owned(), "diagnostics".to_owned()];
    arguments.extend(inside.arguments.iter().cloned());
    json!({
        "Image": image,
        "Entrypoint": [PROGRAM],
        "Cmd": arguments,
        "HostConfig": {
            "Binds": binds,
            "NetworkMode": inside.network.as_deref().unwrap_or("default"),
            "ExtraHosts": inside.extra_hosts,
            // What it writes is read once, whatever the engine does with logs otherwise.
            "LogConfig": { "Type": "json-file" },
            "ReadonlyRootfs": true,
            // The machine's files keep the labels that they have.
            "SecurityOpt": ["label=disable"],
            "CapDrop": ["ALL"],
        },
    })
}
