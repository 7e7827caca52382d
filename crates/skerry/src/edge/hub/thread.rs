//! One thread for all letters.
//!
//! A letter goes from one connection to another and back. On one thread that costs no wake of another one, which
//! is most of what it costs on several; and one computes more than the modules of a device say. Handshakes,
//! which take a thousand times as long as a letter, are made elsewhere.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Does the work on a thread of its own, until it is done or nobody waits for it any more. It hears where the
/// rest of the process is. Where it breaks off, whoever waits for it does.
pub(super) async fn on_own_thread<F: Future<Output = ()>>(
    work: impl FnOnce(Handle) -> F + Send + 'static,
) -> std::io::Result<()> {
    let elsewhere = Handle::current();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (wanted, unwanted) = oneshot::channel::<()>();
    let (done, is_done) = oneshot::channel();
    std::thread::Builder::new().name("edge-hub".into()).spawn(move || {
        let ended = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                tokio::select! {
                    () = work(elsewhere) => {}
                    _ = unwanted => {}
                }
            });
        }));
        drop(runtime);
        // Whoever waited may be gone.
        drop(done.send(ended));
    })?;
    let ended = is_done.await;
    // Until here somebody did.
    drop(wanted);
    if let Ok(Err(broke)) = ended {
        resume_unwind(broke);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_is_another_thread_and_its_tasks_are_on_it() {
        let here = std::thread::current().id();
        let (tell, told) = mpsc::channel();
        let done = on_own_thread(move |elsewhere| async move {
            let on = tokio::spawn(async { std::thread::current().id() });
            let there = elsewhere.spawn(async { std::thread::current().id() });
            tell.send((on.await.unwrap(), std::thread::current().id(), there.await.unwrap())).unwrap();
        });
        done.await.unwrap();
        let (task, work, there) = told.recv().unwrap();
        assert_eq!((task == work, work == here, there == here), (true, false, true));
    }

    #[tokio::test]
    async fn who_waits_for_work_that_breaks_off_breaks_off() {
        let broke = tokio::spawn(on_own_thread(|_| async {
            resume_unwind(Box::new("broken"));
        }));
        assert!(broke.await.unwrap_err().is_panic());
    }

    #[tokio::test]
    async fn it_ends_when_nobody_waits_for_it() {
        struct Tells(mpsc::Sender<()>);
        impl Drop for Tells {
            fn drop(&mut self) {
                self.0.send(()).unwrap();
            }
        }
        let (tell, told) = mpsc::channel();
        let endless = on_own_thread(move |_| async move {
            let _tells = Tells(tell);
            std::future::pending::<()>().await;
        });
        drop(tokio::time::timeout(Duration::from_millis(20), endless).await);
        tokio::task::spawn_blocking(move || told.recv().unwrap()).await.unwrap();
    }
}
