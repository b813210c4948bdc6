//! The real program, as a process: started, listened to, signalled, waited for.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::skip::skip;

/// Longest wait for anything that another process does. Only a failing test waits that long, so it is long enough for a
/// machine with much other work.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A command of the program, with an environment that holds nothing but what finds Postgres.
pub fn credenza<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_credenza"));
    command.args(arguments).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    for name in ["PATH", "CREDENZA_POSTGRES_BIN"] {
        if let Some(value) = inherited(name) {
            command.env(name, value);
        }
    }
    command
}

#[allow(clippy::disallowed_methods, reason = "the tests' own settings")]
fn inherited(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The output of a command that ran to its end.
#[derive(Debug)]
pub struct Finished {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a command to its end.
pub async fn run(mut command: Command, input: &str) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that wants no input may be gone already.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = timeout(PATIENCE, child.wait_with_output()).await.expect("the command ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Finished {
    /// Standard output without its last line end, if the command succeeded.
    #[track_caller]
    pub fn done(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout.trim_end_matches('\n')
    }

    /// Standard output as JSON, if the command succeeded.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(self.done()).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The command failed with this exit code, and printed this on standard error and nothing on standard output.
    #[track_caller]
    pub fn refused(&self, code: i32, part: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{self:?}");
        assert!(self.stderr.contains(part), "`{part}` is missing in: {self:?}");
    }
}

/// A program that runs until it gets a signal. Killed when dropped.
pub struct Running {
    child: Child,
    stdout: Output,
    stderr: Output,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, stdout: Output::collect(stdout), stderr: Output::collect(stderr) }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().expect("it runs").try_into().unwrap()).unwrap()
    }

    /// Everything on standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.so_far()
    }

    /// Everything on standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.so_far()
    }

    /// Waits for output of the program; panics with all of it if it ends before.
    pub async fn says<T>(&mut self, what: &str, found: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            let ended = self.child.try_wait().unwrap();
            let all = (self.stdout(), self.stderr());
            assert!(ended.is_none() && Instant::now() < deadline, "it does not say {what}: {ended:?} {all:#?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end; returns its output and its exit code, which a killed one does not have.
    pub async fn end(mut self) -> Finished {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends").unwrap();
        Finished { code: status.code(), stdout: self.stdout.whole().await, stderr: self.stderr.whole().await }
    }

    /// Signals it to stop, and waits for its end.
    pub async fn stop(self) -> Finished {
        self.signal(Signal::TERM);
        self.end().await
    }
}

/// A stream of a program, collected as it comes, so that the program never waits for a reader.
struct Output {
    text: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Output {
    fn collect(mut stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&text);
        let reader = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                sink.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..length]);
            }
        });
        Self { text, reader }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// All of it, up to the end of the stream: any other process that holds the stream open has to have let go as well.
    async fn whole(&mut self) -> String {
        timeout(PATIENCE, &mut self.reader).await.expect("nobody else holds the stream").unwrap();
        self.so_far()
    }
}

/// Lets others work before a condition is looked at again. To ask at once would take the processor from those that it waits
/// for.
pub async fn a_moment() {
    sleep(Duration::from_millis(1)).await;
}

/// Waits for something that becomes true elsewhere.
pub async fn eventually(what: &str, happened: impl AsyncFnMut() -> bool) {
    within(PATIENCE, what, happened).await;
}

/// Waits for something that has to become true within a time.
pub async fn within(limit: Duration, what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !happened().await {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The processes that belong to a folder: those that name it in their command line or work in it. Empty where the
/// system has no `/proc`, which is a skip.
pub fn processes_of(folder: &Path) -> Vec<Pid> {
    let Ok(processes) = std::fs::read_dir("/proc").map(Iterator::flatten) else {
        skip!("no /proc to look for processes in");
        return vec![];
    };
    let folder_bytes = folder.as_os_str().as_encoded_bytes();
    let belongs = |process: &Path| {
        let command = std::fs::read(process.join("cmdline")).unwrap_or_default();
        let named = command.windows(folder_bytes.len()).any(|window| window == folder_bytes);
        named || std::fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
    };
    let pid = |entry: &std::fs::DirEntry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?);
    processes.filter(|entry| belongs(&entry.path())).filter_map(|entry| pid(&entry)).collect()
}

/// The process that watches over a server and ends it with its owner. It names the server, not the folder.
pub fn watchdog_of(server: Pid) -> Option<Pid> {
    let watched = format!("postgres-watchdog\0{}\0", server.as_raw_pid());
    let Ok(processes) = std::fs::read_dir("/proc") else {
        skip!("no /proc to look for a watchdog in");
        return None;
    };
    processes.flatten().find_map(|entry| {
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        command.ends_with(watched.as_bytes()).then(|| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))?
    })
}

/// Processor time of a process and of the children that it has waited for. None where the system has no `/proc`.
pub fn processor_time(process: Pid) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_pid())).ok()?;
    // utime, stime, cutime and cstime, in hundredths of a second.
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
    Some(Duration::from_millis(10 * fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>()))
}
