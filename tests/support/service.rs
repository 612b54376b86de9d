//! tapwatch as it is deployed: processes of the real binary, topics and a group of their own, and what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionListElem};
use serde_json::Value;
use tapwatch::kafka::KafkaSettings;

use super::broker::{Broker, free_port};

/// It ends a test that hangs, and measures nothing.
const HANGS: Duration = Duration::from_secs(60);

/// Partitions of a deployment, unless its test says otherwise.
pub const PARTITIONS: u32 = 4;

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

/// A record as it lies in its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub partition: i32,
    pub offset: i64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: BTreeMap<String, String>,
}

/// What a backtest says of files: the data of the alerts by the id of their event, and the ids of each home in order.
#[derive(Debug, Default, PartialEq)]
pub struct Said {
    pub alerts: BTreeMap<String, Value>,
    pub by_home: BTreeMap<String, Vec<String>>,
    /// Reason, partition, offset and payload of what was kept out.
    pub dead_letters: BTreeSet<[String; 4]>,
}

impl Said {
    fn add(&mut self, id: &str, data: &Value) {
        let home = data["household_id"].as_str().expect("an alert names its home");
        self.by_home.entry(home.to_owned()).or_default().push(id.to_owned());
        let before = self.alerts.insert(id.to_owned(), data.clone());
        assert_eq!(before, None, "the event {id} is there twice");
    }

    /// The alerts of these kinds alone.
    pub fn of_kinds(&self, kinds: &[&str]) -> BTreeMap<&String, &Value> {
        let is_wanted = |data: &Value| data["kind"].as_str().is_some_and(|kind| kinds.contains(&kind));
        self.alerts.iter().filter(|(_, data)| is_wanted(data)).collect()
    }

    /// Must be the same, all of it. A difference is shown by itself.
    pub fn assert_is(&self, expected: &Self) {
        let mut wrong = Vec::new();
        for (id, found) in &self.alerts {
            match expected.alerts.get(id) {
                None => wrong.push(format!("too many: {found}")),
                Some(wanted) if wanted != found => wrong.push(format!("{found} instead of {wanted}")),
                Some(_) => {}
            }
        }
        let missing = expected.alerts.iter().filter(|(id, _)| !self.alerts.contains_key(*id));
        wrong.extend(missing.map(|(_, wanted)| format!("missing: {wanted}")));
        let letters = self.dead_letters.symmetric_difference(&expected.dead_letters);
        wrong.extend(letters.map(|letter| {
            let whose = if self.dead_letters.contains(letter) {
                "too many"
            } else {
                "missing"
            };
            format!("dead letter {whose}: {letter:?}")
        }));
        assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
        assert_eq!(self.by_home, expected.by_home);
        assert_eq!(self, expected);
    }

    /// Must be the same, but for the offsets of dead letters where `written` says that the log holds more readings than
    /// were sent: a producer whose broker is killed may write some twice, and what comes after them has later offsets.
    pub fn assert_is_but_for(&self, written: i64, sent: usize, expected: &Self) {
        if i64::try_from(sent).is_ok_and(|sent| written == sent) {
            return self.assert_is(expected);
        }
        self.without_offsets().assert_is(&expected.without_offsets());
    }

    fn without_offsets(&self) -> Self {
        let without = |[reason, partition, _, value]: &[String; 4]| {
            [reason.clone(), partition.clone(), String::new(), value.clone()]
        };
        Self {
            alerts: self.alerts.clone(),
            by_home: self.by_home.clone(),
            dead_letters: self.dead_letters.iter().map(without).collect(),
        }
    }

    /// What follows after a beginning, whose alerts and dead letters must all be here and be the first of their homes.
    pub fn after(&self, beginning: &Self) -> Self {
        let mut rest = Self::default();
        for (home, ids) in &self.by_home {
            let begun = beginning.by_home.get(home).map_or(0, Vec::len);
            assert_eq!(
                ids.get(..begun),
                Some(beginning.by_home.get(home).map_or(&[][..], |ids| ids)),
                "{home}"
            );
            for id in &ids[begun..] {
                rest.add(id, &self.alerts[id]);
            }
        }
        assert!(beginning.dead_letters.is_subset(&self.dead_letters));
        rest.dead_letters = self.dead_letters.difference(&beginning.dead_letters).cloned().collect();
        rest
    }

