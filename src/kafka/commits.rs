//! Publishing and committing, on a thread of its own.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::membership::Membership;
use super::name::InstanceName;
use super::settings::KafkaSettings;
use super::transactions::KafkaTransactions;
use crate::engine::{CommitError, Commits, Progress, Transaction, TransactionClient, Transactor, Verdict};
use crate::telemetry::Metrics;

/// Between two tries of a call that waits for the broker.
const BREATH: Duration = Duration::from_millis(50);
const LONG_BREATH: Duration = Duration::from_millis(200);
/// A broker that is away is said again after this long.
const REPEAT_WARNING: Duration = Duration::from_secs(30);
/// The thread ends in this time, or is left to itself.
const FAREWELL: Duration = Duration::from_secs(5);

/// The commits port on Kafka.
pub struct KafkaCommits(Publisher<Membership>);

impl KafkaCommits {
    /// Publishes and commits under the name of the instance.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn new(settings: &KafkaSettings, name: &InstanceName, metrics: &Metrics) -> Result<Self, CommitError> {
        let client = KafkaTransactions::new(settings, name, metrics);
        Publisher::start(client, KafkaTransactions::close).map(Self)
    }
}

impl Commits<Membership> for KafkaCommits {
    fn is_idle(&self) -> bool {
        self.0.is_idle()
    }

    fn start(&mut self, transaction: Transaction<Membership>) {
        self.0.start_transaction(transaction);
    }

    fn poll(&mut self) -> Result<Option<Verdict>, CommitError> {
        self.0.poll()
    }
}

/// What the thread tells.
enum News {
    /// A transaction may be given.
    Ready,
    Over(Verdict),
    Stopped(String),
}

/// A thread with a client of its own, and what is said between it and the engine.
struct Publisher<M> {
    /// `None` only at the end.
    orders: Option<Sender<Transaction<M>>>,
    news: Receiver<News>,
    is_idle: bool,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl<M: Send + 'static> Publisher<M> {
    fn start<C>(client: C, close: fn(&mut C)) -> Result<Self, CommitError>
    where
        C: TransactionClient<Membership = M> + Send + 'static,
    {
        let (orders, given) = channel();
        let (tell, news) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("publish".into()).spawn(move || {
            let mut transactor = Transactor::new(client, None);
            if let Err(reason) = run(&mut transactor, &given, &tell, &stopped) {
                // Nobody listens at the end.
                let _ = tell.send(News::Stopped(reason));
            }
            close(transactor.client_mut());
            // The client goes before `tell` does, but for a call that it left behind: whoever sees the one gone knows of the other.
            drop(transactor);
            drop(tell);
        });
        Ok(Self {
            orders: Some(orders),
            news,
            is_idle: false,
            stop,
            thread: Some(thread.map_err(|error| CommitError(format!("no thread to publish: {error}")))?),
        })
    }
}

impl<M> Publisher<M> {
    fn is_idle(&self) -> bool {
        self.is_idle
    }

    fn start_transaction(&mut self, transaction: Transaction<M>) {
        self.is_idle = false;
        if let Some(orders) = &self.orders {
            // A thread that is gone is noticed by the next poll.
            let _ = orders.send(transaction);
        }
    }

    fn poll(&mut self) -> Result<Option<Verdict>, CommitError> {
        loop {
            match self.news.try_recv() {
                Ok(News::Ready) => self.is_idle = true,
                Ok(News::Over(verdict)) => {
                    self.is_idle = true;
                    return Ok(Some(verdict));
                }
                Ok(News::Stopped(reason)) => {
                    self.is_idle = false;
                    return Err(CommitError(reason));
                }
                Err(TryRecvError::Empty) => return Ok(None),
                Err(TryRecvError::Disconnected) => {
                    self.is_idle = false;
                    return Err(CommitError(self.last_words()));
                }
            }
        }
    }

    /// Why the thread, which has ended, has.
    fn last_words(&mut self) -> String {
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(panic)) => format!("the publishing thread has panicked: {}", text_of(panic.as_ref())),
            _ => "the publishing thread has ended".into(),
        }
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given")
}

impl<M> Drop for Publisher<M> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.orders = None;
        let deadline = Instant::now() + FAREWELL;
        loop {
            match self
                .news
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    tracing::warn!("the broker does not answer; what was under way is read again by the next instance");
                    return;
                }
            }
        }
        // A panic was told, or nobody is left to be told.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Carries out what it is given, until it is to stop or cannot go on.
