//! A failing simulation made short, and told in words.

use std::fmt::Write as _;

use super::cluster::{Content, Protocol};
use super::plan::{Action, Planned, Setup};
use super::ports::{Fault, Kind};

/// Leaves out actions as long as `fails` holds of what is left, with so many trials at most.
pub fn minimise(actions: &[Planned], trials: usize, mut fails: impl FnMut(&[&Planned]) -> bool) -> Vec<Planned> {
    let mut left: Vec<&Planned> = actions.iter().collect();
    let mut chunk = left.len() / 2;
    let mut trials = trials;
    while chunk > 0 && trials > 0 {
        let (mut at, mut shrank) = (0, false);
        while at < left.len() && trials > 0 {
            let end = (at + chunk).min(left.len());
            let without: Vec<&Planned> = left[..at].iter().chain(&left[end..]).copied().collect();
            trials -= 1;
            if fails(&without) {
                left = without;
                shrank = true;
            } else {
                at = end;
            }
        }
        // At single actions, as long as one of them can go.
        if !shrank || chunk > 1 {
            chunk /= 2;
        }
    }
    left.into_iter().cloned().collect()
}

/// The actions in plain words, one a line.
pub fn tell(setup: &Setup, actions: &[Planned]) -> String {
    let mut text = circumstances(setup);
    for (number, planned) in actions.iter().enumerate() {
        let _ = writeln!(text, "  {:>4}. {}", number + 1, words(&planned.action));
    }
    text
}

fn circumstances(setup: &Setup) -> String {
    let protocol = match setup.protocol {
        Protocol::Eager => "eager rebalances",
        Protocol::Cooperative => "cooperative rebalances",
        Protocol::Consumer => "the consumer protocol (KIP-848)",
    };
    let Setup {
        engine,
        session_ms,
        time_out_ms,
        ..
    } = setup;
    format!(
        "  {} partitions, up to {} instances ({}), {protocol}; sessions {session_ms} ms, transactions {time_out_ms} ms\n  \
         commits after {} and {} ms, {} in flight, states {} of what is read, replay of {} records, batches of {}\n",
        setup.deployment.partitions,
        setup.slots,
        if setup.is_static {
            "static members"
        } else {
            "dynamic members"
        },
        engine.commit_interval_ms,
        engine.offsets_interval_ms,
        engine.max_in_flight,
        engine.checkpoint_share,
        engine.max_replay_records,
        setup.max_batch,
    )
}

fn words(action: &Action) -> String {
    match action {
        Action::Record {
            topic,
            partition,
            content,
        } => {
            format!("{}/{partition} gets {}", topic.name(), record(content))
        }
        Action::Gap { partition, offsets } => format!("readings/{partition} leaves out {offsets} offsets"),
        Action::Wall { seconds } => format!("the wall clock moves by {seconds} s"),
        Action::Tick { millis } => format!("{millis} ms pass"),
        Action::Markers { count } => format!("up to {count} markers are written"),
        Action::Work { slot, rounds } => format!("instance {slot} works {rounds} rounds"),
        Action::Turn { slot } => format!("instance {slot} takes a turn"),
        Action::Calls { slot, count } => format!("the producer of instance {slot} makes {count} calls"),
        Action::Ghosts { rounds } => format!("replaced processes wake up for {rounds} rounds"),
        Action::Fault { slot, after, fault } => format!("instance {slot}: call {after} from now {}", ends(*fault)),
        Action::Crash { slot } => format!("instance {slot} dies"),
        Action::Start { slot, anew: false } => format!("instance {slot} starts"),
        Action::Start { slot, anew: true } => format!("instance {slot} starts under another name"),
        Action::Stop { slot } => format!("instance {slot} is stopped"),
        Action::Continue { slot } => format!("instance {slot} goes on"),
        Action::Leave { slot } => format!("instance {slot} leaves in good order"),
        Action::Shuffle => "the group is rebalanced".into(),
        Action::Compact { partition } => format!("state/{partition} and homes/{partition} are compacted"),
        Action::Retain { partition } => format!("readings/{partition} loses what no restart needs"),
        Action::Down { millis } => format!("no broker is reached for {millis} ms"),
    }
}

fn ends(fault: Fault) -> &'static str {
    match (fault.kind, fault.done) {
        (Kind::Again, true) => "is done, and the answer is lost",
        (Kind::Again, false) => "is not done, and there is no answer",
        (Kind::Abort, true) => "is done, and the client is told to abort",
        (Kind::Abort, false) => "is not done, and the client is told to abort",
        (Kind::Fatal, true) => "is done, and the producer fails",
        (Kind::Fatal, false) => "is not done, and the producer fails",
    }
}

fn record(content: &Content) -> String {
    let text = |bytes: Option<&[u8]>| match bytes {
        None => "nothing".to_owned(),
        Some(bytes) if bytes.len() > 200 => format!("{} bytes", bytes.len()),
        Some(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    };
    let at = content.timestamp.map_or(String::new(), |at| format!(" at {at}"));
    format!(
        "{}: {}{at}",
        text(content.key.as_deref()),
        text(content.value.as_deref())
    )
}
