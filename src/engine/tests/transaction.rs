use std::collections::VecDeque;

use super::super::*;
use crate::model::{DeadLetter, InputTopic, Message, Output};
use crate::partition::Checkpoint;

/// Notes the calls, and answers what it was told to.
#[derive(Default)]
struct Client {
    calls: Vec<String>,
    answers: VecDeque<(&'static str, TransactionError)>,
}

impl Client {
    fn call(&mut self, name: &str) -> Result<(), TransactionError> {
        self.calls.push(name.to_owned());
        let is_due = |(wanted, _): &mut (&'static str, TransactionError)| *wanted == name;
        match self.answers.pop_front_if(is_due) {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }
}

impl TransactionClient for Client {
    type Membership = u32;

    fn open(&mut self) -> Result<(), TransactionError> {
        self.call("open")
    }

    fn begin(&mut self) -> Result<(), TransactionError> {
        self.call("begin")
    }

    fn send(&mut self, place: usize, record: &OutRecord) -> Result<(), TransactionError> {
        self.call(&format!(
            "send {place} of {} bytes",
            record.value.as_ref().map_or(0, Vec::len)
        ))
    }

    fn flush(&mut self) -> Result<(), TransactionError> {
        self.call("flush")
    }

    fn send_offsets(&mut self, offsets: &[CommitOffset], membership: &u32) -> Result<(), TransactionError> {
        self.call(&format!("{} offsets as {membership}", offsets.len()))
    }

    fn commit(&mut self) -> Result<(), TransactionError> {
        self.call("commit")
    }

    fn abort(&mut self) -> Result<(), TransactionError> {
        self.call("abort")
    }
}

fn letter(bytes: usize) -> OutRecord {
    let letter = DeadLetter {
        topic: InputTopic::Readings,
        reason: "not_json",
        detail: String::new(),
        offset: 3,
        timestamp: None,
        key: None,
        value: Some(vec![0; bytes]),
    };
    OutRecord::dead_letter(letter, &super::rebuild::deployment(), 0)
}

fn offset() -> CommitOffset {
    CommitOffset {
        partition: 0,
        next_offset: 4,
        metadata: super::metadata::metadata(),
        inputs: Vec::new(),
    }
}

/// Runs a transaction of these records to its end; the verdict and the calls after the opening.
fn run(records: Vec<OutRecord>, answers: Vec<(&'static str, TransactionError)>) -> (Verdict, Vec<String>) {
    let mut transactor = Transactor::new(Client::default(), None);
    assert_eq!(transactor.step(), Ok(Progress::Working));
    assert_eq!(transactor.step(), Ok(Progress::Idle));
    transactor.client_mut().calls.clear();
    transactor.client_mut().answers = answers.into();
    transactor.start(Transaction {
        records,
        offsets: vec![offset()],
        membership: 7,
    });
    for _ in 0..50 {
        if let Progress::Done(verdict) = transactor.step().expect("it goes on") {
            assert!(
                transactor.client_mut().answers.is_empty(),
                "not every answer was called for"
            );
            assert!(transactor.is_idle());
            return (verdict, std::mem::take(&mut transactor.client_mut().calls));
        }
    }
    panic!("it comes to no end: {:?}", transactor.client_mut().calls);
}

fn again() -> TransactionError {
    TransactionError::Again("timed out".into())
}

fn abort() -> TransactionError {
    TransactionError::Abort("the group has moved on".into())
}

fn fatal() -> TransactionError {
    TransactionError::Fatal("fenced".into())
}

const WHOLE: [&str; 6] = [
    "begin",
    "send 0 of 1 bytes",
    "send 1 of 2 bytes",
    "flush",
    "1 offsets as 7",
    "commit",
];

#[test]
fn records_come_before_offsets_and_both_before_the_commit() {
    let (verdict, calls) = run(vec![letter(1), letter(2)], vec![]);
    assert_eq!(
        (verdict, &calls[..]),
        (Verdict::Committed, &WHOLE.map(String::from)[..])
    );
}

#[test]
fn a_call_that_times_out_is_made_again_and_a_commit_is_followed_by_nothing_else() {
    for call in WHOLE {
        let (verdict, calls) = run(vec![letter(1), letter(2)], vec![(call, again()), (call, again())]);
        assert_eq!((verdict, calls.len()), (Verdict::Committed, 8), "{call}: {calls:?}");
        let first = calls.iter().position(|made| made == call).expect("it was made");
        assert_eq!(calls[first..first + 3], [call, call, call]);
    }
}

#[test]
fn what_cannot_be_committed_is_aborted_wherever_it_shows() {
    for call in WHOLE {
        let (verdict, calls) = run(vec![letter(1), letter(2)], vec![(call, abort()), ("abort", again())]);
        assert_eq!(verdict, Verdict::Aborted("the group has moved on".into()), "{call}");
        assert_eq!(calls[calls.len() - 3..], [call, "abort", "abort"]);
    }
}

#[test]
fn what_a_dead_producer_carried_is_in_doubt_once_the_next_is_open() {
    for call in WHOLE {
        let (verdict, calls) = run(vec![letter(1), letter(2)], vec![(call, fatal()), ("open", again())]);
        assert!(matches!(verdict, Verdict::Unknown(_)), "{call}: {verdict:?}");
        assert_eq!(calls[calls.len() - 3..], [call, "open", "open"]);
    }
    // A producer that cannot even abort is done for.
    let (verdict, calls) = run(vec![], vec![("1 offsets as 7", abort()), ("abort", abort())]);
    assert!(matches!(verdict, Verdict::Unknown(_)), "{verdict:?}");
    assert_eq!(calls.last().map(String::as_str), Some("open"));
}

#[test]
fn a_dead_letter_that_is_too_large_is_cut_and_all_of_it_sent_again() {
    let too_large = TransactionError::TooLarge {
        record: 1,
        reason: "larger than 2 MiB".into(),
    };
    let (verdict, calls) = run(vec![letter(1), letter(3_000_000)], vec![("flush", too_large)]);
    assert_eq!(verdict, Verdict::Committed);
    let sent: Vec<_> = calls.iter().map(String::as_str).collect();
    let expected = [
        "begin",
        "send 0 of 1 bytes",
        "send 1 of 3000000 bytes",
        "flush",
        "abort",
        "begin",
        "send 0 of 1 bytes",
        "send 1 of 65536 bytes",
        "flush",
        "1 offsets as 7",
        "commit",
    ];
    assert_eq!(sent, expected);
}

#[test]
fn a_dead_letter_is_cut_further_for_a_topic_that_takes_very_little() {
    let mut large = letter(3_000_000);
    large.key = Some(vec![b'k'; 5_000]);
    let sizes = |letter: &OutRecord| (letter.key.as_ref().map(Vec::len), letter.value.as_ref().map(Vec::len));
    assert!(large.shorten());
    assert_eq!(sizes(&large), (Some(1_024), Some(65_536)));
    assert!(large.shorten());
    assert_eq!(sizes(&large), (Some(64), Some(128)));
    assert!(!large.shorten());
    let said: Vec<_> = large.headers.iter().filter(|(key, _)| *key == "tapwatch_cut").collect();
    assert_eq!(
        said[0].1,
        "the first 65536 of 3000000 bytes, and of the key the first 1024 of 5000"
    );
}

#[test]
fn what_is_too_large_when_cut_or_must_not_be_cut_stops_the_instance() {
    let mut transactor = Transactor::new(Client::default(), None);
    assert_eq!(transactor.step(), Ok(Progress::Working));
    let mut state = letter(5);
    state.output = Output::State;
    transactor.start(Transaction {
        records: vec![state],
        offsets: vec![],
        membership: 7,
    });
    let too_large = TransactionError::TooLarge {
        record: 0,
        reason: "too large".into(),
    };
    transactor.client_mut().answers.push_back(("flush", too_large));
    let mut stopped = None;
    for _ in 0..9 {
        stopped = stopped.or(transactor.step().err());
    }
    let said = "a record for the topic of State cannot be written: too large";
    assert_eq!(stopped, Some(TransactionError::Stop(said.into())));
}

#[test]
fn a_record_goes_where_its_key_or_its_partition_says_and_a_letter_names_its_own_topic() {
    let deployment = super::rebuild::deployment();
    let message = Message {
        output: Output::Zones,
        key: "street-7".into(),
        value: Some(b"{}".to_vec()),
        headers: vec![("a", "b".into())],
        partition: Some(5),
    };
    let record = OutRecord::message(message.clone(), 2);
    assert_eq!(
        (record.output, record.partition, record.to),
        (Output::Zones, 2, Some(5))
    );
    assert_eq!((record.key, record.value), (Some(b"street-7".to_vec()), message.value));
    assert_eq!(record.headers, message.headers);
    let kept = Checkpoint {
        household: "h1".into(),
        bytes: None,
    };
    let record = OutRecord::state(kept, 2);
    assert_eq!(
        (record.to, record.key, record.value),
        (Some(2), Some(b"h1".to_vec()), None)
    );
    for topic in InputTopic::ALL {
        let letter = DeadLetter {
            topic,
            reason: "bad_sign",
            detail: String::new(),
            offset: 3,
            timestamp: None,
            key: None,
            value: None,
        };
        let record = OutRecord::dead_letter(letter, &deployment, 1);
        assert!(record.headers.contains(&("tapwatch_topic", topic.name().to_owned())));
        assert_eq!(record.to, None);
    }
}