    /// Kinds and states that occur, such as `leak raised`.
    pub fn sorts(&self) -> BTreeSet<String> {
        let word = |data: &Value, field: &str| data[field].as_str().unwrap_or_default().to_owned();
        let sort = |data: &Value| format!("{} {}", word(data, "kind"), word(data, "state"));
        self.alerts.values().map(sort).collect()
    }
}

/// Runs `tapwatch backtest` in a folder of its own.
pub fn backtest(arguments: &[&str]) -> Said {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().to_string_lossy();
    let partitions = PARTITIONS.to_string();
    let fixed = ["backtest", "--sweep", "0", "--partitions", &partitions, "--out", &out];
    success(&tapwatch(fixed.iter().chain(arguments)));
    let mut said = Said::default();
    for line in fs::read_to_string(folder.path().join("alerts.jsonl"))
        .expect("the backtest writes alerts.jsonl")
        .lines()
    {
        let event: Value = serde_json::from_str(line).expect("a line of alerts.jsonl is JSON");
        said.add(event["id"].as_str().expect("an id"), &event["data"]);
    }
    for line in fs::read_to_string(folder.path().join("dead-letters.jsonl"))
        .expect("the backtest writes dead-letters.jsonl")
        .lines()
    {
        let letter: Value = serde_json::from_str(line).expect("a line of dead-letters.jsonl is JSON");
        let fields = ["reason", "partition", "offset", "value"];
        said.dead_letters.insert(fields.map(|field| match &letter[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }));
    }
    said
}

/// What topics there are, as their names end.
pub const PURPOSES: [&str; 10] = [
    "readings",
    "homes",
    "signs",
    "responses",
    "zones",
    "alerts",
    "area-alerts",
    "visits",
    "dead-letter",
    "state",
];

/// Topics and a group on a broker, and the settings that name them.
pub struct Deployment {
    name: String,
    /// What the names of the topics begin with that others write.
    inputs: String,
    client: ClientConfig,
    settings: Vec<String>,
}

impl Deployment {
    /// Names only: nothing is made yet.
    pub fn named(broker: &Broker, name: &str) -> Self {
        Self::with_inputs(broker, name, name)
    }

    /// The same, with what others write for another deployment.
    pub fn beside(broker: &Broker, name: &str, inputs: &str) -> Self {
        let deployment = Self::with_inputs(broker, name, inputs);
        deployment.run(&["topics", "--create"]);
        deployment
    }

    fn with_inputs(broker: &Broker, name: &str, inputs: &str) -> Self {
        let mut settings = vec![
            format!("kafka.bootstrap_servers={}", broker.bootstrap()),
            format!("kafka.group_id={name}"),
            format!("kafka.partitions={PARTITIONS}"),
            "privacy.consent=assumed".to_owned(),
        ];
        let mut deployment = Self {
            name: name.to_owned(),
            inputs: inputs.to_owned(),
            client: broker.client(),
            settings: Vec::new(),
        };
        for purpose in PURPOSES {
            let (key, topic) = (purpose.replace('-', "_"), deployment.topic(purpose));
            settings.push(format!("kafka.topics.{key}={topic}"));
        }
        deployment.settings = settings;
        deployment
    }

    /// With its topics, made by `tapwatch topics --create`.
    pub fn new(broker: &Broker, name: &str) -> Self {
        let deployment = Self::named(broker, name);
        let said = deployment.run(&["topics", "--create"]);
        assert!(
            said.contains(&format!("{name}.readings: {PARTITIONS} partitions")),
            "{said}"
        );
        deployment
    }

