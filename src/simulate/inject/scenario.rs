//! What may happen in a home.

use std::fmt;
use std::str::FromStr;

use super::water::Flow;
use crate::model::MINUTE;

/// Something that happens in a home, with the flow it is about in tenths of litres an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// Use stops for 72 hours.
    Emergency,
    /// The same, while a leak runs that began three days before.
    EmergencyUnder(Leak),
    /// A draw goes on for one to three hours, then use stops for 72 hours.
    EmergencyInBath,
    /// Over six weeks more and more uses fail to come, up to half of them; four weeks later all is as before.
    Decline,
    /// Water runs for a week.
    Leak(u32),
    /// Water runs for a week in 50 to 90 of a day's quarter-hours.
    IntermittentLeak(u32),
    /// Water runs for a week, 20 minutes in every hour.
    Toilet(u32),
    /// 1,500 L/h for three hours.
    Burst,
    /// 600 L/h for two to four hours: a tap left open.
    ProlongedDraw,
    /// Nobody is there for two to seven days.
    Absence,
    /// The same, and the programme was told; once a home, as a record of a home has one absence.
    DeclaredAbsence,
    /// No water for a zone, for three to twelve hours.
    AreaOutage,
    /// Another meter in the place of the first one, its register near zero.
    SwappedMeter,
}

/// What flows behind somebody who uses no water any more, in tenths of litres (an hour).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Leak {
    /// Evenly.
    Steady(u32),
    /// Most in the night, when pressure is greatest.
    Swinging(u32),
    /// A tenth more or less from hour to hour.
    Irregular(u32),
    /// In 20 minutes of every hour.
    Toilet(u32),
    /// So much at once, every so many minutes: a cistern that fills again and again.
    Refills(u32, u32),
}

impl Leak {
    /// Minutes from one refill to the next where nothing is said.
    const REFILL_MINUTES: u32 = 25;

    pub(super) fn flow(self) -> Flow {
        let litres = |tenths: u32| f64::from(tenths) / 10.0;
        match self {
            Self::Steady(tenths) => Flow::Steady(litres(tenths)),
            Self::Swinging(tenths) => Flow::Swinging(litres(tenths)),
            Self::Irregular(tenths) => Flow::Irregular(litres(tenths)),
            Self::Toilet(tenths) => Flow::Toilet(litres(tenths)),
            Self::Refills(tenths, minutes) => Flow::Refills(litres(tenths), minutes * MINUTE),
        }
    }
}

impl Scenario {
    /// As the command names them, with a flow where one belongs to it.
    pub const EXAMPLES: &str = "emergency, emergency-under-leak:5, emergency-under-swinging-leak:20, \
        emergency-under-irregular-leak:10, emergency-under-toilet:60, emergency-under-refills:8:25, emergency-in-bath, decline, leak:2, intermittent-leak:20, toilet:60, burst, prolonged-draw, absence, declared-absence, area-outage, swapped-meter";

    /// The kind that its label bears.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Emergency | Self::EmergencyUnder(_) | Self::EmergencyInBath => "emergency",
            Self::Decline => "decline",
            Self::Leak(_) | Self::IntermittentLeak(_) | Self::Toilet(_) => "leak",
            Self::Burst => "burst",
            Self::ProlongedDraw => "prolonged_draw",
            Self::Absence | Self::DeclaredAbsence => "absence",
            Self::AreaOutage => "area_outage",
            Self::SwappedMeter => "swapped_meter",
        }
    }
}

/// A name that is none of a scenario's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}: not one of {examples}, with the flow in L/h where one is shown (of refills the litres of each, and the minutes between them)", examples = Scenario::EXAMPLES)]
pub struct UnknownScenario(String);

impl FromStr for Scenario {
    type Err = UnknownScenario;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownScenario(text.to_owned());
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let tenths = |litres: &str| {
            let tenths = litres.parse::<f64>().ok().map(|litres| (litres * 10.0).round());
            tenths
                .filter(|tenths| (1.0..=1e6).contains(tenths))
                .map(|tenths| tenths as u32)
        };
        let flow = parts
            .next()
            .map(|litres| tenths(litres).ok_or_else(unknown))
            .transpose()?;
        if let ("emergency-under-refills", Some(litres)) = (name, flow) {
            let minutes = parts.next().map_or(Ok(Leak::REFILL_MINUTES), str::parse);
            let minutes = minutes
                .ok()
                .filter(|minutes| (1..=360).contains(minutes) && parts.next().is_none());
            return Ok(Self::EmergencyUnder(Leak::Refills(
                litres,
                minutes.ok_or_else(unknown)?,
            )));
        }
        if parts.next().is_some() {
            return Err(unknown());
        }
        match (name, flow) {
            ("emergency", None) => Ok(Self::Emergency),
            ("emergency-under-leak", Some(flow)) => Ok(Self::EmergencyUnder(Leak::Steady(flow))),
            ("emergency-under-swinging-leak", Some(flow)) => Ok(Self::EmergencyUnder(Leak::Swinging(flow))),
            ("emergency-under-irregular-leak", Some(flow)) => Ok(Self::EmergencyUnder(Leak::Irregular(flow))),
            ("emergency-under-toilet", Some(flow)) => Ok(Self::EmergencyUnder(Leak::Toilet(flow))),
            ("emergency-in-bath", None) => Ok(Self::EmergencyInBath),
            ("decline", None) => Ok(Self::Decline),
            ("leak", Some(flow)) => Ok(Self::Leak(flow)),
            ("intermittent-leak", Some(flow)) => Ok(Self::IntermittentLeak(flow)),
            ("toilet", Some(flow)) => Ok(Self::Toilet(flow)),
            ("burst", None) => Ok(Self::Burst),
            ("prolonged-draw", None) => Ok(Self::ProlongedDraw),
            ("absence", None) => Ok(Self::Absence),
            ("declared-absence", None) => Ok(Self::DeclaredAbsence),
            ("area-outage", None) => Ok(Self::AreaOutage),
            ("swapped-meter", None) => Ok(Self::SwappedMeter),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, flow) = match self {
            Self::Emergency => ("emergency", None),
            Self::EmergencyUnder(Leak::Steady(flow)) => ("emergency-under-leak", Some(flow)),
            Self::EmergencyUnder(Leak::Swinging(flow)) => ("emergency-under-swinging-leak", Some(flow)),
            Self::EmergencyUnder(Leak::Irregular(flow)) => ("emergency-under-irregular-leak", Some(flow)),
            Self::EmergencyUnder(Leak::Toilet(flow)) => ("emergency-under-toilet", Some(flow)),
            Self::EmergencyUnder(Leak::Refills(tenths, minutes)) => {
                return write!(f, "emergency-under-refills:{}:{minutes}", f64::from(*tenths) / 10.0);
            }
            Self::EmergencyInBath => ("emergency-in-bath", None),
            Self::Decline => ("decline", None),
            Self::Leak(flow) => ("leak", Some(flow)),
            Self::IntermittentLeak(flow) => ("intermittent-leak", Some(flow)),
            Self::Toilet(flow) => ("toilet", Some(flow)),
            Self::Burst => ("burst", None),
            Self::ProlongedDraw => ("prolonged-draw", None),
            Self::Absence => ("absence", None),
            Self::DeclaredAbsence => ("declared-absence", None),
            Self::AreaOutage => ("area-outage", None),
            Self::SwappedMeter => ("swapped-meter", None),
        };
        match flow {
            Some(tenths) => write!(f, "{name}:{}", f64::from(*tenths) / 10.0),
            None => f.write_str(name),
        }
    }
}
