//! Six real homes with labelled incidents, part of the program: enough to see what the engine does without any file.

use super::inject::water as inject;
use crate::history::{History, HistoryError, Incident, embedded_homes};
use crate::model::{Consent, DAY, EventTime, HOUR, HomeRecord};

/// The sample's first moment: 2016-10-24T00:00:00Z.
const START: EventTime = EventTime::from_seconds(1_477_267_200);

/// Real homes, incidents put into them, and where the homes are.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The readings, incidents included, in the order in which they became known.
    pub history: History,
    /// The incidents.
    pub truth: Vec<Incident>,
    /// The homes.
    pub homes: Vec<HomeRecord>,
}

/// The readings as they were, without incidents; source and licence are in `tests/data/README.md`.
fn real() -> Result<History, HistoryError> {
    History::embedded(
        "sample_homes.csv.gz",
        include_bytes!("../../tests/data/sample_homes.csv.gz"),
    )
}

/// The bundled sample: 100 days, with three emergencies (one under a leak), two leaks and a stopped meter after day 45.
pub fn sample() -> Result<Sample, HistoryError> {
    let mut history = real()?;
    let at = |day: u32, hour: u32| START.plus(day * DAY + hour * HOUR);
    let day = |day: u32| at(day, 0);
    let readings = &mut history;
    let truth = vec![
        inject::meter_stops(readings, "daiad-083", at(52, 18), at(55, 18)),
        inject::emergency(readings, "daiad-048", at(61, 16)),
        inject::emergency(readings, "daiad-047", at(66, 7)),
        inject::leak(readings, "daiad-047", day(64), day(68), 5.0, 1.0),
        inject::leak(readings, "daiad-054", day(70), day(73), 2.0, 1.0),
        inject::emergency(readings, "daiad-067", at(77, 9)),
    ];
    history.sort_by_arrival();
    let mut homes = embedded_homes("sample_homes.csv", include_bytes!("../../tests/data/sample_homes.csv"))?;
    for home in &mut homes {
        home.consent = Some(Consent::given("welfare", START));
    }
    Ok(Sample { history, truth, homes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Measure;

    /// Litres by hour of a home; `None` where there is no reading.
    fn litres(history: &History, household: &str, from: EventTime, to: EventTime) -> Vec<Option<f64>> {
        let mut hours = vec![None; to.since(from).div_euclid(HOUR) as usize];
        for row in history
            .rows
            .iter()
            .filter(|row| *history.name(row).household == *household)
        {
            if let (true, Some(Measure::Volume(volume))) = (from <= row.start && row.start < to, row.measure) {
                hours[row.start.since(from).div_euclid(HOUR) as usize] = Some(volume);
            }
        }
        hours
    }

    #[test]
    fn incidents_are_what_their_labels_say() {
        let (sample, real) = (
            sample().expect("the sample is sound"),
            real().expect("the sample is sound"),
        );
        assert_eq!(START.to_string(), "2016-10-24T00:00:00Z");
        assert_eq!((sample.homes.len(), real.meters.len(), real.rows.len()), (6, 6, 13_942));
        assert!(
            sample
                .truth
                .iter()
                .all(|incident| incident.start >= START.plus(45 * DAY))
        );
        let emergencies: Vec<_> = sample
            .truth
            .iter()
            .filter(|incident| incident.kind == "emergency")
            .collect();
        assert_eq!(emergencies.len(), 3);
        for emergency in emergencies {
            let (home, start, end) = (&emergency.household, emergency.start, emergency.end);
            let before = litres(&real, home, start.minus(HOUR), start);
            assert!(
                before[0].is_some_and(|volume| volume > 0.0),
                "{home}: no use before {start}"
            );
            assert_eq!(end.since(start), 72 * HOUR);
            let real_hours = litres(&real, home, start, end);
            assert!(
                real_hours.iter().all(Option::is_some),
                "{home}: not complete from {start}"
            );
            assert!(
                real_hours.iter().flatten().sum::<f64>() > 50.0,
                "{home}: away anyway from {start}"
            );
            // The leak over one of them ends 41 hours in.
            let leaking = if **home == *"daiad-047" { 41 } else { 0 };
            let expected: Vec<_> = (0..72)
                .map(|hour| Some(if hour < leaking { 5.0 } else { 0.0 }))
                .collect();
            assert_eq!(litres(&sample.history, home, start, end), expected);
        }
        let (from, to) = (START.plus(70 * DAY), START.plus(73 * DAY));
        let (with, without) = (
            litres(&sample.history, "daiad-054", from, to),
            litres(&real, "daiad-054", from, to),
        );
        assert!(
            with.iter()
                .zip(&without)
                .all(|(with, without)| *with == without.map(|volume| volume + 2.0))
        );
        assert_eq!(sample.history.rows.len(), real.rows.len() - 72);
    }
}
