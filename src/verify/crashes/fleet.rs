//! The instances: processes of this very binary, their logs, and how they ended.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use super::CrashesError;
use super::recovery::{Told, told};
use crate::settings::ENVIRONMENT_PREFIX;

/// So many of its last lines are kept for the report.
const LAST_LINES: usize = 12;
/// One that was asked to end and does not is killed after this long.
const FAREWELL: Duration = Duration::from_secs(90);
/// One that ended by itself is started again after this long, as a service manager would.
const RESTART_AFTER: Duration = Duration::from_millis(500);
/// One that ran for less than this has not started properly …
const SHORT: Duration = Duration::from_secs(5);
/// … and after so many times in a row never will.
const TRIES: u32 = 10;

/// An instance said something of its partitions.
#[derive(Debug)]
pub struct Heard {
    pub instance: u32,
    pub at: Instant,
    pub told: Told,
}

/// A process that ended otherwise than it was made to.
#[derive(Clone, Debug, Serialize)]
pub struct Exit {
    pub instance: String,
    /// Exit code or signal.
    pub status: String,
    pub ran_seconds: f64,
    /// Whether it had been asked to end.
    pub was_asked: bool,
    pub last_lines: Vec<String>,
}

/// All instances.
pub struct Fleet {
    binary: PathBuf,
    settings: PathBuf,
    folder: PathBuf,
    prefix: String,
    sender: Sender<Heard>,
    receiver: Receiver<Heard>,
    members: Vec<Member>,
    panics: Arc<Mutex<Vec<String>>>,
}

#[derive(Default)]
struct Member {
    process: Option<Process>,
    /// When it is to run (again); `None` while it is to be down.
    wanted_from: Option<Instant>,
    short_lives: u32,
}

struct Process {
    child: Child,
    listener: JoinHandle<()>,
    last_lines: Arc<Mutex<VecDeque<String>>>,
    started: Instant,
    asked_at: Option<Instant>,
}

impl Fleet {
    /// Places for `size` instances, none of which runs.
    pub fn new(settings: PathBuf, folder: PathBuf, prefix: &str, size: u32) -> Result<Self, CrashesError> {
        let (sender, receiver) = channel();
        Ok(Self {
            binary: std::env::current_exe().map_err(CrashesError::system("the binary of tapwatch"))?,
            settings,
            folder,
            prefix: prefix.to_owned(),
            sender,
            receiver,
            members: (0..size).map(|_| Member::default()).collect(),
            panics: Arc::default(),
        })
    }

    /// The name of an instance, and of its log.
    pub fn name(instance: u32) -> String {
        format!("instance-{}", instance + 1)
    }

    /// What instances have said since this was last asked.
    pub fn heard(&self) -> Vec<Heard> {
        self.receiver.try_iter().collect()
    }

