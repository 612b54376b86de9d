//! What meters say of themselves, from JSON to the alert.

use super::*;

/// The rules of what is said of the home's meter, with the reasons of the dead letters.
fn said(log: &[Record]) -> (Vec<String>, Vec<&'static str>) {
    let mut partition = Partition::new(rules());
    let effects = apply(&mut partition, log);
    let of_meter = effects
        .alerts
        .iter()
        .filter(|told| told.alert.kind == AlertKind::MeterTrouble);
    let lines = of_meter.map(|told| format!("{:?} {}", told.alert.state, told.alert.rule));
    let letters = effects.dead_letters.iter().map(|letter| letter.reason);
    (lines.collect(), letters.collect())
}

#[test]
fn a_flag_is_heard_whatever_the_reading_with_it_is_worth() {
    for fields in [
        r#""volume_litres":1,"flags":["tamper"]"#,
        r#""volume_litres":1,"quality":"faulty","flags":["tamper"]"#,
        r#""quality":"missing","flags":["tamper"]"#,
        r#""volume_litres":1,"quality":"estimated","flags":["tamper"]"#,
    ] {
        let (lines, letters) = said(&[hour("h1", 0, 1.0), with("h1", 1, fields)]);
        assert_eq!(lines, ["Raised tamper"], "{fields}");
        assert_eq!(letters, [] as [&str; 0]);
    }
    // It never delivered anything else.
    let only = with("h1", 0, r#""quality":"faulty","flags":["low_battery"]"#);
    assert_eq!(said(&[only]).0, ["Raised low-battery"]);
}

#[test]
fn water_that_no_home_is_supplied_with_is_a_dead_letter_and_a_trouble_of_the_meter() {
    for fields in [r#""volume_litres":90000"#, r#""register_litres":1e13"#] {
        let (lines, letters) = said(&[hour("h1", 0, 1.0), with("h1", 1, fields)]);
        assert_eq!(lines, ["Raised impossible-flow"], "{fields}");
        assert_eq!(letters.len(), 1);
    }
    // Of a home that is not known nothing is kept.
    assert_eq!(said(&[with("h1", 1, r#""volume_litres":90000"#)]).0, [] as [&str; 0]);
}

#[test]
fn a_clock_that_runs_ahead_is_a_trouble_when_it_does_so_again() {
    let ahead = |number: u32| Record {
        timestamp: Some(at(number)),
        ..hour("h1", number + 2, 1.0)
    };
    let (lines, letters) = said(&[hour("h1", 0, 1.0), ahead(1), ahead(2)]);
    assert_eq!((lines, letters), (Vec::new(), vec!["in_the_future"; 2]));
    let (lines, letters) = said(&[hour("h1", 0, 1.0), ahead(1), ahead(2), ahead(3)]);
    assert_eq!(lines, ["Raised clock-drift"]);
    assert_eq!(letters.len(), 3);
}

#[test]
fn an_index_that_runs_far_back_or_goes_on_from_elsewhere_is_told_of() {
    let registers = |values: [f64; 4]| {
        let record = |(number, litres): (u32, f64)| with("h1", number, &format!(r#""register_litres":{litres}"#));
        let mut log: Vec<_> = (0..).zip(values).map(record).collect();
        log.push(with("h1", 4, &format!(r#""register_litres":{}"#, values[3])));
        said(&log).0
    };
    assert_eq!(registers([5_000.0, 5_001.0, 4_940.0, 4_941.0]), ["Raised reverse-flow"]);
    assert_eq!(registers([5_000.0, 5_001.0, 910.0, 911.0]), ["Raised other-index"]);
    assert_eq!(registers([5_000.0, 5_001.0, 5_001.0, 5_002.0]), [] as [&str; 0]);
    assert_eq!(
        said(&[hour("h1", 0, 1.0), hour("h1", 1, -60.0)]).0,
        ["Raised reverse-flow"]
    );
}