    /// With another setting; the later of one key wins.
    pub fn with(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// The name of its topic of this purpose.
    pub fn topic(&self, purpose: &str) -> String {
        let whose = match purpose {
            "readings" | "homes" | "signs" | "responses" => &self.inputs,
            _ => &self.name,
        };
        format!("{whose}.{purpose}")
    }

    /// Settings of a client of its broker.
    pub fn client(&self) -> ClientConfig {
        self.client.clone()
    }

    /// Those of its settings that a client needs which runs in the test itself.
    pub fn kafka(&self) -> KafkaSettings {
        let mut settings = KafkaSettings {
            bootstrap_servers: self.client.get("bootstrap.servers").unwrap_or_default().to_owned(),
            group_id: self.name.clone(),
            ..KafkaSettings::default()
        };
        let topics = &mut settings.topics;
        for (name, purpose) in [
            (&mut topics.readings, "readings"),
            (&mut topics.homes, "homes"),
            (&mut topics.signs, "signs"),
            (&mut topics.responses, "responses"),
            (&mut topics.zones, "zones"),
            (&mut topics.state, "state"),
        ] {
            *name = self.topic(purpose);
        }
        settings
    }

    /// The arguments of a command under its settings.
    pub fn arguments<'a>(&'a self, command: &[&'a str]) -> Vec<&'a str> {
        let settings = self.settings.iter().flat_map(|setting| ["--set", setting.as_str()]);
        command.iter().copied().chain(settings).collect()
    }

    /// Runs a command that must succeed; its output.
    pub fn run(&self, command: &[&str]) -> String {
        success(&tapwatch(self.arguments(command)))
    }

    /// Runs a command that must end with exit code 1; what it says about it.
    pub fn refused(&self, command: &[&str]) -> String {
        refusal(&tapwatch(self.arguments(command)))
    }

    /// Starts `tapwatch run`, with these settings besides.
    pub fn start_with(&self, settings: &[&str]) -> Instance {
        let mut arguments = self.arguments(&["run"]);
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        Instance::start(&arguments)
    }

    /// Starts `tapwatch run`.
    pub fn start(&self) -> Instance {
        self.start_with(&[])
    }

    /// Starts a replay of this file that takes about `seconds`, of a stream `days` long.
    pub fn start_replay(&self, readings: &Path, days: u32, seconds: u32) -> Running {
        let speed = (days * 86_400 / seconds).to_string();
        let readings = readings.to_string_lossy();
        let command = ["replay", "--readings", &readings, "--speed", &speed];
        Running::start(&self.arguments(&command))
    }

    fn consumer(&self) -> BaseConsumer {
        let mut config = self.client.clone();
        config
            .set("group.id", &self.name)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("isolation.level", "read_committed");
        config.create().expect("a consumer")
    }

    /// The group's offset in each partition of the readings, with its metadata; 0 where it has none.
    pub fn committed(&self) -> Vec<(i64, String)> {
        let (topic, consumer) = (self.topic("readings"), self.consumer());
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&topic, 0, PARTITIONS as i32 - 1);
        // The coordinator of a group that is asked for the first time may have to be found.
        let mut committed = None;
        wait_until("the broker answers", || {
            committed = consumer.committed_offsets(list.clone(), HANGS).ok();
            committed.is_some()
        });
        let committed = committed.expect("an answer");
        let offset = |element: &TopicPartitionListElem<'_>| match element.offset() {
            Offset::Offset(offset) => offset,
            _ => 0,
        };
        committed
            .elements()
            .iter()
            .map(|element| (offset(element), element.metadata().to_owned()))
            .collect()
    }

    /// Sets the group's offset in each partition of the readings, as its administrator may while nobody runs.
    pub fn set_committed(&self, offsets: &[(i64, String)]) {
        let topic = self.topic("readings");
        let mut list = TopicPartitionList::new();
        for (partition, (offset, metadata)) in (0..).zip(offsets) {
            let mut element = list.add_partition(&topic, partition);
            element.set_offset(Offset::Offset(*offset)).expect("an offset");
            element.set_metadata(metadata.as_str());
        }
        // The group takes offsets from outside as soon as its last member is gone.
        wait_until("the group takes offsets", || {
            self.consumer().commit(&list, CommitMode::Sync).is_ok()
        });
    }

