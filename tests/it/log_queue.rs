//! A log that nobody reads: requests are answered all the same, and the process can be stopped.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::installation::Installation;
use crate::support::program::eventually;
use crate::support::wire::Endpoint;

/// An address that is free just now.
fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test]
async fn nobody_waits_for_a_log_that_is_not_read() {
    let (public, internal) = (free_address(), free_address());
    // Every request is many lines at this level.
    let installation = Installation::new()
        .await
        .with("CREDENZA_LISTEN", &public)
        .with("CREDENZA_INTERNAL_LISTEN", &internal)
        .with("CREDENZA_LOG", "trace");
    let (unread, log) = std::io::pipe().unwrap();
    let mut command = installation.command(&["serve"]);
    command.kill_on_drop(true).stdout(std::process::Stdio::null()).stderr(log);
    let mut child = command.spawn().unwrap();
    drop(command);
    let (public, internal) = (Endpoint::new(&format!("http://{public}")), Endpoint::new(&format!("http://{internal}")));
    eventually("it serves", async || !public.refuses().await).await;
    let dropped = async || {
        let metrics = internal.get("/metrics").await.body;
        let line = metrics.lines().find_map(|line| line.strip_prefix("credenza_log_lines_dropped_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    eventually("lines are dropped", async || {
        for _ in 0..50 {
            public.get("/healthz").await.expect(200);
        }
        dropped().await > 0
    })
    .await;
    let begun = Instant::now();
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(child.wait().await.unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    drop(unread);
}
