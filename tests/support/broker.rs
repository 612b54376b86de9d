//! A real Apache Kafka broker (KRaft, one node, on loopback) for a test.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;

use super::process::{last_lines, wait_until};

/// Any 16 bytes in base64url name a cluster.
const CLUSTER_ID: &str = "dGFwd2F0Y2gtdGVzdHMtMQ";

/// The log line with which the broker says that it serves requests.
pub(super) const STARTED: &str = "Kafka Server started";

/// The log line with which a controller takes the partitions from a broker that it does not hear of.
const FENCED: &str = "Fencing broker 1 ";

/// What a controller that starts reads of that in its own log, before it can take them anew.
const WAS_FENCED: &str = "fenced=1,";

/// Two seconds on an idle machine; the rest is for busy ones.
const START_LIMIT: Duration = Duration::from_secs(120);

/// User and password of a SASL/PLAIN client.
#[derive(Debug, Clone, Copy)]
pub struct Credentials {
    pub user: &'static str,
    pub password: &'static str,
}

/// The super user of [`Broker::start_with_sasl`].
pub const ADMIN: Credentials = Credentials {
    user: "admin",
    password: "admin-password",
};

/// A user of [`Broker::start_with_sasl`] who may log in and has no rights.
pub const GUEST: Credentials = Credentials {
    user: "guest",
    password: "guest-password",
};

/// A running broker. Dropping it kills the broker and removes its folder; so does the end of the test process, however
/// it comes about.
pub struct Broker {
    watchdog: Mutex<Watchdog>,
    folder: PathBuf,
    port: u16,
    admin: Option<Credentials>,
    start: &'static str,
}

impl Broker {
    /// Starts a broker; `properties` are added to its `server.properties`, or replace what is there. Clients come in by
    /// the listener named `CLIENT`, without encryption or login unless the properties map it otherwise.
    ///
    /// Panics with the tail of the broker's log if it does not start, and with the missing package's name if Java or
    /// Maven are not there.
    pub fn start(properties: &[(&str, &str)]) -> Self {
        Self::start_as(None, properties)
    }

    /// The broker that all tests of this process share; for tests that keep to topics and groups of their own and leave
    /// the broker alone.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// Starts a broker that asks its clients for a login by SASL/PLAIN and lets them do only what access control lists
    /// grant: everything to [`ADMIN`], nothing to [`GUEST`].
    pub fn start_with_sasl() -> Self {
        let logins = format!(
            "org.apache.kafka.common.security.plain.PlainLoginModule required \
             username=\"{a}\" password=\"{ap}\" user_{a}=\"{ap}\" user_{g}=\"{gp}\";",
            a = ADMIN.user,
            ap = ADMIN.password,
            g = GUEST.user,
            gp = GUEST.password,
        );
        let broker = Self::start_as(
            Some(ADMIN),
            &[
                (
                    "listener.security.protocol.map",
                    "CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
                ),
                ("sasl.enabled.mechanisms", "PLAIN"),
                ("sasl.mechanism.inter.broker.protocol", "PLAIN"),
                ("listener.name.client.plain.sasl.jaas.config", &logins),
                (
                    "authorizer.class.name",
                    "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                ),
                // Nobody is anonymous on the clients' listener; on the controller's the broker itself is.
                ("super.users", &format!("User:{};User:ANONYMOUS", ADMIN.user)),
            ],
        );
        let admin = format!(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\n\
             sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
             username=\"{}\" password=\"{}\";\n",
            ADMIN.user, ADMIN.password,
        );
        fs::write(broker.admin_properties(), admin).expect("the broker's folder takes files");
        broker
    }

    fn start_as(admin: Option<Credentials>, properties: &[(&str, &str)]) -> Self {
        let broker = Self::prepare(admin, [free_port(), free_port()], "512m --standalone", properties);
        broker.restart();
        broker
    }

    /// A broker that does not run yet, with its ports for clients and for controllers. `start` is its heap and how its
    /// storage is formatted.
    pub(super) fn prepare(
        admin: Option<Credentials>,
        [port, controller_port]: [u16; 2],
        start: &'static str,
        properties: &[(&str, &str)],
    ) -> Self {
        let watchdog = Watchdog::start();
        let folder = watchdog.folder.clone();
        let settings = server_properties(port, controller_port, &folder, properties);
        fs::write(folder.join("server.properties"), settings).expect("the broker's folder takes files");
        Self {
            watchdog: Mutex::new(watchdog),
            folder,
            port,
            admin,
            start,
        }
    }

    /// Where clients connect: `host:port`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Settings of a client that may do everything.
    pub fn client(&self) -> ClientConfig {
        match self.admin {
            Some(admin) => self.client_as(admin),
            None => self.client_without_login(),
        }
    }

    /// Settings of a client that logs in by SASL/PLAIN.
    pub fn client_as(&self, credentials: Credentials) -> ClientConfig {
        let mut config = self.client_without_login();
        config
            .set("security.protocol", "SASL_PLAINTEXT")
            .set("sasl.mechanism", "PLAIN")
            .set("sasl.username", credentials.user)
            .set("sasl.password", credentials.password);
        config
    }

    fn client_without_login(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap());
        config
    }