    /// How many readings are committed, and how many there are.
    pub fn progress(&self) -> (i64, i64) {
        let (topic, consumer) = (self.topic("readings"), self.consumer());
        let committed = self.committed().into_iter().map(|(offset, _)| offset);
        let ends = (0..PARTITIONS as i32).map(|partition| {
            let mut end = 0;
            // A partition that was made just now may still be without a leader.
            wait_until("the broker answers", || {
                let watermarks = consumer.fetch_watermarks(&topic, partition, HANGS);
                watermarks.is_ok_and(|(_, found)| {
                    end = found;
                    true
                })
            });
            end
        });
        (committed.sum(), ends.sum())
    }

    /// Waits until every reading is committed; then everything that follows from them is on its topics.
    pub fn wait_until_done(&self, readings: usize) {
        let readings = i64::try_from(readings).expect("a number of readings");
        let mut progress = (0, 0);
        // A transaction that a broker took with it is waited for until it times out, which takes a minute.
        let deadline = Instant::now() + 3 * HANGS;
        // A producer whose broker is killed may send again what was already there.
        while progress.0 != progress.1 || progress.1 < readings {
            assert!(
                Instant::now() < deadline,
                "of {readings} readings {} are committed, {} are in",
                progress.0,
                progress.1
            );
            thread::sleep(Duration::from_millis(50));
            progress = self.progress();
        }
    }

    /// Everything in one of its topics.
    pub fn records(&self, purpose: &str) -> Vec<Stored> {
        let (topic, consumer) = (self.topic(purpose), self.consumer());
        let metadata = consumer
            .fetch_metadata(Some(&topic), HANGS)
            .expect("the broker answers");
        let mut list = TopicPartitionList::new();
        let partitions = metadata.topics()[0].partitions().len();
        for partition in 0..partitions as i32 {
            list.add_partition_offset(&topic, partition, Offset::Beginning)
                .expect("an offset");
        }
        consumer.assign(&list).expect("an assignment");
        let (mut records, mut ended) = (Vec::new(), BTreeSet::new());
        let deadline = Instant::now() + HANGS;
        while ended.len() < partitions {
            assert!(Instant::now() < deadline, "{topic} cannot be read to its end");
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => records.push(Stored {
                    partition: message.partition(),
                    offset: message.offset(),
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                    headers: headers(&message),
                }),
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(ended.insert(partition)),
                Some(Err(error)) => panic!("{topic}: {error}"),
                None => {}
            }
        }
        records
    }

    /// The alerts, each once, in the order of their partitions.
    pub fn alerts(&self) -> Said {
        let mut said = Said::default();
        for record in self.records("alerts") {
            said.add(&record.headers["ce_id"], &data(&record));
        }
        said.dead_letters = self.dead_letters();
        said
    }

    /// Reason, partition, offset and payload of the dead letters.
    pub fn dead_letters(&self) -> BTreeSet<[String; 4]> {
        let fields = |letter: Stored| {
            let header = |name: &str| letter.headers[name].clone();
            let value = String::from_utf8_lossy(letter.value.as_deref().unwrap_or_default()).into_owned();
            let [reason, partition, offset] =
                ["reason", "partition", "offset"].map(|name| header(&format!("tapwatch_{name}")));
            [reason, partition, offset, value]
        };
        self.records("dead-letter").into_iter().map(fields).collect()
    }
}

fn headers<M: Message>(message: &M) -> BTreeMap<String, String> {
    let mut map = BTreeMap::new();
    for header in message.headers().into_iter().flat_map(Headers::iter) {
        let value = String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned();
        let before = map.insert(header.key.to_owned(), value);
        assert_eq!(before, None, "the header {} is there twice", header.key);
    }
    map
}

fn data(record: &Stored) -> Value {
    serde_json::from_slice(record.value.as_deref().expect("an alert has data")).expect("an alert is JSON")
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