fn run<C: TransactionClient>(
    transactor: &mut Transactor<C>,
    given: &Receiver<Transaction<C::Membership>>,
    tell: &Sender<News>,
    stop: &AtomicBool,
) -> Result<(), String> {
    let mut is_open = false;
    let mut trouble: Option<Instant> = None;
    let mut said: Option<Instant> = None;
    while !stop.load(Ordering::Relaxed) {
        if transactor.is_idle() {
            trouble = None;
            if !std::mem::replace(&mut is_open, true) && tell.send(News::Ready).is_err() {
                return Ok(());
            }
            match given.recv() {
                Ok(transaction) => transactor.start(transaction),
                Err(_) => return Ok(()),
            }
        }
        match transactor.step() {
            Ok(Progress::Working) => trouble = None,
            Ok(Progress::Idle) => {}
            Ok(Progress::Done(verdict)) => {
                is_open = true;
                if tell.send(News::Over(verdict)).is_err() {
                    return Ok(());
                }
            }
            Ok(Progress::Waiting(reason)) => {
                let since = *trouble.get_or_insert_with(Instant::now);
                if said.is_none_or(|said| said.elapsed() > REPEAT_WARNING) {
                    said = Some(Instant::now());
                    tracing::warn!(reason, "publishing waits; tapwatch goes on trying");
                }
                let is_long = since.elapsed() > Duration::from_secs(2);
                std::thread::sleep(if is_long { LONG_BREATH } else { BREATH });
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::PoisonError;

    use super::*;
    use crate::engine::{CommitOffset, OutRecord, TransactionError};

    type Answer = Result<(), TransactionError>;

    /// A client that does as `script` says for each call, and writes down what was called.
    struct Scripted {
        script: fn(&str, usize) -> Answer,
        calls: Arc<Mutex<Vec<String>>>,
    }

    impl Scripted {
        fn call(&self, name: &str) -> Answer {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.push(name.to_owned());
            let times = calls.iter().filter(|call| *call == name).count();
            drop(calls);
            (self.script)(name, times)
        }
    }

    impl TransactionClient for Scripted {
        type Membership = ();
        fn open(&mut self) -> Answer {
            self.call("open")
        }
        fn begin(&mut self) -> Answer {
            self.call("begin")
        }
        fn send(&mut self, _: usize, _: &OutRecord) -> Answer {
            self.call("send")
        }
        fn flush(&mut self) -> Answer {
            self.call("flush")
        }
        fn send_offsets(&mut self, _: &[CommitOffset], (): &()) -> Answer {
            self.call("offsets")
        }
        fn commit(&mut self) -> Answer {
            self.call("commit")
        }
        fn abort(&mut self) -> Answer {
            self.call("abort")
        }
    }

    fn publisher(script: fn(&str, usize) -> Answer) -> (Publisher<()>, Arc<Mutex<Vec<String>>>) {
        let calls = Arc::new(Mutex::default());
        let client = Scripted {
            script,
            calls: Arc::clone(&calls),
        };
        let close = |client: &mut Scripted| {
            let _ = client.call("close");
        };
        (Publisher::start(client, close).expect("a thread"), calls)
    }

    fn transaction() -> Transaction<()> {
        Transaction {
            records: Vec::new(),
            offsets: Vec::new(),
            membership: (),
        }
    }

    fn wait_for<T>(mut found: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(found) = found() {
                return found;
            }
            assert!(Instant::now() < deadline, "waited in vain");
            std::thread::yield_now();
        }
    }

    fn wait_until_idle(publisher: &mut Publisher<()>) {
        wait_for(|| {
            assert_eq!(publisher.poll(), Ok(None));
            publisher.is_idle().then_some(())
        });
    }

    #[test]
    fn it_is_idle_when_open_and_busy_until_the_verdict() {
        let (mut publisher, _) = publisher(|_, _| Ok(()));
        assert!(!publisher.is_idle());
        wait_until_idle(&mut publisher);
        for _ in 0..3 {
            publisher.start_transaction(transaction());
            assert!(!publisher.is_idle());
            assert_eq!(wait_for(|| publisher.poll().expect("it goes on")), Verdict::Committed);
            assert!(publisher.is_idle());
        }
    }

    #[test]
    fn what_waits_is_tried_again_by_the_same_call() {
        let (mut publisher, calls) = publisher(|call, times| match call {
            "open" | "commit" if times < 3 => Err(TransactionError::Again("away".into())),
            _ => Ok(()),
        });
        wait_until_idle(&mut publisher);
        publisher.start_transaction(transaction());
        assert_eq!(wait_for(|| publisher.poll().expect("it goes on")), Verdict::Committed);
        drop(publisher);
        let calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        let expected = [
            "open", "open", "open", "begin", "send", "flush", "commit", "commit", "commit", "close",
        ];
        let without_send: Vec<&str> = calls
            .iter()
            .map(String::as_str)
            .filter(|call| *call != "send")
            .collect();
        assert_eq!(
            without_send,
            expected.into_iter().filter(|call| *call != "send").collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_waiting_does_not_mend_is_an_error_from_then_on() {
        let (mut publisher, _) = publisher(|call, _| match call {
            "begin" => Err(TransactionError::Stop("no permission".into())),
            _ => Ok(()),
        });
        wait_until_idle(&mut publisher);
        publisher.start_transaction(transaction());
        assert_eq!(wait_for(|| publisher.poll().err()), CommitError("no permission".into()));
        wait_for(|| publisher.poll().err());
        assert!(!publisher.is_idle());
    }

    #[test]
    fn a_panic_of_the_thread_is_told() {
        let (mut publisher, _) = publisher(|call, _| {
            assert!(call != "flush", "a mistake");
            Ok(())
        });
        wait_until_idle(&mut publisher);
        publisher.start_transaction(transaction());
        let CommitError(text) = wait_for(|| publisher.poll().err());
        assert!(text.contains("panicked: a mistake"), "{text}");
    }

    #[test]
    fn it_ends_while_the_broker_is_away_and_closes_what_is_open() {
        let (publisher, calls) = publisher(|call, _| match call {
            "open" => Err(TransactionError::Again("away".into())),
            _ => Ok(()),
        });
        let began = Instant::now();
        drop(publisher);
        assert!(began.elapsed() < FAREWELL);
        let calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(calls.last().map(String::as_str), Some("close"));
    }
}