    /// With [`Broker::start_with_sasl`]: the file that logs Kafka's own tools in as [`ADMIN`] (`--command-config`).
    pub fn admin_properties(&self) -> PathBuf {
        self.folder.join("admin.properties")
    }

    /// The folder of the broker's settings, log and data.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The broker's process; `None` after [`Broker::kill`].
    pub fn process_id(&self) -> Option<u32> {
        self.watchdog().broker
    }

    /// Kills the broker (SIGKILL); when this returns, the process is gone and its data lie as they were.
    pub fn kill(&self) {
        self.watchdog().kill();
    }

    /// Freezes the broker (SIGSTOP).
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let process = self.process_id().expect("the broker runs").to_string();
        let status = Command::new("kill").args([signal, &process]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Starts the broker again, on the same ports and data, killing it first if it runs. Returns when it serves.
    pub fn restart(&self) {
        let has_run = self.folder.join("data/meta.properties").exists();
        if has_run {
            self.let_its_end_be_noticed();
        }
        let begun = self.launch();
        self.wait_until_started(begun, STARTED);
        let log = self.log();
        let known = log[begun.1..].split(FENCED).next().unwrap_or_default();
        assert!(
            !has_run || known.contains(WAS_FENCED),
            "the controller has forgotten that it took the partitions from the broker:\n{}",
            self.log_tail()
        );
    }

    /// Lets the controller run alone until it has taken the partitions from the broker. A broker that comes back before that
    /// takes itself for the leader that it was, goes on to end transactions, and loses those ends that it cannot deliver when
    /// it is told in that moment that it leads nothing: what "A transaction that nobody ends" in `docs/operations.md` is
    /// about. In a cluster other brokers lead meanwhile.
    fn let_its_end_be_noticed(&self) {
        let file = self.folder.join("server.properties");
        let settings = fs::read_to_string(&file).expect("it has settings");
        let address = |line: &str| {
            line.strip_prefix("controller.quorum.bootstrap.servers=")
                .map(str::to_owned)
        };
        let listener = format!(
            "CONTROLLER://{}",
            settings.lines().find_map(address).expect("it is set")
        );
        let alone = format!("process.roles=controller\nlisteners={listener}\nadvertised.listeners={listener}\n");
        fs::write(&file, format!("{settings}{alone}")).expect("the broker's folder takes files");
        let begun = self.launch();
        self.wait_until_started(begun, FENCED);
        self.wait_until_logged();
        self.kill();
        fs::write(&file, settings).expect("the broker's folder takes files");
    }

    /// Waits until the controller's log holds what the controller has decided by now. It says what it decides, and writes it
    /// a moment later, with what else there is (something comes twice a second): the first that is written from now on may
    /// have been on its way before, the second is not.
    fn wait_until_logged(&self) {
        let log = self.folder.join("data/__cluster_metadata-0/00000000000000000000.log");
        let length = || fs::metadata(&log).map_or(0, |file| file.len());
        for _ in 0..2 {
            let before = length();
            wait_until("the controller writes into its log", || length() != before);
        }
    }

    /// The same, and no file of it may grow beyond so many KiB: a disk that will be full.
    pub fn restart_with_files_up_to(&self, kibibytes: u32) {
        self.watchdog().limit(Some(kibibytes));
        self.restart();
        self.watchdog().limit(None);
    }

    /// Waits until the broker has ended by itself.
    pub fn wait_for_its_end(&self) {
        let process = self.process_id().expect("the broker was started");
        let deadline = Instant::now() + START_LIMIT;
        while is_running(process) {
            assert!(Instant::now() < deadline, "the broker goes on:\n{}", self.log_tail());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The first half of [`Broker::restart`]: answers the process and how long the log was before it.
    pub(super) fn launch(&self) -> (u32, usize) {
        let mut watchdog = self.watchdog();
        watchdog.kill();
        let log_before = self.log().len();
        (watchdog.start_broker(self.start), log_before)
    }

    /// The second half: waits until it has said `words`.
    pub(super) fn wait_until_started(&self, (process_id, log_before): (u32, usize), words: &str) {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            // Asked before the log is read: what the process wrote before its end is then in the log.
            let runs = is_running(process_id);
            if self.log()[log_before..].contains(words) {
                return;
            }
            assert!(
                runs,
                "the Kafka broker has ended while it started:\n{}",
                self.log_tail()
            );
            assert!(
                Instant::now() < deadline,
                "the Kafka broker has not started in time:\n{}",
                self.log_tail()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Creates a topic with these settings, and returns when every partition of it has a leader.
    pub fn create_topic(&self, name: &str, partitions: usize, settings: &[(&str, &str)]) {
        let admin: AdminClient<DefaultClientContext> = self.client().create().expect("settings of an admin client");
        let count = i32::try_from(partitions).expect("a number of partitions");
        let topic = settings.iter().fold(
            NewTopic::new(name, count, TopicReplication::Fixed(1)),
            |topic, (key, value)| topic.set(key, value),
        );
        let limit = Duration::from_secs(30);
        let options = AdminOptions::new()
            .request_timeout(Some(limit))
            .operation_timeout(Some(limit));
        for result in block_on(admin.create_topics([&topic], &options)).expect("the broker answers") {
            result.unwrap_or_else(|(name, code)| panic!("topic {name} was not created: {code}"));
        }
        let deadline = Instant::now() + limit;
        loop {
            let metadata = admin
                .inner()
                .fetch_metadata(Some(name), limit)
                .expect("the broker answers");
            let led = metadata.topics()[0]
                .partitions()
                .iter()
                .filter(|partition| partition.leader() >= 0)
                .count();
            if led == partitions {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "{led} of {partitions} partitions of {name} have a leader"
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs one of Kafka's own tools to its end: the class, then its arguments, as in
    /// `["org.apache.kafka.tools.TopicCommand", "--bootstrap-server", &broker.bootstrap(), "--list"]`.
    pub fn tool(&self, arguments: &[&str]) -> Output {
        Command::new("java")
            .args(["-Xmx256m", "-XX:-UsePerfData", "-cp"])
            .arg(jars().join("*"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("java runs")
    }

    fn watchdog(&self) -> MutexGuard<'_, Watchdog> {
        // A start that has failed poisons the lock; the watchdog behind it is as good as before.
        self.watchdog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self) -> String {
        let bytes = fs::read(self.folder.join("broker.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log_tail(&self) -> String {
        last_lines(&self.log())
    }
}

/// A test that fails shows what its broker warned of, and what it said last.
impl Drop for Broker {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            // The last are the words with which it gives the end of a transaction up; it means no harm by them.
            let worrying = ["] WARN ", "] ERROR ", "likely deleted already"];
            let is_warning = |line: &&str| worrying.iter().any(|words| line.contains(words));
            let warnings: Vec<&str> = log.lines().filter(is_warning).collect();
            let warnings = warnings[warnings.len().saturating_sub(40)..].join("\n");
            let (port, tail) = (self.port, self.log_tail());
            eprintln!("--- warnings of the broker at port {port}:\n{warnings}\n--- the end of its log:\n{tail}\n---");
        }
    }
}

/// The process between a test and its broker (`tests/broker/watchdog.sh`), which outlives the test just long enough to
/// clean up after it.
struct Watchdog {
    process: Child,
    /// Closing it is the order to clean up. `None` only while the watchdog is dropped.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
    broker: Option<u32>,
}

impl Watchdog {
    fn start() -> Self {
        let jars = jars();
        let mut process = Command::new("sh")
            .arg(in_repository("tests/broker/watchdog.sh"))
            .arg(jars)
            .arg(env!("CARGO_TARGET_TMPDIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A signal to the test's process group is not meant for the one that cleans up.
            .process_group(0)
            .spawn()
            .expect("sh runs");
        let orders = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("standard output is a pipe"));
        let mut watchdog = Self {
            process,
            orders,
            answers,
            folder: PathBuf::new(),
            broker: None,
        };
        watchdog.folder = PathBuf::from(watchdog.answer());
        watchdog
    }

    fn start_broker(&mut self, how: &str) -> u32 {
        self.order(&format!("start {CLUSTER_ID} {how}"));
        let process_id = self.answer().parse().expect("a process id");
        self.broker = Some(process_id);
        process_id
    }

    fn kill(&mut self) {
        if self.broker.take().is_some() {
            self.order("kill");
            self.answer();
        }
    }

    fn limit(&mut self, kibibytes: Option<u32>) {
        let limit = kibibytes.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
        self.order(&format!("limit {limit}"));
        self.answer();
    }

    fn order(&mut self, order: &str) {
        let orders = self.orders.as_mut().expect("open until the watchdog is dropped");
        writeln!(orders, "{order}").expect("the watchdog takes orders");
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the watchdog answers");
        assert!(line.ends_with('\n'), "the broker's watchdog has ended");
        line.trim_end().to_owned()
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.orders.take());
        // Nothing can be done about a failure here, and a panic would hide that of the test.
        let _ = self.process.wait();
    }
}

/// Is the process there and not merely waiting for its parent to notice its end?
pub fn is_running(process_id: u32) -> bool {
    fs::read_to_string(format!("/proc/{process_id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits for a future, on a thread of its own, so that an async test may call it, too.
pub fn block_on<F>(future: F) -> F::Output
where
    F: Future + Send,
    F::Output: Send,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without drivers");
    thread::scope(|scope| scope.spawn(|| runtime.block_on(future)).join()).expect("the future does not panic")
}

fn server_properties(port: u16, controller_port: u16, folder: &Path, properties: &[(&str, &str)]) -> String {
    let client = format!("CLIENT://127.0.0.1:{port}");
    let controller = format!("127.0.0.1:{controller_port}");
    let listeners = format!("{client},CONTROLLER://{controller}");
    let data = folder.join("data").display().to_string();
    [
        ("process.roles", "broker,controller"),
        ("node.id", "1"),
        ("controller.quorum.bootstrap.servers", &controller),
        ("listeners", &listeners),
        ("advertised.listeners", &client),
        ("controller.listener.names", "CONTROLLER"),
        ("inter.broker.listener.name", "CLIENT"),
        (
            "listener.security.protocol.map",
            "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        ),
        ("log.dirs", &data),
        ("auto.create.topics.enable", "false"),
        // One broker holds the only copy of everything, in few partitions.
        ("offsets.topic.replication.factor", "1"),
        ("offsets.topic.num.partitions", "4"),
        ("transaction.state.log.replication.factor", "1"),
        ("transaction.state.log.min.isr", "1"),
        ("transaction.state.log.num.partitions", "4"),
        ("share.coordinator.state.topic.replication.factor", "1"),
        ("share.coordinator.state.topic.min.isr", "1"),
        ("group.initial.rebalance.delay.ms", "0"),
        // The readings of the tests are years old, and retention goes by their own time.
        ("log.retention.ms", "-1"),
        // A killed broker is noticed soon, and may come back soon.
        ("broker.session.timeout.ms", "3000"),
        ("broker.heartbeat.interval.ms", "500"),
    ]
    .iter()
    .chain(properties)
    // Of two lines with one key, Java takes the later.
    .map(|(key, value)| format!("{key}={value}\n"))
    .collect()
}

/// A port that nobody listens on, below those that the system hands out to outgoing connections: while a killed broker
/// is away, a client of this machine could otherwise be given its port.
pub fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(rand::random_range(20_000..30_000)));
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(port < 32_768, "no free port left");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// The folder of Kafka's jars, fetched first if need be.
fn jars() -> &'static Path {
    static JARS: OnceLock<PathBuf> = OnceLock::new();
    JARS.get_or_init(|| {
        let java = Command::new("java").arg("-version").output();
        assert!(
            java.is_ok_and(|output| output.status.success()),
            "the tests run against a real Kafka broker, and Java 17 or later is missing: \
             apt-get install default-jdk-headless"
        );
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("kafka");
        fs::create_dir_all(&folder).expect("the target folder takes folders");
        // Test processes may run side by side.
        let lock = File::create(folder.join("lock")).expect("the target folder takes files");
        lock.lock().expect("the lock of the jars");
        let fetch = Command::new("sh")
            .arg(in_repository("tests/broker/fetch.sh"))
            .arg(&folder)
            .output();
        let fetch = fetch.expect("sh runs");
        assert!(
            fetch.status.success(),
            "the jars of the Kafka broker could not be fetched:\n{}{}",
            String::from_utf8_lossy(&fetch.stdout),
            String::from_utf8_lossy(&fetch.stderr)
        );
        folder.join("lib")
    })
}

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
