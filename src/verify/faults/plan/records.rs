//! Records of a simulation: readings, homes, signs, responses and what is said of zones; right, wrong or absurd.

use super::super::cluster::Content;
use super::super::dice::Dice;
use super::rules::{POISON_LITRES, PURPOSE};
use super::{ALERT_SEEN, BEGIN, Mood, SimulatedHome};
use crate::model::{EventTime, HOUR, InputTopic, Response};
use crate::partition::ConsentRule;

/// Names of zones.
const ZONES: [&str; 3] = ["street-7", "street-8", "hill"];

/// What a home's meter puts into the topic in an hour.
pub(super) fn readings(home: &mut SimulatedHome, hour: u32, jumps: bool, dice: &mut Dice) -> Vec<Content> {
    let mut all = Vec::new();
    if home.mood != Mood::Unheard {
        let litres = match home.mood {
            Mood::Dry => 0.0,
            Mood::Leaking => 2.0 + dice.below(20) as f32,
            Mood::Usual | Mood::Unheard if dice.percent(70) => 1.0 + dice.below(60) as f32 / 2.0,
            Mood::Usual | Mood::Unheard => 0.0,
        };
        let litres = if dice.percent(2) { POISON_LITRES } else { litres };
        let more = match dice.below(40) {
            0 => r#","quality":"estimated""#.to_owned(),
            1 => r#","quality":"faulty""#.to_owned(),
            2 | 3 => format!(r#","meter_id":"{}-garden""#, home.name),
            _ => String::new(),
        };
        let content = reading(&home.name, hour, hour, &format!(r#""volume_litres":{litres}{more}"#));
        match dice.below(30) {
            0 | 1 => home.held.push((hour + dice.between(1, 6) as u32, content)),
            2 => all.extend([content.clone(), content]),
            3 => {
                let other = reading(&home.name, hour, hour, r#""volume_litres":7.5"#);
                all.extend([content, other]);
            }
            4 if jumps || dice.percent(30) => {
                // A meter whose clock has jumped, and a second reading that may agree.
                let far = hour + 20 * 24;
                all.push(reading(&home.name, far, far, r#""volume_litres":1"#));
                if jumps && dice.percent(70) {
                    let next = reading(&home.name, far + 1, far + 1, r#""volume_litres":1"#);
                    home.held.push((hour + dice.between(1, 8) as u32, next));
                }
                all.push(content);
            }
            5 => all.extend([content, garbage(&home.name, hour, dice)]),
            _ => all.push(content),
        }
    }
    let (due, held) = std::mem::take(&mut home.held)
        .into_iter()
        .partition(|(at, _)| *at <= hour);
    home.held = held;
    all.extend(Vec::into_iter(due).map(|(_, content)| Content {
        timestamp: content.timestamp.max(Some(BEGIN.plus((hour + 1) * HOUR))),
        ..content
    }));
    all
}

fn reading(home: &str, hour: u32, arrival: u32, fields: &str) -> Content {
    let start = BEGIN.plus(hour * HOUR);
    let value = format!(r#"{{"household_id":"{home}","timestamp":"{start}","interval_seconds":3600,{fields}}}"#);
    content(home, Some(value), Some(BEGIN.plus((arrival + 1) * HOUR)))
}

fn content(key: &str, value: Option<String>, timestamp: Option<EventTime>) -> Content {
    Content {
        key: Some(key.as_bytes().into()),
        value: value.map(|value| value.into_bytes().into()),
        headers: Vec::new(),
        timestamp,
    }
}

fn garbage(home: &str, hour: u32, dice: &mut Dice) -> Content {
    let at = Some(BEGIN.plus((hour + 1) * HOUR));
    match dice.below(8) {
        0 => content(home, None, at),
        1 => content(home, Some("{".into()), at),
        2 => content(home, Some(r#"{"household_id":"nobody"}"#.into()), None),
        3 => Content {
            key: None,
            ..reading(home, hour, hour, r#""volume_litres":1"#)
        },
        4 => content(
            "another",
            Some(r#"{"household_id":"nobody","interval_seconds":-1}"#.into()),
            at,
        ),
        5 => reading(home, hour, hour, r#""volume_litres":1e9"#),
        6 => content(home, Some("x".repeat(70_000)), at),
        _ => reading(home, hour + 1_000, hour, r#""volume_litres":1"#),
    }
}

/// A home with a zone, and with its consent where that is needed.
pub(super) fn settled(home: &str, rule: ConsentRule, dice: &mut Dice) -> Content {
    let zone = dice.one_of(&ZONES);
    let consent = match rule {
        ConsentRule::Required => consent(BEGIN),
        ConsentRule::Assumed => String::new(),
    };
    let value = format!(r#"{{"household_id":"{home}","programme":"watched","zone":"{zone}"{consent}}}"#);
    content(home, Some(value), None)
}

/// The consent of a home, given at a moment.
fn consent(at: EventTime) -> String {
    format!(r#","consent":{{"purpose":"{PURPOSE}","given_at":"{at}"}}"#)
}

/// What nobody here has said of a zone: of a partition that there is not, of a zone that is another's, or of no form.
fn said_of_a_zone(at: EventTime, dice: &mut Dice) -> Content {
    let zone = dice.one_of(&ZONES);
    let (key, value) = match dice.below(4) {
        0 => (
            format!("{zone}/silent"),
            format!(r#"{{"status":{{"zone":"{zone}","cause":"dry","from":"{at}"}}}}"#),
        ),
        1 => (
            format!("{zone}/dry"),
            format!(r#"{{"status":{{"zone":"{zone}","cause":"dry","from":"{at}","to":"{at}"}}}}"#),
        ),
        _ => {
            let silence = format!(r#"{{"active":1,"overdue":0,"last_heard":"{at}"}}"#);
            (
                format!("{zone}/9"),
                format!(r#"{{"report":{{"zone":"{zone}","partition":9,"at":"{at}","hours":[],"silence":{silence}}}}}"#),
            )
        }
    };
    content(&key, Some(value), Some(at))
}

/// A record of a topic beside the readings: right, wrong or absurd.
pub(super) fn beside(topic: InputTopic, home: &str, hour: u32, rule: ConsentRule, dice: &mut Dice) -> Content {
    let at = BEGIN.plus(hour * HOUR + dice.below(7_200) as u32);
    let record = |fields: &str| Some(format!(r#"{{"household_id":"{home}"{fields}}}"#));
    let absurd = match dice.below(8) {
        0 => Some(Content {
            key: None,
            ..content(home, record(""), Some(at))
        }),
        1 => Some(content("another", record(""), Some(at))),
        2 => Some(content(home, Some("nothing that could be read".into()), Some(at))),
        3 if topic != InputTopic::Homes => Some(content(home, None, Some(at))),
        _ => None,
    };
    if let Some(absurd) = absurd.filter(|_| dice.percent(40)) {
        return absurd;
    }
    let fields = match topic {
        InputTopic::Zones => return said_of_a_zone(at, dice),
        InputTopic::Signs => sign(at, dice),
        InputTopic::Responses => response(at, dice),
        _ if dice.percent(12) => return settled(home, rule, dice),
        _ => match said_of_a_home(at, rule, dice) {
            Some(fields) => fields,
            None => return content(home, None, dice.percent(50).then_some(at)),
        },
    };
    content(home, record(&fields), dice.percent(50).then_some(at))
}

/// The fields of a sign, some of them of no form, or of a time to come.
fn sign(at: EventTime, dice: &mut Dice) -> String {
    let until = at.plus(dice.between(1, 20) as u32 * HOUR);
    let signs = [
        "electricity",
        "door",
        "phone",
        "button",
        "visit",
        "answer",
        "back",
        "smoke",
    ];
    match dice.below(8) {
        0 => format!(r#","sign":"out","at":"{at}","until":"{until}""#),
        1 => format!(r#","sign":"out","at":"{at}""#),
        2 => format!(r#","sign":"door","at":"{}""#, at.plus(4_000 * HOUR)),
        _ => format!(r#","sign":"{}","at":"{at}""#, dice.one_of(&signs)),
    }
}

/// The fields of a response, to an alert that anybody has seen or to none.
fn response(at: EventTime, dice: &mut Dice) -> String {
    let alert = *dice.one_of(&[ALERT_SEEN, ALERT_SEEN, ALERT_SEEN, "0000000000000000", "", "of no form"]);
    let response = dice.one_of(&Response::ALL).name();
    let more = match dice.below(4) {
        0 => format!(r#","until":"{}""#, at.plus(dice.between(1, 20) as u32 * HOUR)),
        1 => r#","by":"r-7""#.into(),
        2 => r#","mood":"good""#.into(),
        _ => String::new(),
    };
    format!(r#","alert_id":"{alert}","response":"{response}","at":"{at}"{more}"#)
}

/// The fields of a record of a home; nothing for a tombstone. Where consent is needed most give it, so that homes whose
/// consent was withdrawn come back; one that leaves it out is refused of a home that is watched.
fn said_of_a_home(at: EventTime, rule: ConsentRule, dice: &mut Dice) -> Option<String> {
    let until = at.plus(dice.between(1, 20) as u32 * HOUR);
    let fields = match dice.below(15) {
        0 => r#","programme":"watched""#.into(),
        1..=3 => r#","programme":"patient""#.into(),
        4 => r#","programme":"learned","time_zone":"Asia/Shanghai""#.into(),
        5 => format!(r#","zone":"{}","time_zone":"Europe/Berlin""#, dice.one_of(&ZONES)),
        6 => r#","programme":"nonsense""#.into(),
        7 | 8 => r#","erase":true"#.into(),
        9 => format!(r#","absence":{{"from":"{at}","to":"{until}"}}"#),
        10 => format!(r#","absence":{{"from":"{at}"}},"kind":"one_person""#),
        11 => return Some(format!(r#","programme":"watched"{}"#, consent(at))),
        12 => {
            let consent = format!(r#""purpose":"{PURPOSE}","given_at":"{BEGIN}","withdrawn_at":"{at}""#);
            return Some(format!(r#","consent":{{{consent}}}"#));
        }
        13 => return Some(r#","consent":{"purpose":"research","given_at":"2024-01-01T00:00:00Z"}"#.into()),
        _ => return None,
    };
    let consents = rule == ConsentRule::Required && dice.percent(80);
    Some(fields + &if consents { consent(BEGIN) } else { String::new() })
}
