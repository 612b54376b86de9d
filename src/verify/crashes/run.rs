//! A run from topics to report.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;

use super::cluster::{Cluster, Stored};
use super::compare::{Entry, compare};
use super::feed::{Feed, PAUSES, Rest, Sent};
use super::fleet::{Exit, Fleet};
use super::oracle::{Names, expected, found_dead_letter, found_event, found_zone};
use super::recovery::{Recoveries, Told};
use super::report::{Comparison, Comparisons, Report};
use super::schedule::{Action, Blow, Plan, Step, schedule};
use super::settings::{isolated, session, unique_prefix, write};
use super::{CrashesError, Order};
use crate::kafka::{FeedError, Feeder, create_topics};
use crate::model::InputTopic;
use crate::settings::{Settings, Validated};

/// How long the first instances may take until they judge all partitions.
const FIRST_START: Duration = Duration::from_secs(120);
/// Readings that wait and of which none is committed for so long are not going to be.
const STANDSTILL: Duration = Duration::from_secs(180);
/// How long a transaction of a dead instance may stay open: the longest a broker takes to notice, and some more.
const OPEN_TRANSACTION: Duration = Duration::from_secs(150);
const TICK: Duration = Duration::from_millis(10);

/// Does it; `print` gets every line for the person before it.
///
/// # Errors
/// When it cannot be done. What it finds wrong is in the report instead.
pub fn run(order: &Order, base: &Settings, print: fn(&str), stop: &AtomicBool) -> Result<Report, CrashesError> {
    let prefix = unique_prefix();
    let validated = isolated(base, order, &prefix)?;
    let shown = order.out.display().to_string();
    std::fs::create_dir_all(&order.out).map_err(CrashesError::system(&shown))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(CrashesError::system("a runtime"))?;
    let kafka = &validated.settings.kafka;
    let cluster = Cluster::open(kafka)?;
    runtime.block_on(create_topics(kafka))?;
    print(&format!("topics and group {prefix} on {}", kafka.bootstrap_servers));

    let settings = order.out.join(format!("{prefix}.toml"));
    write(&validated.settings, &settings)?;
    let fleet = Fleet::new(settings.clone(), order.out.clone(), &prefix, order.instances + 1);
    let outcome = fleet.and_then(|fleet| Run::new(order, &validated, &cluster, fleet, print).go(&prefix, stop));
    // It may hold passwords.
    drop(std::fs::remove_file(&settings));

    let is_done_with = match &outcome {
        Ok(report) => report.passed,
        Err(error) => matches!(error, CrashesError::Stopped),
    };
    if is_done_with && !order.keep {
        for left in runtime.block_on(cluster.delete())? {
            print(&format!("not deleted: {left}"));
        }
    } else {
        print(&format!("topics and group {prefix} are kept"));
    }
    let report = outcome?;
    let path = order.out.join("report.json");
    let json = serde_json::to_vec_pretty(&report).map_err(std::io::Error::other);
    let written = json.and_then(|json| std::fs::write(&path, json));
    written.map_err(CrashesError::system(path.display().to_string()))?;
    Ok(report)
}

struct Run<'a> {
    order: &'a Order,
    validated: &'a Validated,
    cluster: &'a Cluster,
    fleet: Fleet,
    print: fn(&str),
    began: Instant,
    recoveries: Recoveries,
    live: BTreeSet<i32>,
    kills: u32,
    exits: Vec<Exit>,
    problems: Vec<String>,
}

type Feeding<'a> = ScopedJoinHandle<'a, Result<Sent, FeedError>>;

