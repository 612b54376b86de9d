//! Detectors: what a home's usage says about the people in it, and about its pipes and meters.
//!
//! A detector is a folder under the contract of [`Detector`], and one line of the registry below. It may read the home
//! it is shown and change its own state; it knows nothing of other homes, of Kafka, of clocks, or of what was already
//! said: it says what holds now (a level), and `alert` makes episodes of it.

pub mod burst;
mod contract;
pub mod drift;
mod habit;
pub mod inactivity;
pub mod leak;
pub mod local_hours;
mod met;
pub mod meter_trouble;
pub mod night_drift;
pub mod no_return;
pub mod prolonged_draw;
pub mod routine_drift;
pub mod silent_meter;
pub mod use_while_away;
pub mod well_today;
mod words;

#[cfg(test)]
pub(crate) mod tests;

pub use contract::{Detector, HomeView, Mistake, OpenAlert};
pub use met::Met;
pub use words::{local_time, span_zh};

use serde::{Deserialize, Serialize};

use crate::home::{Interval, MeterEvent};
use crate::model::{AlertKind, AlertState, EventTime, Explanation, Finding};

/// For the settings of each detector a number that changes with them, as bytes.
pub type DetectorNumbers = [[u8; 2]; KINDS.len()];

/// Writes, from one line a detector, everything that has to name them all.
macro_rules! registry {
    ($($name:ident: $detector:ty,)+) => {
        /// The settings of all detectors: the rules of one programme.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct DetectorSettings {
            $(#[doc = concat!("Of the `", stringify!($name), "` detector.")]
            pub $name: <$detector as Detector>::Settings,)+
        }

        /// What all detectors keep of one home.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct DetectorStates {
            $($name: <$detector as Detector>::State,)+
        }

        /// What the registered detectors report.
        pub const KINDS: &[AlertKind] = &[$(<$detector as Detector>::KIND),+];

        impl DetectorSettings {
            /// Takes the value that follows in `map` as the settings of the detector called `name`; false where none is.
            ///
            /// # Errors
            /// Where the value is not of their form.
            pub fn take<'de, A: serde::de::MapAccess<'de>>(&mut self, name: &str, map: &mut A) -> Result<bool, A::Error> {
                match name {
                    $(stringify!($name) => self.$name = map.next_value()?,)+
                    _ => return Ok(false),
                }
                Ok(true)
            }

            /// A number for the settings of each detector, in the order of the registry: half the CRC-32 of their JSON.
            pub fn numbers(&self) -> DetectorNumbers {
                [$(serde_json::to_vec(&self.$name).map(|json| crc32fast::hash(&json)).unwrap_or_default()),+].map(|number| {
                    let [first, second, ..] = number.to_le_bytes();
                    [first, second]
                })
            }

            /// Every mistake in the settings, with its key.
            pub fn mistakes(&self) -> Vec<Mistake> {
                let mut all = Vec::new();
                $(all.extend(<$detector>::mistakes(&self.$name).into_iter().map(|mistake| mistake.below(stringify!($name))));)+
                all
            }
        }

        impl DetectorStates {
            /// Forgets what those detectors keep whose numbers differ.
            pub fn forget(&mut self, before: &DetectorNumbers, now: &DetectorNumbers) {
                let mut differ = before.iter().zip(now).map(|(before, now)| before != now);
                $(if differ.next() == Some(true) {
                    self.$name = Default::default();
                })+
            }

            /// Shows all detectors a stretch of the home's time.
            pub fn on_interval(&mut self, settings: &DetectorSettings, home: &HomeView<'_>, interval: &Interval) {
                $(<$detector>::on_interval(&settings.$name, &mut self.$name, home, interval);)+
            }

            /// Tells all detectors what a meter did.
            pub fn on_meter_event(&mut self, settings: &DetectorSettings, event: MeterEvent, at: EventTime) {
                $(<$detector>::on_meter_event(&settings.$name, &mut self.$name, event, at);)+
            }

            /// The earliest time after which one of them may say something new without a reading.
            pub fn next_deadline(&self, settings: &DetectorSettings, home: &HomeView<'_>) -> Option<EventTime> {
                [$(<$detector>::next_deadline(&settings.$name, &self.$name, home)),+].into_iter().flatten().min()
            }

            /// How many findings are in shadow now that were not before.
            pub fn new_in_shadow(&self, before: &Self) -> u32 {
                [$(<$detector>::shadow(&self.$name).without(<$detector>::shadow(&before.$name)).count()),+].into_iter().sum()
            }

            /// The rules by which the detector of `kind` would speak if it had learnt this home.
            pub fn in_shadow(&self, kind: AlertKind) -> Met {
                $(if kind == <$detector as Detector>::KIND {
                    return <$detector>::shadow(&self.$name);
                })+
                Met::default()
            }

            /// What they say now, in the order of the registry.
            pub fn findings(&self, settings: &DetectorSettings, home: &HomeView<'_>) -> [Option<Finding>; KINDS.len()] {
                [$(<$detector>::finding(&settings.$name, &self.$name, home)),+]
            }

            /// Whether what an open alert tells of goes on, though its detector finds nothing by what is known now.
            pub fn goes_on(settings: &DetectorSettings, home: &HomeView<'_>, alert: &OpenAlert<'_>) -> bool {
                $(alert.kind == <$detector as Detector>::KIND && <$detector>::goes_on(&settings.$name, home, alert))||+
            }

            /// Explains a record about to be written on an alert.
            pub fn explain(
                &self,
                settings: &DetectorSettings,
                home: &HomeView<'_>,
                alert: &OpenAlert<'_>,
                state: AlertState,
            ) -> Explanation {
                $(if alert.kind == <$detector as Detector>::KIND {
                    return <$detector>::explain(&settings.$name, &self.$name, home, alert, state);
                })+
                Explanation::default()
            }
        }
    };
}

registry! {
    inactivity: inactivity::Inactivity,
    leak: leak::Leak,
    burst: burst::Burst,
    prolonged_draw: prolonged_draw::ProlongedDraw,
    silent_meter: silent_meter::SilentMeter,
    meter_trouble: meter_trouble::MeterTrouble,
    well_today: well_today::WellToday,
    use_while_away: use_while_away::UseWhileAway,
    no_return: no_return::NoReturn,
    night_drift: night_drift::NightDrift,
    routine_drift: routine_drift::RoutineDrift,
}