    /// Lines in which a thread of an instance says that it panicked.
    pub fn panics(&self) -> Vec<String> {
        self.panics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether its process runs.
    pub fn is_running(&self, instance: u32) -> bool {
        self.members[instance as usize].process.is_some()
    }

    /// Whether all that should run do, and nothing else does.
    pub fn is_as_wanted(&self) -> bool {
        self.members
            .iter()
            .all(|member| member.process.is_some() == member.wanted_from.is_some())
    }

    /// It is to run, from the next [`Fleet::look_after`] on.
    pub fn want(&mut self, instance: u32) {
        self.members[instance as usize]
            .wanted_from
            .get_or_insert_with(Instant::now);
    }

    /// SIGKILL; when this returns the process is gone and what it said was heard. False if there was none.
    pub fn kill(&mut self, instance: u32) -> Result<bool, CrashesError> {
        let member = &mut self.members[instance as usize];
        member.wanted_from = None;
        let Some(mut process) = member.process.take() else {
            return Ok(false);
        };
        let name = Self::name(instance);
        process.child.kill().map_err(CrashesError::system(&name))?;
        process.child.wait().map_err(CrashesError::system(&name))?;
        drop(process.listener.join());
        Ok(true)
    }

    /// SIGTERM.
    pub fn ask_to_end(&mut self, instance: u32) {
        let member = &mut self.members[instance as usize];
        member.wanted_from = None;
        if let Some(process) = &mut member.process {
            process.asked_at.get_or_insert_with(Instant::now);
            process.signal(Signal::TERM);
        }
    }

    /// SIGSTOP or SIGCONT.
    pub fn freeze(&self, instance: u32, is_to_freeze: bool) {
        if let Some(process) = &self.members[instance as usize].process {
            process.signal(if is_to_freeze { Signal::STOP } else { Signal::CONT });
        }
    }

    /// Takes in what has ended and starts what should run. Answers those that ended otherwise than in good order when
    /// asked to.
    pub fn look_after(&mut self) -> Result<Vec<(u32, Exit)>, CrashesError> {
        let mut exits = Vec::new();
        for instance in 0..self.members.len() as u32 {
            let name = Self::name(instance);
            let member = &mut self.members[instance as usize];
            if let Some(mut process) = member.process.take() {
                match process.ended().map_err(CrashesError::system(&name))? {
                    None => member.process = Some(process),
                    Some(status) => {
                        let ran = process.started.elapsed();
                        let exit = process.exit(&name, status);
                        if !exit.was_asked {
                            member.wanted_from = Some(Instant::now() + RESTART_AFTER);
                            member.short_lives = if ran < SHORT { member.short_lives + 1 } else { 0 };
                        }
                        if member.short_lives >= TRIES {
                            let said = exit.last_lines.join("\n");
                            return Err(CrashesError::WillNotRun { name, said });
                        }
                        // SIGTERM itself ends one that has only just been started.
                        let is_orderly = status.success() || status.signal() == Some(Signal::TERM.as_raw());
                        if !(exit.was_asked && is_orderly) {
                            exits.push((instance, exit));
                        }
                    }
                }
            }
            if member.process.is_none() && member.wanted_from.is_some_and(|from| from <= Instant::now()) {
                self.start(instance)?;
            }
        }
        Ok(exits)
    }

    fn start(&mut self, instance: u32) -> Result<(), CrashesError> {
        let name = Self::name(instance);
        let path = self.folder.join(format!("{name}.log"));
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.map_err(CrashesError::system(path.display().to_string()))?;
        let mut command = Command::new(&self.binary);
        command
            .args(["run", "--config"])
            .arg(&self.settings)
            .args(["--set", &format!("kafka.instance_id={}-{}", self.prefix, instance + 1)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        // The file holds every setting already, and the environment would win over it.
        for (key, _) in std::env::vars_os() {
            if key.to_string_lossy().starts_with(ENVIRONMENT_PREFIX) {
                command.env_remove(key);
            }
        }
        let mut child = command.spawn().map_err(CrashesError::system(&name))?;
        let last_lines = Arc::new(Mutex::new(VecDeque::new()));
        let listener = Listener {
            instance,
            name,
            log,
            last_lines: Arc::clone(&last_lines),
            panics: Arc::clone(&self.panics),
            sender: self.sender.clone(),
        };
        let said = child.stderr.take();
        self.members[instance as usize].process = Some(Process {
            child,
            listener: std::thread::spawn(move || listener.listen(said)),
            last_lines,
            started: Instant::now(),
            asked_at: None,
        });
        Ok(())
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for instance in 0..self.members.len() as u32 {
            // Nothing can be done about one that cannot be killed.
            drop(self.kill(instance));
        }
    }
}

impl Process {
    fn signal(&self, signal: Signal) {
        // One that has just ended is found by the next look.
        if let Err(error) = kill_process(Pid::from_child(&self.child), signal) {
            tracing::debug!(%error, "a signal reached nobody");
        }
    }

    /// How it ended, if it has; one that was asked to and does not is killed in the end.
    fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(Some(status));
        }
        if self.asked_at.is_some_and(|at| at.elapsed() > FAREWELL) {
            self.child.kill()?;
            return self.child.wait().map(Some);
        }
        Ok(None)
    }

    fn exit(self, name: &str, status: ExitStatus) -> Exit {
        drop(self.listener.join());
        let last_lines = self.last_lines.lock().unwrap_or_else(PoisonError::into_inner);
        Exit {
            instance: name.to_owned(),
            status: status.to_string(),
            ran_seconds: self.started.elapsed().as_secs_f64(),
            was_asked: self.asked_at.is_some(),
            last_lines: last_lines.iter().cloned().collect(),
        }
    }
}

/// Reads what an instance says, to the end.
struct Listener {
    instance: u32,
    name: String,
    log: File,
    last_lines: Arc<Mutex<VecDeque<String>>>,
    panics: Arc<Mutex<Vec<String>>>,
    sender: Sender<Heard>,
}

impl Listener {
    fn listen(mut self, said: Option<ChildStderr>) {
        let Some(said) = said else { return };
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            let at = Instant::now();
            if let Err(error) = writeln!(self.log, "{line}") {
                tracing::warn!(%error, instance = self.name, "the log of an instance is not whole");
            }
            if line.contains("panicked at") {
                let panic = format!("{}: {line}", self.name);
                self.panics.lock().unwrap_or_else(PoisonError::into_inner).push(panic);
            }
            if let Some(told) = told(&line) {
                let instance = self.instance;
                // Nobody listens when the run is over.
                drop(self.sender.send(Heard { instance, at, told }));
            }
            let mut last_lines = self.last_lines.lock().unwrap_or_else(PoisonError::into_inner);
            if last_lines.len() == LAST_LINES {
                last_lines.pop_front();
            }
            last_lines.push_back(line);
        }
    }
}