impl<'a> Run<'a> {
    fn new(order: &'a Order, validated: &'a Validated, cluster: &'a Cluster, fleet: Fleet, print: fn(&str)) -> Self {
        Self {
            order,
            validated,
            cluster,
            fleet,
            print,
            began: Instant::now(),
            recoveries: Recoveries::default(),
            live: BTreeSet::new(),
            kills: 0,
            exits: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn go(mut self, prefix: &str, stop: &AtomicBool) -> Result<Report, CrashesError> {
        let kafka = &self.validated.settings.kafka;
        let feed = Feed::new(self.order, self.validated.settings.ingest.max_payload_bytes)?;
        let feeder = Feeder::new(kafka)?;
        feed.send_homes(&feeder, &kafka.topics)?;
        self.start_all(stop)?;

        let steps = schedule(&Plan {
            seed: self.order.seed,
            kills: self.order.kills,
            instances: self.order.instances,
            every: self.order.every,
            session: session(kafka),
        });
        let length = steps.last().map(|step| step.at).unwrap_or_default() + self.order.every;
        (self.print)(&format!(
            "{} readings of {} homes in {:.0} s, and {} kills",
            feed.history.rows.len(),
            feed.homes.len(),
            length.as_secs_f64(),
            self.order.kills
        ));
        self.began = Instant::now();
        let (cluster, is_over) = (self.cluster, AtomicBool::new(false));
        let sent = thread::scope(|scope| {
            let feeding = scope.spawn(|| {
                let rest = || come_to_rest(cluster, &is_over);
                feed.send(&feeder, &kafka.topics, length, &is_over, &rest)
            });
            let struck = self.strike(&steps, &feeding, stop);
            // If the run ends early, so does the feed.
            is_over.store(struck.is_err(), Ordering::SeqCst);
            let fed = feeding.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            struck?;
            Ok::<_, CrashesError>(fed?)
        })?;
        let seconds = self.began.elapsed().as_secs_f64();
        let unsent = feed.unsent(&sent);
        if let Some(unrest) = &sent.unrest {
            self.problems.push(format!(
                "{unsent} readings were not sent: records were sent beside them in {} of {PAUSES} pauses, and then not everything was \
                 committed within {} s; {unrest}",
                sent.pauses.len(),
                STANDSTILL.as_secs()
            ));
        }

        let fed_at = Instant::now();
        self.catch_up(sent.apart_from_zones() + feed.homes.len() as u64, stop)?;
        let seconds_to_catch_up = fed_at.elapsed().as_secs_f64();
        (self.print)("stopping the instances, then comparing");
        self.end_all(stop)?;
        let topics = self.judge(&sent, stop)?;
        self.problems.extend(self.fleet.panics());
        let is_right = topics.all().iter().all(|(_, topic)| topic.differences.are_none());
        Ok(Report {
            version: env!("CARGO_PKG_VERSION"),
            passed: is_right && self.problems.is_empty(),
            prefix: prefix.to_owned(),
            seed: self.order.seed,
            instances: self.order.instances,
            partitions: self.order.partitions,
            replication: self.order.replication,
            seconds,
            seconds_to_catch_up,
            readings: sent.readings,
            poison: sent.poison,
            beside: sent.beside,
            kills: self.kills,
            blows: self.recoveries.figures(),
            exits: std::mem::take(&mut self.exits),
            pauses: sent.pauses.len(),
            topics,
            problems: std::mem::take(&mut self.problems),
        })
    }

    /// Starts the instances, and waits until every partition is judged by one.
    fn start_all(&mut self, stop: &AtomicBool) -> Result<(), CrashesError> {
        (0..self.order.instances).for_each(|instance| self.fleet.want(instance));
        let deadline = Instant::now() + FIRST_START;
        while self.live.len() < self.order.partitions as usize {
            self.tick(stop)?;
            if Instant::now() > deadline {
                return Err(CrashesError::NotLive {
                    seconds: FIRST_START.as_secs(),
                    live: self.live.len(),
                    partitions: self.order.partitions,
                    folder: self.order.out.clone(),
                });
            }
        }
        Ok(())
    }

    /// Goes through the schedule, until that and the readings are at their end.
    fn strike(&mut self, steps: &[Step], feeding: &Feeding<'_>, stop: &AtomicBool) -> Result<(), CrashesError> {
        let mut steps = steps.iter().peekable();
        while steps.peek().is_some() || !feeding.is_finished() {
            while let Some(step) = steps.next_if(|step| step.at <= self.began.elapsed()) {
                self.act(step)?;
            }
            self.tick(stop)?;
        }
        Ok(())
    }

    fn act(&mut self, step: &Step) -> Result<(), CrashesError> {
        let Step {
            instance, action, blow, ..
        } = *step;
        let at = self.began.elapsed();
        let is_running = self.fleet.is_running(instance);
        match action {
            Action::Start => self.fleet.want(instance),
            Action::Kill => self.kills += u32::from(self.fleet.kill(instance)?),
            Action::Terminate => self.fleet.ask_to_end(instance),
            Action::Freeze => self.fleet.freeze(instance, true),
            Action::Thaw => self.fleet.freeze(instance, false),
        }
        // What it still said before it was struck.
        self.hear();
        let mut had = String::new();
        if is_running && matches!(action, Action::Kill | Action::Terminate | Action::Freeze) {
            had = format!(", had partitions {:?}", self.recoveries.struck(blow, instance, at));
        }
        (self.print)(&format!(
            "{:7.2} s  {} {action:?}: {}{had}",
            at.as_secs_f64(),
            Fleet::name(instance),
            blow.name()
        ));
        Ok(())
    }

    /// Hears what instances say, starts what should run, and waits a moment.
    fn tick(&mut self, stop: &AtomicBool) -> Result<(), CrashesError> {
        if stop.load(Ordering::SeqCst) {
            return Err(CrashesError::Stopped);
        }
        for (instance, exit) in self.fleet.look_after()? {
            self.hear();
            if !exit.was_asked {
                self.recoveries
                    .struck(Blow::EndedByItself, instance, self.began.elapsed());
            }
            (self.print)(&format!(
                "{:7.2} s  {} has ended: {}",
                self.began.elapsed().as_secs_f64(),
                exit.instance,
                exit.status
            ));
            self.exits.push(exit);
        }
        self.hear();
        thread::sleep(TICK);
        Ok(())
    }

    fn hear(&mut self) {
        for heard in self.fleet.heard() {
            let at = heard.at.saturating_duration_since(self.began);
            if let Told::Live(partition) = &heard.told {
                self.live.insert(*partition);
            }
            self.recoveries.heard(heard.instance, at, &heard.told);
        }
    }

    /// Waits until the group has committed everything; `sent` records were sent to the topics that nobody else writes to.
    fn catch_up(&mut self, sent: u64, stop: &AtomicBool) -> Result<(), CrashesError> {
        (0..self.order.instances).for_each(|instance| self.fleet.want(instance));
        let (mut last, mut moved_at) = (None, Instant::now());
        loop {
            self.tick(stop)?;
            let why_not = match self.cluster.progress() {
                Ok(progress) => {
                    let Some(behind) = progress.behind() else {
                        let all = progress.all();
                        if u64::try_from(all).unwrap_or(0) < sent {
                            let lost = format!("{sent} records were acknowledged, and the topics hold {all}");
                            self.problems.push(lost);
                        }
                        return Ok(());
                    };
                    if last.as_ref() != Some(&progress) {
                        (last, moved_at) = (Some(progress), Instant::now());
                    }
                    behind
                }
                Err(error) => format!("how far the group is: {error}"),
            };
            if moved_at.elapsed() > STANDSTILL {
                let seconds = STANDSTILL.as_secs();
                self.problems.push(format!(
                    "for {seconds} s nothing more was committed: see the instances' logs; {why_not}"
                ));
                return Ok(());
            }
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Ends all instances in good order.
    fn end_all(&mut self, stop: &AtomicBool) -> Result<(), CrashesError> {
        (0..=self.order.instances).for_each(|instance| self.fleet.ask_to_end(instance));
        while !self.fleet.is_as_wanted() {
            self.tick(stop)?;
        }
        for exit in self.exits.iter().filter(|exit| exit.was_asked) {
            self.problems
                .push(format!("{} did not end in good order: {}", exit.instance, exit.status));
        }
        Ok(())
    }

    /// Compares every topic that is written with what the core says of the logs.
    fn judge(&mut self, sent: &Sent, stop: &AtomicBool) -> Result<Comparisons, CrashesError> {
        let settings = &self.validated.settings;
        let topics = &settings.kafka.topics;
        let written = [
            &topics.alerts,
            &topics.area_alerts,
            &topics.visits,
            &topics.zones,
            &topics.dead_letter,
        ];
        for topic in written {
            let deadline = Instant::now() + OPEN_TRANSACTION;
            // A broker that was away may take the lead back just now, and the question find nobody to answer it.
            while !matches!(self.cluster.is_settled(topic), Ok(true)) {
                self.tick(stop)?;
                if Instant::now() > deadline {
                    self.cluster.is_settled(topic)?;
                    self.problems.push(format!(
                        "a transaction on {topic} is still open: its records are not seen"
                    ));
                    break;
                }
            }
        }
        let rules = Arc::clone(&self.validated.rules);
        let names = Names {
            source: &settings.source,
            topics,
            partitions: self.order.partitions,
        };
        let logs = InputTopic::ALL.map(|topic| Ok((topic, self.cluster.read(topics.input(topic))?)));
        let logs = logs.into_iter().collect::<Result<_, KafkaError>>()?;
        let mut should_be = expected(&rules, &names, &logs, &sent.pauses);
        should_be.add_sent(&sent.zones);
        let comparison = |topic: &str, expected: Vec<_>, found: fn(Stored) -> Entry, partitions_agree| {
            let records = self.cluster.read(topic)?.into_iter();
            let found: Vec<Entry> = records.map(found).collect();
            Ok::<_, KafkaError>(Comparison {
                differences: compare(&expected, &found, partitions_agree),
                expected: expected.len(),
                found: found.len(),
            })
        };
        let partitions_agree = self.cluster.partitions(&topics.alerts)? == self.order.partitions;
        Ok(Comparisons {
            alerts: comparison(&topics.alerts, should_be.alerts, found_event, partitions_agree)?,
            // Zones lie where their names put them; and what several partitions say of zones has no order among them.
            area_alerts: comparison(&topics.area_alerts, should_be.area_alerts, found_event, false)?,
            visits: comparison(&topics.visits, should_be.visits, found_event, true)?,
            zones: comparison(&topics.zones, should_be.zones, found_zone, false)?,
            dead_letters: comparison(&topics.dead_letter, should_be.dead_letters, found_dead_letter, false)?,
        })
    }
}

/// Waits until nothing more happens.
///
/// # Errors
/// What was still to come when the run ended, or when that had taken too long.
fn come_to_rest(cluster: &Cluster, is_over: &AtomicBool) -> Result<Rest, String> {
    let (since, mut unrest) = (Instant::now(), String::new());
    while !is_over.load(Ordering::SeqCst) && since.elapsed() < STANDSTILL {
        unrest = match cluster.rest() {
            Ok(rest) => return Ok(rest),
            Err(unrest) => unrest.to_string(),
        };
        thread::sleep(Duration::from_millis(100));
    }
    Err(unrest)
}
