//! Processes of the real binary: what they are told, what they say, and how they end.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::broker::free_port;

/// It ends a test that hangs, and measures nothing.
pub const HANGS: Duration = Duration::from_secs(60);

/// The end of a log, for whoever reads of a test that failed.
pub fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Waits until `condition` holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + HANGS;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Runs the binary to its end.
pub fn tapwatch<I: IntoIterator<Item: AsRef<OsStr>>>(arguments: I) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tapwatch"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs")
}

/// The standard output of a run that must have succeeded.
pub fn success(output: &Output) -> String {
    let (out, err) = texts(output);
    assert!(output.status.success(), "{}\n{out}{err}", output.status);
    out
}

/// The standard error of a run that must have ended with exit code 1.
pub fn refusal(output: &Output) -> String {
    let (out, err) = texts(output);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    err
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// A process of the binary whose standard error is kept. Dropping it kills it; a test that fails shows what it said.
pub struct Running {
    child: Child,
    said: Arc<Mutex<String>>,
    listener: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts it.
    pub fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tapwatch"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let lines = BufReader::new(child.stderr.take().expect("standard error is a pipe")).lines();
        let said = Arc::new(Mutex::new(String::new()));
        let listener = {
            let said = Arc::clone(&said);
            thread::spawn(move || {
                for line in lines.map_while(Result::ok) {
                    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    said.push_str(&line);
                    said.push('\n');
                }
            })
        };
        Self {
            child,
            said,
            listener: Some(listener),
        }
    }

    /// What it has said on standard error so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it says this.
    pub fn wait_for(&mut self, words: &str) {
        wait_until(&format!("it says {words:?}"), || {
            let (says, runs) = (self.said().contains(words), self.is_running());
            assert!(says || runs, "it has ended without saying {words:?}");
            says
        });
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child can be waited for").is_none()
    }

    /// SIGTERM.
    pub fn ask_to_end(&self) {
        self.signal("-TERM");
    }

    /// SIGSTOP: it hangs.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(status.expect("kill runs").success());
    }

    /// SIGKILL; when this returns the process is gone.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is there to be killed");
        self.child.wait().expect("a child can be waited for");
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + HANGS;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                self.hear_out();
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for its end, which must be one in good order.
    pub fn wait_for_success(&mut self) {
        let status = self.wait();
        assert!(status.success(), "{status}");
    }

    fn hear_out(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.join().expect("the listener does not panic");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            self.hear_out();
            eprintln!("--- standard error of process {}:\n{}---", self.child.id(), self.said());
        }
    }
}

/// A `tapwatch run`.
pub struct Instance {
    pub process: Running,
    port: u16,
}

impl Instance {
    /// Starts it, with a metrics page on a port of its own.
    pub fn start(arguments: &[&str]) -> Self {
        let port = free_port();
        let listen = format!("metrics.listen=127.0.0.1:{port}");
        let process = Running::start(&[arguments, &["--set", &listen]].concat());
        Self { process, port }
    }

    /// Status and body of one of its pages; `None` while nobody answers.
    pub fn get(&self, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_owned()))
    }

    /// A metric, its samples of all labels added up; 0 while there is none.
    pub fn sum(&self, metric: &str) -> f64 {
        let page = self.get("/metrics").map(|(_, page)| page).unwrap_or_default();
        let samples = page.lines().filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            (series == metric || series.split('{').next() == Some(metric))
                .then(|| value.parse::<f64>().expect("a number"))
        });
        samples.sum()
    }

    /// Why it is not ready, by its page.
    pub fn wait_for_reason(&self, words: &str) {
        wait_until(&format!("it is not ready because {words:?}"), || {
            self.get("/health/ready")
                .is_some_and(|(status, body)| status == 503 && body.contains(words))
        });
    }

    /// Waits until it says that it is ready.
    pub fn wait_until_ready(&mut self) {
        wait_until("the instance is ready", || {
            assert!(self.process.is_running(), "it has ended instead");
            self.get("/health/ready").is_some_and(|(status, _)| status == 200)
        });
    }

    /// Ends it by SIGTERM, and insists on an orderly end.
    pub fn stop(&mut self) {
        self.process.ask_to_end();
        self.process.wait_for_success();
    }
}

/// A file of the repository.
pub fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
